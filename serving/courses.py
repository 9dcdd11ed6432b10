"""What departments recorded of households' ways: events, classes of assistance, payments; as known on a day.

Entries hold codes, days and amounts; no names and no free text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from features.engines.duckdb import Engine
from features.store import Store

_DAYS: Mapping[str, str] = {"event": "event_date", "category": "valid_from", "assistance": "action_date"}
_SHOWN: Mapping[str, tuple[str, ...]] = {
    "event": ("kind", "detail", "amount"),
    "category": ("category", "valid_to"),
    "assistance": ("programme", "action", "amount", "period", "policy_clause"),
}
"""Tables of the store that tell something of a household's course, and what of them is shown."""


@dataclass(frozen=True)
class Entry:
    """One record: its day, its table, and its codes; amounts in the currency's smallest units."""

    day: date
    table: str
    detail: Mapping[str, Any]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {"day": str(self.day), "table": self.table, "detail": dict(self.detail)}


def courses(store: Store, engine: Engine, day: date, households: Iterable[str]) -> dict[str, list[Entry]]:
    """The records of some households, oldest first, as known on a day."""
    wanted = sorted(set(households))
    found: dict[str, list[Entry]] = {household: [] for household in wanted}
    for name, dated in _DAYS.items():
        table = store.as_known_on(day, name, engine)
        if "household_id" not in table.columns or not wanted:
            continue
        rows = table.filter((table.known_from <= day) & (table.known_to > day) & table.household_id.isin(wanted))
        for row in engine.frame(rows).to_dict("records"):
            if pd.notna(row.get(dated)):
                detail = {key: plain_value(row.get(key)) for key in _SHOWN[name] if pd.notna(row.get(key))}
                found[str(row["household_id"])].append(Entry(pd.Timestamp(row[dated]).date(), name, detail))
    for entries in found.values():
        entries.sort(key=lambda one: (one.day, one.table, str(sorted(one.detail.items()))))
    return found


def plain_value(value: Any) -> Any:
    """A value of the store as JSON has it."""
    if isinstance(value, date):
        return str(value)[:10]
    return value.item() if hasattr(value, "item") else value
