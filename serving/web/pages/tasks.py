"""My visits: what lies with the visitor, by deadline; made for a phone."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from serving.web.showing import show
from serving.web.visitor import OfficeOf, Staff, staff

router = APIRouter()
Visitors = Annotated[Staff, Depends(staff("village", "town", "county"))]


@router.get("/tasks")
def tasks(request: Request, office: OfficeOf, who: Visitors) -> Response:
    """Overdue and due ones first, then by village; no word of scores on this page for anybody."""
    page = office.desk.tasks(who.actor, after=request.query_params.get("after"), limit=50)
    tree, language = office.tree, who.language
    return show(
        request, "tasks.html", page=page, first=not request.query_params.get("after"),
        place_of=lambda row: tree.path(row.area_code, language) or tree.name(row.area_code, language),
        done=request.query_params.get("done", ""),
    )  # fmt: skip
