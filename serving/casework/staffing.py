"""Workers in the database, proposals from what lies there, and hand-over of everything when somebody is away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from features.errors import UsageError
from serving.casework import actions as a
from serving.casework import cases
from serving.casework.actor import Actor
from serving.casework.assignment import Proposal, Wanted, Worker, propose
from serving.casework.desk import Desk
from serving.casework.paging import Page
from serving.casework.refusals import ActionDetailError, ActionError, ConflictError
from serving.casework.tables import CaseRow, PlaceRow, WorkerRow

_LOAD = ("assigned", "visited")


@dataclass(frozen=True)
class Confirmed:
    """What became of a confirmed proposal: cases that were given, and those that somebody else had changed."""

    given: tuple[str, ...]
    conflicts: Mapping[str, str]


def put_worker(
    desk: Desk, by: Actor, worker: Actor, capacity: int, *, away: tuple[date, date] | None = None, active: bool = True,
    seen: int | None = None,
) -> None:  # fmt: skip
    """Enter or change who visits, how much, and when not; `seen` is the version that was looked at.

    Raises:
        AccessError: the worker's area is not the actor's.
        UsageError: the role does not visit, the capacity is below nothing, or the absence ends before it begins.
        ConflictError: somebody else changed it in between.
    """
    if by.role not in ("town", "county", "admin") or not desk.reaches(by, worker.area):
        raise desk.refuse(by, "case_outside", worker.area)
    if worker.role not in a.WHO["visit"] or capacity < 0 or (away is not None and away[1] < away[0]):
        raise UsageError("worker_unfit")
    with desk.writing(by) as (session, told):
        row = session.get(WorkerRow, worker.account) or WorkerRow(account=worker.account, version=0)
        if seen is not None and row.version != seen:
            raise ConflictError(None, seen, row.version)
        before = {"capacity": row.capacity, "active": row.active, "away": (row.away_from, row.away_until)}
        row.role, row.area_code, row.capacity, row.active = worker.role, worker.area, capacity, active
        row.away_from, row.away_until = away or (None, None)
        row.version += 1
        session.add(row)
        after = {"capacity": capacity, "active": active, "away": away}
        told.append(("worker", worker.account, {**after, "before": before if row.version > 1 else None}))


def workers(desk: Desk, session: Session, day: date, area: str) -> list[Worker]:
    """Everybody active whose area lies in an area or holds it, with open visits and absence on a day."""
    near = [*desk.tree.inside(area), *cases.places_of(desk.tree, area)]
    return _found(session, day, WorkerRow.area_code.in_(bindparam("near", near, expanding=True)))


def worker_page(desk: Desk, by: Actor, *, after: str = "", limit: int = 50) -> Page[Worker]:
    """Some of those active inside an actor's area, by account, with open visits and absence today.

    Args:
        desk: the service layer.
        by: whose area it is.
        after: account of the last one of the page before.
        limit: how many.
    """
    # the whole holds everybody; its areas would be too many for one question
    inside = None if desk.tree.is_whole(by.area) else desk.tree.inside(by.area)
    here = [] if inside is None else [WorkerRow.area_code.in_(bindparam("inside", inside, expanding=True))]
    with desk.database.reading() as session:
        found = _found(session, desk.rules.day(desk.now()), WorkerRow.account > after, *here, limit=limit + 1)
    return Page(tuple(found[:limit]), found[limit - 1].account if len(found) > limit else None)


def _found(session: Session, day: date, *shown: Any, limit: int | None = None) -> list[Worker]:
    row = WorkerRow
    load = select(func.count()).where(CaseRow.owner_account == row.account, CaseRow.state.in_(_LOAD)).scalar_subquery()
    columns = (row.account, row.role, row.area_code, row.capacity, load, row.away_from, row.away_until)
    query = select(*columns).where(row.active, *shown).order_by(row.account).limit(limit)
    return [
        Worker(account, role, area, capacity, count, away=bool(first and last and first <= day <= last))
        for account, role, area, capacity, count, first, last in session.execute(query)
    ]


def _depth(desk: Desk, area: str, place: str) -> int | None:
    """Levels between an area and a place that it holds."""
    chain = cases.places_of(desk.tree, place)
    return chain.index(area) if area in chain else None


def proposal(desk: Desk, by: Actor, area: str | None = None) -> tuple[Proposal, Mapping[str, int]]:
    """Who would visit the alerts of an area; also each case's version, to confirm with.

    Raises:
        AccessError: the area is not the actor's.
    """
    area = area or by.area
    if by.role not in a.WHO["assign"] or not desk.reaches(by, area):
        raise desk.refuse(by, "case_outside", area)
    with desk.database.reading() as session:
        query = (
            select(CaseRow).join(PlaceRow, PlaceRow.case_id == CaseRow.case_id)
            .where(PlaceRow.area_code == area, PlaceRow.state == "alert").order_by(PlaceRow.due_at, PlaceRow.case_id)
        )  # fmt: skip
        wanted = [_wanted(desk, row) for row in session.scalars(query)]
        known = workers(desk, session, desk.rules.day(desk.now()), area)
    made = propose(wanted, known, lambda one, place: _depth(desk, one, place))
    return made, {one.case_id: one.version for one in wanted}


def _wanted(desk: Desk, row: CaseRow) -> Wanted:
    day = row.body.get("visit_by")
    return Wanted(
        row.case_id, row.area_code, date.fromisoformat(day) if day else desk.rules.day(row.due_at), row.version
    )


def confirm(desk: Desk, by: Actor, given: Mapping[str, str], versions: Mapping[str, int]) -> Confirmed:
    """Assign as proposed or as edited; what somebody else has changed in the meantime is named and left alone."""
    done: list[str] = []
    conflicts: dict[str, str] = {}
    for case_id, account in sorted(given.items()):
        to = _worker(desk, account)
        try:
            desk.act(a.Assign(by=by, to=to), case_id, versions[case_id])
            done.append(case_id)
        except (ConflictError, ActionError, ActionDetailError) as error:
            conflicts[case_id] = error.code
    return Confirmed(tuple(done), conflicts)


def _worker(desk: Desk, account: str) -> Actor:
    with desk.database.reading() as session:
        row = session.get(WorkerRow, account)
    if row is None or not row.active:
        raise UsageError("worker_unknown")
    return Actor(account=row.account, role=row.role, area=row.area_code)


def covered(desk: Desk, by: Actor, account: str) -> tuple[Proposal, Mapping[str, int]]:
    """Who would take over the open visits of somebody who is away; also each case's version, to hand over with.

    Raises:
        AccessError: the worker's area is not the actor's.
        UsageError: there is no such worker.
    """
    away = _worker(desk, account)
    if by.role not in a.WHO["hand_over"] or not desk.reaches(by, away.area):
        raise desk.refuse(by, "case_outside", away.area)
    with desk.database.reading() as session:
        query = select(CaseRow).where(CaseRow.owner_account == account, CaseRow.state != "closed")
        rows = list(session.scalars(query))
        others = [one for one in workers(desk, session, desk.rules.day(desk.now()), by.area) if one.account != account]
    made = propose([_wanted(desk, row) for row in rows], others, lambda one, place: _depth(desk, one, place))
    return made, {row.case_id: row.version for row in rows}


def cover(desk: Desk, by: Actor, account: str) -> tuple[Confirmed, Proposal]:
    """Hand over the open visits of somebody who is away, by village and load; what nobody can carry stays and is named.

    Raises:
        AccessError: the worker's area is not the actor's.
        UsageError: there is no such worker.
    """
    made, versions = covered(desk, by, account)
    done: list[str] = []
    conflicts: dict[str, str] = {}
    for case_id, to in sorted(made.given.items()):
        try:
            desk.act(a.HandOver(by=by, to=_worker(desk, to)), case_id, versions[case_id])
            done.append(case_id)
        except (ConflictError, ActionError, ActionDetailError) as error:
            conflicts[case_id] = error.code
    return Confirmed(tuple(done), conflicts), made
