"""The clock's round: reminders, F10, escalation and ended watches, of the cases whose next deadline is near or past.

Where rules were amended, or the deployment's files, the deadlines of all open cases are reckoned anew first.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from serving.casework import cases
from serving.casework.actions import Tick
from serving.casework.actor import clock
from serving.casework.deadlines import Rules, due, known_year, later
from serving.casework.desk import Desk, decision
from serving.casework.tables import NEVER, CaseRow, ReckonedRow
from serving.casework.workflow import step

AT_ONCE = 200


@dataclass(frozen=True)
class Reminded:
    """What time brought: events by kind, and whether some deadline rests on a year that is not published.

    Attributes:
        moved: cases whose next deadline is another, because the rules are.
    """

    cases: int
    events: Mapping[str, int] = field(default_factory=dict)
    provisional_years: tuple[int, ...] = ()
    moved: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        years = list(self.provisional_years)
        return {"cases": self.cases, "events": dict(self.events), "provisional_years": years, "moved": self.moved}


def remind(desk: Desk, *, dry_run: bool = False) -> Reminded:
    """Go through everything that waits; a second round on the same day says nothing again."""
    moved = _reckoned(desk, dry_run=dry_run)
    with desk.database.reading() as session:
        ids, years = _near(desk, session), _provisional(desk, session)
    told: Counter[str] = Counter()
    changed = 0
    for first in range(0, len(ids), AT_ONCE):
        with desk.writing(clock()) as (session, entries):
            for case_id in ids[first : first + AT_ONCE]:
                case = cases.read(session, case_id)
                assert case is not None
                years |= {one.at.year for one in due(case, desk.now(), desk.rules) if one.provisional}
                made, events = step(case, Tick(by=clock()), desk.rules, desk.now())
                if made is case:
                    continue
                changed += 1
                told.update(event.kind for event in events)
                if not dry_run:
                    cases.save(session, desk.project.name, desk.tree, desk.rules, made, events, at=desk.now())
                    entries.extend(decision(made, "tick", events))
    return Reminded(changed, dict(sorted(told.items())), tuple(sorted(years)), moved)


def _reckoned(desk: Desk, *, dry_run: bool) -> int:
    """Reckon deadlines by rules that have changed since; returns how many cases have others now.

    What differs is found while others may write; only that is reckoned again and written under the lock.
    """
    rules = desk.rules
    digest = _digest(rules)
    with desk.database.reading() as session:
        known = session.get(ReckonedRow, 1)
        if known is not None and known.rules == digest:
            return 0
        waiting = or_(CaseRow.state != "closed", CaseRow.due_at < NEVER)  # closed ones may wait for a correction
        ids = list(session.scalars(select(CaseRow.case_id).where(waiting).order_by(CaseRow.case_id)))
    moved = 0
    for first in range(0, len(ids), AT_ONCE):
        part = ids[first : first + AT_ONCE]
        with desk.database.reading() as session:
            late = cases.misdated(session, part, rules, desk.now())
        moved += len(late)
        if late and not dry_run:
            with desk.database.writing() as session:
                for case_id in late:
                    cases.reckon(session, desk.tree, rules, case_id, desk.now())
    if not dry_run:
        with desk.writing(clock()) as (session, entries):
            session.merge(ReckonedRow(one=1, rules=digest))
            entries.append(("clock", "rules", {"action": "reckoned", "rules": digest, "moved": moved}))
    return moved


def _digest(rules: Rules) -> str:
    """Of what deadlines depend on."""
    answers = {code: need.answer.model_dump(mode="json") for code, need in rules.routing.needs.items()}
    told = json.dumps({"answers": answers, "deadlines": rules.deadlines.model_dump(mode="json")}, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _near(desk: Desk, session: Session) -> list[str]:
    """Cases of which time may have something to say: a range of the index of next deadlines.

    A watch ends before its own deadline, which leaves the town some days: it is looked for that much further ahead.
    """
    deadlines, now = desk.rules.deadlines, desk.now()
    soon = later(now, deadlines.remind_before, desk.rules).at
    ended = later(now, deadlines.steps.watch, desk.rules).at
    found = set(session.scalars(select(CaseRow.case_id).where(CaseRow.due_at <= soon)))
    watched = select(CaseRow.case_id).where(CaseRow.due_at > soon, CaseRow.due_at <= ended, CaseRow.state == "watching")
    return sorted(found | set(session.scalars(watched)))


def _provisional(desk: Desk, session: Session) -> set[int]:
    """Years ahead whose holidays are not known, and in which some case has its next deadline."""
    year, found = desk.rules.day(desk.now()).year, set[int]()
    for ahead in (year, year + 1, year + 2):
        if known_year(ahead, desk.rules.deadlines.announced):
            continue
        first, after = (desk.rules.end(date(one, 1, 1)) - timedelta(days=1) for one in (ahead, ahead + 1))
        some = select(CaseRow.case_id).where(CaseRow.due_at > first, CaseRow.due_at <= after).limit(1)
        if session.scalar(some) is not None:
            found.add(ahead)
    return found
