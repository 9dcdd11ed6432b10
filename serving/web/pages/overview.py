"""Figures for those who steer: by area, with intervals, down to the village; small cells are never shown.

What is shown is decided from the visitor's own area downwards (`disclosure`): rows by their cases, every other figure
by itself, each week of a trend by that week's cases, and the page of an area by every level above it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from reports.plots import wilson
from reports.recall import Recall
from serving.casework import steering, worklist
from serving.casework.disclosure import LEAST, hidden, is_open, is_small
from serving.casework.refusals import AccessError
from serving.casework.steering import COUNTED, WEEKS, Figures
from serving.web.office import Office
from serving.web.showing import in_one_look, show
from serving.web.visitor import OfficeOf, PageError, Staff, staff

router = APIRouter()
Steering = Annotated[Staff, Depends(staff("county", "supervisor"))]
Cells = Mapping[str, int | None]
"""Figures of an area by name; None for one that is not shown."""
SHARE_OF = {"on_time": "due", "visited": "cases", "confirmed": "told"}
"""Figures that are shown as shares only: of how many there are decides whether they are."""


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


def _chosen(request: Request) -> date | None:
    """The week that somebody asks for; None for the newest."""
    text = request.query_params.get("week", "")[:10]
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise PageError(404, "week") from error


@dataclass(frozen=True)
class Board:
    """What a visitor may see of an area and of those right below it.

    Attributes:
        whole: the area's own figures; None where the area is not shown at all.
        rows: areas below with cases: figures, or None where the row is not shown.
        missed: what the lists before missed; None where it cannot be told or shown.
        trends: cases by week for the area and those below, oldest first; None where a week is not shown.
    """

    whole: Cells | None
    before: int | None
    rows: Mapping[str, Cells | None]
    missed: Recall | None
    trends: Mapping[str, Sequence[int | None]]
    weeks: Sequence[date]


def _page(request: Request, office: Office, who: Staff, area: str, chosen: date | None) -> Response:
    steering.allowed(office.desk, who.actor, [area])
    desk, tree = office.desk, office.tree
    weeks = [one.week for one in worklist.week_lines(desk, who.actor, area)[:WEEKS]]
    if chosen is not None and chosen not in weeks:
        raise PageError(404, "week")
    week = chosen or (weeks[0] if weeks else None)
    board = office.shelf.take(
        ("overview", who.actor.area, area, week),
        lambda: board_of(office, who, area, weeks, week) if week is not None else None,
    )
    at = weeks.index(week) if week is not None else 0
    return show(
        request, "overview.html", area=area, area_title=tree.title(area, who.language),
        week=week, board=board, earlier=weeks[at + 1 : at + 2], later=weeks[max(at - 1, 0) : at],
        asked=f"?week={week}" if chosen else "", names={one: tree.name(one, who.language) for one in tree.areas},
        rate=rate, least=LEAST, miss=miss, above=tree.areas[area].parent if area != who.actor.area else None,
        sources=office.sources(week) if week is not None else None, drills={one.parent for one in tree.areas.values()},
    )  # fmt: skip


def board_of(office: Office, who: Staff, area: str, weeks: Sequence[date], week: date) -> Board:
    """The board of an area for a visitor, with everything held back that small figures could be reckoned from.

    Args:
        office: at hand.
        who: the visitor.
        area: inside the visitor's.
        weeks: those of the trend, newest first.
        week: the one whose figures are shown.
    """
    desk, tree = office.desk, office.tree
    chain = [one.code for one in reversed(tree.chain(area))]
    path = chain[chain.index(who.actor.area) :]
    below: dict[str, list[str]] = {one: [] for one in path}
    for code, one in sorted(tree.areas.items()):
        if one.parent in below:
            below[one.parent].append(code)
    areas = [path[0], *(code for codes in below.values() for code in codes)]
    sizes = steering.sizes(desk, who.actor, weeks, areas)

    def is_shown(day: date, to: Sequence[str]) -> bool:
        return is_open(to, lambda one: {code: sizes[day][code] for code in below.get(one, ())}, sizes[day][path[0]])

    def trend(to: Sequence[str]) -> list[int | None]:
        return [sizes[day][to[-1]] if is_shown(day, to) else None for day in reversed(weeks)]

    parts = [code for code in below[area] if sizes[week][code]]
    trends = {area: trend(path), **{code: trend([*path, code]) for code in parts}}
    if not sizes[week][area] or not is_shown(week, path):
        return Board(None, None, {}, None, {}, weeks)
    found = steering.figures(desk, who.actor, week, areas)
    opened = {name: _opened(SHARE_OF.get(name, name), path, below, found) for name in COUNTED}

    def cells(code: str) -> Cells:
        return {name: getattr(found[code], name) if code in opened[name] else None for name in COUNTED}

    rows = {code: cells(code) if code in opened["cases"] else None for code in parts}
    at = len(weeks) - 1 - weeks.index(week)
    # two estimates beside each other would say what became of the few random rows between them
    missed = _missed(office, who, week, path, below) if week == weeks[0] else None
    before = trends[area][at - 1] if at else None
    return Board(cells(area), before, rows, missed, trends, weeks)


def _opened(
    name: str, path: Sequence[str], below: Mapping[str, Sequence[str]], found: Mapping[str, Figures]
) -> set[str]:
    """Areas of whom one figure is shown, level by level; rows that are hidden by their cases hide all figures."""
    opened = set() if is_small(getattr(found[path[0]], name)) else {path[0]}
    for one in path:
        if one not in opened:
            break
        rows = hidden({code: found[code].cases for code in below[one]})
        held = hidden({code: getattr(found[code], name) for code in below[one]}, rows)
        opened |= set(below[one]) - held
    return opened


def _missed(
    office: Office, who: Staff, newest: date, path: Sequence[str], below: Mapping[str, Sequence[str]]
) -> Recall | None:
    """The estimate of an area, where its random rows, and those of the levels above, are enough to be shown."""
    areas = [path[0], *(code for one in path[:-1] for code in below[one])]
    found = steering.missed(office.desk, who.actor, newest, areas)
    met = {area: recall.audit_rows for area, recall in found.items()}
    fits = is_open(path, lambda one: {code: met[code] for code in below[one]}, met[path[0]])
    recall = found[path[-1]]
    return recall if fits and recall.audit_rows >= LEAST and recall.caught + recall.missed > 0 else None


def rate(part: int | None, whole: int | None) -> tuple[int, int, int] | None:
    """A share in per cent with its 95 % interval; None for fewer than can be shown.

    >>> rate(40, 100), rate(3, 5), rate(None, 20)
    ((40, 31, 50), None, None)
    """
    if part is None or whole is None or whole < LEAST:
        return None
    low, high = wilson(part, whole)
    return round(100 * part / whole), round(100 * low), round(100 * high)


def miss(recall: Recall) -> tuple[int, int, int]:
    """Of 100 households in need, how many the lists miss, with the interval.

    >>> miss(Recall(0.8, 0.55, 0.95, 40, 10, 2, 30, 20, 1))
    (20, 5, 45)
    """
    return round(100 * (1 - recall.estimate)), round(100 * (1 - recall.high)), round(100 * (1 - recall.low))
