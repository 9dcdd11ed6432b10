"""Cells from the parts that each table gave: one row per household, period and span of days without a change.

Where every household and period became known at once and stayed so, the tables' parts only need to be joined. In
general they are cut at every day on which anything about their household and period changes, and grouped. Both ways
give the same cells; the first takes a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa

from features.indicators.definition import Expression, Lag, Series
from features.indicators.plan import Plan, column_names

if TYPE_CHECKING:
    from features.cells import Batch

KEYS = ["household_id", "p"]
TOLD_DIGITS = 18


def write_merged(
    batch: Batch, plan: Plan, parts: Mapping[str, Path], told: Any, file: Path, *, steady: bool | None = None
) -> None:
    """Cells of one bucket. `steady` forces one of the ways; by default the data decide."""
    parts = parts or {"part_nothing": _nothing(batch, plan, column_names(plan))}
    kept = file.with_suffix(".reported.parquet")
    files: dict[str, Any] = {name: [part] for name, part in parts.items()}
    batch.write_once("reported", files, _reported, kept)
    given = {**files, "reported": [kept], "told": told}
    if steady is None:
        steady = _steady(batch, plan, given)
    if not steady:
        batch.write_once("grouped", given, lambda given: _grouped(plan, given), file)
    elif not plan.lags:
        batch.write_once("joined", given, lambda given: _with_told(_joined(plan, given), given), file)
    else:
        now = file.with_suffix(".now.parquet")
        batch.write_once("joined", given, lambda given: _joined(plan, given), now)
        lagged = {"now": [now], "reported": [kept], "told": told}
        batch.write_once("lagged", lagged, lambda given: _with_told(_lagged(plan, given["now"]), given), file)
        now.unlink()
    kept.unlink()


def _parts(given: Mapping[str, Any]) -> list[Any]:
    return [table for name, table in given.items() if name.startswith("part_")]


def _reported(given: Mapping[str, Any]) -> Any:
    """Which periods a household reported, and on which days that was known."""
    return _union([part.select(*KEYS, "lo", "hi") for part in _parts(given)]).distinct()


def _nothing(batch: Batch, plan: Plan, names: dict[Expression, str]) -> Path:
    schema = {"household_id": pa.string(), "p": pa.int32(), "lo": pa.int32(), "hi": pa.int32(), "order": pa.int64()}
    schema |= {names[series]: pa.float64() for series in plan.series}
    schema |= {f"{names[series]}_n": pa.int64() for series in plan.series if series.aggregate == "mean"}
    return batch.small({name: [] for name in schema}, schema)


def _union(tables: Sequence[Any]) -> Any:
    return reduce(lambda a, b: a.union(b), tables)


def _candidates(reported: Any, told: Any) -> Any:
    """What the household table says about each reported period, with the span of days on which it says so."""
    told = told.rename(told_lo="lo", told_hi="hi")
    joined = reported.join(told, "household_id")
    return joined.filter((joined.since <= joined.p) & (joined.until.isnull() | (joined.until > joined.p)))


def _own(series: Series, table: Any, name: str) -> Any:
    """A series' value from the single part that a household and period have."""
    x = table[name].cast("float64")
    if series.aggregate == "mean":
        x = x / table[f"{name}_n"].nullif(0)
    return x * series.scale if series.scale != 1 else x


# --- joined -------------------------------------------------------------------------------------------------------


def _steady(batch: Batch, plan: Plan, given: Mapping[str, Any]) -> bool:
    """Whether nothing about any household and period changes after it is first known."""
    return len(batch.engine.rows(batch.statement("changes", given, lambda given: _changes(plan, given)))) == 0


def _changes(plan: Plan, given: Mapping[str, Any]) -> Any:
    """A row where something changes."""
    parts, reported, told = _parts(given), given["reported"], given.get("told")
    spans = _union([part.select(*KEYS, "lo", "hi", part=ibis.literal(ix, "int8")) for ix, part in enumerate(parts)])
    one = spans.group_by(KEYS).agg(
        steady=(spans.lo.min() == spans.lo.max())
        & (spans.hi.min() == spans.hi.max())
        & (spans.count() == spans.part.nunique())
    )
    checks = [one]
    for periods in sorted({lag.periods for lag in plan.lags}):
        earlier = reported.select("household_id", p=(reported.p + periods).cast("int32"), was_lo="lo", was_hi="hi")
        both = reported.join(earlier, KEYS)
        checks.append(both.select(steady=(both.was_lo <= both.lo) & (both.was_hi >= both.hi)))
    if told is not None:
        said = _candidates(reported, told)
        apart = (said.told_hi <= said.lo) | (said.told_lo >= said.hi)
        checks.append(said.select(steady=apart | ((said.told_lo <= said.lo) & (said.told_hi >= said.hi))))
    return _union([check.filter(~check.steady).select("steady") for check in checks]).limit(1)


def _joined(plan: Plan, given: Mapping[str, Any]) -> Any:
    """The parts of a household and period side by side."""
    parts, names = _parts(given), column_names(plan)
    cells = given["reported"]
    found = {column for part in parts for column in part.columns}
    for part in parts:
        cells = cells.left_join(part.drop("lo", "hi", "order"), KEYS).drop(*[f"{key}_right" for key in KEYS])
    own = {
        names[series]: _own(series, cells, names[series]) if names[series] in found else ibis.null("float64")
        for series in plan.series
    }
    return cells.select(*KEYS, "lo", "hi", **own)


def _lagged(plan: Plan, now: Any) -> Any:
    """Cells with what stood there some periods earlier."""
    names, cells = column_names(plan), now
    for lag in plan.lags:
        earlier = now.select("household_id", p=(now.p + lag.periods).cast("int32"), was=now[names[lag.series]])
        cells = cells.left_join(earlier, KEYS).drop(*[f"{key}_right" for key in KEYS]).rename({names[lag]: "was"})
    return cells


def _with_told(cells: Any, given: Mapping[str, Any]) -> Any:
    """Cells with what the household table says about their period."""
    if "told" not in given:
        return cells
    told = given["told"]
    said = _candidates(given["reported"], told)
    said = said.filter((said.told_lo <= said.lo) & (said.told_hi >= said.hi))
    attributes = [column for column in told.columns if column.startswith("a_")]
    newest = said.group_by(KEYS).agg(**{name: said[name].max().substr(TOLD_DIGITS) for name in attributes})
    return cells.left_join(newest, KEYS).drop(*[f"{key}_right" for key in KEYS])


# --- cut and grouped ----------------------------------------------------------------------------------------------


def _grouped(plan: Plan, given: Mapping[str, Any]) -> Any:
    names = column_names(plan)
    cells = _aligned(_parts(given))
    cells = _shifted(cells, plan.lags, names)
    if "told" in given:
        said = _candidates(given["reported"], given["told"])
        said = said.drop("lo", "hi", "since", "until").rename(lo="told_lo", hi="told_hi")
        cells = _aligned([cells, said.distinct()])
    cells = _cut(cells)
    grouped = cells.group_by(*KEYS, "lo", "hi").agg(**_aggregates(plan, cells, names))
    return grouped.filter(grouped.own.notnull()).drop("own")


def _aligned(parts: Sequence[Any]) -> Any:
    """All parts in one table, each with the columns of all."""
    kinds = {name: str(part[name].type()) for part in parts for name in part.columns}
    return _union(
        [
            part.mutate(**{name: ibis.null(kind) for name, kind in kinds.items() if name not in part.columns}).select(
                *kinds
            )
            for part in parts
        ]
    )


def _shifted(cells: Any, lags: Sequence[Lag], names: dict[Expression, str]) -> Any:
    """Cells that also tell the following periods what came before them."""
    tables = [cells.mutate(own=ibis.literal(1, "int8"))]
    for lag in lags:
        of = names[lag.series]
        suffixes = [suffix for suffix in ("", "_n") if of + suffix in cells.columns]
        moved = {names[lag] + suffix: cells[of + suffix] for suffix in suffixes}
        tables.append(
            cells.select("household_id", "lo", "hi", "order", p=(cells.p + lag.periods).cast("int32"), **moved)
        )
    return _aligned(tables)


def _cut(cells: Any) -> Any:
    """Partial cells cut at every day on which anything about their household and period changes."""
    bounds = cells.select(*KEYS, at=cells.lo).union(cells.select(*KEYS, at=cells.hi)).distinct()
    window = ibis.window(group_by=KEYS, order_by="at")
    spans = bounds.mutate(until=bounds["at"].lead().over(window))
    spans = spans.filter(spans.until.notnull())
    joined = cells.join(spans, KEYS)
    joined = joined.filter((joined.lo <= joined["at"]) & (joined.hi >= joined.until))
    return joined.drop("lo", "hi").rename(lo="at", hi="until")


def _aggregates(plan: Plan, cells: Any, names: dict[Expression, str]) -> dict[str, Any]:
    found = {names[series]: _value(series, cells, names[series]) for series in plan.series}
    for lag in plan.lags:
        assert isinstance(lag.series, Series)
        found[names[lag]] = _value(lag.series, cells, names[lag])
    for column in cells.columns:
        if column.startswith("a_"):
            found[column] = cells[column].max().substr(TOLD_DIGITS)
    return {**found, "own": cells.own.max()}


def _value(series: Series, cells: Any, name: str) -> Any:
    """A series' value from its parts in the cells of one household, period and span of days."""
    if name not in cells.columns:
        return ibis.null("float64")
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
