"""Searching a list: households by the beginning of their code, or by the name of their village, town, county or city.

What is rare is looked up first and then put in order; what is frequent is met soon enough by reading the list in its
order. Either way a page costs little, and all that fits is found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from serving.casework.actor import Actor
from serving.casework.desk import Desk
from serving.casework.tables import CaseRow, CountRow, PlaceRow

CODE = re.compile(r"[0-9a-f]{1,24}")
BEYOND_DIGITS = "g"
"""A letter after all that a code is written with."""
RARE_CASES, RARE_AREAS, RARE_DIGITS = 2_000, 100, 3
"""Up to so many cases in so many areas, or of codes with so many digits given, are looked up first."""
AT_ONCE = 500

Found = Callable[[Select[Any], int], list[Any]]


def searched(session: Session, desk: Desk, by: Actor, week: date, area: str, text: str) -> Found:
    """How to find, of a query over a week's cases of an area in their order, the first that fit a text."""
    text = text.strip().lower()
    named = [code for code in desk.tree.named(text) if desk.reaches(by, code)]
    digits = text.replace("-", "")  # pages show a code as 06da-e45c
    code = digits if CODE.fullmatch(digits) else ""
    widest = _widest(desk, area, named)
    if area in widest:
        return in_order(session)
    if len(widest) <= RARE_AREAS and (not code or len(code) >= RARE_DIGITS):
        begun = _begun(session, code) if code else []
        if len(begun) + _cases(session, week, widest) <= RARE_CASES:
            return lambda query, limit: _looked_up(session, query, limit, week, widest, begun)
    return lambda query, limit: _met(session, desk, query, limit, set(named), code)


def in_order(session: Session) -> Found:
    """The first of a query in its order, where nothing is searched for."""
    return lambda query, limit: list(session.execute(query.limit(limit)))


def _widest(desk: Desk, area: str, named: Sequence[str]) -> list[str]:
    """Of the areas named, those in the area that no other one holds; the area itself where one holds it."""
    every = set(named)
    if every.intersection(one.code for one in desk.tree.chain(area)):
        return [area]
    found = []
    for code in named:
        above = [one.code for one in desk.tree.chain(code)][1:]
        if area in above and every.isdisjoint(above):
            found.append(code)
    return found


def _cases(session: Session, week: date, areas: Sequence[str]) -> int:
    query = select(func.sum(CountRow.cases)).where(CountRow.week == week, CountRow.area_code.in_(areas))
    return int(session.scalar(query) or 0) if areas else 0


def _begun(session: Session, code: str) -> list[str]:
    """Cases of households whose code begins so, or more than are few."""
    here = CaseRow.household_id >= code, CaseRow.household_id < code + BEYOND_DIGITS
    return list(session.scalars(select(CaseRow.case_id).where(*here).limit(RARE_CASES + 1)))


def _looked_up(
    session: Session, query: Select[Any], limit: int, week: date, areas: Sequence[str], begun: Sequence[str]
) -> list[Any]:
    """The cases of a few areas, and those whose code begins so, put in order."""
    fitting = set(begun)
    if areas:
        here = PlaceRow.area_code.in_(areas), PlaceRow.week == week
        fitting.update(session.scalars(select(PlaceRow.case_id).where(*here)))
    return list(session.execute(query.where(PlaceRow.case_id.in_(fitting)).limit(limit))) if fitting else []


def _met(session: Session, desk: Desk, query: Select[Any], limit: int, named: set[str], code: str) -> list[Any]:
    """The list is read in its order until enough of it fit."""
    chains: dict[str, bool] = {}

    def fits(area_code: str, household_id: str) -> bool:
        if area_code not in chains:
            chains[area_code] = not named.isdisjoint(one.code for one in desk.tree.chain(area_code))
        return chains[area_code] or (bool(code) and household_id.startswith(code))

    query = query.join(CaseRow, CaseRow.case_id == PlaceRow.case_id)
    query = query.add_columns(CaseRow.area_code, CaseRow.household_id).execution_options(yield_per=AT_ONCE)
    found: list[Any] = []
    with session.execute(query) as rows:
        for case_id, mark, area_code, household_id in rows:
            if fits(area_code, household_id):
                found.append((case_id, mark))
                if len(found) == limit:
                    break
    return found
