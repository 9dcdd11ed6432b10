"""The four lists of policy (14): policies, needs, services, resources; and what meets which need.

Policies are the routing table. Needs are what visitors classified and nobody has met yet. Services and resources
(funds, social workers, volunteers, charity offers, micro-wishes) are entered by counties and towns for their own area
and all inside it. What was matched enters the household's chain (policy (20)).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from sqlalchemy import func, select

from features.errors import UsageError
from features.strict import Words
from serving.casework import cases
from serving.casework.actor import Actor
from serving.casework.case import Case, Event
from serving.casework.classification import needs_of
from serving.casework.desk import Desk, decision
from serving.casework.tables import CaseRow, MatchRow, PlaceRow, ReferralRow, ResourceRow

Kind = Literal["service", "fund", "social_worker", "volunteer", "charity", "wish"]
KINDS: tuple[Kind, ...] = Kind.__args__  # type: ignore[attr-defined]
_KEEPING = frozenset({"town", "county"})


@dataclass(frozen=True)
class Policy:
    """A line of the policy list."""

    need: str
    lead: str
    kinds: Words
    clause: str


@dataclass(frozen=True)
class Resource:
    """A line of the service or resource list; `remaining` is None where it does not run out."""

    resource_id: str
    kind: str
    area_code: str
    title: Words
    needs: tuple[str, ...]
    remaining: int | None
    valid_from: date
    valid_until: date | None


def policies(desk: Desk) -> tuple[Policy, ...]:
    """The policy list: kinds of help by need, with lead department and clause."""
    needs = desk.rules.routing.needs
    return tuple(Policy(code, need.lead, need.kinds, need.clause) for code, need in needs.items())


def needs(desk: Desk, by: Actor, area: str | None = None) -> Mapping[str, int]:
    """The need list of an area: open needs by code. Counts only; whose they are stands on the pages of cases.

    Raises:
        AccessError: the area is not the actor's.
    """
    area = area or by.area
    if by.role not in _KEEPING | {"village", "supervisor"} or not desk.reaches(by, area):
        raise desk.refuse(by, "case_outside", area)
    here = select(PlaceRow.case_id).where(PlaceRow.area_code == area, PlaceRow.case_id == ReferralRow.case_id).exists()
    query = select(ReferralRow.need, func.count()).where(ReferralRow.open, here).group_by(ReferralRow.need)
    with desk.database.reading() as session:
        found = {str(need): int(count) for need, count in session.execute(query)}
        waiting = select(CaseRow.body).join(PlaceRow, PlaceRow.case_id == CaseRow.case_id)
        waiting = waiting.where(PlaceRow.area_code == area, PlaceRow.state == "classified")
        for body in session.scalars(waiting):  # classified, and not on anybody's desk yet
            standing = Case.model_validate(body).standing
            for need in needs_of(standing.form) if standing else ():
                found[need] = found.get(need, 0) + 1
    return dict(sorted(found.items()))


def add(
    desk: Desk, by: Actor, kind: Kind, title: Words, for_needs: tuple[str, ...], *, area: str | None = None,
    remaining: int | None = None, valid_from: date, valid_until: date | None = None,
) -> str:  # fmt: skip
    """Enter a service or resource; returns its id.

    Raises:
        AccessError: the area is not the actor's.
        UsageError: kind, needs, number or days cannot be.
    """
    area = area or by.area
    if by.role not in _KEEPING or not desk.reaches(by, area):
        raise desk.refuse(by, "case_outside", area)
    known = desk.rules.routing.needs
    wrong_days = valid_until is not None and valid_until < valid_from
    if kind not in KINDS or not for_needs or set(for_needs) - set(known) or (remaining or 0) < 0 or wrong_days:
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


def resources(desk: Desk, by: Actor, *, need: str | None = None, area: str | None = None) -> tuple[Resource, ...]:
    """Services and resources that hold for an area today: its own and those of all areas that hold it."""
    area = area or by.area
    if not desk.reaches(by, area):
        raise desk.refuse(by, "case_outside", area)
    today = desk.rules.day(desk.now())
    query = select(ResourceRow).where(
        ResourceRow.area_code.in_(cases.places_of(desk.tree, area)), ResourceRow.valid_from <= today
    )
    if need is not None:
        query = query.where(ResourceRow.needs.contains(f"|{need}|"))
    with desk.database.reading() as session:
        rows = list(session.scalars(query.order_by(ResourceRow.kind, ResourceRow.resource_id)))
    return tuple(_resource(row) for row in rows if row.valid_until is None or today <= row.valid_until)


def _resource(row: ResourceRow) -> Resource:
    return Resource(
        row.resource_id, row.kind, row.area_code, Words(**row.body["title"]),
        tuple(code for code in row.needs.split("|") if code), row.remaining, row.valid_from, row.valid_until,
    )  # fmt: skip


def offers(desk: Desk, by: Actor, case_id: str) -> Mapping[str, tuple[Resource, ...]]:
    """For each classified or referred need of a case: what could meet it now.

    Raises:
        UsageError, AccessError: as for looking at the case.
    """
    case = desk.view(by, case_id).case
    standing = case.standing
    wanted = [one.need for one in case.open_referrals] + list(needs_of(standing.form) if standing else ())
    found: dict[str, tuple[Resource, ...]] = {}
    for need in dict.fromkeys(wanted):
        near = resources(desk, by, need=need, area=case.area_code)
        found[need] = tuple(one for one in near if one.remaining is None or one.remaining > 0)
    return found


def match(desk: Desk, by: Actor, case_id: str, seen: int, resource_id: str, need: str) -> Case:
    """Meet a need of a case from a resource; the last one goes to whoever is first.

    Raises:
        UsageError: the case is unknown or closed, or the resource is used up or does not fit.
        AccessError: the case is not the actor's.
        ConflictError: the case has changed.
    """
    from serving.casework.refusals import ConflictError

    known = desk.view(by, case_id).case
    if by.role not in _KEEPING | {"village"}:
        raise desk.refuse(by, "case_outside", known.household_id)
    fitting = {one.resource_id for one in resources(desk, by, need=need, area=known.area_code)}
    with desk.writing(by) as (session, told):
        case = cases.read(session, case_id)
        row = session.get(ResourceRow, resource_id)
        assert case is not None
        if case.version != seen and not cases.only_time_passed(session, case_id, seen):
            raise ConflictError(case, seen, case.version)
        if row is None or resource_id not in fitting or case.state == "closed" or row.remaining == 0:
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
