"""Dated values that belong to areas and not to households: assistance lines, schedules, readings of areas.

The tables are small; what holds for an area on a day is found in Python, from the household's own area upwards, and
joined to the households.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa

from features.cells import Batch, delivers
from features.divisions import area_tree
from features.indicators import definition as d
from features.indicators.definition import Expression
from features.indicators.plan import Plan

Record = Mapping[str, Any]
ByArea = Mapping[str | None, Sequence[Record]]
TABLES: dict[type[Expression], str] = {
    d.Line: "assistance_line",
    d.Schedule: "schedule",
    d.AreaReading: "area_reading",
}


def looked_up(batch: Batch, plan: Plan, rows: Path, names: Mapping[Expression, str]) -> list[Path] | None:
    """Looked-up values by day, area and residence of a bucket's rows; None where no definition needs one."""
    nodes = [node for node in plan.household if type(node) in TABLES]
    if not nodes:
        return None
    tree = area_tree(batch.project)
    tables = {TABLES[type(node)] for node in nodes}
    for table in tables - batch.dated.keys():
        batch.dated[table] = _records(batch, table)
    telling = {area for table in tables for area in batch.dated[table]}
    places = batch.engine.rows(batch.statement("places", {"rows": [rows]}, lambda given: _places(given["rows"])))
    columns: dict[str, list[Any]] = {"a": [], "a_area": [], "a_residence": [], **{names[node]: [] for node in nodes}}
    answers: dict[tuple[int, tuple[str, ...], str | None], list[float | None]] = {}
    for a, area, residence in places:
        columns["a"].append(a)
        columns["a_area"].append(_text(area))
        columns["a_residence"].append(_text(residence) or "")
        # ten thousand villages have no records of their own: what holds in their counties is asked for once
        chain = tuple(found.code for found in tree.chain(_text(area) or "") if found.code in telling)
        key = (a, chain, _text(residence))
        if key not in answers:
            answers[key] = [_answer(node, a, batch, chain, key[2]) for node in nodes]
        for node, answer in zip(nodes, answers[key], strict=True):
            columns[names[node]].append(answer)
    schema = {"a": pa.int32(), "a_area": pa.string(), "a_residence": pa.string()}
    return [batch.small(columns, {**schema, **{names[node]: pa.float64() for node in nodes}})]


def _places(rows: Any) -> Any:
    return rows.select("a", "a_area", "a_residence").distinct().order_by("a", "a_area", "a_residence")


def placed(plan: Plan, rows: Any, lookup: Any | None, names: Mapping[Expression, str]) -> Any | None:
    """Looked-up values by household and day."""
    if lookup is None:
        return None
    nodes = [node for node in plan.household if type(node) in TABLES]
    keyed = rows.select("household_id", "a", "a_area", home=ibis.coalesce(rows.a_residence, ""))
    joined = keyed.join(lookup, [keyed.a == lookup.a, keyed.a_area == lookup.a_area, keyed.home == lookup.a_residence])
    return joined.select("household_id", "a", *[names[node] for node in nodes])


def _answer(node: Any, a: int, batch: Batch, chain: Sequence[str], residence: str | None) -> float | None:
    """A node's value; places whose own areas have no records share the answer of the areas above them."""
    records: ByArea = batch.dated[TABLES[type(node)]]
    telling = tuple(area for area in chain if area in records)
    key = (node, a, telling, residence if isinstance(node, d.Line) else None)
    if key not in batch.answers:
        batch.answers[key] = _VALUES[type(node)](node, records, a, batch, telling, residence)
    return batch.answers[key]


def _text(value: Any) -> str | None:
    return None if value is None or value != value else str(value)


def _records(batch: Batch, table: str) -> ByArea:
    """Records of a small table visible on some day, by area, with `lo` and `hi` as indexes of as-of days."""
    if not delivers(batch.project, table):
        return {}
    frame = batch.engine.frame(batch.store.as_known_on(batch.days, table, batch.engine, subject="all"))
    found = []
    for row in frame.to_dict("records"):
        record: dict[str, Any] = {key: (None if pd.isna(value) else value) for key, value in row.items()}
        for key, value in record.items():
            if isinstance(value, pd.Timestamp):
                record[key] = value.date()
        record["lo"], record["hi"] = batch.index(record["known_from"]), batch.index(record["known_to"])
        found.append(record)
    by_area: dict[str | None, list[Record]] = {}
    for record in sorted(found, key=lambda record: (record["known_from"], repr(sorted(record.items(), key=str)))):
        by_area.setdefault(record.get("area_code"), []).append(record)
    return by_area


def _newest(
    records: ByArea,
    a: int,
    chain: Sequence[str],
    fits: Callable[[Record], bool],
    when: Callable[[Record], date],
) -> Record | None:
    """The newest fitting record of the nearest area that has one."""
    here = _nearest(records, a, chain, fits)
    return max(here, key=lambda record: (when(record), record["known_from"]), default=None)


def _nearest(records: ByArea, a: int, chain: Sequence[str], fits: Callable[[Record], bool]) -> Sequence[Record]:
    """The fitting records of the nearest area that has any; a record without an area holds everywhere."""
    for area in (*chain, None):
        here = [record for record in records.get(area, ()) if record["lo"] <= a < record["hi"] and fits(record)]
        if here:
            return here
    return []


def _line(
    node: d.Line, records: ByArea, a: int, batch: Batch, chain: Sequence[str], residence: str | None
) -> float | None:
    day = batch.days[a]

    def fits(record: Record) -> bool:
        return record["valid_from"] <= day and record.get("residence") in (residence, None)

    found = _newest(records, a, chain, fits, _valid_from)
    return _number(found, node.column, node.scale)


def _schedule(
    node: d.Schedule, records: ByArea, a: int, batch: Batch, chain: Sequence[str], _residence: str | None
) -> float | None:
    day = batch.days[a]

    def fits(record: Record) -> bool:
        return bool(record["kind"] == node.kind and record.get("stage") == node.stage)

    if node.what != "amount":
        return _dates(node, [(day - found["valid_from"]).days for found in _nearest(records, a, chain, fits)])
    found = _newest(records, a, chain, lambda record: record["valid_from"] <= day and fits(record), _valid_from)
    return _number(found, "amount", node.scale)


def _dates(node: d.Schedule, ago: Sequence[int]) -> float | None:
    """What the dates of entries, as days before the as-of day, say."""
    if node.what == "count":
        return float(sum(-node.ahead <= days < node.days for days in ago))
    if node.what == "next":
        return min((float(-days) for days in ago if -node.ahead <= days <= 0), default=None)
    return min((float(days) for days in ago if 0 < days < node.days), default=None)


def _valid_from(record: Record) -> date:
    found: date = record["valid_from"]
    return found


def _reading(
    node: d.AreaReading, records: ByArea, a: int, batch: Batch, chain: Sequence[str], _residence: str | None
) -> float | None:
    day = batch.days[a]
    months = node.within * (3 if batch.project.calendar.grain == "quarter" else 1)

    def fits(record: Record) -> bool:
        ended = record["period_end"]
        old = (day.year - ended.year) * 12 + day.month - ended.month
        return bool(record["kind"] == node.kind and ended <= day and old < months)

    found = _newest(records, a, chain, fits, lambda record: record["period_end"])
    return _number(found, "value", 1.0)


def _number(record: Record | None, column: str, scale: float) -> float | None:
    return None if record is None or record.get(column) is None else float(record[column]) * scale


_VALUES: dict[type[Expression], Callable[..., float | None]] = {
    d.Line: _line,
    d.Schedule: _schedule,
    d.AreaReading: _reading,
}
