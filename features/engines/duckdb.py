"""The embedded engine: Ibis on DuckDB over Parquet, in bounded memory and bounded temporary disk."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa
from ibis.expr import operations

from features.settings import Home, Settings


@dataclass(frozen=True)
class Engine:
    """One DuckDB connection behind Ibis.

    Attributes:
        con: the Ibis backend; `con.raw_sql` and `con.con` reach DuckDB itself.
        scratch: folder of this connection's spill files, removed when the engine is closed.
    """

    con: Any
    scratch: Path
    _compiled: dict[Any, str] = field(default_factory=dict, repr=False, compare=False)
    _statements: dict[Any, str] = field(default_factory=dict, repr=False, compare=False)

    def read_parquet(self, paths: Sequence[Path]) -> ibis.Table:
        """The rows of Parquet files as one table; hive partitions are not added as columns."""
        return self.con.read_parquet([str(path) for path in paths], hive_partitioning=False, union_by_name=True)

    def empty(self, schema: Mapping[str, str]) -> ibis.Table:
        """A table without rows, with columns of these types."""
        self.sql("CREATE OR REPLACE VIEW no_rows AS SELECT 1 AS one WHERE false")
        return self.con.table("no_rows").select(**{name: ibis.null(kind) for name, kind in schema.items()})

    def frame(self, expression: Any) -> pd.DataFrame:
        """Run an expression and return a data frame."""
        frame: pd.DataFrame = self.arrow(expression).to_pandas()
        return frame

    def arrow(self, expression: Any) -> pa.Table:
        """Run an expression and return an Arrow table."""
        schema = expression.as_table().schema().to_pyarrow()
        return self.con.con.sql(self._query(expression)).to_arrow_table().cast(schema)

    def reader(self, expression: Any, rows: int) -> pa.RecordBatchReader:
        """Run an expression and hand over its rows in their order, so many at once; streaming."""
        return self.stream(self._query(expression), rows)

    def stream(self, query: str, rows: int) -> pa.RecordBatchReader:
        """Run a query and hand over its rows in their order, so many at once."""
        return self.con.con.sql(query).to_arrow_reader(rows)

    def write(self, expression: Any, file: Path, *, compression: str = "zstd") -> None:
        """Run an expression into one Parquet file, streaming."""
        self.copy(self._query(expression), file, compression=compression)

    def copy(self, query: str, file: Path, *, compression: str = "zstd") -> None:
        """Run a query into one Parquet file, streaming."""
        target = str(file).replace("'", "''")
        self.sql(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION {compression})")

    def statement(self, stage: Any, inputs: Mapping[str, Any], make: Callable[[Mapping[str, Any]], Any]) -> str:
        """SQL of what `make` says of named inputs, asked once a stage; then only what the names stand for changes.

        A stage of the panel is the same for every bucket, and building and compiling its expression takes longer than
        running it over a few thousand households.

        Args:
            stage: what tells this statement from every other, besides which inputs there are.
            inputs: expressions, or paths of Parquet files, by name; None for one that is not there.
            make: an expression over the tables that stand for the inputs, by the same names.
        """
        given = {name: source for name, source in inputs.items() if source is not None}
        key = (stage, tuple(sorted(given)))
        for name, source in given.items():
            self._point(f"given_{name}", source)
        if key not in self._statements:
            self._statements[key] = self._query(make({name: self.con.table(f"given_{name}") for name in given}))
        return self._statements[key]

    def view(self, name: str, source: Any) -> ibis.Table:
        """A table that stands for an expression, or for paths of Parquet files, until the name is given another."""
        self._point(name, source)
        return self.con.table(name)

    def _point(self, name: str, source: Any) -> None:
        self.sql(f"CREATE OR REPLACE TEMP VIEW {name} AS {self._source(source)}")

    def _source(self, source: Any) -> str:
        if isinstance(source, list):
            paths = ", ".join("'" + str(path).replace("'", "''") + "'" for path in source)
            return f"SELECT * FROM read_parquet([{paths}], hive_partitioning = false, union_by_name = true)"
        return self._query(source)

    def _query(self, expression: Any) -> str:
        """The expression's SQL. Buckets ask the same of other files, so it is compiled once for all of them."""
        whole = expression.as_table().op()
        tables = dict.fromkeys(whole.find(operations.DatabaseTable))
        stands_for = {table: table.copy(name=f"stands_for_{number}_") for number, table in enumerate(tables)}
        shape = whole.replace(stands_for)
        if shape not in self._compiled:
            self._compiled[shape] = str(self.con.compile(shape.to_expr()))
        names = {stand.name: table.name for table, stand in stands_for.items()}
        return re.sub("stands_for_[0-9]+_", lambda found: names[found[0]], self._compiled[shape])

    def sql(self, query: str, parameters: Sequence[Any] | None = None) -> None:
        """Run a statement for its effect."""
        self.con.con.execute(query, parameters or [])

    def rows(self, query: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a query and return its rows; the connection is free again afterwards."""
        result: list[tuple[Any, ...]] = self.con.con.execute(query, parameters or []).fetchall()
        return result

    def close(self) -> None:
        """Close the connection and remove its spill files."""
        self.con.disconnect()
        shutil.rmtree(self.scratch, ignore_errors=True)


def connect(settings: Settings, home: Home | None = None) -> Engine:
    """Open an engine whose memory, threads and temporary disk are bounded by the settings."""
    home = home or Home(settings.home)
    scratch = home.temporary / f"engine-{uuid.uuid4().hex}"
    scratch.mkdir(parents=True, mode=0o700)
    (scratch / "pid").write_text(str(os.getpid()))  # tells a live engine's spill from a killed one's
    con = ibis.duckdb.connect(
        threads=settings.threads,
        memory_limit=settings.memory_limit,
        temp_directory=str(scratch),
        max_temp_directory_size=settings.temp_limit,
        preserve_insertion_order=False,
    )
    return Engine(con, scratch)


@contextmanager
def engine(settings: Settings, home: Home | None = None) -> Iterator[Engine]:
    """An engine that is closed at the end."""
    opened = connect(settings, home)
    try:
        yield opened
    finally:
        opened.close()
