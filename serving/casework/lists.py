"""The four lists of policy (14): policies, needs, services, resources; and what meets which need.

Policies are the routing table. Needs are what visitors classified and nobody has met yet. Services and resources
(funds, social workers, volunteers, charity offers, micro-wishes) are entered by counties and towns for their own area
and all inside it; they are withdrawn by ending, so that what was met from them stays told. What was matched enters the
household's chain (policy (20)).
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from sqlalchemy import case as either
from sqlalchemy import func, or_, select

from features.errors import UsageError
from features.strict import Words
from serving.casework import cases
from serving.casework.actor import Actor
from serving.casework.case import Case, Event
from serving.casework.classification import IDENTITY, needs_of
from serving.casework.desk import Desk, decision
from serving.casework.paging import Page, beyond, place
from serving.casework.refusals import AccessError, ConflictError
from serving.casework.tables import MatchRow, NeedRow, ResourceRow

Kind = Literal["service", "fund", "social_worker", "volunteer", "charity", "wish"]
KINDS: tuple[Kind, ...] = Kind.__args__  # type: ignore[attr-defined]
KEEPING = frozenset({"town", "county"})
"""Roles that enter services and resources."""
MEETING = KEEPING | {"village"}
"""Roles that meet a need from one."""
_RESOURCES = 1000
"""What ranks resources behind services; no code of an area is as long."""


@dataclass(frozen=True)
class Policy:
    """A line of the policy list."""

    need: str
    lead: str
    kinds: Words
    clause: str


@dataclass(frozen=True)
class Resource:
    """A line of the service or resource list; `remaining` is None where it does not run out.

    Attributes:
        version: of the line, for whoever changes it.
    """

    resource_id: str
    kind: str
    area_code: str
    title: Words
    needs: tuple[str, ...]
    remaining: int | None
    valid_from: date
    valid_until: date | None
    version: int = 0


def policies(desk: Desk) -> tuple[Policy, ...]:
    """The policy list: kinds of help by need, with lead department and clause."""
    needs = desk.rules.routing.needs
    return tuple(Policy(code, need.lead, need.kinds, need.clause) for code, need in needs.items())


def needs(desk: Desk, by: Actor, area: str | None = None) -> Mapping[str, int]:
    """The need list of an area: households by open need. Counts only; whose they are stands on the pages of cases.

    Raises:
        AccessError: the area is not the actor's.
    """
    area = area or by.area
    if by.role not in KEEPING | {"village", "supervisor"} or not desk.reaches(by, area):
        raise desk.refuse(by, "case_outside", area)
    query = select(NeedRow.need, NeedRow.cases).where(NeedRow.area_code == area, NeedRow.cases != 0)
    with desk.database.reading() as session:
        return {str(row.need): int(row.cases) for row in session.execute(query.order_by(NeedRow.need))}


def add(
    desk: Desk, by: Actor, kind: Kind, title: Words, for_needs: tuple[str, ...], *, area: str | None = None,
    remaining: int | None = None, valid_from: date, valid_until: date | None = None,
) -> str:  # fmt: skip
    """Enter a service or resource; returns its id.

    Raises:
        AccessError: the area is not the actor's.
        UsageError: kind, needs, number or days cannot be, or somebody's number stands in the title.
    """
    area = area or by.area
    if by.role not in KEEPING or not desk.reaches(by, area):
        raise desk.refuse(by, "case_outside", area)
    known = desk.rules.routing.needs
    wrong_days = valid_until is not None and valid_until < valid_from
    wrong_title = not title.zh.strip() or IDENTITY.search(f"{title.zh} {title.en}") is not None
    wrong_needs = not for_needs or bool(set(for_needs) - set(known))
    if kind not in KINDS or wrong_needs or (remaining or 0) < 0 or wrong_days or wrong_title:
        raise UsageError("resource_unfit")
    identifier = secrets.token_hex(12)
    with desk.writing(by) as (session, told):
        session.add(
            ResourceRow(
                resource_id=identifier, kind=kind, area_code=area, needs=f"|{'|'.join(for_needs)}|",
                remaining=remaining, valid_from=valid_from, valid_until=valid_until, version=0,
                body={"title": title.model_dump()},
            )
        )  # fmt: skip
        told.append(("resource", identifier, {"kind": kind, "needs": list(for_needs), "remaining": remaining}))
    return identifier


def _holds(row: ResourceRow, today: date) -> bool:
    return row.valid_from <= today and (row.valid_until is None or today <= row.valid_until)


def _resource(row: ResourceRow) -> Resource:
    return Resource(
        row.resource_id, row.kind, row.area_code, Words(**row.body["title"]),
        tuple(code for code in row.needs.split("|") if code), row.remaining, row.valid_from, row.valid_until,
        row.version,
    )  # fmt: skip


# --- keeping the lists ------------------------------------------------------------------------------------------------


def entered(desk: Desk, by: Actor, *, after: str | None = None, limit: int = 100) -> Page[Resource]:
    """What has not ended of an actor's area: of the areas that hold it, of its own and of those inside.

    Services come first; then by area, the large ones first, and by kind. What begins later is among it.

    Raises:
        UsageError: `after` is no place of such a page.
    """
    row, today = ResourceRow, desk.rules.day(desk.now())
    # the longer a code, the smaller its area: no database's order of letters decides what comes first
    rank = either((row.kind == "service", 0), else_=_RESOURCES) + func.length(row.area_code)
    within = row.area_code + "|" + row.kind + "|" + row.resource_id
    above = cases.places_of(desk.tree, by.area)
    with desk.database.reading() as session:
        areas = session.scalars(select(row.area_code).distinct())
        near = [area for area in areas if area in above or desk.reaches(by, area)]
        query = select(row).where(row.area_code.in_(near), or_(row.valid_until.is_(None), row.valid_until >= today))
        if after is not None:
            query = query.where(beyond(rank, within, after, int))
        rows = list(session.scalars(query.order_by(rank, within).limit(limit + 1)))
    shown, last = rows[:limit], None
    if len(rows) > limit:
        end = shown[-1]
        mark = _RESOURCES * (end.kind != "service") + len(end.area_code)
        last = place(mark, f"{end.area_code}|{end.kind}|{end.resource_id}")
    return Page(tuple(_resource(one) for one in shown), last)


def entry(desk: Desk, by: Actor, resource_id: str) -> Resource:
    """A line that the actor may change.

    Raises:
        AccessError: it lies outside the actor's area, or there is none; both are answered alike.
    """
    with desk.database.reading() as session:
        row = session.get(ResourceRow, resource_id)
        found = None if row is None else _resource(row)
    if found is None:
        raise AccessError("case_outside")
    if by.role not in KEEPING or not desk.reaches(by, found.area_code):
        raise desk.refuse(by, "case_outside", resource_id)
    return found


def change(
    desk: Desk, by: Actor, resource_id: str, seen: int, *, remaining: int | None, valid_until: date | None
) -> None:
    """Change how often a line can still be given and until when; who met what from it stays.

    Args:
        desk: the service layer.
        by: who changes it.
        resource_id: which line.
        seen: version that was looked at.
        remaining: how often it can still be given; None where it does not run out.
        valid_until: last day; None where it has none.

    Raises:
        AccessError: as for `entry`.
        UsageError: the number is below nothing, or the last day comes before the first one or before today.
        ConflictError: somebody changed or used it in between.
    """
    known, today = entry(desk, by, resource_id), desk.rules.day(desk.now())
    if (remaining or 0) < 0 or (valid_until is not None and valid_until < max(known.valid_from, today)):
        raise UsageError("resource_unfit")
    _put(desk, by, resource_id, seen, remaining, valid_until)


def withdraw(desk: Desk, by: Actor, resource_id: str, seen: int) -> None:
    """End a line: it held until yesterday.

    Raises:
        AccessError, ConflictError: as for `change`.
    """
    known = entry(desk, by, resource_id)
    _put(desk, by, resource_id, seen, known.remaining, desk.rules.day(desk.now()) - timedelta(days=1))


def _put(desk: Desk, by: Actor, resource_id: str, seen: int, remaining: int | None, valid_until: date | None) -> None:
    with desk.writing(by) as (session, told):
        row = session.get(ResourceRow, resource_id)
        assert row is not None  # lines are ended, never removed
        if row.version != seen:
            raise ConflictError(None, seen, row.version)
        before = {"remaining": row.remaining, "valid_until": row.valid_until}
        row.remaining, row.valid_until = remaining, valid_until
        row.version += 1
        told.append(("resource", resource_id, {"remaining": remaining, "valid_until": valid_until, "before": before}))


# --- meeting needs ----------------------------------------------------------------------------------------------------


def offers(desk: Desk, by: Actor, case_id: str) -> Mapping[str, tuple[Resource, ...]]:
    """For each classified or referred need of an open case: what could meet it now.

    Raises:
        UsageError, AccessError: as for looking at the case.
    """
    return offered(desk, desk.view(by, case_id).case)


def offered(desk: Desk, case: Case) -> Mapping[str, tuple[Resource, ...]]:
    """The same of a case that the actor is looking at already; where it has no need, nothing is asked for."""
    wanted = _wanted(case)
    if not wanted:
        return {}
    today = desk.rules.day(desk.now())
    near = ResourceRow.area_code.in_(cases.places_of(desk.tree, case.area_code))
    with desk.database.reading() as session:
        rows = session.scalars(select(ResourceRow).where(near).order_by(ResourceRow.kind, ResourceRow.resource_id))
        there = [_resource(row) for row in rows if _holds(row, today) and row.remaining != 0]
    return {need: tuple(one for one in there if need in one.needs) for need in wanted}


def _wanted(case: Case) -> tuple[str, ...]:
    if case.state == "closed":
        return ()
    standing = case.standing
    referred = [one.need for one in case.open_referrals]
    return tuple(dict.fromkeys([*referred, *(needs_of(standing.form) if standing else ())]))


def titles(desk: Desk, resource_ids: Collection[str]) -> Mapping[str, Words]:
    """What lines are called, those that have ended as well, by id."""
    if not resource_ids:
        return {}
    query = select(ResourceRow.resource_id, ResourceRow.body).where(ResourceRow.resource_id.in_(resource_ids))
    with desk.database.reading() as session:
        return {str(identifier): Words(**body["title"]) for identifier, body in session.execute(query)}


def match(desk: Desk, by: Actor, case_id: str, seen: int, resource_id: str, need: str) -> Case:
    """Meet a need of a case from a resource; the last one goes to whoever is first.

    Raises:
        UsageError: the case is unknown or closed, it has no such need, or the resource is used up or does not fit.
        AccessError: the case is not the actor's.
        ConflictError: the case has changed.
    """
    known = desk.view(by, case_id).case
    if by.role not in MEETING:
        raise desk.refuse(by, "case_outside", known.household_id)
    today = desk.rules.day(desk.now())
    with desk.writing(by) as (session, told):
        case = cases.read(session, case_id)
        row = session.get(ResourceRow, resource_id)
        assert case is not None
        if case.version != seen and not cases.only_time_passed(session, case_id, seen):
            raise ConflictError(case, seen, case.version)
        fits = (
            row is not None and need in _resource(row).needs and _holds(row, today)
            and row.area_code in cases.places_of(desk.tree, case.area_code)
        )  # fmt: skip
        if row is None or not fits or need not in _wanted(case) or row.remaining == 0:
            raise UsageError("resource_gone")
        if row.remaining is not None:
            row.remaining -= 1
        row.version += 1
        at = desk.now()
        session.add(
            MatchRow(
                match_id=secrets.token_hex(12), resource_id=resource_id, case_id=case_id,
                household_id=case.household_id, need=need, at=at,
            )
        )  # fmt: skip
        detail: dict[str, Any] = {"resource": resource_id, "kind": row.kind, "need": need}
        event = Event(kind="matched", at=at, by=by, detail=detail)
        made = case.model_copy(update={"version": case.version + 1})
        cases.save(session, desk.project.name, desk.tree, desk.rules, made, (event,), at=at)
        told.extend(decision(made, "match", (event,)))
    return made
