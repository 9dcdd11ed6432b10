"""Figures for those who steer: by area, with intervals, down to the village; small cells are never shown."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from reports.plots import wilson
from serving.casework import worklist
from serving.casework.worklist import Figures
from serving.web.showing import show
from serving.web.visitor import OfficeOf, PageError, Staff, staff

router = APIRouter()
Steering = Annotated[Staff, Depends(staff("county", "supervisor"))]
LEAST = 10
"""Fewer households than these could be recognised."""
WEEKS = 12


@router.get("/overview")
def overview(request: Request, office: OfficeOf, who: Steering) -> Response:
    """The visitor's own area."""
    return _page(request, office, who, who.actor.area)


@router.get("/overview/{area}")
def part(request: Request, area: str, office: OfficeOf, who: Steering) -> Response:
    """An area inside it."""
    if area not in office.tree:
        raise PageError(404, "area")
    return _page(request, office, who, area)


def _page(request: Request, office: OfficeOf, who: Staff, area: str) -> Response:
    desk, tree = office.desk, office.tree
    weeks = worklist.week_lines(desk, who.actor, area)
    parts = tree.parts(area)
    whole: Figures | None = None
    before: Figures | None = None
    rows: tuple[Figures, ...] = ()
    if weeks:
        whole = worklist.figures(desk, who.actor, weeks[0].week, [area])[0]
        rows = worklist.figures(desk, who.actor, weeks[0].week, parts)
        if len(weeks) > 1:
            before = worklist.figures(desk, who.actor, weeks[1].week, [area])[0]
    shown = [one for one in rows if one.cases]
    hidden = hidden_areas(shown)
    return show(
        request, "overview.html", area=area, area_title=tree.path(area, who.language) or tree.name(area, who.language),
        week=weeks[0].week if weeks else None, whole=whole if whole and whole.cases >= LEAST else None, before=before,
        rows=[(one, tree.name(one.area, who.language), one.area in hidden) for one in shown], rate=rate, least=LEAST,
        trend=[one.cases for one in reversed(weeks[:WEEKS])] if weeks and weeks[0].cases >= LEAST else [],
        above=tree.areas[area].parent if area != who.actor.area else None,
        departments=[one for one in worklist.department_figures(desk, who.actor, area) if one.sent >= LEAST],
        names=desk.rules.routing.departments, drills={one.parent for one in tree.areas.values()},
    )  # fmt: skip


def hidden_areas(rows: list[Figures]) -> frozenset[str]:
    """Areas whose figures are not shown: small ones, and one more where a single one could be told from the sum.

    >>> made = lambda area, cases: Figures(area, cases, 0, 0, 0, 0)
    >>> sorted(hidden_areas([made("a", 3), made("b", 20), made("c", 50)]))
    ['a', 'b']
    >>> sorted(hidden_areas([made("a", 30), made("b", 20)]))
    []
    """
    small = {one.area for one in rows if one.cases < LEAST}
    rest = sorted((one for one in rows if one.area not in small), key=lambda one: (one.cases, one.area))
    if len(small) == 1 and rest:
        small.add(rest[0].area)
    return frozenset(small)


def rate(part: int, whole: int) -> tuple[int, int, int] | None:
    """A share in per cent with its 95 % interval; None for fewer than can be shown.

    >>> rate(40, 100), rate(3, 5)
    ((40, 31, 50), None)
    """
    if whole < LEAST:
        return None
    low, high = wilson(part, whole)
    return round(100 * part / whole), round(100 * low), round(100 * high)
