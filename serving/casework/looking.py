"""What looks read of a case and its household; what a page asks for twice, once for a session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from serving.casework import cases
from serving.casework.actor import Actor
from serving.casework.case import Event
from serving.casework.tables import CaseRow, EventRow, SignalRow

Found = TypeVar("Found")


@dataclass(frozen=True)
class Signal:
    """What one list said of a household."""

    run_id: str
    case_id: str
    as_of: date
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Past:
    """What happened to a household, by case, and what lists said of it; each oldest first."""

    events: tuple[tuple[str, Event], ...]
    signals: tuple[Signal, ...]


def case_row(session: Session, case_id: str) -> CaseRow | None:
    """The row of a case."""
    return _once(session, ("case", case_id), lambda: session.get(CaseRow, case_id))


def newest_row(session: Session, household_id: str) -> CaseRow | None:
    """The row of a household's newest case."""
    row = _once(session, ("newest", household_id), lambda: cases.newest_row(session, household_id))
    return None if row is None else _once(session, ("case", row.case_id), lambda: row)


def past_of(session: Session, household_id: str) -> Past:
    """A household's past."""
    return _once(session, ("past", household_id), lambda: _past(session, household_id))


def newest_signal(session: Session, case_id: str) -> Mapping[str, Any] | None:
    """What the newest list said of the household."""
    query = select(SignalRow.body).where(SignalRow.case_id == case_id).order_by(SignalRow.as_of.desc())
    return session.scalars(query.limit(1)).first()


def _once(session: Session, key: tuple[str, str], read: Callable[[], Found]) -> Found:
    """What this session has read under a key, or reads now. For sessions that only read: nothing grows old in them."""
    if key not in session.info:
        session.info[key] = read()
    found: Found = session.info[key]
    return found


def _past(session: Session, household_id: str) -> Past:
    row = EventRow
    columns = (row.case_id, row.kind, row.at, row.account, row.role, row.detail)
    happened = session.execute(select(*columns).where(row.household_id == household_id).order_by(row.at, row.seq))
    events = tuple(
        (case_id, Event(kind=kind, at=at, by=Actor(account=account, role=role, area=""), detail=detail))
        for case_id, kind, at, account, role, detail in happened
    )
    said = select(SignalRow.run_id, SignalRow.case_id, SignalRow.as_of, SignalRow.body)
    said = said.where(SignalRow.household_id == household_id).order_by(SignalRow.as_of, SignalRow.run_id)
    return Past(events, tuple(Signal(*one) for one in session.execute(said)))
