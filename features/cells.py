"""Cells: what one household reported in one period, with the as-of days on which it looks so.

Stage 1 of the panel. Records of the tables become one wide row per household, period and span of as-of days: `lo` is
the index of the first as-of day of the batch on which it is known like this, `hi` of the first on which it is not.
All as-of days of the batch are served by one pass.
"""

from __future__ import annotations

import uuid
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from pathlib import Path
from typing import Any, Protocol

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.calendar import period_end, period_start
from features.engines.duckdb import Engine
from features.indicators.compilation import EXACT, chosen_where
from features.indicators.definition import Expression, Filter, Lag, Series
from features.indicators.plan import Plan
from features.project import Project

DATES = ("period_end", "event_date", "action_date", "finding_date", "valid_from", "found_on", "sent_on")
ATTRIBUTES = {"area": "area_code", "weight": "weight"}


class History(Protocol):
    """The store's way of reading history (features/store.py)."""

    @property
    def version(self) -> int:
        """Newest committed delivery."""

    def as_known_on(
        self,
        days: date | Sequence[date],
        table: str,
        engine: Engine,
        *,
        bucket: int | None = None,
        subject: str = "household",
        periods: tuple[date, date] | None = None,
    ) -> Any:
        """Records visible on at least one of the days, with known_from and known_to."""


@dataclass(frozen=True)
class Batch:
    """What a panel is built over: project, store, as-of days in order, engine, and a folder for its stages."""

    project: Project
    store: History
    days: tuple[date, ...]
    engine: Engine
    scratch: Path

    def index(self, day: date) -> int:
        """Index of the first as-of day that is not before `day`; the number of days where there is none."""
        return bisect_left(self.days, day)

    def write(self, expression: Any, file: Path) -> None:
        """A stage's result; read soon and once, so compressed lightly."""
        self.engine.write(expression, file, compression="lz4_raw")

    def table(self, columns: Mapping[str, Sequence[Any]], schema: Mapping[str, pa.DataType]) -> Any:
        """A small table as a file of the scratch folder, so that the engine reads it like any other."""
        file = self.scratch / f"small-{uuid.uuid4().hex}.parquet"
        arrays = [pa.array(columns[name], kind) for name, kind in schema.items()]
        pq.write_table(pa.table(arrays, names=list(schema)), file)
        return self.engine.read_parquet([file])


def delivers(project: Project, table: str, *, by_person: bool = False) -> list[str]:
    """Feeds that deliver records of a table (for persons only, where asked)."""
    return [
        feed_id
        for feed_id, feed in project.feeds.items()
        for rule in feed.profile.records
        if rule.table == table
        and (not by_person or ("person_id" in rule.columns and "household_id" not in rule.columns))
    ]


def record_date(table: Any) -> Any:
    """The day on which a record counts: the end of its period, or the day of the event."""
    return next(table[name] for name in DATES if name in table.columns)


def period_of(batch: Batch, day: Any) -> Any:
    """Index of the period of the project's grain that holds a date column's day."""
    if batch.project.calendar.grain == "quarter":
        return (day.year() * 4 + (day.month() - 1) // 3).cast("int32")
    return (day.year() * 12 + day.month() - 1).cast("int32")


def matches(table: Any, where: Filter) -> Any:
    """Records whose columns have one of the wanted values."""
    held = [table[column] == values[0] if len(values) == 1 else table[column].isin(values) for column, values in where]
    return reduce(lambda a, b: a & b, held, table.household_id.notnull())


def days_since_1970(day: Any) -> Any:
    """A date column as a number of days."""
    return day.cast("timestamp").epoch_seconds() // 86400


def read(
    batch: Batch, table: str, bucket: int, moved: dict[str, Path], *, periods: tuple[date, date] | None = None
) -> Any:
    """Records of one bucket's households, those that came by person among them."""
    parts = []
    if delivers(batch.project, table) or table == "household":
        parts.append(batch.store.as_known_on(batch.days, table, batch.engine, bucket=bucket, periods=periods))
    if table in moved:
        paths = sorted((moved[table] / f"bucket={bucket}").glob("*.parquet"))
        if paths:
            parts.append(batch.engine.read_parquet(paths))
    if not parts:
        return None
    columns = [name for name in parts[0].columns if all(name in part.columns for part in parts)]
    whole = parts[0].select(columns)
    for part in parts[1:]:
        whole = whole.union(part.select(columns))
    return whole.filter(whole.household_id.notnull())


def indexed(batch: Batch, table: Any) -> Any:
    """known_from and known_to as indexes of as-of days: `lo` and `hi`; what is seen on no day is dropped."""
    both = table.select(day=table.known_from).union(table.select(day=table.known_to)).distinct()
    known = sorted({_as_date(day) for day in batch.engine.frame(both)["day"].dropna()})
    places = {"at_day": known, "at_place": [batch.index(day) for day in known]}
    lookup = batch.table(places, {"at_day": pa.date32(), "at_place": pa.int32()})
    other = lookup.view()
    joined = table.join(lookup, table.known_from == lookup.at_day).rename(lo="at_place").drop("at_day")
    joined = joined.join(other, joined.known_to == other.at_day).rename(hi="at_place").drop("at_day")
    return joined.filter(joined.lo < joined.hi)


def _as_date(day: Any) -> date:
    return day.date() if isinstance(day, pd.Timestamp) else day


# --- from records to partial cells --------------------------------------------------------------------------------


def _made(series: Series, table: Any) -> dict[str, Any]:
    """Mergeable parts of a series. Choosing by CASE takes half the time of an aggregate's own filter."""
    inside = matches(table, series.where)
    if series.aggregate == "count":
        counted = inside & table[series.measure].notnull() if series.measure else inside
        return {"": counted.cast("int8").sum().nullif(0).cast("int64")}
    measure = table[series.measure]
    if series.aggregate in ("sum", "mean"):
        chosen = chosen_where(inside, measure.cast(EXACT))
        parts = {"": chosen.sum()}
        return {**parts, "_n": chosen.count()} if series.aggregate == "mean" else parts
    chosen = chosen_where(inside, measure.cast("float64"))
    return {"": chosen.min() if series.aggregate == "minimum" else chosen.max()}


def _merged(series: Series, cells: Any, name: str) -> Any:
    """A series' value from its parts in the cells of one household, period and span of days."""
    x = cells[name]
    if series.aggregate in ("sum", "count"):
        value = x.sum()
    elif series.aggregate == "mean":
        value = x.sum().cast("float64") / cells[f"{name}_n"].sum().nullif(0)
    elif series.aggregate == "minimum":
        value = x.min()
    elif series.aggregate == "last":
        value = x.last(order_by=[cells.order, x], where=x.notnull())
    else:
        value = x.max()
    return value.cast("float64") * series.scale if series.scale != 1 else value.cast("float64")


def column_names(plan: Plan) -> dict[Expression, str]:
    """Names of the columns of cells: series, then lags."""
    names: dict[Expression, str] = {series: f"s{ix}" for ix, series in enumerate(plan.series)}
    return {**names, **{lag: f"l{ix}" for ix, lag in enumerate(plan.lags)}}


def _partial(batch: Batch, plan: Plan, bucket: int, moved: dict[str, Path], periods: tuple[date, date]) -> Any:
    """Partial cells of all tables: household, period, span of days, parts of each series."""
    names = column_names(plan)
    found = []
    for number, table_name in enumerate(dict.fromkeys(series.table for series in plan.series)):
        table = read(batch, table_name, bucket, moved, periods=periods)
        if table is None:
            continue
        table = table.mutate(counted_on=record_date(table))
        parts = {
            names[series] + suffix: part
            for series in plan.series
            if series.table == table_name
            for suffix, part in _made(series, table).items()
        }
        stage = batch.scratch / f"partial-{bucket}-{number}.parquet"
        batch.write(table.group_by("household_id", "counted_on", "known_from", "known_to").agg(**parts), stage)
        found.append(batch.engine.read_parquet([stage]))
    if not found:
        return _nothing(batch, plan, names)
    wide = sorted({(name, str(part[name].type())) for part in found for name in part.columns} - _keys(found))
    union = None
    for part in found:
        blank = {name: ibis.null(kind) for name, kind in wide if name not in part.columns}
        whole = part.mutate(**blank).select(
            "household_id", "counted_on", "known_from", "known_to", *[name for name, _ in wide]
        )
        union = whole if union is None else union.union(whole)
    return union


def _keys(parts: Sequence[Any]) -> set[tuple[str, str]]:
    keys = ("household_id", "counted_on", "known_from", "known_to")
    return {(name, str(part[name].type())) for part in parts for name in keys}


def _shifted(cells: Any, lags: Sequence[Lag], names: dict[Expression, str]) -> Any:
    """Cells that also tell the following periods what came before them."""
    blank = {
        names[lag] + suffix: ibis.null(_type(cells, lag, names, suffix)) for lag in lags for suffix in _suffixes(lag)
    }
    union = cells.mutate(own=ibis.literal(1, "int8"), **blank)
    kept = ("household_id", "p", "lo", "hi", "order")
    for lag in lags:
        changes = {column: ibis.null(str(union[column].type())) for column in union.columns if column not in kept}
        for suffix in _suffixes(lag):
            changes[names[lag] + suffix] = cells[names[lag.series] + suffix]
        later = cells.mutate(**{**changes, "p": (cells.p + lag.periods).cast("int32")})
        union = union.union(later.select(union.columns))
    return union


def _suffixes(lag: Lag) -> tuple[str, ...]:
    return ("", "_n") if isinstance(lag.series, Series) and lag.series.aggregate == "mean" else ("",)


def _type(cells: Any, lag: Lag, names: dict[Expression, str], suffix: str) -> str:
    return str(cells[names[lag.series] + suffix].type())


# --- from partial cells to cells ----------------------------------------------------------------------------------


def write_cells(batch: Batch, plan: Plan, bucket: int, moved: dict[str, Path], first: int, file: Path) -> None:
    """Cells of a bucket's households from period `first` on, as Parquet: household_id, p, lo, hi, series, attributes."""
    names = column_names(plan)
    grain = batch.project.calendar.grain
    span = (period_start(grain, first), max(period_end("month", d.year * 12 + d.month) for d in batch.days))
    partial = _partial(batch, plan, bucket, moved, span)
    stage = file.with_suffix(".partial.parquet")
    cells = indexed(batch, partial)
    order = days_since_1970(cells.counted_on) * 1_000_000 + days_since_1970(cells.known_from)
    cells = cells.mutate(p=period_of(batch, cells.counted_on), order=order)
    cells = cells.drop("counted_on", "known_from", "known_to")
    batch.write(cells.filter(cells.p >= first), stage)
    cells = _shifted(batch.engine.read_parquet([stage]), plan.lags, names)
    cells = _with_attributes(batch, plan, bucket, cells)
    merged = _merge(batch, plan, cells, names)
    batch.write(merged.filter(merged.own.notnull()).drop("own"), file)
    for path in (stage, *batch.scratch.glob(f"partial-{bucket}-*.parquet")):
        path.unlink()


def _nothing(batch: Batch, plan: Plan, names: dict[Expression, str]) -> Any:
    schema = {"household_id": pa.string(), **dict.fromkeys(("counted_on", "known_from", "known_to"), pa.date32())}
    schema |= {names[series]: pa.float64() for series in plan.series}
    schema |= {f"{names[series]}_n": pa.int64() for series in plan.series if series.aggregate == "mean"}
    return batch.table({name: [] for name in schema}, schema)


def _with_attributes(batch: Batch, plan: Plan, bucket: int, cells: Any) -> Any:
    """Adds what the household table says about the household in each of its periods, as further partial cells.

    Of several records the newest that knows the attribute counts.
    """
    wanted = [name for name in plan.period_attributes if ":" not in name]
    if any(name.startswith("area:") for name in plan.period_attributes) and "area" not in wanted:
        wanted.append("area")
    if not wanted:
        return cells
    household = indexed(batch, read(batch, "household", bucket, {}))
    told = household.select(
        "household_id",
        "lo",
        "hi",
        since=period_of(batch, household.valid_from),
        until=period_of(batch, household.valid_to),
        told=days_since_1970(household.valid_from) * 1_000_000 + days_since_1970(household.known_from),
        **{f"a_{name}": household[ATTRIBUTES.get(name, name)].cast("string") for name in wanted},
    )
    since = told.told.cast("string").lpad(18, "0")
    told = told.mutate(**{f"a_{name}": since + told[f"a_{name}"] for name in wanted}).drop("told")
    reported = cells.filter(cells.own.notnull()).select("household_id", "p").distinct()
    joined = reported.join(told, "household_id")
    joined = joined.filter((joined.since <= joined.p) & (joined.until.isnull() | (joined.until > joined.p)))
    attributes = [f"a_{name}" for name in wanted]
    blank = {name: ibis.null(str(cells[name].type())) for name in cells.columns if name not in joined.columns}
    more = joined.mutate(**blank)
    cells = cells.mutate(**{name: ibis.null(str(joined[name].type())) for name in attributes})
    return cells.union(more.select(cells.columns))


def _merge(batch: Batch, plan: Plan, cells: Any, names: dict[Expression, str]) -> Any:
    """One row per household, period and span of days in which nothing about it changes."""
    if not _simple(batch, cells):
        cells = _split(cells)
    return cells.group_by("household_id", "p", "lo", "hi").agg(**_aggregates(plan, cells, names))


def _aggregates(plan: Plan, cells: Any, names: dict[Expression, str]) -> dict[str, Any]:
    found = {names[series]: _merged(series, cells, names[series]) for series in plan.series}
    for lag in plan.lags:
        assert isinstance(lag.series, Series)
        found[names[lag]] = _merged(lag.series, cells, names[lag])
    for column in cells.columns:
        if column.startswith("a_"):
            found[column] = cells[column].max().substr(18)  # the first 18 characters say since when it was told
    return {**found, "own": cells.own.max()}


def _simple(batch: Batch, cells: Any) -> bool:
    """Whether each household and period has only one span of days: then nothing needs splitting."""
    spans = cells.group_by("household_id", "p").agg(
        one=(cells.lo.min() == cells.lo.max()) & (cells.hi.min() == cells.hi.max())
    )
    return bool(batch.engine.frame(spans.aggregate(all=spans.one.all()))["all"].fillna(True).iloc[0])


def _split(cells: Any) -> Any:
    """Partial cells cut at every day on which anything about their household and period changes."""
    keys = ["household_id", "p"]
    bounds = cells.select(*keys, at=cells.lo).union(cells.select(*keys, at=cells.hi)).distinct()
    window = ibis.window(group_by=keys, order_by="at")
    spans = bounds.mutate(until=bounds["at"].lead().over(window))
    spans = spans.filter(spans.until.notnull())
    joined = cells.join(spans, keys)
    joined = joined.filter((joined.lo <= joined["at"]) & (joined.hi >= joined.until))
    return joined.drop("lo", "hi").rename(lo="at", hi="until")
