"""Departments' deliveries as files, written block by block: containers, encodings, and what was known by which day.

Each feed has two files: the history it hands over when it joins, and what it sent since. Rows that the department did
not know by the last day are not in either. A feed is a CSV file in UTF-8 or GB18030, a workbook, a Parquet file or a
table of a SQL database, as its department is used to; above `PARQUET_FROM` households all are Parquet, and a workbook
that would be longer than `LONGEST_SHEET` rows becomes CSV. Memory is bounded by a block and the workbooks' rows.
"""

from __future__ import annotations

import codecs
import io
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from features.calendar import period_end, period_index
from features.province.habits import Habit

PARQUET_FROM, LONGEST_SHEET = 50_000, 5_000
PARTS = ("history", "since")
LAST_MONTH = period_index("month", date(2026, 10, 1))
"""The last month that generated departments report on."""
SPREADSHEET_CREATED = datetime(2026, 11, 8)  # noqa: DTZ001 -- a file's own date, fixed so that its bytes are too


def received_on(last: int) -> date:
    """The Sunday on which the files about the last month arrived: the first as-of day that a list can be made for."""
    return period_end("week", period_index("week", period_end("month", last) + timedelta(days=7)))


DELIVERED_ON = received_on(LAST_MONTH)


class Writer(Protocol):
    """Takes tables of the same columns and keeps them in one file."""

    path: Path

    def add(self, rows: pa.Table) -> None:
        """Write some rows."""

    def close(self) -> None:
        """Finish the file."""


@dataclass
class Deliveries:
    """The files of all feeds, open until `close`.

    Attributes:
        history_until: rows known by this day belong to the first file.
        last_day: rows known later are not sent.
    """

    folder: Path
    habits: Mapping[str, Habit]
    history_until: date
    last_day: date
    households: int
    _writers: dict[tuple[str, str], Writer] = field(default_factory=dict)

    def add(self, feed: str, rows: pa.Table) -> None:
        """Write a block's rows of a feed into the file of the time when they were known."""
        if rows.num_rows == 0:
            return
        known = rows[self.habits[feed].known]
        early = pc.less_equal(known, pa.scalar(self.history_until, pa.date32()))
        sent = pc.less_equal(known, pa.scalar(self.last_day, pa.date32()))
        for part, wanted in zip(PARTS, (early, pc.and_not(sent, early)), strict=True):
            chosen = rows.filter(wanted)
            if chosen.num_rows:
                self._writer(feed, part).add(chosen)

    def close(self) -> list[Path]:
        """Finish all files; returns them in the order of their arrival."""
        for writer in self._writers.values():
            writer.close()
        order = list(self.habits)
        keys = sorted(self._writers, key=lambda key: (PARTS.index(key[1]), order.index(key[0])))
        return [self._writers[key].path for key in keys]

    def _writer(self, feed: str, part: str) -> Writer:
        key = (feed, part)
        if key not in self._writers:
            self.folder.mkdir(parents=True, exist_ok=True)
            habit = self.habits[feed]
            container = "parquet" if self.households > PARQUET_FROM else habit.container
            self._writers[key] = WRITERS[container](self.folder / f"{feed}-{part}", habit)
        return self._writers[key]


def source_of(path: Path) -> str | Path:
    """What ingestion is given for a file: its path, or the address of a database."""
    return f"sqlite:///{path}" if path.suffix == ".sqlite" else path


def write_workbook(path: Path, sheet_name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """A workbook of one sheet, with a heading and dates as dates; the same rows give the same bytes."""
    import xlsxwriter

    book = xlsxwriter.Workbook(path, {"default_date_format": "yyyy-mm-dd"})
    book.set_properties({"created": SPREADSHEET_CREATED})
    sheet = book.add_worksheet(sheet_name)
    sheet.write_row(0, 0, list(rows[0]))
    for line, row in enumerate(rows, start=1):
        for place, value in enumerate(row.values()):
            if isinstance(value, date):
                sheet.write_datetime(line, place, datetime(value.year, value.month, value.day))  # noqa: DTZ001
            elif value is not None:
                sheet.write(line, place, value)
    book.close()


def feed_of(path: Path) -> str:
    """Feed of a delivery, whose file is named `<feed>-<part>`.

    >>> feed_of(Path("medical-since.csv"))
    'medical'
    """
    return path.stem.rpartition("-")[0]


def _plain(rows: pa.Table) -> pa.Table:
    """Dictionary columns as what they stand for."""
    columns = [
        column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for column in rows.columns
    ]
    return pa.table(columns, names=rows.column_names)


class _Transcoded(io.RawIOBase):
    """A file that is written in UTF-8 and kept in another encoding."""

    def __init__(self, target: io.BufferedWriter, encoding: str) -> None:
        self.target = target
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.encoding = encoding

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.target.write(self.decoder.decode(bytes(data)).encode(self.encoding))
        return len(data)


class _Csv:
    encoding = "utf-8"

    def __init__(self, stem: Path, habit: Habit) -> None:
        del habit
        self.path = stem.with_name(f"{stem.name}.csv")
        self._file = self.path.open("wb")
        self._sink: Any = self._file if self.encoding == "utf-8" else _Transcoded(self._file, self.encoding)
        self._writer: pa.csv.CSVWriter | None = None

    def add(self, rows: pa.Table) -> None:
        rows = _plain(rows)
        if self._writer is None:
            options = pa.csv.WriteOptions(quoting_style="needed", quoting_header="none")
            self._writer = pa.csv.CSVWriter(self._sink, rows.schema, write_options=options)
        self._writer.write_table(rows)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._file.close()


class _Gb18030(_Csv):
    encoding = "gb18030"


class _Parquet:
    def __init__(self, stem: Path, habit: Habit) -> None:
        del habit
        self.path = stem.with_name(f"{stem.name}.parquet")
        self._writer: pq.ParquetWriter | None = None

    def add(self, rows: pa.Table) -> None:
        rows = _plain(rows)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self.path, rows.schema, compression="zstd", compression_level=1)
        self._writer.write_table(rows)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


class _Xlsx:
    def __init__(self, stem: Path, habit: Habit) -> None:
        self.path = stem.with_name(f"{stem.name}.xlsx")
        self._stem, self._habit = stem, habit
        self._held: list[pa.Table] = []
        self._longer: _Csv | None = None

    def add(self, rows: pa.Table) -> None:
        if self._longer is not None:
            self._longer.add(rows)
            return
        self._held.append(_plain(rows))
        if sum(table.num_rows for table in self._held) > LONGEST_SHEET:
            self._longer = _Csv(self._stem, self._habit)
            self.path = self._longer.path
            for table in self._held:
                self._longer.add(table)
            self._held = []

    def close(self) -> None:
        if self._longer is not None:
            self._longer.close()
            return
        write_workbook(self.path, self._habit.sheet, pa.concat_tables(self._held).to_pylist())


class _Sqlite:
    def __init__(self, stem: Path, habit: Habit) -> None:
        self.path = stem.with_name(f"{stem.name}.sqlite")
        self._table = habit.sheet
        self._base = sqlite3.connect(self.path)
        self._made = False

    def add(self, rows: pa.Table) -> None:
        rows = _plain(rows)
        columns = ", ".join(f'"{name}"' for name in rows.column_names)
        if not self._made:
            self._base.execute(f'CREATE TABLE "{self._table}" ({columns})')
            self._made = True
        marks = ", ".join("?" for _ in rows.column_names)
        values = [
            tuple(value.isoformat() if isinstance(value, date) else value for value in row.values())
            for row in rows.to_pylist()
        ]
        self._base.executemany(f'INSERT INTO "{self._table}" VALUES ({marks})', values)

    def close(self) -> None:
        self._base.commit()
        self._base.close()


WRITERS: Mapping[str, Any] = {
    "csv": _Csv,
    "gb18030": _Gb18030,
    "parquet": _Parquet,
    "xlsx": _Xlsx,
    "sqlite": _Sqlite,
}
