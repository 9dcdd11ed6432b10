"""How the data are: sources by area, missing values, drift, rows that went back. As the newest list saw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from features.divisions import AreaTree
from reports.drift import LOOK, SHIFTED
from serving import quality as seen_by
from serving.web.showing import show
from serving.web.visitor import OfficeOf, Staff, staff

router = APIRouter()
Checking = Annotated[Staff, Depends(staff("county", "supervisor", "analyst"))]
MISSING_MORE = 0.05
"""Points of the share of missing values beyond training from which a line is worth a look."""
ORDER = ("absent", "late", "shrunken", "current")


@dataclass(frozen=True)
class Cell:
    """A feed in an area of the grid: the worst state below, and how many of its areas are in trouble."""

    status: str
    troubled: int
    areas: int


@router.get("/quality")
def quality(request: Request, office: OfficeOf, who: Checking) -> Response:
    """The newest list's data, for the visitor's area."""
    weeks = office.weeks.newest_first()[:1]
    if not weeks:
        return show(request, "quality.html", week=None)
    week, feeds = weeks[0], office.project.feeds
    noted = seen_by.noted(office.home, week.run.run_id)
    seen: Mapping[str, Any] = noted or {}
    columns, cells = grid(office.tree, who.actor.area, seen.get("areas") or [])
    states = {name: state for name, state in week.receipt["feeds"].items() if name in feeds}
    rows = [(name, feeds[name].name, state, cells.get(name, {})) for name, state in states.items()]
    indicators = seen.get("indicators") or {}
    moved = _moved(indicators)
    returned = [one for one in seen.get("returned") or [] if one["feed"] in feeds]
    troubled = [row for row in rows if row[2]["status"] != "current" or any(c.troubled for c in row[3].values())]
    return show(
        request, "quality.html", week=week.run.as_of, seen=bool(seen), looked=bool(columns), columns=columns, rows=rows,
        troubled=troubled, moved=moved, indicators=_lines(indicators), returned=returned, feeds=feeds,
        names={code: office.tree.name(code, who.language) for code in columns}, shifted=SHIFTED,
        sound=bool(columns) and not (troubled or returned or any(one["psi"] >= SHIFTED for _, one in moved)),
        departments=office.project.departments,
    )  # fmt: skip


def grid(
    tree: AreaTree, area: str, states: Sequence[Mapping[str, Any]]
) -> tuple[list[str], dict[str, dict[str, Cell]]]:
    """States by feed and by area right below the visitor's; the area itself where the states are told for no other."""
    found: dict[str, dict[str, list[str]]] = {}
    columns: set[str] = set()
    for state in states:
        if state["area"] not in tree:
            continue
        chain = [one.code for one in tree.chain(state["area"])]
        if area not in chain:
            continue
        place = chain[max(chain.index(area) - 1, 0)]
        columns.add(place)
        found.setdefault(state["feed"], {}).setdefault(place, []).append(state["status"])
    cells = {
        feed: {
            place: Cell(min(all_, key=ORDER.index), sum(one != "current" for one in all_), len(all_))
            for place, all_ in by.items()
        }
        for feed, by in found.items()
    }
    return sorted(columns), cells


def _lines(indicators: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """All indicators that may be compared, what moved most first."""
    told = [(name, one) for name, one in indicators.items() if one["family"] != seen_by.BY_NATURE]
    return sorted(told, key=lambda row: (-(row[1]["psi"] or 0.0), row[0]))


def _moved(indicators: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """Those that are worth a look."""
    return [
        (name, one) for name, one in _lines(indicators)
        if one["psi"] is not None
        and (one["psi"] >= LOOK or one["missing"] - one["missing_before"] >= MISSING_MORE)
    ]  # fmt: skip
