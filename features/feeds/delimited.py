"""Reading CSV: strictly decoded, one broken line costs that line and nothing else.

A file in which nothing is unusual goes through a fast reader. The first doubt (a byte that cannot be decoded, a NUL,
a bare carriage return, a line with more or fewer cells, a cell over several lines) sends the file through the careful
one, which reads line by line. Both give the same rows: a test compares them.
"""

from __future__ import annotations

import codecs
import csv
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from features.errors import DataError
from features.feeds.headings import Broken, Row, Rows, broken_row, named, whole_line
from features.feeds.profiles import Profile, Source

BLOCK = 1 << 22
MOST_LINES_IN_A_CELL = 50
LONGEST_LINE = 1 << 20
LONG_CELL = 100_000
MOST_UNCLOSED = 1000  # after so many, an open quote is no longer looked after: it would cost hours
SHOWN = 2000

csv.field_size_limit(LONGEST_LINE)


@dataclass(frozen=True)
class Survey:
    """What one pass over the bytes of a CSV file found."""

    encoding: str
    lines: int
    newline: bytes
    plain: bool
    """Decodes as a whole, without NUL bytes and bare carriage returns."""


@dataclass(frozen=True)
class Record:
    """Cells of one record, the line it begins on, and the line after it."""

    line: int
    cells: list[str]
    after: int


def survey(path: Path, declared: str) -> Survey:
    """Look once at all bytes: encoding, number of lines, kind of line end, and whether anything is unusual."""
    encodings = {"auto": ["utf-8", "gb18030"], "utf-8": ["utf-8"], "gb18030": ["gb18030"]}[declared]
    decoders = {name: codecs.getincrementaldecoder(name)("strict") for name in encodings}
    feeds = returns = pairs = nuls = 0
    last = b""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            feeds += block.count(b"\n")
            returns += block.count(b"\r")
            pairs += block.count(b"\r\n") + (last == b"\r" and block[:1] == b"\n")
            nuls += block.count(b"\x00")
            last = block[-1:]
            decoders = {name: decoder for name, decoder in decoders.items() if _decodes(decoder, block)}
    decoders = {name: decoder for name, decoder in decoders.items() if _decodes(decoder, b"", final=True)}
    newline = b"\r" if returns and not feeds else b"\n"
    encoding = next(iter(decoders)) if decoders else _nearest(path, encodings, newline)
    lines = (feeds if newline == b"\n" else returns) + (last not in (newline, b""))
    return Survey(encoding, lines, newline, bool(decoders) and not nuls and returns == pairs)


def _decodes(decoder: codecs.IncrementalDecoder, block: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError:
        return False
    return True


def _nearest(path: Path, encodings: Sequence[str], newline: bytes) -> str:
    """Where no encoding reads the whole file, the one with fewer broken lines."""
    broken = dict.fromkeys(encodings, 0)
    with path.open("rb") as file:
        for _, line in _lines(file, newline):
            for encoding in encodings:
                try:
                    line.decode(encoding)
                except UnicodeDecodeError:
                    broken[encoding] += 1
    return min(broken, key=lambda encoding: broken[encoding])


def csv_rows(path: Path, source: Source, profile: Profile, found: Survey) -> tuple[list[str], Rows]:
    """Headings and rows of a CSV file, line by line."""
    reader = _CarefulReader(path, found, source.delimiter)
    start = next(reader.records(source.header_row), None)
    if start is None:
        raise DataError("delivery_empty", file=path.name)
    if isinstance(start, Broken):
        raise DataError("header_unreadable", file=path.name)
    headings = named(start.cells, profile, path.name)
    return headings, _fitted(reader.records(start.after, len(headings)), headings)


def _fitted(records: Iterator[Record | Broken], headings: list[str]) -> Rows:
    for record in records:
        if isinstance(record, Broken):
            yield record
        elif any(record.cells):
            yield from _fit(record.line, record.cells, headings)


def _fit(line: int, cells: list[str], headings: list[str]) -> Iterator[Row | Broken]:
    """The row, or a broken line where it has too few cells or too many; empty cells behind the last are no fault."""
    width = len(headings)
    if len(cells) < width or any(cells[width:]):
        original = dict(zip(headings, cells, strict=False))
        more = {f"（多出的第{at}列）": cell for at, cell in enumerate(cells[width:], 1)}
        yield broken_row(line, "ragged_line", original | more)
    elif any("\x00" in cell for cell in cells):
        shown = [cell.replace("\x00", "\\x00") for cell in cells]
        yield broken_row(line, "nul_byte", dict(zip(headings, shown, strict=False)))
    else:
        yield line, [cell or None for cell in cells[:width]]


# --- the careful reader -------------------------------------------------------------------------------------------


def _lines(file: BinaryIO, newline: bytes) -> Iterator[tuple[int, bytes]]:
    """Numbered lines; one that is endlessly long is cut, so that it cannot fill the memory."""
    return enumerate(_by_return(file) if newline == b"\r" else _by_feed(file), 1)


def _by_feed(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(LONGEST_LINE + 1):
        yield line
        while len(line) > LONGEST_LINE and not line.endswith(b"\n"):
            line = file.readline(LONGEST_LINE + 1)  # the rest of a line that is too long


def _by_return(file: BinaryIO) -> Iterator[bytes]:
    rest = b""
    while block := file.read(LONGEST_LINE):
        *whole, rest = (rest + block).split(b"\r")
        rest = rest[: LONGEST_LINE + 1]
        yield from (line + b"\n" for line in whole)
    if rest:
        yield rest


class _CarefulReader:
    """Splits lines into cells; a quote that never closes costs its own line only."""

    def __init__(self, path: Path, found: Survey, delimiter: str) -> None:
        self.path, self.found, self.delimiter = path, found, delimiter
        self.patience = MOST_UNCLOSED

    def records(self, first: int, width: int | None = None) -> Iterator[Record | Broken]:
        """Records from line `first` on; where the number of cells is known, cells over several lines must fit it."""
        with self.path.open("rb") as file:
            lines = islice(_lines(file, self.found.newline), first - 1, None)
            waiting: deque[tuple[int, bytes]] = deque()
            while True:
                number, raw = waiting.popleft() if waiting else next(lines, (0, b""))
                if not number:
                    return
                text = self._decoded(number, raw)
                if isinstance(text, Broken):
                    yield text
                elif text.strip("\r\n"):
                    yield self._record(number, text, width, waiting, lines)

    def _decoded(self, number: int, raw: bytes) -> str | Broken:
        encoding = self.found.encoding
        if len(raw) > LONGEST_LINE:
            return whole_line(number, "line_too_long", raw[:SHOWN].decode(encoding, "backslashreplace"))
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            return whole_line(number, "encoding", raw.rstrip(b"\r\n").decode(encoding, "backslashreplace"))
        return text.removeprefix("\ufeff") if number == 1 else text

    def _record(
        self,
        number: int,
        text: str,
        width: int | None,
        waiting: deque[tuple[int, bytes]],
        lines: Iterator[tuple[int, bytes]],
    ) -> Record | Broken:
        """The record that begins on a line; lines are added while a quote is open, and given back if it stays so."""
        cells = self._split(text)
        if isinstance(cells, list):
            return Record(number, cells, number + 1)
        if cells == "unreadable_line":
            return whole_line(number, cells, text.rstrip("\r\n"))
        taken: list[tuple[int, bytes]] = []
        joined, quotes = text, text.count('"')
        while len(taken) < MOST_LINES_IN_A_CELL and self.patience:
            follower = waiting.popleft() if waiting else next(lines, None)
            if follower is None:
                break
            taken.append(follower)
            more = self._decoded(*follower)
            if isinstance(more, Broken):
                break
            joined, quotes = joined + more, quotes + more.count('"')
            if '"' in more and quotes % 2 == 0:
                whole = self._split(joined)
                if isinstance(whole, list) and (width is None or len(whole) == width):
                    return Record(number, whole, follower[0] + 1)
        waiting.extendleft(reversed(taken))
        self.patience = max(0, self.patience - 1)
        return whole_line(number, "unclosed_quote", text.rstrip("\r\n"))

    def _split(self, text: str) -> list[str] | str:
        """Cells, or the rule that the text breaks: `unclosed_quote` where a quote is still open at its end."""
        try:
            rows = list(csv.reader([text], delimiter=self.delimiter, strict=True))
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                return "unclosed_quote"
            try:  # text behind a closing quote: odd, but what is meant is plain
                rows = list(csv.reader([text], delimiter=self.delimiter))
            except csv.Error:
                return "unreadable_line"
            if rows and rows[0] and rows[0][-1].endswith("\n"):
                return "unclosed_quote"
        return rows[0] if len(rows) == 1 else "unreadable_line"


# --- the fast reader ----------------------------------------------------------------------------------------------


def plain_batches(path: Path, source: Source, found: Survey, headings: list[str]) -> Iterator[pa.RecordBatch]:
    """Batches of text columns of a file in which nothing is unusual.

    Raises:
        pyarrow.ArrowInvalid: there is something unusual after all; read it carefully.
    """
    with pyarrow.csv.open_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(
            encoding="utf8" if found.encoding == "utf-8" else found.encoding,
            column_names=headings,
            skip_rows=source.header_row,
            block_size=BLOCK,
            use_threads=False,
        ),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=source.delimiter, ignore_empty_lines=False, newlines_in_values=False
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(headings, pa.string()),
            strings_can_be_null=True,
            null_values=[""],
            quoted_strings_can_be_null=True,
        ),
    ) as reader:
        for batch in reader:
            if _blank_row(batch) or _long_cell(batch):
                raise pa.ArrowInvalid("a row without any value, or an endless cell")
            yield batch


def _long_cell(batch: pa.RecordBatch) -> bool:
    return any((pc.max(pc.binary_length(column)).as_py() or 0) > LONG_CELL for column in batch.columns)


def _blank_row(batch: pa.RecordBatch) -> bool:
    blank = None
    for column in batch.columns:
        if column.null_count == 0:
            return False
        blank = column.is_null() if blank is None else pc.and_(blank, column.is_null())
    return blank is not None and bool(pc.any(blank).as_py())
