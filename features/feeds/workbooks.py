"""Reading XLSX: opened only after its unpacked size was looked at; formulas are refused, not believed."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any
from xml.parsers import expat

from features.errors import DataError, ZhoujiError
from features.feeds.headings import Rows, broken_row, named
from features.feeds.profiles import Profile, Source

MOST_UNPACKED = 1_000_000_000
MOST_SHARED_TEXT = 150_000_000  # the one part that is held in memory whole
MOST_RATIO = 250
SMALL = 20_000_000
HEAD = 65_536
MOST_COLUMNS = 2_000
EXACT = 10**15


def xlsx_rows(path: Path, source: Source, profile: Profile) -> tuple[list[str], Rows]:
    """Headings and rows of one sheet.

    Raises:
        DataError: a zip bomb, not a workbook, no such sheet, or no header.
    """
    headings = xlsx_headings(path, source, profile)
    return headings, _rows(path, source, headings)


def xlsx_headings(path: Path, source: Source, profile: Profile) -> list[str]:
    """Headings of one sheet; see `xlsx_rows`."""
    refuse_hostile(path)
    with _opened(path, source) as sheet:
        if (sheet.max_column or 0) > MOST_COLUMNS:
            raise DataError("sheet_too_wide", file=path.name, columns=sheet.max_column)
        header = next(sheet.iter_rows(min_row=source.header_row, max_row=source.header_row), ())
        return named([cell_text(cell.value) for cell in header], profile, path.name)


@contextmanager
def _opened(path: Path, source: Source) -> Iterator[Any]:
    """The sheet, read cell by cell; whatever goes wrong in a workbook is the workbook's fault."""
    import openpyxl

    book = None
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=False)
        yield _sheet(book, path, source)
    except ZhoujiError:
        raise
    except Exception as error:
        raise DataError("delivery_unreadable", file=path.name, kind="XLSX") from error
    finally:
        if book is not None:
            book.close()


def _sheet(book: Any, path: Path, source: Source) -> Any:
    if source.sheet is None:
        return book.worksheets[0]
    if source.sheet not in book.sheetnames:
        raise DataError("sheet_missing", file=path.name, sheet=source.sheet)
    return book[source.sheet]


def _rows(path: Path, source: Source, headings: list[str]) -> Rows:
    with _opened(path, source) as sheet:
        for line, row in enumerate(sheet.iter_rows(min_row=source.header_row + 1), source.header_row + 1):
            values = [cell_text(cell.value) for cell in row]
            if all(value is None for value in values):
                continue
            rule = _fault(row, values, len(headings))
            if rule:
                more = {f"（多出的第{at}列）": cell for at, cell in enumerate(values[len(headings) :], 1) if cell}
                yield broken_row(line, rule, dict(zip(headings, values, strict=False)) | more)
            else:
                yield line, [*values[: len(headings)], *[None] * (len(headings) - len(values))]


def _fault(row: Any, values: list[str | None], width: int) -> str | None:
    if any(getattr(cell, "data_type", "n") == "f" for cell in row):
        return "formula_cell"
    if any(getattr(cell, "data_type", "n") == "e" for cell in row):
        return "error_cell"
    if any(value is not None for value in values[width:]):
        return "ragged_line"
    if any(_rounded(cell.value) for cell in row):
        return "digits_lost"
    return None


def _rounded(value: Any) -> bool:
    """Whether a spreadsheet has rounded a long number: it keeps 15 digits of an identity number's 18."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= EXACT


def cell_text(value: Any) -> str | None:
    """A cell as a person would write it: whole numbers without a point, days as ISO."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return str(int(value))
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == datetime.min.time() else value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def refuse_hostile(path: Path) -> None:
    """Look at an archive's unpacked size and at the head of its parts before anything is unpacked or believed.

    Which parser reads a workbook depends on what else is installed: with lxml beside it, openpyxl reads a part that
    declares entities instead of refusing it.

    Raises:
        DataError: no archive, one that swells, or a part with a document type declaration, which no workbook has.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _refuse_bomb(path, members)
            declared = any(_declares(archive, member) for member in members)
    except (zipfile.BadZipFile, zlib.error, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        raise DataError("delivery_unreadable", file=path.name, kind="XLSX") from error
    if declared:
        raise DataError("delivery_unreadable", file=path.name, kind="XLSX")


def _refuse_bomb(path: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    unpacked = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members) or 1
    shared = sum(member.file_size for member in members if "sharedstrings" in member.filename.lower())
    dense = unpacked > SMALL and unpacked / packed > MOST_RATIO
    if unpacked > MOST_UNPACKED or shared > MOST_SHARED_TEXT or dense:
        raise DataError("archive_bomb", file=path.name, megabytes=unpacked // 1_000_000)


class _DoctypeError(Exception):
    """A document type was declared; nothing behind it is parsed."""


class _ElementError(Exception):
    """The first element was reached: no document type can follow."""


def _declares(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    """Whether a document type stands before the first element, where alone it can stand."""
    if not member.filename.lower().endswith((".xml", ".rels", ".vml")):
        return False

    def doctype(*_: object) -> None:
        raise _DoctypeError

    def element(*_: object) -> None:
        raise _ElementError

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler, parser.StartElementHandler = doctype, element
    try:
        with archive.open(member) as part:
            while piece := part.read(HEAD):
                parser.Parse(piece)
    except _DoctypeError:
        return True
    except (_ElementError, expat.ExpatError):  # what is no XML, whoever reads it will say so
        return False
    return False
