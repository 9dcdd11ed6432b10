"""Lists as offices work on them: weeks with their progress, and a week's cases with what the list said of each.

Whoever visits before a score is seen gets the same rows without the list's words, and may neither filter nor order by
them. The default order is by deadline, in which rows that were drawn at random stand among the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import and_, bindparam, func, select
from sqlalchemy.orm import Session

from serving.casework.actor import Actor
from serving.casework.deadlines import escalated_before
from serving.casework.desk import MOST, STAFF, Desk, Line
from serving.casework.looking import newest_row
from serving.casework.paging import Page, beyond, moment, place
from serving.casework.searching import in_order, searched
from serving.casework.tables import (
    AccountRow,
    AuditRow,
    CaseRow,
    CountRow,
    FindingRow,
    PlaceRow,
    ReferralRow,
    SealedRow,
    SignalRow,
    WeekRow,
)

TABS: Mapping[str, tuple[str, ...]] = {
    "alert": ("alert",),
    "assigned": ("assigned",),
    "visited": ("visited",),
    "helping": ("classified", "referred", "received", "answered", "effect_check"),
    "watching": ("watching",),
    "closed": ("closed",),
}
"""States that stand together on a list."""


@dataclass(frozen=True)
class WeekLine:
    """A week: cases of the actor's area by state."""

    week: date
    states: Mapping[str, int]

    @property
    def cases(self) -> int:
        """All of them."""
        return sum(self.states.values())

    @property
    def visited(self) -> int:
        """Those with a finding, or beyond it."""
        return self.cases - sum(self.states.get(state, 0) for state in ("alert", "assigned", "visited"))


@dataclass(frozen=True)
class Row:
    """A case on a week's list; `said` is what the list said, None for who visits first."""

    case_id: str
    household_id: str
    area_code: str
    state: str
    owner_account: str
    due_at: datetime
    version: int
    said: Mapping[str, Any] | None


@dataclass(frozen=True)
class Filters:
    """What of a list is shown."""

    tab: str = ""
    area: str = ""
    search: str = ""
    level: str = ""
    reason: str = ""
    change: str = ""
    worker: str = ""
    order: str = "due"

    @property
    def narrowed(self) -> bool:
        """Whether something beside the tab is chosen."""
        return any((self.area, self.search, self.level, self.reason, self.change, self.worker))


def _area(desk: Desk, by: Actor, area: str) -> str:
    area = area or by.area
    if by.role not in STAFF or not desk.reaches(by, area):
        raise desk.refuse(by, "case_outside", area)
    return area


def week_lines(desk: Desk, by: Actor, area: str = "") -> tuple[WeekLine, ...]:
    """All weeks that were made into cases, newest first.

    Raises:
        AccessError: the area is not the actor's.
    """
    area = _area(desk, by, area)
    with desk.database.reading() as session:
        days = sorted(set(session.scalars(select(WeekRow.week))), reverse=True)
        counted: dict[date, dict[str, int]] = {day: {} for day in days}
        for row in session.scalars(select(CountRow).where(CountRow.area_code == area, CountRow.cases != 0)):
            if row.week in counted:
                counted[row.week][row.state] = row.cases
    return tuple(WeekLine(day, counted[day]) for day in days)


def overdue(desk: Desk, by: Actor, week: date, area: str = "") -> int:
    """Cases of a week whose next deadline has passed.

    Raises:
        AccessError: the area is not the actor's.
    """
    area = _area(desk, by, area)
    query = select(func.count()).where(
        PlaceRow.area_code == area, PlaceRow.due_at < desk.now(), PlaceRow.week == week, PlaceRow.state != "closed"
    )
    with desk.database.reading() as session:
        return int(session.scalar(query) or 0)


def escalated(desk: Desk, by: Actor, *, after: str | None = None, limit: int = 50) -> Page[Line]:
    """Cases of every week that stayed overdue so long that they come to those above, the longest overdue first.

    Raises:
        AccessError: the role has nobody below it.
        UsageError: `after` is no place of such a page.
    """
    if by.role not in ("county", "supervisor"):
        raise desk.refuse(by, "case_outside", by.area)
    limit = min(limit, MOST)
    last = escalated_before(desk.now(), desk.rules)
    shown: list[Any] = [PlaceRow.area_code == by.area, PlaceRow.due_at <= last, PlaceRow.state != "closed"]
    if after is not None:
        shown.append(beyond(PlaceRow.due_at, PlaceRow.case_id, after))
    query = select(CaseRow).join(PlaceRow, PlaceRow.case_id == CaseRow.case_id).where(*shown)
    query = query.order_by(PlaceRow.due_at, PlaceRow.case_id).limit(limit + 1)
    with desk.database.reading() as session:
        found = list(session.scalars(query))
        lines = tuple(
            Line(r.case_id, r.household_id, r.area_code, r.state, r.owner_account, r.week, r.due_at, r.version)
            for r in found[:limit]
        )
    return Page(lines, place(lines[-1].due_at, lines[-1].case_id) if len(found) > limit else None)


def rows(
    desk: Desk, by: Actor, week: date, filters: Filters, *, after: str | None = None, limit: int = 50
) -> Page[Row]:
    """A part of a week's list.

    Raises:
        AccessError: the area is not the actor's.
        UsageError: `after` is no place of such a page.
    """
    area, score, limit = _area(desk, by, filters.area), not by.blind, min(limit, MOST)
    shown = [PlaceRow.area_code == area, PlaceRow.week == week, *_narrowed(desk, filters, score=score)]
    by_score = score and filters.order == "score"
    first: Any = PlaceRow.due_at
    if by_score:
        first = PlaceRow.rank
        shown.append(PlaceRow.run_id != "")  # a household that no list named has no place on one
    if after is not None:
        shown.append(beyond(first, PlaceRow.case_id, after, int if by_score else moment))
    with desk.database.reading() as session:
        query = select(PlaceRow.case_id, first).where(*shown).order_by(first, PlaceRow.case_id)
        take = searched(session, desk, by, week, area, filters.search) if filters.search else in_order(session)
        found = take(query, limit + 1)
        made = _lines(session, [case_id for case_id, _ in found[:limit]], area, score=score)
    return Page(tuple(made), place(found[limit - 1][1], found[limit - 1][0]) if len(found) > limit else None)


def _narrowed(desk: Desk, filters: Filters, *, score: bool) -> list[Any]:
    """What a list is narrowed by, beside a search; by the list's words only for who sees them."""
    shown: list[Any] = []
    if filters.tab == "overdue":
        shown += [PlaceRow.due_at < desk.now(), PlaceRow.state != "closed"]
    elif filters.tab in TABS:
        shown.append(PlaceRow.state.in_(TABS[filters.tab]))
    if filters.worker:
        shown.append(PlaceRow.owner_account == ("" if filters.worker == "-" else filters.worker))
    words = {PlaceRow.level: filters.level, PlaceRow.change: filters.change, PlaceRow.family: filters.reason}
    return shown + [column == value for column, value in words.items() if value and score]


def _lines(session: Session, wanted: Sequence[str], area: str, *, score: bool) -> list[Row]:
    """These cases in this order, with what the list said that opened each."""
    query = select(CaseRow, SignalRow.body)
    query = query.join(PlaceRow, and_(PlaceRow.case_id == CaseRow.case_id, PlaceRow.area_code == area))
    said = and_(SignalRow.run_id == PlaceRow.run_id, SignalRow.household_id == CaseRow.household_id)
    query = query.outerjoin(SignalRow, said).where(CaseRow.case_id.in_(wanted))
    found = {
        row.case_id: Row(
            row.case_id, row.household_id, row.area_code, row.state, row.owner_account, row.due_at, row.version,
            (body or {}) if score else None,
        )
        for row, body in session.execute(query)
    }  # fmt: skip
    return [found[case_id] for case_id in wanted]


def case_of(desk: Desk, household_id: str) -> str | None:
    """The household's newest case."""
    with desk.database.reading() as session:
        found = newest_row(session, household_id)
    return None if found is None else found.case_id


def households_of(desk: Desk, case_ids: Sequence[str]) -> list[str]:
    """Whose cases these are, each household once, in the order of the cases; unknown ones are left out."""
    query = select(CaseRow.case_id, CaseRow.household_id).where(CaseRow.case_id.in_(case_ids))
    with desk.database.reading() as session:
        found = {str(case_id): str(household) for case_id, household in session.execute(query)}
    return list(dict.fromkeys(found[one] for one in case_ids if one in found))


def case_of_referral(desk: Desk, referral_id: str) -> str | None:
    """The case of a referral."""
    with desk.database.reading() as session:
        return session.scalar(select(ReferralRow.case_id).where(ReferralRow.referral_id == referral_id))


class Names(Mapping[str, str]):
    """Accounts and how pages call them: those of a page are read at once, any other when it is asked for."""

    def __init__(self, desk: Desk, accounts: Iterable[str]) -> None:
        self._desk, self._known = desk, dict[str, str | None]()
        wanted = {one for one in accounts if one}
        if wanted:
            here = AccountRow.account.in_(bindparam("wanted", sorted(wanted), expanding=True))
            query = select(AccountRow.account, AccountRow.name).where(here)
            with desk.database.reading() as session:
                self._known = {**dict.fromkeys(wanted), **{str(a): str(n) for a, n in session.execute(query)}}

    def __getitem__(self, account: str) -> str:
        if account and account not in self._known:
            with self._desk.database.reading() as session:
                query = select(AccountRow.name).where(AccountRow.account == account)
                self._known[account] = session.scalar(query)
        found = self._known.get(account)
        if found is None:
            raise KeyError(account)
        return found

    def __iter__(self) -> Iterator[str]:
        return (account for account, name in self._known.items() if name is not None)

    def __len__(self) -> int:
        return sum(name is not None for name in self._known.values())


def people(desk: Desk, accounts: Iterable[str] = ()) -> Mapping[str, str]:
    """How pages call accounts; those that a page surely shows are named, so that one question is enough."""
    return Names(desk, accounts)


# --- audit ------------------------------------------------------------------------------------------------------------


def _confirmed(session: Any, here: Any) -> tuple[int, int]:
    """Households with hardship or risk confirmed in a first record, and households with any first record."""
    validity = FindingRow.body["validity"].as_string()
    query = select(validity, func.count(func.distinct(FindingRow.case_id)))
    counted = dict(session.execute(query.where(FindingRow.case_id.in_(here)).group_by(validity)).all())
    return sum(counted.get(code, 0) for code in ("V1", "V2")), sum(counted.values())


def audit_lines(
    desk: Desk, by: Actor, *, subject: str = "", account: str = "", kind: str = "", before: int | None = None,
    limit: int = 50,
) -> tuple[tuple[AuditRow, ...], int | None]:  # fmt: skip
    """Lines of the audit log of an area, newest first, and where to go on; the look is written down.

    Raises:
        AccessError: the actor neither audits nor supervises.
    """
    if by.role not in ("auditor", "supervisor"):
        raise desk.refuse(by, "case_outside", "audit")
    shown: list[Any] = []
    if not desk.tree.is_whole(by.area):  # the whole sees everything, a part what its accounts did
        inside = [code for code in desk.tree.areas if desk.reaches(by, code)]
        shown.append(AuditRow.area_code.in_(inside))
    for column, value in ((AuditRow.subject, subject), (AuditRow.account, account), (AuditRow.kind, kind)):
        if value:
            shown.append(column == value)
    if before is not None:
        shown.append(AuditRow.seq < before)
    with desk.database.reading() as session:
        found = list(session.scalars(select(AuditRow).where(*shown).order_by(AuditRow.seq.desc()).limit(limit + 1)))
        session.expunge_all()
    desk.note(by, "audit_view", subject or "audit", of_account=account, of_kind=kind)
    return tuple(found[:limit]), found[limit - 1].seq if len(found) > limit else None


def drawn(desk: Desk, by: Actor, week: date) -> tuple[int, int, int]:
    """Rows of a week that were drawn at random: how many, how many were visited, and in how many hardship was found.

    Raises:
        AccessError: the actor is no auditor.
    """
    if by.role != "auditor":
        raise desk.refuse(by, "case_outside", str(week))
    desk.note(by, "unsealed", str(week), counts=True)
    runs = select(WeekRow.run_id).where(WeekRow.week == week)
    with desk.database.reading() as session:
        mine = (
            select(SignalRow.case_id)
            .join(
                SealedRow, and_(SealedRow.run_id == SignalRow.run_id, SealedRow.household_id == SignalRow.household_id)
            )
            .where(SealedRow.kind == "audit", SealedRow.run_id.in_(runs))
        )
        count = int(session.scalar(select(func.count()).select_from(mine.subquery())) or 0)
        confirmed, seen = _confirmed(session, mine)
    return count, seen, confirmed
