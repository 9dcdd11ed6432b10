"""Cells: what one household reported in one period, with the as-of days on which it looks so.

Stage 1 of the panel. Records of the tables become one wide row per household, period and span of as-of days: `lo` is
the index of the first as-of day of the batch on which it is known like this, `hi` of the first on which it is not.
All as-of days of the batch are served by one pass.
"""

from __future__ import annotations

import uuid
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property, reduce
from pathlib import Path
from typing import Any, Protocol

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from features.calendar import period_end, period_start
from features.engines.duckdb import Engine
from features.indicators.compilation import EXACT, chosen_where
from features.indicators.definition import Expression, Filter, Series
from features.indicators.plan import Plan, column_names
from features.merging import write_merged
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
    statements: str = ""
    """What the statements of its stages are a function of; batches that share it share them."""

    def __post_init__(self) -> None:
        """The small tables that every batch has stand for this batch from now on."""
        _ = self.places, self.span

    def index(self, day: date) -> int:
        """Index of the first as-of day that is not before `day`; the number of days where there is none."""
        return bisect_left(self.days, day)

    @cached_property
    def named(self) -> dict[str, Any]:
        """Small tables by name."""
        return {}

    @cached_property
    def places(self) -> Any:
        """Every day after the first as-of day up to the last, with the index of the as-of day on which it is seen."""
        span = (self.days[-1] - self.days[0]).days
        days = [self.days[0] + timedelta(days=number + 1) for number in range(span)]
        columns = {"day": days, "place": [self.index(day) for day in days]}
        return self.table("places", columns, {"day": pa.date32(), "place": pa.int32()})

    @cached_property
    def span(self) -> Any:
        """One row: the first as-of day, the last, and how many there are."""
        columns = {"opens": [self.days[0]], "closes": [self.days[-1]], "beyond": [len(self.days)]}
        return self.table("span", columns, {"opens": pa.date32(), "closes": pa.date32(), "beyond": pa.int32()})

    @cached_property
    def dated(self) -> dict[str, Any]:
        """Dated values of areas by table, read once for all buckets."""
        return {}

    @cached_property
    def answers(self) -> dict[Any, float | None]:
        """What was looked up in them so far."""
        return {}

    def write(self, expression: Any, file: Path) -> None:
        """A stage's result; read soon and once, so compressed lightly."""
        self.engine.write(expression, file, compression="lz4_raw")

    def write_once(
        self, stage: Any, inputs: Mapping[str, Any], make: Callable[[Mapping[str, Any]], Any], file: Path
    ) -> None:
        """A stage's result, whose statement serves all buckets (`Engine.statement`)."""
        self.engine.copy(self.statement(stage, inputs, make), file, compression="lz4_raw")

    def statement(self, stage: Any, inputs: Mapping[str, Any], make: Callable[[Mapping[str, Any]], Any]) -> str:
        """A stage's statement; `make` may use the batch's small tables, and no other number or path of this batch."""
        return self.engine.statement((self.statements or self.scratch, stage), inputs, make)

    def table(self, name: str, columns: Mapping[str, Sequence[Any]], schema: Mapping[str, pa.DataType]) -> Any:
        """A small table of the batch, made once, that statements know by its name."""
        if name not in self.named:
            file = self.small(columns, schema)
            self.named[name] = self.engine.view(f"small_{name}", [file])
        return self.named[name]

    def small(self, columns: Mapping[str, Sequence[Any]], schema: Mapping[str, pa.DataType]) -> Path:
        """A small table as a file of the scratch folder, so that the engine reads it like any other."""
        file = self.scratch / f"small-{uuid.uuid4().hex}.parquet"
        arrays = [pa.array(columns[name], kind) for name, kind in schema.items()]
        pq.write_table(pa.table(arrays, names=list(schema)), file)
        return file


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
    between, table = batch.places, table.cross_join(batch.span)
    for name, day in (("lo", "known_from"), ("hi", "known_to")):
        place = between.select(**{f"{name}_day": "day", f"{name}_place": "place"})
        joined = table.left_join(place, table[day] == place[f"{name}_day"])
        outside = ibis.cases((joined[day] <= joined.opens, 0), (joined[day] > joined.closes, joined.beyond))
        table = joined.mutate(**{name: ibis.coalesce(joined[f"{name}_place"], outside).cast("int32")})
        table = table.drop(f"{name}_day", f"{name}_place")
    return table.filter(table.lo < table.hi).drop("opens", "closes", "beyond")


# --- from records to cells ----------------------------------------------------------------------------------------


def write_cells(batch: Batch, plan: Plan, bucket: int, moved: dict[str, Path], first: int, file: Path) -> None:
    """Cells of a bucket's households from period `first` on, as Parquet: household_id, p, lo, hi, series, attributes."""
    batch.table("earliest", {"earliest": [first]}, {"earliest": pa.int32()})
    span = (
        period_start(batch.project.calendar.grain, first),
        max(period_end("month", day.year * 12 + day.month) for day in batch.days),
    )
    parts = _write_parts(batch, plan, bucket, moved, span)
    write_merged(batch, plan, parts, _told(batch, plan, bucket), file)
    for part in parts.values():
        part.unlink()


def _write_parts(
    batch: Batch, plan: Plan, bucket: int, moved: dict[str, Path], span: tuple[date, date]
) -> dict[str, Path]:
    """One GROUP BY pass over each table: mergeable parts of its series by household, day and knowledge."""
    names = column_names(plan)
    stages = {}
    for number, table_name in enumerate(dict.fromkeys(series.table for series in plan.series)):
        table = read(batch, table_name, bucket, moved, periods=span)
        own = [series for series in plan.series if series.table == table_name]
        if table is None:
            continue
        stage = batch.scratch / f"partial-{bucket}-{number}.parquet"
        batch.write_once(
            ("partial", table_name),
            {"records": table},
            lambda given, own=own: _part(batch, own, names, given),
            stage,
        )
        stages[f"part_{table_name}"] = stage
    return stages


def _part(batch: Batch, own: Sequence[Series], names: Mapping[Expression, str], given: Mapping[str, Any]) -> Any:
    table = given["records"].mutate(counted_on=record_date(given["records"]))
    parts = {names[series] + suffix: part for series in own for suffix, part in _made(series, table).items()}
    made = table.group_by("household_id", "counted_on", "known_from", "known_to").agg(**parts)
    return _placed(batch, made)


def _placed(batch: Batch, part: Any) -> Any:
    """A table's parts with period, span of as-of days, and an order for what is newest."""
    cells = indexed(batch, part)
    order = days_since_1970(cells.counted_on) * 1_000_000 + days_since_1970(cells.known_from)
    cells = cells.mutate(p=period_of(batch, cells.counted_on), order=order)
    cells = cells.cross_join(batch.named["earliest"])
    return cells.filter(cells.p >= cells.earliest).drop("counted_on", "known_from", "known_to", "earliest")


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


def _told(batch: Batch, plan: Plan, bucket: int) -> Any:
    """What the household table says, with the periods it is about; None where no peers of a period need it.

    An attribute's text begins with 18 digits that say since when it was told, so that the greatest is the newest.
    """
    wanted = [name for name in plan.period_attributes if ":" not in name]
    if any(name.startswith("area:") for name in plan.period_attributes) and "area" not in wanted:
        wanted.append("area")
    if not wanted:
        return None
    household = indexed(batch, read(batch, "household", bucket, {}))
    since = days_since_1970(household.valid_from) * 1_000_000 + days_since_1970(household.known_from)
    told = (since + 1_000_000_000_000).cast("string").lpad(18, "0")  # before 1970, too, the digits sort
    return household.select(
        "household_id",
        "lo",
        "hi",
        since=period_of(batch, household.valid_from),
        until=period_of(batch, household.valid_to),
        **{f"a_{name}": told + household[ATTRIBUTES.get(name, name)].cast("string") for name in wanted},
    )
