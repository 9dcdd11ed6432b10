"""The households before and after one, in the order in which an actor works: by deadline, among the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, literal, or_, select, union_all

from serving.casework.actor import Actor
from serving.casework.desk import Desk
from serving.casework.looking import case_row
from serving.casework.tables import CaseRow, PlaceRow


@dataclass(frozen=True)
class Neighbours:
    """Households to go on to; empty at an end."""

    before: str
    after: str


def neighbours(desk: Desk, by: Actor, case_id: str) -> Neighbours:
    """Who stands before and after a case: of one's own visits for who visits, of the week's list for an office."""
    with desk.database.reading() as session:
        row = case_row(session, case_id)
        if row is None or not desk.reaches(by, row.area_code):
            return Neighbours("", "")
        # one question for both; each half is one step in an index
        halves = [_beside(by, row, later=later).subquery() for later in (False, True)]
        rows = session.execute(union_all(*(select(half) for half in halves)))
        found = {str(row.side): str(row.household_id) for row in rows}
    return Neighbours(found.get("before", ""), found.get("after", ""))


def _beside(by: Actor, row: CaseRow, *, later: bool) -> Any:
    """The household right before or after a case, with its side."""
    query: Any = select(literal("after" if later else "before").label("side"), CaseRow.household_id)
    if by.role == "village":
        query = query.where(CaseRow.owner_account == by.account, CaseRow.state != "closed")
        due, key = CaseRow.due_at, CaseRow.case_id
    else:
        query = query.join(PlaceRow, PlaceRow.case_id == CaseRow.case_id)
        query = query.where(PlaceRow.area_code == by.area, PlaceRow.week == row.week)
        due, key = PlaceRow.due_at, PlaceRow.case_id
    beyond = due > row.due_at if later else due < row.due_at
    same = and_(due == row.due_at, key > row.case_id if later else key < row.case_id)
    order = (due, key) if later else (due.desc(), key.desc())
    return query.where(or_(beyond, same)).order_by(*order).limit(1)
