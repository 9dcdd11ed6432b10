"""How departments answer: referrals of twelve weeks by department, and what came of them. Small cells are not shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from serving.casework import steering
from serving.casework.disclosure import LEAST, hidden
from serving.casework.steering import WEEKS, Answers
from serving.web.showing import in_one_look, show
from serving.web.visitor import OfficeOf, Staff, staff

router = APIRouter()
Steering = Annotated[Staff, Depends(staff("county", "supervisor"))]


@dataclass(frozen=True)
class Line:
    """A department's figures as they may be shown; None for what may not.

    Attributes:
        codes: answers by code; None for those that are held back.
    """

    department: str
    sent: int
    answered: int | None
    open: int | None
    late: int | None
    median_days: float | None
    codes: Mapping[str, int | None]


@router.get("/feedback")
@in_one_look
def feedback(request: Request, office: OfficeOf, who: Steering) -> Response:
    """The departments of the visitor's own area."""
    area = who.actor.area
    found = office.shelf.take(("feedback", area), lambda: steering.answers(office.desk, who.actor, area))
    shown = lines(found)
    routing = office.desk.rules.routing
    return show(
        request, "feedback.html", lines=shown, hidden=len(found) - len(shown), any=bool(found), least=LEAST,
        weeks=WEEKS, names=routing.departments,
    )  # fmt: skip


def lines(found: Sequence[Answers]) -> tuple[Line, ...]:
    """Departments with enough referrals, and of each figure what cannot be reckoned to a small one.

    >>> [line.department for line in lines([Answers("a", 4), Answers("b", 12), Answers("c", 30)])]
    ['c']
    """
    rows = hidden({one.department: one.sent for one in found})
    held = {
        name: hidden({one.department: getattr(one, name) for one in found}, rows)
        for name in ("answered", "open", "late")
    }
    made = []
    for one in found:
        if one.department in rows:
            continue
        told = {name: None if one.department in names else int(getattr(one, name)) for name, names in held.items()}
        covered = hidden(one.codes) if told["answered"] is not None else set(one.codes)  # they add up to it
        codes = {code: None if code in covered else count for code, count in sorted(one.codes.items())}
        middle = one.median_days if one.answered >= LEAST else None
        made.append(Line(one.department, one.sent, told["answered"], told["open"], told["late"], middle, codes))
    return tuple(made)
