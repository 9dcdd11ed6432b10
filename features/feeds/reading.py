"""Reading a delivery: whatever container and encoding it comes in, its rows as text with the line they stand on.

Parquet goes straight into the engine. CSV is decoded strictly (UTF-8 with or without BOM, else GB18030) and read line
by line, so that one broken line costs that line and not the file. XLSX is opened only after its unpacked size was
looked at. A database is read through SQLAlchemy. Nothing is held in memory whole.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from features.engines.duckdb import Engine
from features.errors import DataError, DependencyError
from features.feeds.profiles import Profile, Source

LINE = "__line"
CHUNK = 20_000
MOST_LINES_IN_A_CELL = 50
MOST_UNPACKED = 1_000_000_000
MOST_RATIO = 250
SMALL = 20_000_000


@dataclass(frozen=True)
class Broken:
    """A line that is no row: where, why, and what stood there (undecodable bytes escaped)."""

    line: int
    rule: str
    original: str


@dataclass(frozen=True)
class Reading:
    """A delivery's rows in the engine.

    Attributes:
        table: table or view with `__line` and the source's own columns.
        types: DuckDB type of each source column; VARCHAR for text containers.
        rows: rows in the table.
        broken: lines that are no rows.
    """

    table: str
    types: dict[str, str]
    rows: int
    broken: tuple[Broken, ...]


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def container(source: Path | str, declared: Source) -> str:
    """Container of a source: by the profile, else by its address or first bytes."""
    if declared.format != "auto":
        return declared.format
    if isinstance(source, str):
        return "sql"
    with source.open("rb") as file:
        head = file.read(4)
    if head == b"PAR1":
        return "parquet"
    if head == b"PK\x03\x04":
        return "xlsx"
    return "xlsx" if source.suffix.lower() == ".xlsx" else "parquet" if source.suffix == ".parquet" else "csv"


def read(source: Path | str, profile: Profile, engine: Engine, name: str = "delivered") -> Reading:
    """Bring a delivery's rows into the engine.

    Raises:
        DataError: the file cannot be read as a table at all: cut, empty, not what it says it is, or a zip bomb.
        DependencyError: the database does not answer.
    """
    kind = container(source, profile.source)
    if isinstance(source, Path) and source.stat().st_size == 0:
        raise DataError("delivery_empty", file=source.name)
    if kind == "parquet":
        return _read_parquet(Path(source), engine, name)
    readers: dict[str, Callable[..., tuple[list[str], Iterator[list[str | None] | Broken]]]] = {
        "csv": _csv_rows,
        "xlsx": _xlsx_rows,
        "sql": _sql_rows,
    }
    header, rows = readers[kind](source, profile.source)
    return _load(header, rows, engine, name, profile.source.header_row, source)


# --- Parquet ------------------------------------------------------------------------------------------------------


def _read_parquet(path: Path, engine: Engine, name: str) -> Reading:
    try:
        rows = pq.read_metadata(path).num_rows
        engine.sql(
            f"CREATE OR REPLACE TEMP VIEW {quoted(name)} AS SELECT file_row_number + 1 AS {LINE}, * EXCLUDE (file_row_number) "
            f"FROM read_parquet({literal(str(path))}, file_row_number = true, hive_partitioning = false)"
        )
        described = engine.rows(f"DESCRIBE {quoted(name)}")
        engine.rows(f"SELECT count(COLUMNS(*)) FROM {quoted(name)}")  # every page is read once: a cut file fails here
    except Exception as error:
        raise DataError("delivery_unreadable", file=path.name, kind="Parquet") from error
    types = {str(column): str(kind) for column, kind, *_ in described if column != LINE}
    return Reading(name, types, rows, ())


# --- CSV ----------------------------------------------------------------------------------------------------------


def encoding_of(path: Path, declared: str) -> str:
    """The encoding in which the whole file can be read; where there is none, the one with fewer broken lines."""
    if declared != "auto":
        return "utf-8-sig" if declared == "utf-8" else declared
    broken = {}
    for encoding in ("utf-8-sig", "gb18030"):
        count = 0
        with path.open("rb") as file:
            for line in file:
                try:
                    line.decode(encoding)
                except UnicodeDecodeError:
                    count += 1
        if count == 0:
            return encoding
        broken[encoding] = count
    return min(broken, key=lambda encoding: broken[encoding])


def _csv_rows(path: Path, source: Source) -> tuple[list[str], Iterator[list[str | None] | Broken]]:
    encoding = encoding_of(path, source.encoding)
    numbered = _csv_lines(path, encoding, source.delimiter)
    header: list[str] | None = None
    for line, row in numbered:
        if line >= source.header_row:
            if isinstance(row, Broken):
                raise DataError("header_unreadable", file=path.name)
            header = [cell.strip() for cell in row]
            break
    if not header or not any(header):
        raise DataError("delivery_empty", file=path.name)
    if len(set(header)) != len(header):
        twice = sorted({cell for cell in header if header.count(cell) > 1})
        raise DataError("header_twice", file=path.name, columns=", ".join(twice)[:80])

    def rows() -> Iterator[list[str | None] | Broken]:
        for line, row in numbered:
            if isinstance(row, Broken):
                yield row
            elif row:
                yield _fitted(row, header, line, source.delimiter)

    return header, rows()


def _fitted(row: list[str], header: list[str], line: int, delimiter: str) -> list[str | None] | Broken:
    """The row with its line number in front, or a broken line where it has too few or too many cells."""
    if len(row) != len(header):
        return Broken(line, "ragged_line", delimiter.join(row))
    if any("\x00" in cell for cell in row):
        return Broken(line, "nul_byte", delimiter.join(row).replace("\x00", "\\x00"))
    return [str(line), *row]


def _csv_lines(path: Path, encoding: str, delimiter: str) -> Iterator[tuple[int, list[str] | Broken]]:
    """Rows of a CSV file, each with the number of its first line; quotes that never close cost one line."""
    pending: list[tuple[int, str]] = []
    with path.open("rb") as file:
        for number, raw in _numbered(file):
            try:
                text = raw.decode(encoding if number == 1 or encoding != "utf-8-sig" else "utf-8")
            except UnicodeDecodeError:
                yield from _unclosed(pending)
                pending = []
                yield number, Broken(number, "encoding", raw.rstrip(b"\r\n").decode(encoding, "backslashreplace"))
                continue
            pending.append((number, text))
            whole = "".join(part for _, part in pending)
            if whole.count('"') % 2:
                if len(pending) > MOST_LINES_IN_A_CELL:
                    yield from _unclosed(pending)
                    pending = []
                continue
            yield pending[0][0], _split(whole, pending[0][0], delimiter)
            pending = []
    yield from _unclosed(pending)


def _numbered(file: Any) -> Iterator[tuple[int, bytes]]:
    yield from enumerate(file, 1)


def _unclosed(pending: list[tuple[int, str]]) -> Iterator[tuple[int, Broken]]:
    for number, text in pending:
        yield number, Broken(number, "unclosed_quote", text.rstrip("\r\n"))


def _split(text: str, number: int, delimiter: str) -> list[str] | Broken:
    if not text.strip("\r\n"):
        return []
    try:
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    except csv.Error:
        return Broken(number, "unreadable_line", text.rstrip("\r\n"))


# --- XLSX ---------------------------------------------------------------------------------------------------------


def _xlsx_rows(path: Path, source: Source) -> tuple[list[str], Iterator[list[str | None] | Broken]]:
    import openpyxl

    _refuse_bomb(path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=False)
        sheet = book[source.sheet] if source.sheet else book.worksheets[0]
        cells = sheet.iter_rows(min_row=source.header_row)
        header_cells = next(cells, ())
    except KeyError as error:
        raise DataError("sheet_missing", file=path.name, sheet=source.sheet) from error
    except Exception as error:
        raise DataError("delivery_unreadable", file=path.name, kind="XLSX") from error
    header = [str(cell.value).strip() if cell.value is not None else "" for cell in header_cells]
    while header and not header[-1]:
        header.pop()
    if not header:
        raise DataError("delivery_empty", file=path.name)
    if len(set(header)) != len(header):
        raise DataError("header_twice", file=path.name, columns=", ".join(sorted({h for h in header if header.count(h) > 1})))
    return header, _xlsx_cells(cells, header, source.header_row, path)


def _xlsx_cells(cells: Any, header: list[str], first: int, path: Path) -> Iterator[list[str | None] | Broken]:
    try:
        for line, row in enumerate(cells, first + 1):
            values = [cell_text(cell.value) for cell in row]
            if not any(value is not None for value in values):
                continue
            text = ",".join(value or "" for value in values)
            if any(getattr(cell, "data_type", "n") == "f" for cell in row):
                yield Broken(line, "formula_cell", text)
            elif len(values) > len(header) and any(values[len(header) :]):
                yield Broken(line, "ragged_line", text)
            else:
                yield [str(line), *values[: len(header)], *[None] * (len(header) - len(values))]
    except Exception as error:
        raise DataError("delivery_unreadable", file=path.name, kind="XLSX") from error


def cell_text(value: Any) -> str | None:
    """A spreadsheet cell as a person would write it: whole numbers without a point, days as ISO."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == datetime.min.time() else value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def _refuse_bomb(path: Path) -> None:
    """Look at the unpacked size before anything is unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
            packed = sum(member.compress_size for member in archive.infolist()) or 1
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError("delivery_unreadable", file=path.name, kind="XLSX") from error
    if unpacked > MOST_UNPACKED or (unpacked > SMALL and unpacked / packed > MOST_RATIO):
        raise DataError("archive_bomb", file=path.name, megabytes=unpacked // 1_000_000)


# --- a database ---------------------------------------------------------------------------------------------------


def _sql_rows(source: str, declared: Source) -> tuple[list[str], Iterator[list[str | None] | Broken]]:
    import sqlalchemy

    if not declared.query:
        raise DataError("query_missing")
    try:
        connection = sqlalchemy.create_engine(str(source)).connect().execution_options(stream_results=True)
        result = connection.execute(sqlalchemy.text(declared.query))
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise DependencyError("database_unreachable", detail=type(error).__name__) from error

    def rows() -> Iterator[list[str | None] | Broken]:
        with connection:
            for line, row in enumerate(result, 1):
                yield [str(line), *(cell_text(value) for value in row)]

    return [str(key) for key in result.keys()], rows()  # noqa: SIM118 -- a result is no mapping


# --- into the engine ----------------------------------------------------------------------------------------------


def _load(
    header: list[str],
    rows: Iterator[list[str | None] | Broken],
    engine: Engine,
    name: str,
    header_row: int,
    source: Path | str,
) -> Reading:
    """Stream rows into a table of text columns."""
    columns = ", ".join(f"{quoted(column)} VARCHAR" for column in header)
    engine.sql(f"CREATE OR REPLACE TEMP TABLE {quoted(name)} ({LINE} BIGINT, {columns})")
    broken: list[Broken] = []
    chunk: list[list[str | None]] = []
    count = 0
    for row in rows:
        if isinstance(row, Broken):
            broken.append(row)
            continue
        chunk.append(row)
        count += 1
        if len(chunk) == CHUNK:
            _insert(engine, name, header, chunk)
            chunk = []
    _insert(engine, name, header, chunk)
    return Reading(name, dict.fromkeys(header, "VARCHAR"), count, tuple(broken))


def _insert(engine: Engine, name: str, header: list[str], chunk: list[list[str | None]]) -> None:
    if not chunk:
        return
    arrays = [pa.array([int(row[0] or 0) for row in chunk], pa.int64())]
    arrays += [pa.array([row[at] for row in chunk], pa.string()) for at in range(1, len(header) + 1)]
    table = pa.Table.from_arrays(arrays, names=[LINE, *header])
    connection = engine.con.con
    connection.register("__chunk", table)
    try:
        connection.execute(f"INSERT INTO {quoted(name)} SELECT * FROM __chunk")
    finally:
        connection.unregister("__chunk")
