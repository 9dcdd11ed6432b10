"""From a published list to cases: once for each week, one case for each episode.

A household with an open case gets the new alert into that case; one whose case was closed a short while ago is left
alone, unless its risk has risen. How a row came on the list (by risk or by chance) goes into a table of its own that no
page reads: a case opened by an audit row is a case like every other, with a due day drawn from those of its area.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from features.errors import GateError, NothingToDo, UsageError
from serving.casework import cases
from serving.casework.actions import Signal
from serving.casework.actor import Actor, clock
from serving.casework.case import Case, Origin, Owner
from serving.casework.desk import Desk, Entry, decision
from serving.casework.tables import SealedRow, SignalRow, WeekRow, said_of
from serving.casework.workflow import opened, step
from serving.runs import RunFolder
from serving.writing import due_days

AT_ONCE = 200
"""Households in one transaction: readers and other writers get their turn in between."""


@dataclass(frozen=True)
class Opened:
    """What became of a list."""

    run_id: str
    week: date
    listed: int
    opened: int
    merged: int
    cooling: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**self.__dict__, "week": str(self.week)}


def open_week(desk: Desk, run: RunFolder, *, dry_run: bool = False) -> Opened:
    """Make the list of a run into cases. A run that was killed in between is gone on with.

    Raises:
        GateError: the list is a draft.
        NothingToDo: it was made into cases before.
    """
    if not run.published:
        raise GateError("cases_of_draft", run=run.run_id)
    with desk.database.reading() as session:
        if session.get(WeekRow, run.run_id) is not None:
            raise NothingToDo("cases_opened_already", run=run.run_id)
    entries = run.entries()
    _, days = due_days(desk.project.listing, run.run_id, run.as_of, entries)
    visit_by = {entry.household_id: day for entry, day in zip(entries, days, strict=True)}
    sealed = {entry.household_id: entry for entry in entries}
    # in an order that tells nothing
    rows = sorted(run.households(), key=lambda row: (str(row["area_code"]), str(row["household_id"])))
    fates: dict[str, int] = {"opened": 0, "merged": 0, "cooling": 0}
    if dry_run:
        with desk.database.reading() as session:
            for row in rows:
                fates[_fate(desk, session, row, run)] += 1
        return Opened(run.run_id, run.as_of, len(rows), **fates)
    by = clock()
    for first in range(0, len(rows), AT_ONCE):
        with desk.writing(by) as (session, told):
            for row in rows[first : first + AT_ONCE]:
                household = str(row["household_id"])
                if session.get(SignalRow, (run.run_id, household)) is not None:
                    fates["merged"] += 1  # taken in before this was interrupted
                    continue
                fate, case = _take(desk, session, row, run, visit_by[household], told)
                fates[fate] += 1
                one = sealed[household]
                session.add(
                    SignalRow(run_id=run.run_id, household_id=household, case_id=case, as_of=run.as_of, body=dict(row))
                )
                session.add(
                    SealedRow(
                        run_id=run.run_id, household_id=household, kind=one.kind, stratum=one.stratum,
                        selection_probability=one.selection_probability,
                    )
                )  # fmt: skip
    made = Opened(run.run_id, run.as_of, len(rows), **fates)
    with desk.writing(by) as (session, told):
        session.add(WeekRow(run_id=run.run_id, week=run.as_of, opened_at=desk.now(), body=made.as_dict()))
        told.append(("opened_week", run.run_id, made.as_dict()))
    return made


def _fate(desk: Desk, session: Session, row: Mapping[str, Any], run: RunFolder) -> str:
    household = str(row["household_id"])
    if cases.open_case(session, household) is not None:
        return "merged"
    last = cases.newest_case(session, household)
    if last is None or last.closed is None or row.get("change") == "up":
        return "opened"
    return "cooling" if run.as_of < desk.project.listing.cool_down.after(last.closed.on) else "opened"


def _take(
    desk: Desk, session: Session, row: Mapping[str, Any], run: RunFolder, visit_by: date, told: list[Entry]
) -> tuple[str, str]:
    """One household: a new case, a case that it joins, or nothing for now. Returns its fate and the case's id."""
    household = str(row["household_id"])
    fate = _fate(desk, session, row, run)
    save = (desk.project.name, desk.tree, desk.rules)
    said = said_of(run.run_id, row)
    if fate == "opened":
        case = _new(desk, household, str(row["area_code"]), run.run_id, run.as_of, "list", visit_by)
        first = (opened(case, clock(), run.run_id),)
        cases.save(session, *save, case, first, week=run.as_of, said=said, at=desk.now())
        told.append(("clock", household, {"case": case.case_id, "version": 0, "action": "opened"}))
        return fate, case.case_id
    if fate == "merged":
        joined = cases.open_case(session, household)
        assert joined is not None
        made, events = step(joined, Signal(by=clock(), run_id=run.run_id), desk.rules, desk.now())
        again = said if run.as_of == joined.opened_on else None  # a second list of the same week
        cases.save(session, *save, made, events, said=again, at=desk.now())
        told.extend(decision(made, "signal", events))
        return fate, made.case_id
    last = cases.newest_case(session, household)
    assert last is not None
    return fate, last.case_id


def _new(desk: Desk, household: str, area: str, key: str, day: date, origin: Origin, visit_by: date | None) -> Case:
    identifier = hashlib.sha256(f"case|{desk.project.name}|{key}|{household}".encode()).hexdigest()[:24]
    return Case(
        case_id=identifier, household_id=household, area_code=area, state="alert", since=desk.now(),
        owner=Owner(role="town", area=area), origin=origin, opened_on=day, visit_by=visit_by,
    )  # fmt: skip


def discover(desk: Desk, by: Actor, household_id: str, area_code: str, origin: Origin) -> Case:
    """Open a case for a household that somebody found or that came by itself: no list is needed (policy (10)).

    Raises:
        AccessError: the area is not the actor's.
        UsageError: the household has an open case, or the area is unknown.
    """
    if by.role not in ("village", "town", "county") or not desk.reaches(by, area_code):
        raise desk.refuse(by, "case_outside", household_id)
    if area_code not in desk.tree:
        raise UsageError("case_area_unknown")
    today = desk.rules.day(desk.now())
    with desk.writing(by) as (session, told):
        if cases.open_case(session, household_id) is not None:
            raise UsageError("case_open_already")
        case = _new(desk, household_id, area_code, desk.now().isoformat(), today, origin, None)
        event = opened(case, by, "")
        cases.save(session, desk.project.name, desk.tree, desk.rules, case, (event,), week=today, at=desk.now())
        told.append(("decision", household_id, {"case": case.case_id, "version": 0, "action": "opened"}))
    return case


def sealed_kinds(desk: Desk, by: Actor, run_id: str) -> Sequence[tuple[str, str, float]]:
    """How the rows of a list came on it: household, kind, probability. For auditors; written down.

    Raises:
        AccessError: the actor is no auditor.
    """
    if by.role != "auditor":
        raise desk.refuse(by, "case_outside", run_id)
    desk.note(by, "unsealed", run_id)
    with desk.database.reading() as session:
        rows = session.query(SealedRow).filter(SealedRow.run_id == run_id).order_by(SealedRow.household_id)
        return [(row.household_id, row.kind, row.selection_probability) for row in rows]
