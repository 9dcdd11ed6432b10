"""Cases in the database, the only writer: case, places, counts, referrals, events and findings change together."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from features.divisions import AreaTree
from serving.casework.case import Case, Event
from serving.casework.classification import needs_of
from serving.casework.deadlines import Rules, due, next_due
from serving.casework.routing import PASSED_ON
from serving.casework.tables import (
    NEVER,
    UNSAID,
    Base,
    CaseRow,
    CountRow,
    EventRow,
    FindingRow,
    NeedRow,
    OutgoingRow,
    PlaceRow,
    ReferralRow,
    SignalRow,
)

CHANGED, WAITING = "org.zhouji.case.changed.v1", "org.zhouji.referral.waiting.v1"
HELPING = frozenset({"classified", "referred", "received", "answered", "effect_check"})
"""States in which what a visit found is to be met."""
OWN_TIME = frozenset({"reminded", "overdue", "escalated", "signalled"})
"""What the clock says without changing what a person decided on."""


def places_of(tree: AreaTree, area_code: str) -> tuple[str, ...]:
    """Every area that a household is in, its own first; an unknown area is only itself."""
    return tuple(area.code for area in tree.chain(area_code)) or (area_code,)


def read(session: Session, case_id: str) -> Case | None:
    """A case as it is."""
    body = session.scalar(select(CaseRow.body).where(CaseRow.case_id == case_id))
    return None if body is None else Case.model_validate(body)


def open_case(session: Session, household_id: str) -> Case | None:
    """The household's case that is not closed."""
    query = select(CaseRow.body).where(CaseRow.household_id == household_id, CaseRow.state != "closed")
    body = session.scalar(query)
    return None if body is None else Case.model_validate(body)


def newest_row(session: Session, household_id: str) -> CaseRow | None:
    """The row of the household's newest case, open or closed."""
    query = select(CaseRow).where(CaseRow.household_id == household_id).order_by(CaseRow.changed_at.desc())
    return session.scalars(query.limit(1)).first()


def newest_case(session: Session, household_id: str) -> Case | None:
    """The household's newest case, open or closed."""
    row = newest_row(session, household_id)
    return None if row is None else Case.model_validate(row.body)


def only_time_passed(session: Session, case_id: str, seen: int) -> bool:
    """Whether everything since a version was the clock's reminding: nothing that a person would have to look at."""
    query = select(EventRow.kind).where(EventRow.case_id == case_id, EventRow.version > seen)
    kinds = list(session.scalars(query))
    versions = session.scalar(select(CaseRow.version).where(CaseRow.case_id == case_id)) or 0
    told = session.scalars(
        select(EventRow.version).where(EventRow.case_id == case_id, EventRow.version > seen).distinct()
    )
    return set(kinds) <= OWN_TIME and len(list(told)) == versions - seen  # a draft has no event, and counts


def save(
    session: Session, project: str, tree: AreaTree, rules: Rules, case: Case, events: Sequence[Event],
    *, week: date | None = None, said: Mapping[str, Any] | None = None, at: datetime,
) -> None:  # fmt: skip
    """Write a case and what happened to it.

    `week` is given for a new one; `said` where a list of the case's own week names it (`tables.said_of`).
    """
    before = session.get(CaseRow, case.case_id)
    moment = next_due(case, rules) or NEVER
    owner = case.owner
    values: dict[str, Any] = {
        "state": case.state, "owner_role": owner.role if owner else "", "owner_area": owner.area if owner else "",
        "owner_account": owner.account if owner else "", "due_at": moment, "version": case.version, "changed_at": at,
        "body": case.model_dump(mode="json"),
    }  # fmt: skip
    places = places_of(tree, case.area_code)
    if before is None:
        assert week is not None
        first = CaseRow(
            case_id=case.case_id, household_id=case.household_id, area_code=case.area_code, week=week, **values
        )
        session.add(first)
        session.flush()
        moved: list[tuple[str, int]] = [(case.state, 1)]
        wanted = frozenset[str]()
        shared = {
            "case_id": case.case_id, "week": week, "state": case.state, "due_at": moment,
            "owner_account": values["owner_account"], **(said or UNSAID),
        }  # fmt: skip
        session.execute(insert(PlaceRow), [{"area_code": area, **shared} for area in places])
    else:
        week, moved = before.week, [(before.state, -1), (case.state, 1)] if before.state != case.state else []
        wanted = needs_open(Case.model_validate(before.body))
        seen = ("state", "due_at", "owner_account")
        shown = {name: values[name] for name in seen if getattr(before, name) != values[name]} | dict(said or {})
        if shown:
            here = PlaceRow.area_code.in_(places), PlaceRow.case_id == case.case_id  # the key, area first
            session.execute(update(PlaceRow).where(*here).values(**shown))
        for key, value in values.items():
            setattr(before, key, value)
    _count(session, week, places, moved)
    _count_needs(session, places, wanted, needs_open(case))
    _write_events(session, case, events)
    _write_referrals(session, case, rules, at)
    _write_finding(session, case)
    _write_outgoing(session, project, case, events, at)
    session.flush()


def misdated(session: Session, case_ids: Sequence[str], rules: Rules, at: datetime) -> list[str]:
    """Of some cases, those whose deadlines, or whose referrals' deadlines, are others by these rules."""
    known = {
        row.referral_id: row.due_at
        for row in session.execute(
            select(ReferralRow.referral_id, ReferralRow.due_at).where(ReferralRow.case_id.in_(case_ids))
        )
    }
    found = []
    for row in session.execute(select(CaseRow.body, CaseRow.due_at).where(CaseRow.case_id.in_(case_ids))):
        case = Case.model_validate(row.body)
        waiting = _answers_due(case, rules, at)
        others = any(known.get(one.referral_id) != waiting.get(one.referral_id, NEVER) for one in case.referrals)
        if others or (next_due(case, rules) or NEVER) != row.due_at:
            found.append(case.case_id)
    return found


def reckon(session: Session, tree: AreaTree, rules: Rules, case_id: str, at: datetime) -> None:
    """Reckon a case's deadlines by rules that have changed since."""
    row = session.get_one(CaseRow, case_id)
    case = Case.model_validate(row.body)
    _write_referrals(session, case, rules, at)
    row.due_at = next_due(case, rules) or NEVER
    here = PlaceRow.area_code.in_(places_of(tree, case.area_code)), PlaceRow.case_id == case.case_id
    session.execute(update(PlaceRow).where(*here).values(due_at=row.due_at))


def needs_open(case: Case) -> frozenset[str]:
    """Needs that nobody has met: on a department's desk, or found by a visit and not sent there yet."""
    asked = {one.need for one in case.open_referrals}
    if case.state in HELPING and case.standing is not None:
        sent = {one.need for one in case.referrals if one.round == case.round and not one.withdrawn}
        asked |= set(needs_of(case.standing.form)) - sent
    return frozenset(asked)


def _count(session: Session, week: date, places: Iterable[str], moved: Iterable[tuple[str, int]]) -> None:
    rows = [{"week": week, "area_code": area, "state": state, "cases": by} for area in places for state, by in moved]
    _add(session, CountRow, ("week", "area_code", "state"), rows)


def _count_needs(session: Session, places: Iterable[str], before: frozenset[str], now: frozenset[str]) -> None:
    moved = [(need, 1 if need in now else -1) for need in sorted(before ^ now)]
    rows = [{"area_code": area, "need": need, "cases": by} for area in places for need, by in moved]
    _add(session, NeedRow, ("area_code", "need"), rows)


def _add(session: Session, table: type[Base], keys: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Add to counts, those that are not there yet among them; both databases know this form of one statement."""
    if not rows:
        return
    sqlite = session.get_bind().dialect.name == "sqlite"
    made = sqlite_insert(table) if sqlite else postgresql_insert(table)
    column = table.__table__.c.cases
    session.execute(made.on_conflict_do_update(index_elements=keys, set_={"cases": column + made.excluded.cases}), rows)


def recount(session: Session, *, repair: bool = True) -> int:
    """Hold the counts against the cases and make them anew where they differ; returns how many were not right."""
    states: Counter[tuple[Any, ...]] = Counter()
    areas: dict[str, list[str]] = {}
    for row in session.execute(select(PlaceRow.week, PlaceRow.area_code, PlaceRow.state, PlaceRow.case_id)):
        states[row.week, row.area_code, row.state] += 1
        areas.setdefault(row.case_id, []).append(row.area_code)
    needs: Counter[tuple[Any, ...]] = Counter()
    # a closed case may still wait for data to be corrected
    owed = CaseRow.case_id.in_(select(ReferralRow.case_id).where(ReferralRow.open))
    waiting = select(CaseRow.body).where(or_(CaseRow.state != "closed", owed)).execution_options(yield_per=500)
    for body in session.scalars(waiting):
        case = Case.model_validate(body)
        needs.update((area, need) for need in needs_open(case) for area in areas.get(case.case_id, ()))
    return _put_right(session, CountRow, ("week", "area_code", "state"), states, repair=repair) + _put_right(
        session, NeedRow, ("area_code", "need"), needs, repair=repair
    )


def _put_right(
    session: Session, table: type[Base], keys: Sequence[str], wanted: Counter[tuple[Any, ...]], *, repair: bool
) -> int:
    """Write a table of counts anew where it is not what it should be; returns how many rows were not."""
    columns = table.__table__.c
    found = {
        tuple(row[:-1]): row[-1] for row in session.execute(select(*(columns[key] for key in keys), columns.cases))
    }
    wrong: int = sum(found.get(key, 0) != wanted.get(key, 0) for key in found.keys() | wanted.keys())
    if wrong and repair:
        session.execute(delete(table))
        session.expire_all()
        rows = [{**dict(zip(keys, key, strict=True)), "cases": number} for key, number in wanted.items()]
        if rows:
            session.execute(insert(table), rows)
    return wrong


def _write_events(session: Session, case: Case, events: Sequence[Event]) -> None:
    for place, event in enumerate(events):
        session.add(
            EventRow(
                case_id=case.case_id, household_id=case.household_id, version=case.version, place=place,
                kind=event.kind, at=event.at, account=event.by.account, role=event.by.role, detail=event.detail,
            )
        )  # fmt: skip


def _answers_due(case: Case, rules: Rules, at: datetime) -> dict[str, datetime]:
    """Referrals that wait, and until when."""
    return {one.referral_id: one.at for one in reversed(due(case, at, rules)) if one.referral_id}


def _write_referrals(session: Session, case: Case, rules: Rules, at: datetime) -> None:
    waiting = _answers_due(case, rules, at)
    for one in case.referrals:
        said = [answer for answer in one.answers if answer.code != PASSED_ON]
        session.merge(
            ReferralRow(
                referral_id=one.referral_id, case_id=case.case_id, household_id=case.household_id,
                area_code=case.area_code, need=one.need, department=one.department, open=one.open, sent_at=one.sent_at,
                due_at=waiting.get(one.referral_id, NEVER), answered_at=said[-1].at if said else None,
                code=said[-1].code if said else "",
            )
        )  # fmt: skip


def _write_finding(session: Session, case: Case) -> None:
    """The first record of a round goes to the store once; amendments and opinions never do."""
    first = case.first
    finding_id = f"{case.case_id}-{case.round}"
    if first is None or session.get(FindingRow, finding_id) is not None:
        return
    form = first.form
    assert form.visited_on is not None
    newest = select(SignalRow.run_id).where(SignalRow.case_id == case.case_id).order_by(SignalRow.as_of.desc())
    body = {
        "validity": form.validity, "causes": list(form.causes), "method": form.method,
        "onset": None if form.onset is None else str(form.onset), "reasons": form.reasons,
        "contradicts": form.contradicts_data, "score_shown": first.score_shown,
    }  # fmt: skip
    session.add(
        FindingRow(
            finding_id=finding_id, case_id=case.case_id, household_id=case.household_id,
            run_id=session.scalars(newest.limit(1)).first() or "", found_on=form.visited_on, delivered_at=None,
            delivery_id=None, body=body,
        )
    )  # fmt: skip


def _write_outgoing(session: Session, project: str, case: Case, events: Sequence[Event], at: datetime) -> None:
    """Say to other platforms that there is something to look at: no level, no finding, no reason, no name."""
    if events and not {event.kind for event in events} <= {"reminded", "signalled"}:
        _put(session, project, CHANGED, f"{case.case_id}|{case.version}", case, at, {"case_id": case.case_id})
    for event in events:
        if event.kind in ("referred", "passed_on", "raised_to_county", "small_sum_given"):
            one = case.referral(str(event.detail["referral"]))
            assert one is not None
            key = f"{one.referral_id}|{one.passes}|{one.department}"
            more = {"referral_id": one.referral_id, "department": one.department}
            _put(session, project, WAITING, key, case, at, more)


def _put(session: Session, project: str, kind: str, key: str, case: Case, at: datetime, more: dict[str, str]) -> None:
    identifier = hashlib.sha256(f"{kind}|{project}|{key}".encode()).hexdigest()[:32]
    if session.get(OutgoingRow, identifier) is not None:
        return
    body = {
        "specversion": "1.0", "id": identifier, "type": kind, "source": f"/zhouji/{project}",
        "subject": case.household_id, "time": at.isoformat(), "datacontenttype": "application/json",
        "data": {
            "household_id": case.household_id, "area_code": case.area_code, **more,
            "link": f"/api/v1/households/{case.household_id}/chain",
        },
    }  # fmt: skip
    text = json.dumps(body, ensure_ascii=False, sort_keys=True)
    session.add(OutgoingRow(event_id=identifier, area_code=case.area_code, body=text, made_at=at, carried_at=None))
