"""What pages say of a household: the words of its newest list's run, and its chain as that run knew it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import select

from serving.casework import worklist
from serving.casework.actor import Actor
from serving.casework.case import Case
from serving.casework.chain import Link, chain
from serving.casework.refusals import AccessError
from serving.casework.tables import SignalRow
from serving.recorded import Milestone
from serving.web.office import Office


def case_id_of(office: Office, household_id: str) -> str:
    """The household's newest case; a household that there is not is answered like somebody else's.

    Raises:
        AccessError: there is none.
    """
    found = worklist.case_of(office.desk, household_id[:40])
    if found is None:
        raise AccessError("case_outside")
    return found


def told_of(office: Office, case: Case) -> Mapping[str, Any] | None:
    """What the run of the case's newest list says in words; nothing where it cannot be told."""
    query = (
        select(SignalRow.run_id).where(SignalRow.case_id == case.case_id).order_by(SignalRow.as_of.desc()).limit(1)
    )  # fmt: skip
    with office.desk.database.reading() as session:
        run_id = session.scalar(query)
    return None if run_id is None else office.told(case.household_id, run_id)


def day_of(told: Mapping[str, Any] | None) -> date | None:
    """The day whose knowledge it is."""
    return None if told is None else date.fromisoformat(told["as_of"])


def chain_of(office: Office, by: Actor, case: Case, told: Mapping[str, Any] | None) -> tuple[Link, ...]:
    """The household's chain, with departments' records as the run knew them; the look is written down."""
    records = [
        Milestone(date.fromisoformat(one["day"]), one["table"], one["detail"])
        for one in (told or {}).get("records", ())
    ]
    return chain(office.desk, by, case.household_id, records)
