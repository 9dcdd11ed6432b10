"""My visits: what lies with the visitor, by deadline; made for a phone."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from serving.casework import worklist
from serving.web.showing import in_one_look, show
from serving.web.visitor import OfficeOf, Staff, staff

router = APIRouter()
Above = Annotated[Staff, Depends(staff("county", "supervisor"))]
Visitors = Annotated[Staff, Depends(staff("village", "town", "county"))]


@router.get("/tasks")
@in_one_look
def tasks(request: Request, office: OfficeOf, who: Visitors) -> Response:
    """Overdue and due ones first, then by village; no word of scores on this page for anybody."""
    page = office.desk.tasks(who.actor, after=request.query_params.get("after"), limit=50)
    tree, language = office.tree, who.language
    return show(
        request, "tasks.html", page=page, first=not request.query_params.get("after"),
        place_of=lambda row: tree.title(row.area_code, language),
        done=request.query_params.get("done", ""),
    )  # fmt: skip


@router.get("/escalated")
@in_one_look
def escalated(request: Request, office: OfficeOf, who: Above) -> Response:
    """What stayed overdue so long that it comes to those above, of all weeks."""
    after = request.query_params.get("after")
    page = worklist.escalated(office.desk, who.actor, after=after)
    tree, language = office.tree, who.language
    return show(
        request, "escalated.html", page=page, first=not after, people=worklist.people(office.desk),
        wait=office.desk.rules.deadlines.escalate_after,
        place_of=lambda row: tree.title(row.area_code, language),
    )  # fmt: skip
