"""What this is: its version, its model, its limits. Open to everybody, as help is."""

from __future__ import annotations

from importlib import metadata

from fastapi import APIRouter, Request
from starlette.responses import Response

from serving.web.showing import show
from serving.web.visitor import OfficeOf, VisitorOf

router = APIRouter()


@router.get("/about")
def about(request: Request, office: OfficeOf, visitor: VisitorOf) -> Response:
    """The page; which model made the newest list is told to who is signed in."""
    weeks = office.weeks.newest_first()[:1] if visitor.account else []
    return show(
        request, "about.html", code=metadata.version("zhouji"), week=weeks[0] if weeks else None,
        bands=office.project.levels, sources=len(office.project.feeds), departments=len(office.project.departments),
    )  # fmt: skip
