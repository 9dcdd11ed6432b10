"""How departments answer: referrals of twelve weeks by department, and what came of them. Small cells are not shown."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from serving.casework import steering
from serving.casework.boards import shown_answers
from serving.casework.disclosure import LEAST
from serving.casework.steering import WEEKS
from serving.web.showing import in_one_look, show
from serving.web.visitor import OfficeOf, Staff, staff

router = APIRouter()
Steering = Annotated[Staff, Depends(staff("county", "supervisor"))]


@router.get("/feedback")
@in_one_look
def feedback(request: Request, office: OfficeOf, who: Steering) -> Response:
    """The departments of the visitor's own area."""
    area = who.actor.area
    found = office.shelf.take(("feedback", area), lambda: steering.answers(office.desk, who.actor, area))
    shown = shown_answers(found)
    routing = office.desk.rules.routing
    return show(
        request, "feedback.html", lines=shown, hidden=len(found) - len(shown), any=bool(found), least=LEAST,
        weeks=WEEKS, names=routing.departments,
    )  # fmt: skip
