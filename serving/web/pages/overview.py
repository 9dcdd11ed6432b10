"""Figures for those who steer: by area, with intervals, down to the village; small cells are never shown."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from reports.bulletin import FILES
from serving.casework import steering, worklist
from serving.casework.boards import board_of, miss, rate
from serving.casework.bulletins import bulletin_of, written
from serving.casework.disclosure import LEAST
from serving.casework.refusals import AccessError
from serving.casework.steering import WEEKS
from serving.web.files import file_answer
from serving.web.office import Office
from serving.web.showing import in_one_look, show
from serving.web.visitor import OfficeOf, PageError, Staff, staff

router = APIRouter()
Steering = Annotated[Staff, Depends(staff("county", "supervisor"))]


@router.get("/overview")
@in_one_look
def overview(request: Request, office: OfficeOf, who: Steering) -> Response:
    """The visitor's own area."""
    return _page(request, office, who, who.actor.area, _chosen(request))


@router.get("/overview/{area}")
@in_one_look
def part(request: Request, area: str, office: OfficeOf, who: Steering) -> Response:
    """An area inside it."""
    if area not in office.tree:
        raise AccessError("case_outside")  # as for an area of somebody else
    return _page(request, office, who, area, _chosen(request))


@router.get("/overview/{area}/bulletin.pdf")
def bulletin_pdf(request: Request, area: str, office: OfficeOf, who: Steering) -> Response:
    """The weekly bulletin to read and to print."""
    return _bulletin(request, office, who, area, "pdf")


@router.get("/overview/{area}/bulletin.docx")
def bulletin_docx(request: Request, area: str, office: OfficeOf, who: Steering) -> Response:
    """The weekly bulletin to go on writing in."""
    return _bulletin(request, office, who, area, "docx")


def _bulletin(request: Request, office: Office, who: Staff, area: str, kind: str) -> Response:
    made = bulletin_of(office.desk, who.actor, area, _chosen(request), office.sources)
    content = FILES[kind](made, who.language)
    written(office.desk, who.actor, made, area, content, kind)
    return file_answer(content, f"bulletin-{area}-{made.day}.{kind}")


def _chosen(request: Request) -> date | None:
    """The week that somebody asks for; None for the newest."""
    text = request.query_params.get("week", "")[:10]
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise PageError(404, "week") from error


def _page(request: Request, office: Office, who: Staff, area: str, chosen: date | None) -> Response:
    steering.allowed(office.desk, who.actor, [area])
    desk, tree = office.desk, office.tree
    weeks = [one.week for one in worklist.week_lines(desk, who.actor, area)[:WEEKS]]
    if chosen is not None and chosen not in weeks:
        raise PageError(404, "week")
    week = chosen or (weeks[0] if weeks else None)
    board = office.shelf.take(
        ("overview", who.actor.area, area, week),
        lambda: board_of(desk, who.actor, area, weeks, week) if week is not None else None,
    )
    at = weeks.index(week) if week is not None else 0
    return show(
        request, "overview.html", area=area, area_title=tree.title(area, who.language),
        week=week, board=board, earlier=weeks[at + 1 : at + 2], later=weeks[max(at - 1, 0) : at],
        asked=f"?week={week}" if chosen else "", names={one: tree.name(one, who.language) for one in tree.areas},
        rate=rate, least=LEAST, miss=miss, above=tree.areas[area].parent if area != who.actor.area else None,
        sources=office.sources(week) if week is not None else None, drills={one.parent for one in tree.areas.values()},
    )  # fmt: skip
