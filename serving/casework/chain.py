"""One household, one assistance chain (policy (8)): signals, alerts, visits, records, referrals, answers, payments.

The chain is read, never written: departments' records come from the store as known on a day, what people did comes from
the events of the household's cases. Entries hold codes, days and amounts; no names and no free text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select

from features.errors import UsageError
from serving.casework.actor import Actor
from serving.casework.case import Case
from serving.casework.desk import Desk
from serving.casework.looking import newest_row, past_of
from serving.casework.tables import RequestRow
from serving.recorded import Milestone


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


def chain(desk: Desk, by: Actor, household_id: str, records: Iterable[Milestone] = ()) -> tuple[Link, ...]:
    """Everything that is known of a household's way, oldest first; the look is written down.

    Args:
        desk: the service layer.
        by: who looks; who visits before a score is seen gets no word of levels until the record is handed in.
        household_id: whose chain.
        records: departments' records of the household (`serving.recorded`); without them, only what people did.

    Raises:
        UsageError: the household has no case.
        AccessError: the household is not the actor's; written down.
    """
    with desk.database.reading() as session:
        row = newest_row(session, household_id)
        if row is None:
            raise UsageError("case_unknown")
        newest = Case.model_validate(row.body)
        past = past_of(session, household_id)
        asked = list(session.scalars(select(RequestRow.body).where(RequestRow.household_id == household_id)))
    if by.role not in ("village", "town", "county", "supervisor") or not desk.reaches(by, newest.area_code):
        raise desk.refuse(by, "case_outside", household_id)
    score = not by.blind or newest.first is not None
    desk.note(by, "view", household_id, chain=True, score=score)
    found = [Link(event.at, "case", event.kind, event.detail) for _, event in past.events]
    found += [Link(row.as_of, "list", "listed", _told(row.body, score=score)) for row in past.signals]
    found += [link for body in asked if (link := _request(body)) is not None]
    found += [Link(one.day, "store", one.table, one.detail) for one in records]
    zone = desk.zone
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
