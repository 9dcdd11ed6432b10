"""One household, one assistance chain (policy (8)): signals, alerts, visits, records, referrals, answers, payments.

The chain is read, never written: departments' records come from the store as known on a day, what people did comes from
the events of the household's cases. Entries hold codes, days and amounts; no names and no free text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pandas as pd
from sqlalchemy import select

from features.engines.duckdb import Engine
from features.errors import UsageError
from features.store import Store
from serving.casework import cases
from serving.casework.actor import Actor
from serving.casework.desk import Desk, history
from serving.casework.tables import RequestRow, SignalRow

_DAYS: Mapping[str, str] = {"event": "event_date", "category": "valid_from", "assistance": "action_date"}
_SHOWN: Mapping[str, tuple[str, ...]] = {
    "event": ("kind", "detail", "amount"),
    "category": ("category", "valid_to"),
    "assistance": ("programme", "action", "amount", "period", "policy_clause"),
}
"""Tables of the store that tell something of a household's course, and what of them is shown."""


@dataclass(frozen=True)
class Link:
    """One entry: when, from where (store or case), what kind, and its codes."""

    at: datetime | date
    source: str
    kind: str
    detail: Mapping[str, Any]

    @property
    def day(self) -> date:
        """The day that it is sorted by."""
        return self.at.date() if isinstance(self.at, datetime) else self.at


def chain(
    desk: Desk, by: Actor, household_id: str, *, store: Store | None = None, engine: Engine | None = None
) -> tuple[Link, ...]:
    """Everything that is known of a household's way, oldest first; the look is written down.

    Args:
        desk: the service layer.
        by: who looks; who visits before a score is seen gets no word of levels until the record is handed in.
        household_id: whose chain.
        store: departments' records; without one, only what people did.
        engine: reads the store.

    Raises:
        UsageError: the household has no case.
        AccessError: the household is not the actor's; written down.
    """
    with desk.database.reading() as session:
        newest = cases.newest_case(session, household_id)
        if newest is None:
            raise UsageError("case_unknown")
        events = history(session, household_id=household_id)
        signals = list(
            session.scalars(select(SignalRow).where(SignalRow.household_id == household_id).order_by(SignalRow.as_of))
        )
        asked = list(session.scalars(select(RequestRow.body).where(RequestRow.household_id == household_id)))
    if by.role not in ("village", "town", "county", "supervisor") or not desk.reaches(by, newest.area_code):
        raise desk.refuse(by, "case_outside", household_id)
    score = not by.blind or newest.first is not None
    desk.note(by, "view", household_id, chain=True, score=score)
    found = [Link(event.at, "case", event.kind, event.detail) for event in events]
    found += [Link(row.as_of, "list", "listed", _told(row.body, score=score)) for row in signals]
    found += [link for body in asked if (link := _request(body)) is not None]
    if store is not None and engine is not None:
        found += _records(store, engine, household_id, desk.rules.day(desk.now()))
    zone = desk.rules.zone
    return tuple(sorted(found, key=lambda one: (_local(one, zone), one.source != "store", one.source != "list")))


def _local(one: Link, zone: Any) -> tuple[date, str]:
    if isinstance(one.at, datetime):
        at = one.at.astimezone(zone)
        return at.date(), at.isoformat()
    return one.at, ""


def _told(body: Mapping[str, Any], *, score: bool) -> dict[str, Any]:
    return {key: body.get(key) for key in ("level", "per_100", "change")} if score else {}


def _request(body: Mapping[str, Any]) -> Link | None:
    """A request when it was made; a notice when it was given, for until then it is only owed."""
    notice = body["kind"] == "notice"
    at = body["decided_at"] if notice else body["opened_at"]
    if at is None:
        return None
    kind = "notified" if notice else "requested"
    return Link(
        datetime.fromisoformat(str(at)), "request", kind, {key: body[key] for key in ("kind", "state", "about")}
    )


def _records(store: Store, engine: Engine, household_id: str, day: date) -> Iterator[Link]:
    """Departments' records of the household, as known on the day."""
    for name, dated in _DAYS.items():
        table = store.as_known_on(day, name, engine)
        if "household_id" not in table.columns:
            continue
        rows = table.filter((table.known_from <= day) & (table.known_to > day) & (table.household_id == household_id))
        for row in engine.frame(rows).to_dict("records"):
            if pd.notna(row.get(dated)):
                detail = {key: _plain(row.get(key)) for key in _SHOWN[name] if pd.notna(row.get(key))}
                yield Link(pd.Timestamp(row[dated]).date(), "store", name, detail)


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return str(value)[:10]
    return value.item() if hasattr(value, "item") else value
