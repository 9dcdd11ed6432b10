"""Households on as-of days: who is in the panel, their attributes, windows over their cells, members and events.

Stage 2 of the panel, bucket by bucket: one row per household and as-of day, with a column for each part of a
definition that needs no peers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa

from features.anchors import feeds_of
from features.calendar import FOREVER, period_index
from features.calendar_china import weeks_from_spring_festival
from features.cells import ATTRIBUTES, Batch, delivers, indexed, matches, read
from features.divisions import area_tree
from features.indicators import definition as d
from features.indicators.compilation import Windows, guarded, number, value
from features.indicators.definition import Expression
from features.indicators.plan import LATE_AFTER, Plan, column_names
from features.indicators.structure import walk
from features.links import members_elsewhere, named_records, readings, with_elsewhere
from features.lookups import looked_up, placed
from features.peers import attribute_column, reported

KEYS = ["household_id", "a"]


@dataclass(frozen=True)
class Clock:
    """Anchors and expected periods by feed, one for each as-of day."""

    anchors: Mapping[str, Sequence[int]]
    expected: Mapping[str, Sequence[int]]

    @property
    def feeds(self) -> list[str]:
        """Feeds in order."""
        return sorted(self.anchors)


def day_table(batch: Batch) -> Any:
    """As-of days with their indexes."""
    return batch.table("days", {"a": range(len(batch.days)), "day": batch.days}, {"a": pa.int32(), "day": pa.date32()})


def period_table(batch: Batch, clock: Clock, reach: int) -> Any:
    """As-of days × periods that windows can reach, with how far each lies before each feed's anchor."""
    rows = []
    for a, day in enumerate(batch.days):
        now = period_index(batch.project.calendar.grain, day)
        anchored = [*[clock.anchors[feed][a] for feed in clock.feeds], now]
        first = min(min(anchored) - reach, now - LATE_AFTER)
        for p in range(first, now + 1):
            offsets = [clock.anchors[feed][a] - p for feed in clock.feeds]
            overdue = [clock.expected[feed][a] - p for feed in clock.feeds]
            rows.append((a, p, now - p, now - p, *offsets, *overdue))
    feeds = range(len(clock.feeds))
    names = ["a", "p", "o_none", "e_none", *[f"o_{ix}" for ix in feeds], *[f"e_{ix}" for ix in feeds]]
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    return batch.table("periods", columns, dict.fromkeys(names, pa.int32()))


def write_days(
    batch: Batch,
    plan: Plan,
    clock: Clock,
    bucket: int,
    cells: Any,
    moved: dict[str, Path],
    presence: Expression | None,
    file: Path,
) -> None:
    """Households of a bucket on all as-of days, as Parquet."""
    names = leaf_names(plan)
    make_small_tables(batch, plan, clock, names)
    rows_file = file.with_suffix(".rows.parquet")
    batch.write_once(
        "rows",
        {"household": read(batch, "household", bucket, {}), "cells": cells if presence is not None else None},
        lambda given: _rows(batch, plan, clock, given, presence),
        rows_file,
    )
    given = {"rows": [rows_file], "cells": cells if plan.windows else None, **_records(batch, plan, bucket, moved)}
    if any(isinstance(node, d.Members) and node.elsewhere for node in plan.household):
        given["elsewhere"] = [members_elsewhere(batch, lambda table: _present(table, 0))]
    given["looked_up"] = looked_up(batch, plan, rows_file, names)
    batch.write_once("days", given, lambda given: _whole(batch, plan, clock, given, names), file)
    rows_file.unlink()


def make_small_tables(batch: Batch, plan: Plan, clock: Clock, names: Mapping[Expression, str]) -> None:
    """The batch's own small tables, which the statements of all batches know by their names."""
    day_table(batch)
    period_table(batch, clock, plan.reach)
    _seasons(batch, plan, names)
    area_table(batch, plan.attributes)


def _whole(batch: Batch, plan: Plan, clock: Clock, given: Mapping[str, Any], names: Mapping[Expression, str]) -> Any:
    """Rows with all their columns."""
    rows = given["rows"]
    whole = rows.join(_seasons(batch, plan, names), "a")
    parts = [
        _windows(batch, plan, clock, given, names),
        _members(batch, plan, given, names),
        *_dated(batch, plan, given, names),
        placed(plan, rows, given.get("looked_up"), names),
    ]
    for part in parts:
        if part is not None:
            whole = whole.left_join(part, KEYS).drop("household_id_right", "a_right")
    return _filled(plan, whole, names)


def _records(batch: Batch, plan: Plan, bucket: int, moved: dict[str, Path]) -> dict[str, Any]:
    """Records of a bucket by table, for members, events and holdings; `readings` are those that name something."""
    found = {}
    if any(isinstance(node, d.Members) for node in plan.household):
        found["member"] = read(batch, "member", bucket, {})
    dated = [node for node in plan.household if isinstance(node, d.Events | d.Holding)]
    through = [node for node in dated if isinstance(node, d.Events) and node.through]
    for name in dict.fromkeys(node.table for node in dated if node not in through):
        found[name] = read(batch, name, bucket, moved)
    if through:
        found["readings"] = readings(batch, max(node.days for node in through), bucket, moved)
        for name in dict.fromkeys(node.table for node in through if delivers(batch.project, node.table)):
            found[f"all_{name}"] = batch.store.as_known_on(batch.days, name, batch.engine, subject="all")
    return found


def leaf_names(plan: Plan) -> dict[Expression, str]:
    """Columns of windows and household parts."""
    return {node: f"n{ix}" for ix, node in enumerate((*plan.windows, *plan.household))}


def _filled(plan: Plan, whole: Any, names: Mapping[Expression, str]) -> Any:
    """Zero where nothing is known means none; every leaf has its column."""
    changes = {}
    for node, name in names.items():
        if name not in whole.columns:
            never = 0.0 if _never(node) == 0 else None
            changes[name] = ibis.literal(never, "float64") if never is not None else ibis.null("float64")
            if isinstance(node, d.Late):
                changes[name] = ibis.literal(float(node.periods), "float64")
        elif _never(node) is not None:
            changes[name] = ibis.coalesce(whole[name], float(_never(node) or 0))
    return whole.mutate(**changes)


def _never(node: Expression) -> int | None:
    """Value of a part where the household has no record for it; None where that is missing."""
    if isinstance(node, d.Late):
        return node.periods
    if isinstance(node, d.Reported) or (isinstance(node, d.Events | d.Holding) and node.what in ("count", "any")):
        return 0
    return None


# --- who is in the panel ------------------------------------------------------------------------------------------


def _rows(batch: Batch, plan: Plan, clock: Clock, given: Mapping[str, Any], presence: Expression | None) -> Any:
    """Households of the population rule on each day, with the newest of their records that is known and valid."""
    household = indexed(batch, given["household"])
    days = day_table(batch)
    if presence is not None:
        cells, periods = given["cells"], period_table(batch, clock, plan.reach)
        offset = _furthest(periods, clock, batch, presence, "o")
        near = periods.filter((offset >= 0) & (offset < batch.project.population.within))
        reported = cells.filter(cells[column_names(plan)[presence]].notnull())
        reported = reported.join(near.select("a", "p"), "p")
        reported = reported.filter((reported.lo <= reported.a) & (reported.a < reported.hi))
        present = reported.select(*KEYS).distinct().join(days, "a")
        joined = present.join(household, "household_id")
        joined = joined.filter((joined.lo <= joined.a) & (joined.a < joined.hi))
    else:
        joined = household.join(days, [household.lo <= days.a, household.hi > days.a])
    valid = (joined.valid_from <= joined.day) & (joined.valid_to.isnull() | (joined.valid_to > joined.day))
    joined = joined.filter(valid)
    order = [joined.valid_from.desc(), joined.known_from.desc(), joined.area_code, joined.row_id.desc()]
    newest = ibis.window(group_by=KEYS, order_by=order)
    chosen = joined.mutate(place=ibis.row_number().over(newest)).filter(lambda t: t.place == 0)
    wanted = dict.fromkeys(("area", "weight", "residence", *[n for n in plan.attributes if not n.startswith("area:")]))
    columns = {attribute_column(name): chosen[ATTRIBUTES.get(name, name)] for name in wanted}
    return with_areas(batch, chosen.select(*KEYS, **columns), plan.attributes)


def with_areas(batch: Batch, table: Any, attributes: Sequence[str]) -> Any:
    """Adds the containing areas that peers are grouped by: `area:county` and the like."""
    lookup = area_table(batch, attributes)
    if lookup is None:
        return table
    joined = table.left_join(lookup, table.a_area == lookup.area_of)
    return joined.drop("area_of")


def area_table(batch: Batch, attributes: Sequence[str]) -> Any:
    """Every area with the containing areas of these levels; None where none is asked for."""
    levels = [name.partition(":")[2] for name in attributes if name.startswith("area:")]
    if not levels:
        return None
    tree = area_tree(batch.project)
    rows = [(code, *[tree.at_level(code, _level(batch, level)) for level in levels]) for code in sorted(tree.areas)]
    columns = ["area_of", *[attribute_column(f"area:{level}") for level in levels]]
    named = f"areas_{'_'.join(levels)}"
    return batch.table(
        named, dict(zip(columns, zip(*rows, strict=True), strict=True)), dict.fromkeys(columns, pa.string())
    )


def _level(batch: Batch, level: str) -> str:
    return batch.project.areas.visits if level == "visits" else level


def _furthest(table: Any, clock: Clock, batch: Batch, expression: Expression, kind: str) -> Any:
    """Offset by the slowest of the feeds that an expression reads; the day's own period where none brings it."""
    feeds = [feed for feed in feeds_of(batch.project, expression) if feed in clock.anchors]
    if not feeds:
        return table[f"{kind}_none"]
    columns = [table[f"{kind}_{clock.feeds.index(feed)}"] for feed in feeds]
    return columns[0] if len(columns) == 1 else ibis.least(*columns)


# --- windows over cells -------------------------------------------------------------------------------------------


def period_columns(plan: Plan, cells: Any) -> dict[Expression, Any]:
    """Period-level expressions that stand as columns in cells: series, lags, and peers computed so far."""
    names = {**column_names(plan), **period_peer_names(plan)}
    found: dict[Expression, Any] = {node: cells[name] for node, name in names.items() if name in cells.columns}
    for lag in plan.lags:
        found[lag] = guarded(found[lag.series].notnull(), found[lag])
    for name in plan.period_attributes:
        if name == "weight":
            found[d.Attribute(name)] = cells[attribute_column(name)].cast("float64")
    return {**found, **_attribute_tests(plan.windowed, cells)}


def period_peer_names(plan: Plan) -> dict[Expression, str]:
    """Columns of peers of a period."""
    nodes = [node for nodes in plan.period_peers for node in nodes]
    return {node: f"p{ix}" for ix, node in enumerate(nodes)}


def _attribute_tests(expressions: Sequence[Expression], table: Any) -> dict[Expression, Any]:
    """Attributes compared with texts, as 1 and 0."""
    found: dict[Expression, Any] = {}
    for expression in expressions:
        for node in walk(expression):
            if isinstance(node, d.Attribute) and attribute_column(node.name) in table.columns:
                column = table[attribute_column(node.name)]
                if node.equals:
                    found[node] = guarded(column.notnull(), number(column.isin(node.equals)))
                elif node.name == "weight":
                    found[node] = column.cast("float64")
    return found


def _windows(batch: Batch, plan: Plan, clock: Clock, given: Mapping[str, Any], names: Mapping[Expression, str]) -> Any:
    if not plan.windows:
        return None
    rows, cells, periods = given["rows"], given["cells"], period_table(batch, clock, plan.reach)
    columns = period_columns(plan, cells)
    wanted = {expression: f"x{ix}" for ix, expression in enumerate(plan.windowed)}
    values = {name: _where_reported(e, columns, cells).cast("float64") for e, name in wanted.items()}
    narrow = cells.select("household_id", "p", "lo", "hi", **values)
    reached = rows.select(*KEYS).join(periods, "a")  # the narrow side first: few cells are within reach of a row
    joined = reached.join(narrow, ["household_id", "p"])
    joined = joined.filter((joined.lo <= joined.a) & (joined.a < joined.hi))
    windows = Windows(
        lambda series: _furthest(joined, clock, batch, series, "o"),
        lambda series: _furthest(joined, clock, batch, series, "e"),
        {expression: joined[name] for expression, name in wanted.items()},
    )
    finishes = {names[node]: windows.finish(node) for node in plan.windows}
    grouped = joined.group_by(KEYS).agg(**windows.aggregates)
    return grouped.select(*KEYS, **{name: finish(grouped).cast("float64") for name, finish in finishes.items()})


def _where_reported(expression: Expression, columns: Mapping[Expression, Any], cells: Any) -> Any:
    if expression in columns:
        return columns[expression]
    return guarded(reported(expression, columns, cells), value(expression, columns))


# --- members, events, holdings, seasons ---------------------------------------------------------------------------


def _members(batch: Batch, plan: Plan, given: Mapping[str, Any], names: Mapping[Expression, str]) -> Any:
    nodes = [node for node in plan.household if isinstance(node, d.Members)]
    if not nodes or "member" not in given:
        return None
    rows, table = given["rows"], indexed(batch, given["member"])
    days = day_table(batch)
    joined = table.join(days, [table.lo <= days.a, table.hi > days.a])
    present = {ago: _present(joined, ago) for ago in sorted({node.days_ago for node in nodes})}
    joined = joined.filter(reduce(lambda a, b: a | b, present.values())).semi_join(rows, KEYS)
    if any(node.elsewhere for node in nodes):
        joined = with_elsewhere(joined, given["elsewhere"])
    fitting = {}
    for node in nodes:
        fits = _present(joined, node.days_ago) & matches(joined, node.where)
        if node.elsewhere:
            fits = fits & joined.elsewhere
        if node.younger_than is not None:
            fits = fits & (_age(joined) < node.younger_than)
        if node.at_least is not None:
            fits = fits & (_age(joined) >= node.at_least)
        fitting[names[node]] = fits.any()
    known = {f"known_{ago}": there.any() for ago, there in present.items()}
    persons = joined.group_by([*KEYS, "person_id"]).agg(**fitting, **known)  # one who has two records counts once
    counts = {name: number(persons[name]).sum().cast("float64") for name in fitting}
    if len(present) > 1:
        counts = {names[node]: guarded(persons[f"known_{node.days_ago}"].any(), counts[names[node]]) for node in nodes}
    return persons.group_by(KEYS).agg(**counts)


def _present(table: Any, days_ago: int) -> Any:
    """Whether a membership was valid so many days before the as-of day."""
    if days_ago == 0:
        return (table.valid_from <= table.day) & (table.valid_to.isnull() | (table.valid_to > table.day))
    begun = _between(table.day, table.valid_from) >= days_ago
    return begun & (table.valid_to.isnull() | (_between(table.day, table.valid_to) < days_ago))


def _age(table: Any) -> Any:
    """Whole years on the day, from the month of birth."""
    born = table.birth_month
    if born.type().is_string():
        months = born.substr(0, 4).cast("int32") * 12 + born.substr(5, 2).cast("int32")
    else:
        months = born.year() * 12 + born.month()
    return (table.day.year() * 12 + table.day.month() - months) // 12


def _dated(batch: Batch, plan: Plan, given: Mapping[str, Any], names: Mapping[Expression, str]) -> list[Any]:
    rows = given["rows"]
    whole = [node for node in plan.household if isinstance(node, d.Events | d.Holding)]
    nodes = [node for node in whole if not (isinstance(node, d.Events) and node.through)]
    days, parts = day_table(batch), []
    for node in whole:
        if isinstance(node, d.Events) and node.through:
            named = named_records(batch, node, given, days, rows)
            if named is not None:
                parts.append(named.group_by(KEYS).agg(**{names[node]: _event(node, named)}))
    for name in dict.fromkeys(node.table for node in nodes):
        if name not in given:
            continue
        table = indexed(batch, given[name])
        own = [node for node in nodes if node.table == name]
        joined = table.join(days, [table.lo <= days.a, table.hi > days.a]).semi_join(rows, KEYS)
        joined = _within_reach(joined, own)
        found = {
            names[node]: (_event if isinstance(node, d.Events) else _holding)(node, joined)  # type: ignore[operator]
            for node in own
        }
        parts.append(joined.group_by(KEYS).agg(**found))
    return parts


def _within_reach(joined: Any, nodes: Sequence[Expression]) -> Any:
    """Records that lie in the window of some event on the day: the others are dropped before anything is counted."""
    events = [node for node in nodes if isinstance(node, d.Events)]
    if len(events) < len(nodes):
        return joined
    tests = []
    for date_column in dict.fromkeys(node.date for node in events):
        ago = _between(joined.day, joined[date_column])
        own = [node for node in events if node.date == date_column]
        tests.append((ago < max(node.days for node in own)) & (ago >= -max(node.ahead for node in own)))
    return joined.filter(reduce(lambda a, b: a | b, tests))


def _between(later: Any, earlier: Any) -> Any:
    """Days from one date column to another."""
    return later.delta(earlier, unit="day")


def _event(node: d.Events, joined: Any) -> Any:
    ago = _between(joined.day, joined[node.date])
    inside = matches(joined, node.where) & (ago < node.days) & (ago >= -node.ahead)
    if node.except_months:
        inside = inside & joined[node.date].month().notin(node.except_months)
    return _summary(node.what, inside, ago, joined, node)


def _holding(node: d.Holding, joined: Any) -> Any:
    begun = joined[node.start] <= joined.day
    until = ibis.coalesce(joined[node.end], ibis.literal(FOREVER))
    inside = matches(joined, node.where) & begun & (until > joined.day)
    if node.what == "left":
        left = _between(joined[node.end], joined.day)
        return left.min(where=inside & joined[node.end].notnull()).cast("float64")
    if node.what == "ended":
        ago = _between(joined.day, until)
        return ago.min(where=matches(joined, node.where) & (until <= joined.day)).cast("float64")
    if node.what == "longest":
        return _between(joined.day, joined[node.start]).max(where=inside).cast("float64")
    what = "since" if node.what == "held" else node.what
    return _summary(what, inside, _between(joined.day, joined[node.start]), joined, node)


def _summary(what: str, inside: Any, ago: Any, joined: Any, node: d.Events | d.Holding) -> Any:
    """Count, any, total, largest, latest or days since, of the records inside."""
    if what == "count":
        return inside.sum().cast("float64")
    if what == "any":
        return inside.any().cast("float64")
    if what == "since":
        return ago.min(where=inside).cast("float64")
    measure = joined[node.measure].cast("float64") * node.scale
    if what == "total":
        return measure.cast("decimal(38, 9)").sum(where=inside).cast("float64")
    if what == "largest":
        return measure.max(where=inside)
    return measure.last(order_by=[ago.desc(), measure], where=inside & measure.notnull())


_SEASONS: dict[str, Callable[[Any], float]] = {
    "sine": lambda day: math.sin(2 * math.pi * day.timetuple().tm_yday / 365.25),
    "cosine": lambda day: math.cos(2 * math.pi * day.timetuple().tm_yday / 365.25),
    "month": lambda day: float(day.month),
    "quarter": lambda day: float((day.month - 1) // 3 + 1),
    "spring_festival": weeks_from_spring_festival,
    "days": lambda day: float(day.toordinal()),
}


def _seasons(batch: Batch, plan: Plan, names: Mapping[Expression, str]) -> Any:
    """As-of days with their season columns."""
    columns: dict[str, Sequence[Any]] = {"a": range(len(batch.days))}
    for node in plan.household:
        if isinstance(node, d.Season):
            columns[names[node]] = [_SEASONS[node.which](day) for day in batch.days]
    return batch.table("seasons", columns, {name: pa.int32() if name == "a" else pa.float64() for name in columns})
