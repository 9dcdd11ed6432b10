"""What departments recorded of households, as known on a day: a feed's records with their source rows, and milestones.

Records hold codes, days and amounts; the store has no names, and no free text is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from features.engines.duckdb import Engine
from features.feeds.contracts import TABLES, vocabularies
from features.project import Project
from features.store import Store
from features.strict import Words
from serving.evidence import DATES, facts

MOST = 200
"""Records that are shown of a feed; who needs more asks the department."""
IDS = frozenset({"household_id", "person_id", "row_id", "area_code", "member_id", "employer_id", "village_code"})


@dataclass(frozen=True)
class SourceRecord:
    """One record: its day, what it says (column → value; amounts in smallest units), and where it stands.

    Attributes:
        money: columns that are amounts.
        known: the first day on which the administration knew it.
    """

    day: date | None
    table: str
    values: Mapping[str, Any]
    money: frozenset[str]
    known: date
    received: str
    delivery: str
    file: str
    line: int


def tables_of(project: Project, feed: str) -> tuple[str, ...]:
    """Tables that a feed's rows become."""
    profile = project.feeds[feed].profile
    return tuple(dict.fromkeys(rule.table for rule in profile.records if rule.table in TABLES))


def recorded(
    project: Project, store: Store, engine: Engine, day: date, household: str, feed: str
) -> list[SourceRecord]:
    """The newest records of a household from a feed, newest first, as known on a day."""
    found = []
    for table in tables_of(project, feed):
        money = frozenset(name for name, column in TABLES[table].by_name.items() if column.type == "money")
        for seen in facts(store, engine, day, table):
            wanted = seen.filter((seen.household_id == household) & (seen.feed == feed))
            shown = [name for name in TABLES[table].by_name if name in seen.columns and name not in IDS]
            dated = [name for name in DATES if name in seen.columns]
            frame = engine.frame(wanted.select("row_id", "known_from", *dict.fromkeys([*shown, *dated])))
            for row in frame.to_dict("records"):
                days = [pd.Timestamp(row[name]).date() for name in dated if pd.notna(row[name])]
                values = {name: _plain(row[name]) for name in shown if name not in dated and pd.notna(row[name])}
                found.append((days[0] if days else None, table, values, money, row))
    rows = {one.row_id: one for one in store.source_rows(sorted({int(row["row_id"]) for *_, row in found}))}
    made = []
    for at, table, values, money, row in found:
        source = rows[int(row["row_id"])]
        known = pd.Timestamp(row["known_from"]).date()
        made.append(
            SourceRecord(
                at, table, values, money, known, source.received_on, source.delivery_id, source.file, source.line
            )
        )
    made.sort(key=lambda one: (one.day or one.known, one.delivery, one.line, one.table), reverse=True)
    return made[:MOST]


def shown_value(table: str, column: str, value: Any) -> Words | None:
    """A code in words; None where it is none.

    >>> shown_value("event", "kind", "death").zh, shown_value("event", "amount", 3)
    ('死亡', None)
    """
    contract = TABLES[table].by_name.get(column)
    group = vocabularies().get(contract.vocabulary or "", {}) if contract else {}
    return group.get(str(value))


# --- milestones -------------------------------------------------------------------------------------------------------

_DAYS: Mapping[str, str] = {"event": "event_date", "category": "valid_from", "assistance": "action_date"}
_SHOWN: Mapping[str, tuple[str, ...]] = {
    "event": ("kind", "detail", "amount"),
    "category": ("category", "valid_to"),
    "assistance": ("programme", "action", "amount", "period", "policy_clause"),
}
"""Tables of the store that tell something of a household's course, and what of them is shown."""


@dataclass(frozen=True)
class Milestone:
    """A record that tells of a household's way: its day, its table, its codes; amounts in smallest units."""

    day: date
    table: str
    detail: Mapping[str, Any]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {"day": str(self.day), "table": self.table, "detail": dict(self.detail)}


def milestones(store: Store, engine: Engine, day: date, households: Iterable[str]) -> dict[str, list[Milestone]]:
    """The records of some households, oldest first, as known on a day."""
    wanted = sorted(set(households))
    found: dict[str, list[Milestone]] = {household: [] for household in wanted}
    for name, dated in _DAYS.items():
        table = store.as_known_on(day, name, engine)
        if "household_id" not in table.columns or not wanted:
            continue
        rows = table.filter((table.known_from <= day) & (table.known_to > day) & table.household_id.isin(wanted))
        for row in engine.frame(rows).to_dict("records"):
            if pd.notna(row.get(dated)):
                detail = {key: _plain(row.get(key)) for key in _SHOWN[name] if pd.notna(row.get(key))}
                found[str(row["household_id"])].append(Milestone(pd.Timestamp(row[dated]).date(), name, detail))
    for entries in found.values():
        entries.sort(key=lambda one: (one.day, one.table, str(sorted(one.detail.items()))))
    return found


def _plain(value: Any) -> Any:
    """A value of the store as JSON has it."""
    if isinstance(value, date):
        return str(value)[:10]
    return value.item() if hasattr(value, "item") else value
