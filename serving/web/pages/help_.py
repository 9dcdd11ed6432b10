"""Help in plain words: what a page is for, how scores come about, and whom to ask."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from serving.web.rendering import ROOMS
from serving.web.showing import show
from serving.web.visitor import OfficeOf, Staff, VisitorOf, staff

router = APIRouter()


@router.get("/help")
def help_(request: Request, visitor: VisitorOf, office: OfficeOf) -> Response:
    """What there is, and whom to ask."""
    role = visitor.actor.role if visitor.actor else ""
    mine = [(path, name) for path, name, roles in ROOMS if role in roles]
    return show(request, "help.html", mine=mine, local=office.desk.text("help"))


@router.get("/help/how-scores-work")
def scores(request: Request, _who: Annotated[Staff, Depends(staff())]) -> Response:
    """How a number comes about, and what it is not."""
    return show(request, "scores.html")
