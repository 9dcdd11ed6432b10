"""The service layer that pages, API and commands call. Nothing else writes.

Each method takes who acts, looks whether role and area reach, runs the pure step, and writes case, events, audit line
and outgoing event in one transaction: all of it is there, or nothing. A look is written down as well: people ask later
who saw a household. What was refused for want of reach is written down without the decision.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from features.divisions import AreaTree, area_tree
from features.errors import UsageError
from features.project import Project
from features.settings import Home, Settings
from features.strict import Words
from serving.access.areas import Reach
from serving.casework import actions as a
from serving.casework import cases
from serving.casework.actor import CLOCK, Actor
from serving.casework.amendments import RuleBook
from serving.casework.audit import Head
from serving.casework.case import Case, Event
from serving.casework.database import Database, open_database
from serving.casework.deadlines import Due, Rules, due, read_rules
from serving.casework.keeping import Keeper
from serving.casework.looking import case_row, newest_signal, past_of
from serving.casework.paging import Page, beyond, place
from serving.casework.refusals import AccessError, ConflictError
from serving.casework.requests import owe_notices
from serving.casework.routing import sources_of
from serving.casework.tables import NEVER, AuditRow, CaseRow, CountRow, PlaceRow, ReferralRow
from serving.casework.workflow import allowed, step

MOST = 200
STAFF = frozenset({"village", "town", "county", "supervisor", "auditor"})
"""Roles that may look at cases of their area; departments see those that were referred to them."""
FALLBACK = "civil_affairs"
"""Who is asked to have data corrected whose department the routing table does not know."""
Entry = tuple[str, str, Mapping[str, Any]]


@dataclass(frozen=True)
class Line:
    """A case on a page: what lists show, and nothing that a blind role may not know."""

    case_id: str
    household_id: str
    area_code: str
    state: str
    owner_account: str
    week: date
    due_at: datetime
    version: int


@dataclass(frozen=True)
class Desked:
    """A referral in a department's inbox."""

    referral_id: str
    case_id: str
    household_id: str
    area_code: str
    need: str
    department: str
    sent_at: datetime
    due_at: datetime
    code: str
    open: bool


@dataclass(frozen=True)
class View:
    """A case as one actor may see it.

    Attributes:
        signals: what lists said, newest first; None where this role visits before it sees a score.
        may: codes of what this actor's role may do now.
        run_id: run of the newest list that named the case; empty where none did.
    """

    case: Case
    signals: tuple[Mapping[str, Any], ...] | None
    due: tuple[Due, ...]
    may: tuple[str, ...]
    events: tuple[Event, ...] = field(default=())
    run_id: str = ""


class Desk:
    """Casework of one project."""

    def __init__(
        self, project: Project, database: Database, keeper: Keeper, tree: AreaTree, rules: Rules,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:  # fmt: skip
        self.project, self.database, self.keeper, self.tree = project, database, keeper, tree
        self.book = RuleBook(rules, database)
        self.now = now
        self._reach = Reach(tree)
        self._looks = threading.local()

    @property
    def rules(self) -> Rules:
        """Routing and deadlines as they hold now: the files', with what administrators amended."""
        return self.book.rules(self.now())

    @property
    def zone(self) -> ZoneInfo:
        """The province's time; nobody amends it, so that it is known without a database as well."""
        return self.book.own.zone

    def text(self, key: str) -> Words | None:
        """A text of the pages as administrators wrote it; None where they wrote none."""
        return self.book.text(key, self.now())

    # --- transactions -----------------------------------------------------------------------------------------------

    @contextmanager
    def writing(self, by: Actor) -> Iterator[tuple[Session, list[Entry]]]:
        """A transaction with its audit entries: whoever writes adds to the list, and they are written with it."""
        entries: list[Entry] = []
        head: Head | None = None
        with self.book.steady(self.now()), self.database.writing() as session:
            yield session, entries
            session.flush()
            if entries:
                head = self.keeper.write(session, self.now(), by, entries)
        if head is not None:
            self.keeper.witness(head)

    def note(self, by: Actor, kind: str, subject: str, **detail: Any) -> None:
        """Write one audit line by itself: a look, an export, a refusal; inside `looking`, when that ends."""
        held: list[tuple[Actor, Entry]] | None = getattr(self._looks, "held", None)
        if held is not None:
            held.append((by, (kind, subject, detail)))
            return
        with self.writing(by) as (_, entries):
            entries.append((kind, subject, detail))

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Looks of this thread inside rest on one state of the database, and are written down together at the end.

        A page is made inside and given away after it, so that nobody sees anything before the log says so.
        """
        if getattr(self._looks, "held", None) is not None:
            yield
            return
        held: list[tuple[Actor, Entry]] = []
        self._looks.held = held
        try:
            with self.book.steady(self.now()), self.database.together():
                yield
        finally:
            self._looks.held = None
            for by, noted in itertools.groupby(held, key=lambda one: one[0]):
                with self.writing(by) as (_, entries):
                    entries.extend(entry for _, entry in noted)

    def refuse(self, by: Actor, code: str, subject: str, **fields: object) -> AccessError:
        """The refusal to raise, once it has been written down."""
        self.note(by, "refused", subject, code=code)
        return AccessError(code, **fields)

    def reaches(self, by: Actor, area_code: str) -> bool:
        """Whether an actor's area holds another."""
        return by.role == CLOCK or self._reach.contains(by.area, area_code)

    def presented(self, by: Actor) -> Actor:
        """An actor with what the project says of how its area sees scores."""
        chosen = self.project.listing.presentation
        mode = next((chosen[area.code] for area in self.tree.chain(by.area) if area.code in chosen), "")
        return by.model_copy(update={"presentation": mode})

    def _sees(self, by: Actor, case: Case) -> bool:
        """Whether an actor may look at a case."""
        if not self.reaches(by, case.area_code):
            return False
        if by.role == "department":
            return any(by.department in (one.department, *one.desks) for one in case.referrals)
        return by.role in STAFF or by.role == CLOCK

    # --- acting -----------------------------------------------------------------------------------------------------

    def act(self, action: a.Action, case_id: str, seen: int) -> Case:
        """Do something to a case.

        Args:
            action: what, and by whom.
            case_id: to which.
            seen: version that the actor looked at.

        Raises:
            UsageError: there is no such case.
            AccessError: it lies outside the actor's area or duties; written down.
            ConflictError: somebody else was faster; carries the newer case. Reminders of the clock are no conflict.
            ActionError, ActionDetailError, FormError: as the step refuses.
        """
        by = action.by
        with self.database.reading() as session:
            known = cases.read(session, case_id)
        if known is None:
            raise UsageError("case_unknown")
        if not self._sees(by, known):
            raise self.refuse(by, "case_outside", known.household_id)
        with self.writing(by) as (session, entries):
            case = cases.read(session, case_id)
            assert case is not None
            if case.version != seen and not (seen < case.version and cases.only_time_passed(session, case_id, seen)):
                raise ConflictError(case, seen, case.version)
            made, events = step(case, self._informed(session, action, case), self.rules, self.now())
            if made is case:
                return case
            cases.save(session, self.project.name, self.tree, self.rules, made, events, at=self.now())
            entries.extend(decision(made, action.kind, events))
            owe_notices(session, made, events, self.rules, self.now())
        return made

    def _informed(self, session: Session, action: a.Action, case: Case) -> a.Action:
        """A classification with what the machine knows better than who hands it in."""
        if not isinstance(action, a.Classify | a.AddOpinion):
            return action
        by = action.by
        body = newest_signal(session, case.case_id)
        shown = not action.unseen and (not by.blind or self._saw_score(session, by, case))
        owners = {} if body is None or not shown else reason_owners(self.project, body)
        changes: dict[str, Any] = {"score_shown": shown, "listed_reasons": tuple(owners)}
        if isinstance(action, a.Classify):
            wrong = [reason for reason, verdict in action.form.reasons.items() if verdict == "false"]
            known = self.rules.routing.departments
            owners = {name: owner if owner in known else FALLBACK for name, owner in owners.items()}
            changes["sources"] = sources_of(wrong, owners)
        return action.model_copy(update=changes)

    def _saw_score(self, session: Session, by: Actor, case: Case) -> bool:
        """Whether the log says that this account was shown the household's score since the case's list."""
        opened = self.rules.end(case.opened_on - timedelta(days=1))
        query = select(AuditRow.seq).where(
            AuditRow.subject == case.household_id, AuditRow.account == by.account, AuditRow.kind == "view",
            AuditRow.at > opened, AuditRow.detail.contains('"score":true'),
        )  # fmt: skip
        return session.scalars(query.limit(1)).first() is not None

    # --- looking ----------------------------------------------------------------------------------------------------

    def view(self, by: Actor, case_id: str) -> View:
        """A case, as this actor may see it; the look is written down.

        Raises:
            UsageError: there is no such case.
            AccessError: it lies outside the actor's area or duties; written down.
        """
        with self.database.reading() as session:
            row = case_row(session, case_id)
            case = None if row is None else Case.model_validate(row.body)
            if case is not None and self._sees(by, case):
                past = past_of(session, case.household_id)
        if case is None:
            raise UsageError("case_unknown")
        if not self._sees(by, case):
            raise self.refuse(by, "case_outside", case.household_id)
        score = by.role not in ("department", "auditor") and (not by.blind or case.first is not None)
        self.note(by, "view", case.household_id, case=case_id, score=score)
        signals = [one for one in reversed(past.signals) if one.case_id == case_id]
        shown = tuple(one.body for one in signals) if score else None
        events = tuple(event for of, event in past.events if of == case_id)
        run_id = signals[0].run_id if signals else ""
        if by.role == "department":
            case, events = for_department(case, by.department), ()
        return View(case, shown, due(case, self.now(), self.rules), allowed(case, by.role), events, run_id)

    def page(
        self, by: Actor, *, area: str | None = None, state: str | None = None, week: date | None = None,
        after: str | None = None, limit: int = 50,
    ) -> Page[Line]:  # fmt: skip
        """Cases of an area by their next deadline; one range of an index at any depth.

        Raises:
            AccessError: the area lies outside the actor's.
            UsageError: `after` is no place of such a page.
        """
        area = area or by.area
        if by.role not in STAFF or not self.reaches(by, area):
            raise self.refuse(by, "case_outside", area)
        places, shown = PlaceRow, [PlaceRow.area_code == area]
        if state is not None:
            shown.append(places.state == state)
        elif week is None:
            shown.append(places.due_at < NEVER)  # what waits for nobody is found by its state or week
        if week is not None:
            shown.append(places.week == week)
        if after is not None:
            shown.append(beyond(places.due_at, places.case_id, after))
        query = (
            select(CaseRow).join(places, places.case_id == CaseRow.case_id).where(*shown)
            .order_by(places.due_at, places.case_id).limit(min(limit, MOST) + 1)
        )  # fmt: skip
        return self._lines(query, min(limit, MOST))

    def tasks(self, by: Actor, *, after: str | None = None, limit: int = 50) -> Page[Line]:
        """What lies with the actor itself, by deadline."""
        shown = [CaseRow.owner_account == by.account, CaseRow.state != "closed"]
        if after is not None:
            shown.append(beyond(CaseRow.due_at, CaseRow.case_id, after))
        query = select(CaseRow).where(*shown).order_by(CaseRow.due_at, CaseRow.case_id).limit(min(limit, MOST) + 1)
        return self._lines(query, min(limit, MOST))

    def _lines(self, query: Any, limit: int) -> Page[Line]:
        with self.database.reading() as session:
            rows = [
                Line(r.case_id, r.household_id, r.area_code, r.state, r.owner_account, r.week, r.due_at, r.version)
                for r in session.scalars(query)
            ]
        more = len(rows) > limit
        shown = rows[:limit]
        return Page(tuple(shown), place(shown[-1].due_at, shown[-1].case_id) if more else None)

    def inbox(self, by: Actor, *, answered: bool = False, after: str | None = None, limit: int = 50) -> Page[Desked]:
        """Referrals on the desk of the actor's department, those of its area, by deadline.

        Raises:
            AccessError: the actor speaks for no department, nor for the county mechanism.
        """
        desk = "county_mechanism" if by.role == "county" else by.department
        if by.role not in ("department", "county") or not desk:
            raise self.refuse(by, "case_no_desk", by.area)
        row, limit = ReferralRow, min(limit, MOST)
        query = select(row)
        if self.tree.is_whole(by.area):  # the whole: nearly every referral is its own
            place_of = select(PlaceRow.case_id).where(PlaceRow.area_code == by.area, PlaceRow.case_id == row.case_id)
            here: Any = place_of.exists()
        else:  # SQLite would go through all referrals by deadline for the few of an area
            here = row.area_code.in_(bindparam("inside", self.tree.inside(by.area), expanding=True))
            query = query.with_hint(row, "INDEXED BY casework_referral_area", "sqlite")
        shown = [row.department == desk, row.open == (not answered), here]
        if after is not None:
            shown.append(beyond(row.due_at, row.referral_id, after))
        query = query.where(*shown).order_by(row.due_at, row.referral_id).limit(limit + 1)
        names = Desked.__dataclass_fields__
        with self.database.reading() as session:
            found = [Desked(**{name: getattr(r, name) for name in names}) for r in session.scalars(query)]
        more = len(found) > limit
        rows = found[:limit]
        return Page(tuple(rows), place(rows[-1].due_at, rows[-1].referral_id) if more else None)

    def counts(self, by: Actor, week: date, area: str | None = None) -> dict[str, int]:
        """How many cases of a week are in each state, in an area: kept with every change, never counted."""
        area = area or by.area
        if by.role not in STAFF or not self.reaches(by, area):
            raise self.refuse(by, "case_outside", area)
        query = select(CountRow).where(CountRow.week == week, CountRow.area_code == area, CountRow.cases != 0)
        with self.database.reading() as session:
            return {row.state: row.cases for row in session.scalars(query)}

    def exported(self, by: Actor, what: str, rows: int, digest: str) -> None:
        """Write down that something left the house."""
        self.note(by, "export", what, rows=rows, sha256=digest)


def for_department(case: Case, department: str) -> Case:
    """A case with what concerns a department: its own referrals, and no visit, record or note of others."""
    mine = tuple(one for one in case.referrals if department in (one.department, *one.desks))
    nothing: dict[str, Any] = dict.fromkeys(("visits", "records", "small_sums", "effects", "said"), ())
    return case.model_copy(update={**nothing, "referrals": mine, "draft": None, "returned": ""})


def decision(case: Case, action: str, events: Sequence[Event]) -> list[Entry]:
    """Audit entries of a step: what was decided, as codes, and the version that it made."""
    kind = "draft" if action == "save_draft" else "clock" if action in ("tick", "signal") else "decision"
    detail = {
        "case": case.case_id, "version": case.version, "action": action, "state": case.state,
        "events": [{"kind": event.kind, **event.detail} for event in events],
    }  # fmt: skip
    return [(kind, case.household_id, detail)]


def reason_owners(project: Project, body: Mapping[str, Any]) -> dict[str, str]:
    """Reasons that a list gave → department whose records they stand on; the fallback where a record is not told."""
    by_name = {department.name.zh: key for key, department in project.departments.items()}
    found: dict[str, str] = {}
    for reason in body.get("reasons", []):
        record = reason.get("record") or {}
        name = (record.get("department") or {}).get("zh", "")
        found[str(reason["family"])] = by_name.get(name, FALLBACK)
    return found


def open_desk(project: Project, settings: Settings, *, serving: bool = False) -> Desk:
    """The desk of a project on this machine; a server of pages keeps its connections."""
    late = timedelta(seconds=settings.clock_shift)
    home = Home(settings.home)
    place = home.project(project.name)
    database = open_database(settings, place, serving=serving)
    keeper, rules = Keeper(home, place), read_rules(project.folder)
    return Desk(project, database, keeper, area_tree(project), rules, now=lambda: datetime.now(UTC) - late)
