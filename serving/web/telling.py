"""What pages say of a household: the words of its newest list's run, and its chain as that run knew it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from serving.casework import worklist
from serving.casework.actor import Actor
from serving.casework.case import Case
from serving.casework.chain import Link, chain
from serving.casework.desk import View
from serving.casework.refusals import AccessError
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


def told_of(office: Office, view: View) -> Mapping[str, Any] | None:
    """What the run of the case's newest list says in words; nothing where it cannot be told."""
    return office.told(view.case.household_id, view.run_id) if view.run_id else None


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
