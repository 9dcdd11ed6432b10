"""The clock's round: reminders, F10, escalation and ended watches of every case that waits for somebody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from serving.casework import cases
from serving.casework.actions import Tick
from serving.casework.actor import clock
from serving.casework.desk import Desk, decision
from serving.casework.tables import CaseRow, ReferralRow
from serving.casework.workflow import step

AT_ONCE = 200


@dataclass(frozen=True)
class Reminded:
    """What time brought: events by kind, and whether some deadline rests on a year that is not published."""

    cases: int
    events: Mapping[str, int] = field(default_factory=dict)
    provisional_years: tuple[int, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"cases": self.cases, "events": dict(self.events), "provisional_years": list(self.provisional_years)}


def remind(desk: Desk, *, dry_run: bool = False) -> Reminded:
    """Go through everything that waits; a second round on the same day says nothing again."""
    from serving.casework.deadlines import due, later

    soon = later(desk.now(), desk.rules.deadlines.remind_before, desk.rules).at
    with desk.database.reading() as session:
        nearest = select(CaseRow.case_id).where(CaseRow.state != "closed").order_by(CaseRow.case_id)
        owed = select(ReferralRow.case_id).where(ReferralRow.open, ReferralRow.due_at <= soon)
        ids = sorted({*session.scalars(nearest), *session.scalars(owed)})
    told: Counter[str] = Counter()
    changed, years = 0, set[int]()
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
    return Reminded(changed, dict(sorted(told.items())), tuple(sorted(years)))
