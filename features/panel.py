"""The point-in-time panel: household × as-of day rows of indicators, each seeing only what was known that day.

A panel is a pure function of (store, days, indicators). Stages: cells of each bucket (`cells.py`), peers of a period
over all buckets (`peers.py`), households on days (`days.py`), peers of a day, and the indicators. All as-of days of a
batch go through each stage together; memory is bounded by a bucket, or by a chunk of peers.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.anchors import anchors, expected, feeds_of, presence
from features.cells import Batch, History, write_cells
from features.coverage import silences
from features.days import (
    Clock,
    _attribute_tests,
    leaf_names,
    period_columns,
    period_peer_names,
    with_areas,
    write_days,
)
from features.divisions import area_tree
from features.engines.duckdb import Engine
from features.errors import DataError, UsageError, did_you_mean
from features.indicators import definition as d
from features.indicators.compilation import value
from features.indicators.definition import Expression, Series
from features.indicators.indicator import Indicator, definitions, set_hash
from features.indicators.plan import Plan, plan
from features.indicators.registry import indicators_of
from features.membership import move_facts
from features.peers import round_files, write_round
from features.project import Project
from features.staging import staged_folder

FORMAT = 2
MOST_DAYS = 20
"""Days that are built together: what is held in memory grows with them (5,000 households of a bucket on 26 days with
168 parts of definitions no longer fit the engine's default of 600 MB)."""
BATCH_ROWS = 50_000
"""Rows that the engine hands over at once while files are written."""
Progress = Callable[[str, int, int], None]
FIXED = ("household_id", "as_of", "area_code", "weight")


@dataclass(frozen=True)
class PanelFolder:
    """A finished panel on disk: `as_of=<day>/bucket=<nn>.parquet`, sorted by household.

    Attributes:
        only: the days that were asked for, where the panel on disk has more.
    """

    path: Path
    only: tuple[date, ...] | None = None

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What the panel was made of."""
        content: dict[str, Any] = json.loads((self.path / "panel.json").read_text(encoding="utf-8"))
        return content

    @property
    def days(self) -> list[date]:
        """As-of days in order."""
        return list(self.only) if self.only else [date.fromisoformat(day) for day in self.manifest["days"]]

    @property
    def indicators(self) -> list[str]:
        """Indicator ids in order."""
        return list(self.manifest["indicators"])

    @property
    def rows(self) -> int:
        """Households on as-of days."""
        files = (file for day in self.days for file in self.path.glob(f"as_of={day}/*.parquet"))
        return sum(pq.ParquetFile(file).metadata.num_rows for file in files)

    @property
    def digest(self) -> str:
        """What the panel is a function of, as one name."""
        return self.path.name

    def read(
        self,
        days: Sequence[date] | None = None,
        columns: Sequence[str] | None = None,
        *,
        households: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Rows of the days (all by default), sorted by as-of day and household.

        Args:
            days: as-of days.
            columns: columns; all by default.
            households: only these; of their buckets alone something is read.

        Raises:
            DataError: a column is not in the panel; the nearest one is named.
        """
        known = [*FIXED, *self.manifest["feeds"], *self.indicators]
        for column in columns or ():
            if column not in known:
                near = did_you_mean(column, known)
                raise DataError("panel_column_unknown", column=column, suggestion=near or ", ".join(known[:8]))
        wanted = self.days if days is None else [day for day in self.days if day in set(days)]
        tables = []
        only = None if households is None else [("household_id", "in", set(households))]
        for day in sorted(wanted):
            files = sorted((self.path / f"as_of={day}").glob("*.parquet"))
            parts = [
                pq.read_table(file, columns=list(columns) if columns else None, partitioning=None, filters=only)
                for file in (files if households is None else _files_of(files, households))
            ]
            tables.append(pa.concat_tables(parts))
        if not tables:
            return pd.DataFrame(columns=list(columns) if columns else known)
        return pa.concat_tables(tables).to_pandas()


def _files_of(files: Sequence[Path], households: Sequence[str]) -> list[Path]:
    """The bucket files that hold the households; one file at least, so that there are columns."""
    places = {int(household[:4], 16) % len(files) for household in households} or {0}
    return [files[place] for place in sorted(places)]


def build(
    project: Project,
    store: History,
    days: Sequence[date],
    *,
    engine: Engine,
    indicators: Sequence[Indicator] | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> PanelFolder:
    """The panel of the project's indicators on the days; one that exists already and has them is taken as it is.

    Args:
        indicators: others than the project's, for trials.
        folder: where panels are kept; the project's home by default.

    Raises:
        UsageError: no day was given.
    """
    if not days:
        raise UsageError("panel_no_days")
    chosen = tuple(indicators if indicators is not None else indicators_of(project))
    ordered = tuple(sorted(set(days)))
    kept = folder or _home(store)
    final = kept / digest(project, store, ordered, chosen)
    if (final / "panel.json").is_file():
        return PanelFolder(final)
    if (larger := _larger(kept, ordered, digest(project, store, (), chosen))) is not None:
        return PanelFolder(larger, ordered)
    with staged_folder(final) as staged:
        feeds: list[str] = []
        parts = -(-len(ordered) // MOST_DAYS)
        for number in range(parts):
            scratch = engine.scratch / f"panel-{uuid.uuid4().hex}"
            scratch.mkdir(parents=True)
            try:
                days_of_part = ordered[number::parts]  # neighbours apart: parts reach equally far back
                batch = Batch(project, store, tuple(days_of_part), engine, scratch, _statements(project, chosen))
                feeds = _Build(batch, chosen, staged, _part_of(progress, number, parts)).run()
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
        _write_manifest(staged, project, store, ordered, chosen, feeds)
    return PanelFolder(final)


def _part_of(progress: Progress | None, number: int, parts: int) -> Progress:
    """Progress that says which part of the days it is about, where there are several."""
    if progress is None:
        return lambda *_: None
    if parts == 1:
        return progress
    return lambda stage, done, total: progress(f"{stage} {number + 1}/{parts}", done, total)


def digest(project: Project, store: History, days: Sequence[date], indicators: Sequence[Indicator]) -> str:
    """What a panel is a function of, as one name."""
    content = {
        "format": FORMAT,
        "store": store.version,
        "days": [str(day) for day in days],
        "indicators": set_hash(indicators),
        "project": project.model_dump(
            mode="json", include={"name", "calendar", "store", "areas", "feeds", "population", "vocabularies"}
        ),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]


def _larger(folder: Path, days: Sequence[date], basis: str) -> Path | None:
    """A panel of the same store, project and indicators that has these days among others; the smallest of several.

    What stands on a day does not depend on the other days of its panel.
    """
    wanted, found = {str(day) for day in days}, []
    for file in folder.glob("*/panel.json"):
        manifest = json.loads(file.read_text(encoding="utf-8"))
        if manifest.get("basis") == basis and wanted <= set(manifest["days"]):
            found.append((len(manifest["days"]), file.parent))
    return min(found)[1] if found else None


def _statements(project: Project, indicators: Sequence[Indicator]) -> str:
    """What the statements of a panel's stages are a function of."""
    content = project.model_dump(mode="json", include={"calendar", "store", "areas", "feeds", "population"})
    return hashlib.sha256(json.dumps([set_hash(indicators), content], sort_keys=True).encode()).hexdigest()


def _home(store: History) -> Path:
    home, project = store.home, store.project  # type: ignore[attr-defined]
    path: Path = home.project(project.name).panels
    return path


def _write_manifest(
    staged: Path,
    project: Project,
    store: History,
    days: Sequence[date],
    indicators: Sequence[Indicator],
    feeds: Sequence[str],
) -> None:
    content = {
        "format": FORMAT,
        "project": project.name,
        "store_version": store.version,
        "days": [str(day) for day in days],
        "feeds": list(feeds),
        "indicators": {indicator.id: indicator.hash for indicator in indicators},
        "set_hash": set_hash(indicators),
        "basis": digest(project, store, (), indicators),
    }
    text = json.dumps(content, ensure_ascii=False, indent=1)
    (staged / "panel.json").write_text(text, encoding="utf-8")


class _Build:
    """The stages of one panel, each reading the files of the one before."""

    def __init__(self, batch: Batch, indicators: Sequence[Indicator], staged: Path, progress: Progress) -> None:
        self.batch = batch
        self.staged = staged
        self.progress = progress
        self.reporting = presence(batch.project)
        self.states = {f"feed__{feed}": d.FeedState(feed) for feed in sorted(self.reporting)}
        self.columns = {**self.states, **definitions(indicators)}
        rule = batch.project.population.feed
        self.presence: Series | None = self.reporting.get(rule) if rule else None
        wanted: list[Expression] = list(self.columns.values())
        if self.presence is not None:
            wanted.append(d.Reported(self.presence, batch.project.population.within))
        silent = silences(batch.project, area_tree(batch.project), list(self.reporting))
        self.plan: Plan = plan(wanted, self.reporting, silent)
        self.buckets = range(batch.project.store.buckets)

    def run(self) -> list[str]:
        """All stages; returns the names of the feed state columns."""
        batch = self.batch
        self.clock = self._clock()
        tables = {series.table for series in self.plan.series}
        tables |= {node.table for node in self.plan.household if isinstance(node, d.Events | d.Holding)}
        self.moved = {table: path for table in sorted(tables) if (path := move_facts(batch, table))}
        earliest = min(min(places) for places in self.clock.anchors.values()) if self.clock.anchors else 0
        first = earliest - max(self.plan.reach, 12) - self.plan.pooled - 1 if self.clock.anchors else -10_000
        for bucket in self.buckets:
            self.progress("cells", bucket, len(self.buckets))
            write_cells(batch, self.plan, bucket, self.moved, first, self._file("cells", bucket))
        self._peers_of_periods()
        for bucket in self.buckets:
            self.progress("days", bucket, len(self.buckets))
            cells = self._cells(bucket)
            file = self._file("days", bucket)
            write_days(batch, self.plan, self.clock, bucket, cells, self.moved, self.presence, file)
        self._peers_of_days()
        for bucket in self.buckets:
            self.progress("indicators", bucket, len(self.buckets))
            self._write(bucket)
        return list(self.states)

    def _clock(self) -> Clock:
        feeds = dict.fromkeys(feed for series in self.plan.series for feed in feeds_of(self.batch.project, series))
        known = [feed for feed in feeds if feed in self.reporting]
        return Clock(anchors(self.batch, known, self.reporting), {feed: expected(self.batch, feed) for feed in known})

    def _file(self, stage: str, bucket: int) -> Path:
        return self.batch.scratch / f"{stage}-{bucket}.parquet"

    # --- peers of a period: cells cut at every day on which anything about their period changes ---

    def _peers_of_periods(self) -> None:
        if not self.plan.period_peers:
            return
        engine = self.batch.engine
        files = [self._file("cells", bucket) for bucket in self.buckets]
        spans = _spans(engine.frame(_bounds(engine.read_parquet(files))), self.plan.pooled, len(self.batch.days))
        columns = dict(zip(("p", "first", "after"), zip(*spans, strict=True), strict=True))
        lookup = self.batch.table("spans", columns, dict.fromkeys(columns, pa.int32()))
        for bucket in self.buckets:
            cells = engine.read_parquet([self._file("cells", bucket)])
            joined = cells.join(lookup, "p")
            joined = joined.filter((joined.lo <= joined["first"]) & (joined.hi >= joined.after))
            joined = joined.drop("lo", "hi").rename(lo="first", hi="after")
            if "a_area" in joined.columns:
                joined = with_areas(self.batch, joined, self.plan.period_attributes)
            self.batch.write(joined, self._file("cut", bucket))
            self._file("cells", bucket).unlink()
        names = period_peer_names(self.plan)
        for number, nodes in enumerate(self.plan.period_peers):
            self.progress("peers", number, len(self.plan.period_peers))
            table = self._all("cut", self._period_rounds(number), ["household_id", "p", "lo"])
            identity = ["bucket", "household_id", "p", "lo"]
            folder = self.batch.scratch / f"period-round-{number}"
            write_round(
                self.batch,
                table,
                nodes,
                lambda table: period_columns(self.plan, table),
                ["p", "lo"],
                identity,
                names,
                folder,
            )

    def _period_rounds(self, until: int) -> list[Path]:
        return [self.batch.scratch / f"period-round-{number}" for number in range(until)]

    def _cells(self, bucket: int) -> Any:
        if not self.plan.period_peers:
            return self.batch.engine.read_parquet([self._file("cells", bucket)])
        cells = self.batch.engine.read_parquet([self._file("cut", bucket)])
        return self._with_rounds(
            cells, self._period_rounds(len(self.plan.period_peers)), bucket, ["household_id", "p", "lo"]
        )

    def _all(self, stage: str, rounds: Sequence[Path], keys: Sequence[str]) -> Any:
        """A stage of all buckets, with a column that says which."""
        whole = None
        for bucket in self.buckets:
            table = self.batch.engine.read_parquet([self._file(stage, bucket)])
            table = self._with_rounds(table, rounds, bucket, keys).mutate(bucket=ibis.literal(bucket, "int32"))
            whole = table if whole is None else whole.union(table)
        return whole

    def _with_rounds(self, table: Any, rounds: Sequence[Path], bucket: int, keys: Sequence[str]) -> Any:
        for folder in rounds:
            table = _joined(table, self.batch.engine.read_parquet(round_files(folder, bucket)), keys)
        return table

    # --- peers of a day, and the indicators ---

    def _peer_names(self) -> dict[Expression, str]:
        return {node: f"d{ix}" for ix, node in enumerate(node for nodes in self.plan.day_peers for node in nodes)}

    def _day_rounds(self, until: int) -> list[Path]:
        return [self.batch.scratch / f"day-round-{number}" for number in range(until)]

    def _day_columns(self, table: Any) -> dict[Expression, Any]:
        names = {**leaf_names(self.plan), **self._peer_names()}
        found: dict[Expression, Any] = {node: table[name] for node, name in names.items() if name in table.columns}
        return {**found, **_attribute_tests(self.plan.definitions, table)}

    def _peers_of_days(self) -> None:
        for number, nodes in enumerate(self.plan.day_peers):
            table = self._all("days", self._day_rounds(number), ["household_id", "a"])
            folder = self.batch.scratch / f"day-round-{number}"
            write_round(
                self.batch,
                table,
                nodes,
                self._day_columns,
                ["a"],
                ["bucket", "household_id", "a"],
                self._peer_names(),
                folder,
            )

    def _write(self, bucket: int) -> None:
        """The indicators of a bucket's households, one file for each as-of day."""
        rounds = {
            f"round_{n}": round_files(folder, bucket)
            for n, folder in enumerate(self._day_rounds(len(self.plan.day_peers)))
        }
        given = {"days": [self._file("days", bucket)], **rounds}
        engine = self.batch.engine
        reader = engine.stream(self.batch.statement("indicators", given, self._indicators), BATCH_ROWS)
        parts: list[pa.RecordBatch] = []
        done = 0
        for rows in reader:
            places = rows["a"].to_numpy()
            for a in np.unique(places):
                while done < a:
                    self._write_day(pa.Table.from_batches(parts, reader.schema), done, bucket)
                    done, parts = done + 1, []
                start, stop = (int(found) for found in np.searchsorted(places, [a, a + 1]))
                parts.append(rows.slice(start, stop - start))
        while done < len(self.batch.days):
            self._write_day(pa.Table.from_batches(parts, reader.schema), done, bucket)
            done, parts = done + 1, []

    def _indicators(self, given: Mapping[str, Any]) -> Any:
        """Every column of the panel, by day and household."""
        table = given["days"]
        for name, found in given.items():
            if name != "days":
                table = _joined(table, found, ["household_id", "a"])
        columns = self._day_columns(table)
        spelt = dict(zip(self.columns, self.plan.definitions, strict=False))
        values = {name: value(spelt[name], columns).cast("float64") for name in self.columns}
        values |= {name: values[name].cast("int8") for name in self.states}
        whole = table.select(
            "household_id", "a", area_code=table.a_area, weight=table.a_weight.cast("float64"), **values
        )
        return whole.order_by("a", "household_id")

    def _write_day(self, rows: pa.Table, a: int, bucket: int) -> None:
        day = self.batch.days[a]
        as_of = pa.repeat(pa.scalar(day, pa.date32()), rows.num_rows)
        rows = rows.drop_columns("a").add_column(1, "as_of", as_of).replace_schema_metadata(None)
        folder = self.staged / f"as_of={day}"
        folder.mkdir(exist_ok=True)
        pq.write_table(rows, folder / f"bucket={bucket:02d}.parquet", compression="zstd")


def _joined(table: Any, found: Any, keys: Sequence[str]) -> Any:
    """A table with the results of a round."""
    found = found.drop("bucket") if "bucket" in found.columns else found
    return table.left_join(found, list(keys)).drop(*[f"{key}_right" for key in keys])


def _bounds(cells: Any) -> Any:
    return cells.select("p", at=cells.lo).union(cells.select("p", at=cells.hi)).distinct()


def _spans(bounds: pd.DataFrame, pooled: int, days: int) -> list[tuple[int, int, int]]:
    """For each period, the spans of as-of days in which nothing about it, or what is pooled with it, changes."""
    by_period: dict[int, set[int]] = {}
    for p, at in bounds[["p", "at"]].itertuples(index=False, name=None):
        by_period.setdefault(int(p), set()).add(int(at))
    rows: list[tuple[int, int, int]] = []
    for p, own in by_period.items():
        marks = set(own)
        for back in range(1, pooled):
            marks |= {mark for mark in by_period.get(p - back, set()) if min(own) < mark < max(own)}
        ordered = sorted(mark for mark in marks if mark <= days)
        rows += [(p, first, after) for first, after in itertools.pairwise(ordered)]
    return rows
