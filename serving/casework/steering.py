"""Figures for those who steer: a week by area, what the lists miss, and how departments answer. Counts only.

Nothing here says which household is meant, nor whether a figure may be shown: `disclosure` decides that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, timedelta
from statistics import median
from typing import Any

import numpy as np
from sqlalchemy import Integer, String, and_, case, cast, func, or_, select

from reports.recall import Recall, Visited, estimate_recall
from serving.casework.actor import Actor
from serving.casework.desk import Desk
from serving.casework.tables import (
    NEVER,
    CaseRow,
    CountRow,
    FindingRow,
    PlaceRow,
    ReferralRow,
    SealedRow,
    SignalRow,
)

WEEKS = 12
CONFIRMED, UNTOLD = ("V1", "V2"), ("V7", "V8", "V9")
"""Validity codes that confirm a reminder, and those of visits that met nobody: they are never a no."""
HELPED = ("F1", "F3", "F5")
STEERING = frozenset({"county", "supervisor"})
CLOCKS_OWN = "F10"
"""A department's silence, which is no answer."""


@dataclass(frozen=True)
class Figures:
    """What an area's cases of a week came to.

    Attributes:
        due: cases whose day to visit by is over, or who were visited before it.
        on_time: those of them who were visited by that day.
        told: cases where a visit found out whether there is hardship.
    """

    area: str
    cases: int = 0
    due: int = 0
    on_time: int = 0
    visited: int = 0
    told: int = 0
    confirmed: int = 0
    helped: int = 0
    overdue: int = 0


COUNTED = tuple(one.name for one in fields(Figures) if one.name != "area")


def allowed(desk: Desk, by: Actor, areas: Sequence[str]) -> None:
    """Refuse areas that are not the actor's.

    Raises:
        AccessError: one of them lies outside, or the actor does not steer.
    """
    for area in areas:
        if by.role not in STEERING or not desk.reaches(by, area):
            raise desk.refuse(by, "case_outside", area)


def figures(desk: Desk, by: Actor, week: date, areas: Sequence[str]) -> dict[str, Figures]:
    """Progress, confirmation and help of a week, for each of the areas.

    Raises:
        AccessError: one of them is not the actor's.
    """
    allowed(desk, by, areas)
    here, now = and_(PlaceRow.week == week, PlaceRow.area_code.in_(areas)), desk.now()
    found = _found(here).subquery()
    visit_by = CaseRow.body["visit_by"].as_string()
    seen = found.c.first_on.is_not(None)
    by_then = and_(seen, cast(found.c.first_on, String) <= visit_by)
    late = and_(PlaceRow.due_at < now, PlaceRow.due_at < NEVER, PlaceRow.state != "closed")
    counted = {
        "cases": PlaceRow.case_id.is_not(None),
        "due": or_(seen, visit_by < str(desk.rules.day(now))),
        "on_time": by_then,
        "visited": seen,
        "told": found.c.told == 1,
        "confirmed": found.c.confirmed == 1,
        "overdue": late,
    }
    query = (
        select(PlaceRow.area_code, *(func.sum(case((test, 1), else_=0)) for test in counted.values()))
        .join(CaseRow, CaseRow.case_id == PlaceRow.case_id)
        .outerjoin(found, and_(found.c.case_id == PlaceRow.case_id, found.c.area_code == PlaceRow.area_code))
        .where(here).group_by(PlaceRow.area_code)
    )  # fmt: skip
    helped = (
        select(PlaceRow.area_code, func.count(func.distinct(ReferralRow.case_id)))
        .join(ReferralRow, ReferralRow.case_id == PlaceRow.case_id)
        .where(here, ReferralRow.code.in_(HELPED)).group_by(PlaceRow.area_code)
    )  # fmt: skip
    with desk.database.reading() as session:
        rows = {
            str(area): dict(zip(counted, map(int, counts), strict=True)) for area, *counts in session.execute(query)
        }
        given = {str(area): int(count) for area, count in session.execute(helped)}
    return {area: Figures(area, **rows.get(area, {}), helped=given.get(area, 0)) for area in areas}


def _found(here: Any) -> Any:
    """By area and case: the first visit's day, whether any visit could tell, and whether one confirmed."""
    validity = FindingRow.body["validity"].as_string()
    return (
        select(
            PlaceRow.area_code, PlaceRow.case_id, func.min(FindingRow.found_on).label("first_on"),
            func.max(case((validity.in_(UNTOLD), 0), else_=1)).label("told"),
            func.max(case((validity.in_(CONFIRMED), 1), else_=0)).label("confirmed"),
        )
        .join(FindingRow, FindingRow.case_id == PlaceRow.case_id)
        .where(here).group_by(PlaceRow.area_code, PlaceRow.case_id)
    )  # fmt: skip


def sizes(desk: Desk, by: Actor, weeks: Sequence[date], areas: Sequence[str]) -> dict[date, dict[str, int]]:
    """How many cases each area has in each week: kept with every change, never counted.

    Raises:
        AccessError: one of the areas is not the actor's.
    """
    allowed(desk, by, areas)
    query = (
        select(CountRow.week, CountRow.area_code, func.sum(CountRow.cases))
        .where(CountRow.week.in_(weeks), CountRow.area_code.in_(areas)).group_by(CountRow.week, CountRow.area_code)
    )  # fmt: skip
    found: dict[date, dict[str, int]] = {week: dict.fromkeys(areas, 0) for week in weeks}
    with desk.database.reading() as session:
        for week, area, cases in session.execute(query):
            found[week][str(area)] = int(cases)
    return found


# --- what the lists miss ----------------------------------------------------------------------------------------------


def missed(desk: Desk, by: Actor, newest: date, areas: Sequence[str]) -> dict[str, Recall]:
    """Recall of the lists of twelve weeks before the newest, for each of the areas.

    Only finished weeks and what was found before the newest list count, so that the estimate stands still while
    visits are recorded: whoever watched it move would learn which household was drawn at random.

    Raises:
        AccessError: one of the areas is not the actor's.
    """
    allowed(desk, by, areas)
    since = newest - timedelta(weeks=WEEKS)
    return _recalls(desk, areas, newest, SignalRow.as_of >= since)


def missed_by_runs(desk: Desk, by: Actor, newest: date, runs: Sequence[str]) -> Recall:
    """The same for some runs, in the actor's area: what the lists of one model version missed.

    Raises:
        AccessError: the actor neither steers nor looks after models.
    """
    if by.role not in ("analyst", "supervisor", "admin"):
        raise desk.refuse(by, "case_outside", by.area)
    return _recalls(desk, [by.area], newest, SignalRow.run_id.in_(runs))[by.area]


def _recalls(desk: Desk, areas: Sequence[str], newest: date, chosen: Any) -> dict[str, Recall]:
    validity = FindingRow.body["validity"].as_string()
    query = (
        select(
            PlaceRow.area_code, SealedRow.kind, SealedRow.selection_probability,
            func.max(case((or_(validity.is_(None), validity.in_(UNTOLD)), 0), (validity.in_(CONFIRMED), 2), else_=1)),
        )
        .join(SignalRow, SignalRow.case_id == PlaceRow.case_id)
        .join(SealedRow, and_(SealedRow.run_id == SignalRow.run_id, SealedRow.household_id == SignalRow.household_id))
        .outerjoin(FindingRow, and_(FindingRow.case_id == PlaceRow.case_id, FindingRow.found_on < newest))
        .where(PlaceRow.area_code.in_(areas), SignalRow.as_of < newest, SignalRow.as_of == PlaceRow.week, chosen)
        .group_by(PlaceRow.area_code, SignalRow.run_id, SignalRow.household_id, SealedRow.kind,
                  SealedRow.selection_probability)
    )  # fmt: skip
    rows: dict[str, list[tuple[float, float, bool]]] = {area: [] for area in areas}
    with desk.database.reading() as session:
        for area, kind, probability, said in session.execute(query):
            rows[str(area)].append(((np.nan, 0.0, 1.0)[said], float(probability), kind == "audit"))
    return {area: _recall(found) for area, found in rows.items()}


def _recall(rows: Sequence[tuple[float, float, bool]]) -> Recall:
    told, probability, audit = (np.array(part) for part in zip(*rows, strict=True)) if rows else (np.zeros(0),) * 3
    return estimate_recall(Visited(told.astype(float), probability.astype(float), audit.astype(bool)))


# --- departments ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answers:
    """A department's referrals of an area in twelve weeks.

    Attributes:
        days: days from sending to the newest answer, of those that were answered.
        codes: newest answers by code.
    """

    department: str
    sent: int = 0
    open: int = 0
    late: int = 0
    days: tuple[float, ...] = ()
    codes: Mapping[str, int] = field(default_factory=dict)

    @property
    def answered(self) -> int:
        """Referrals that the department has said something about."""
        return len(self.days)

    @property
    def median_days(self) -> float | None:
        """Days to the answer, in the middle."""
        return median(self.days) if self.days else None


def answers(desk: Desk, by: Actor, area: str) -> tuple[Answers, ...]:
    """Referrals of twelve weeks by department.

    Raises:
        AccessError: the area is not the actor's.
    """
    allowed(desk, by, [area])
    row, now = ReferralRow, desk.now()
    query = (
        select(row.department, row.open, cast(and_(row.open, row.due_at < now), Integer), row.code, row.sent_at,
               row.answered_at)
        .join(PlaceRow, and_(PlaceRow.case_id == row.case_id, PlaceRow.area_code == area))
        .where(row.sent_at >= now - timedelta(weeks=WEEKS))
    )  # fmt: skip
    found: dict[str, list[Any]] = {}
    with desk.database.reading() as session:
        for department, *rest in session.execute(query):
            found.setdefault(str(department), []).append(rest)
    return tuple(_answers(department, rows) for department, rows in sorted(found.items()))


def _answers(department: str, rows: Sequence[Sequence[Any]]) -> Answers:
    said = [(code, (at - sent).total_seconds() / 86400) for _, _, code, sent, at in rows if at and code != CLOCKS_OWN]
    return Answers(
        department, len(rows), sum(bool(open_) for open_, *_ in rows), sum(bool(late) for _, late, *_ in rows),
        tuple(days for _, days in said), Counter(code for code, _ in said),
    )  # fmt: skip
