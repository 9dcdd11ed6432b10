"""Reading a delivery: whatever container and encoding it comes in, its rows with the line they stand on.

Parquet goes straight into the engine with its own types; CSV, XLSX and databases arrive as text. Lines that are no
rows go into a table of their own. Nothing is held in memory whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from features.engines.duckdb import Engine
from features.errors import DataError, DependencyError
from features.feeds.delimited import csv_rows, plain_batches, survey
from features.feeds.headings import LINE, Broken, Row, Rows, known, named
from features.feeds.profiles import Profile, Source
from features.feeds.workbooks import cell_text, xlsx_headings, xlsx_rows

CHUNK = 20_000
_INK = r"!-~\x{4e00}-\x{9fff}"
TIDY = f"[{_INK}]([ {_INK}]*[{_INK}])?"
"""Text that is already as `conversion` would make it: ASCII and Chinese characters, without a blank at its edges."""
BARE = "[0-9A-Z]+"
"""An identity's text that no rule of normalisation changes."""


@dataclass(frozen=True)
class Reading:
    """A delivery's rows in the engine.

    Attributes:
        table: table or view with `__line` and the source's own columns.
        types: DuckDB type of each source column; VARCHAR for text containers.
        rows: rows in the table.
        broken: table of lines that are no rows: line, rule, original (JSON of heading → text).
        broken_rows: how many.
        tidy: columns of text that need no tidying: no text is empty, has a blank at an edge or a full-width mark.
        bare: of these, columns of capital letters and digits alone.
    """

    table: str
    types: dict[str, str]
    rows: int
    broken: str
    broken_rows: int
    tidy: frozenset[str] = frozenset()
    bare: frozenset[str] = frozenset()


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
    return {".xlsx": "xlsx", ".parquet": "parquet"}.get(source.suffix.lower(), "csv")


def read(source: Path | str, profile: Profile, engine: Engine, name: str = "delivered") -> Reading:
    """Bring a delivery's rows into the engine.

    Raises:
        DataError: the file cannot be read as a table at all: cut, empty, not what it says it is, or a zip bomb.
        DependencyError: the database does not answer.
    """
    kind = container(source, profile.source)
    if kind == "sql":
        return _inspected(_load(*_sql_rows(str(source), profile), engine, name), engine)
    path = Path(source)
    if path.stat().st_size == 0:
        raise DataError("delivery_empty", file=path.name)
    if kind == "parquet":
        return _inspected(_read_parquet(path, profile, engine, name), engine)
    if kind == "xlsx":
        return _inspected(_load(*xlsx_rows(path, profile.source, profile), engine, name), engine)
    return _inspected(_read_csv(path, profile, engine, name), engine)


def _inspected(reading: Reading, engine: Engine) -> Reading:
    """The reading, with the columns that can be taken as they stand: tidying each text costs more than all else."""
    texts = [heading for heading, kind in reading.types.items() if kind == "VARCHAR"]
    if not texts or not reading.rows:
        return reading
    tests = [
        f"bool_and(regexp_full_match({quoted(heading)}, '{shape}'))" for shape in (TIDY, BARE) for heading in texts
    ]
    found = engine.rows(f"SELECT {', '.join(tests)} FROM {quoted(reading.table)}")[0]
    tidy, bare = (
        frozenset(heading for heading, holds in zip(texts, part, strict=True) if holds is not False)
        for part in (found[: len(texts)], found[len(texts) :])
    )
    return replace(reading, tidy=tidy, bare=bare)


def headings(source: Path | str, profile: Profile) -> list[str]:
    """A delivery's headings only, without its rows: enough to say which feed it belongs to."""
    kind = container(source, profile.source)
    if kind == "sql":
        return _sql_rows(str(source), profile)[0]
    path = Path(source)
    if path.stat().st_size == 0:
        raise DataError("delivery_empty", file=path.name)
    if kind == "parquet":
        try:
            names: list[str] = pq.read_schema(path).names
        except (pa.ArrowException, OSError) as error:
            raise DataError("delivery_unreadable", file=path.name, kind="Parquet") from error
        return names
    if kind == "xlsx":
        return xlsx_headings(path, profile.source, profile)
    return csv_rows(path, profile.source, profile, survey(path, profile.source.encoding))[0]


# --- Parquet ------------------------------------------------------------------------------------------------------


def _read_parquet(path: Path, profile: Profile, engine: Engine, name: str) -> Reading:
    name = f"{name}_file"
    try:
        rows = pq.read_metadata(path).num_rows
        engine.sql(
            f"CREATE OR REPLACE TEMP VIEW {quoted(name)} AS SELECT file_row_number + 1 AS {LINE}, "
            f"* EXCLUDE (file_row_number) "
            f"FROM read_parquet({literal(str(path))}, file_row_number = true, hive_partitioning = false)"
        )
        described = engine.rows(f"DESCRIBE {quoted(name)}")
        engine.rows(f"SELECT count(COLUMNS(*)) FROM {quoted(name)}")  # every page is read once: a cut file fails here
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise DataError("delivery_unreadable", file=path.name, kind="Parquet") from error
    types = {str(column): str(kind) for column, kind, *_ in described if column != LINE}
    if not any(known(profile, heading) for heading in types):
        raise DataError("header_unknown", file=path.name)
    return Reading(name, types, rows, _broken_table(engine, name), 0)


# --- CSV ----------------------------------------------------------------------------------------------------------


def _read_csv(path: Path, profile: Profile, engine: Engine, name: str) -> Reading:
    source = profile.source
    found = survey(path, source.encoding)
    columns, rows = csv_rows(path, source, profile, found)
    if found.plain:
        _create(engine, name, columns)
        try:
            count = _load_plain(plain_batches(path, source, found, columns), engine, name, columns, source.header_row)
        except pa.ArrowException:
            count = -1
        if count == found.lines - source.header_row:  # no cell spans lines, no line is blank
            return Reading(name, dict.fromkeys(columns, "VARCHAR"), count, _broken_table(engine, name), 0)
    return _load(columns, rows, engine, name)


def _load_plain(
    batches: Iterator[pa.RecordBatch], engine: Engine, name: str, columns: list[str], header_row: int
) -> int:
    count = 0
    for batch in batches:
        first = count + header_row + 1
        lines = pa.array(range(first, first + batch.num_rows), pa.int64())
        _append(engine, name, pa.Table.from_arrays([lines, *batch.columns], names=[LINE, *columns]))
        count += batch.num_rows
    return count


# --- a database ---------------------------------------------------------------------------------------------------


def _sql_rows(source: str, profile: Profile) -> tuple[list[str], Rows]:
    import sqlalchemy

    if not profile.source.query:
        raise DataError("query_missing")
    try:
        connection = sqlalchemy.create_engine(source).connect().execution_options(stream_results=True)
        result = connection.execute(sqlalchemy.text(profile.source.query))
    except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
        raise DependencyError("database_unreachable", detail=type(error).__name__) from None
    columns = named([str(key) for key in result.keys()], profile, "sql")  # noqa: SIM118 -- a result is no mapping

    def rows() -> Rows:
        try:
            with connection:
                for line, row in enumerate(result, 1):
                    yield line, [cell_text(value) for value in row]
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise DependencyError("database_unreachable", detail=type(error).__name__) from None

    return columns, rows()


# --- into the engine ----------------------------------------------------------------------------------------------


def _create(engine: Engine, name: str, columns: list[str]) -> None:
    declared = ", ".join(f"{quoted(column)} VARCHAR" for column in columns)
    engine.sql(f"CREATE OR REPLACE TEMP TABLE {quoted(name)} ({LINE} BIGINT, {declared})")


def _broken_table(engine: Engine, name: str) -> str:
    table = f"{name}_broken"
    engine.sql(f"CREATE OR REPLACE TEMP TABLE {quoted(table)} (line BIGINT, rule VARCHAR, original VARCHAR)")
    return table


def _load(columns: list[str], rows: Rows, engine: Engine, name: str) -> Reading:
    """Stream rows into a table of text columns, and lines that are no rows into another."""
    _create(engine, name, columns)
    broken = _broken_table(engine, name)
    good: list[Row] = []
    bad: list[Broken] = []
    counts = [0, 0]

    def flush() -> None:
        counts[0] += len(good)
        counts[1] += len(bad)
        _append_rows(engine, name, columns, good)
        _append_broken(engine, broken, bad)
        good.clear()
        bad.clear()

    for row in rows:
        if isinstance(row, Broken):
            bad.append(row)
        else:
            good.append(row)
        if len(good) + len(bad) >= CHUNK:
            flush()
    flush()
    return Reading(name, dict.fromkeys(columns, "VARCHAR"), counts[0], broken, counts[1])


def _append_rows(engine: Engine, name: str, columns: list[str], rows: list[Row]) -> None:
    arrays = [pa.array([line for line, _ in rows], pa.int64())]
    arrays += [pa.array([cells[at] for _, cells in rows], pa.string()) for at in range(len(columns))]
    _append(engine, name, pa.Table.from_arrays(arrays, names=[LINE, *columns]))


def _append_broken(engine: Engine, name: str, broken: list[Broken]) -> None:
    arrays = [
        pa.array([item.line for item in broken], pa.int64()),
        pa.array([item.rule for item in broken], pa.string()),
        pa.array([json.dumps(item.original, ensure_ascii=False) for item in broken], pa.string()),
    ]
    _append(engine, name, pa.Table.from_arrays(arrays, names=["line", "rule", "original"]))


def _append(engine: Engine, name: str, table: Any) -> None:
    if not table.num_rows:
        return
    connection = engine.con.con
    connection.register("__chunk", table)
    try:
        connection.execute(f"INSERT INTO {quoted(name)} SELECT * FROM __chunk")
    finally:
        connection.unregister("__chunk")
