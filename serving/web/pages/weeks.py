"""Weekly lists: all weeks, one week with tabs, filters and pages, and giving visits to people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from features.calendar import parse_period
from features.errors import UsageError
from serving.casework import staffing, worklist
from serving.casework.assignment import Worker
from serving.casework.worklist import TABS, Filters, Row
from serving.web.office import Office
from serving.web.showing import in_one_look, show
from serving.web.visitor import OfficeOf, PageError, PostedOf, Staff, staff

router = APIRouter()
Offices = Annotated[Staff, Depends(staff("town", "county", "supervisor"))]
Assigners = Annotated[Staff, Depends(staff("town", "county"))]
FIELDS = ("tab", "area", "search", "level", "reason", "change", "worker", "order")
FAMILIES = ("expense", "income", "population", "assistance_gap", "vulnerability")
SHOWN = 20


@router.get("/weeks")
@in_one_look
def weeks(request: Request, office: OfficeOf, who: Offices) -> Response:
    """All weeks."""
    return show(request, "weeks.html", weeks=worklist.week_lines(office.desk, who.actor))


@router.get("/weeks/{week}")
@in_one_look
def week(request: Request, week: str, office: OfficeOf, who: Offices) -> Response:
    """One week's list."""
    known = worklist.week_lines(office.desk, who.actor)
    if week == "current" and not known:
        return show(request, "weeks.html", weeks=known)
    day = known[0].week if week == "current" else _day(week)
    here = next((one for one in known if one.week == day), None)
    if here is None:
        raise PageError(404, "week")
    query = request.query_params
    filters = Filters(**{name: query.get(name, "")[:60] for name in FIELDS if query.get(name)})
    page = worklist.rows(office.desk, who.actor, day, filters, after=query.get("after"), limit=SHOWN)
    place = [one.week for one in known].index(day)
    late = worklist.overdue(office.desk, who.actor, day)
    workers = _workers(office, who) if who.actor.role in ("town", "county") else []
    shown = [*(one.account for one in workers), *(row.owner_account for row in page.rows)]
    may_assign = who.actor.role in ("town", "county")
    return show(
        request, "week.html", week=here, page=page, filters=filters, late=late, may_assign=may_assign,
        tabs=_tabs(here.states, late), address=_address(day, filters), earlier=known[place + 1 : place + 2],
        later=known[max(place - 1, 0) : place], areas=_areas(office, who), families=FAMILIES,
        people=worklist.people(office.desk, shown), workers=workers,
        place_of=lambda row: _place(office, who, row), sources=office.sources(day), first=not query.get("after"),
        given=_number(query.get("given")), conflicts=_number(query.get("conflicts")), left=_number(query.get("left")),
        score=not who.actor.blind,
    )  # fmt: skip


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        return parse_period(text).end
    except (UsageError, ValueError, OverflowError) as error:
        raise PageError(404, "week") from error


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 7 else None


def _tabs(states: Mapping[str, int], late: int) -> list[tuple[str, int]]:
    counted = [("", sum(states.values()))]
    counted += [(tab, sum(states.get(state, 0) for state in members)) for tab, members in TABS.items()]
    counted.insert(5, ("overdue", late))
    return counted


def _address(day: date, filters: Filters) -> Any:
    """Addresses of this list with something changed."""

    def made(**changes: str) -> str:
        chosen: dict[str, str] = {name: getattr(filters, name) for name in FIELDS} | changes
        query = urlencode(
            {name: value for name, value in chosen.items() if value and (name, value) != ("order", "due")}
        )
        return f"/weeks/{day}" + (f"?{query}" if query else "")

    return made


def _areas(office: Office, who: Staff) -> list[tuple[str, str]]:
    """Areas right below the actor's, and those below them for a county."""
    return [(code, office.tree.name(code, who.language)) for code in office.tree.parts(who.actor.area)]


def _workers(office: Office, who: Staff) -> list[Worker]:
    desk = office.desk
    with desk.database.reading() as session:
        found = staffing.workers(desk, session, desk.rules.day(desk.now()), who.actor.area)
    return [one for one in found if not one.away]


def _place(office: Office, who: Staff, row: Row) -> str:
    """Where a household is, below the visitor's own area."""
    chain = office.tree.chain(row.area_code)
    above = {area.code for area in office.tree.chain(who.actor.area)}
    names = [area.name.of(who.language) for area in reversed(chain) if area.code not in above]
    return (" " if who.language == "zh" else ", ").join(names) or office.tree.name(row.area_code, who.language)


@router.post("/weeks/{week}/assign")
def assign(week: str, office: OfficeOf, who: Assigners, form: PostedOf) -> Response:
    """Give the chosen cases to one person, or to whom the proposal says."""
    day = _day(week)
    versions: dict[str, int] = {}
    for text in form.many("case"):
        case_id, _, version = text.partition(":")
        if version.isascii() and version.isdigit() and len(version) < 10:
            versions[case_id] = int(version)
    to = form.one("to", 80)
    left = 0
    if to == "proposal":
        made, known = staffing.proposal(office.desk, who.actor)
        chosen = versions or known
        given = {case_id: account for case_id, account in made.given.items() if case_id in chosen}
        left = sum(case_id in chosen for case_id in made.left)
        versions = {**known, **versions}
    else:
        given = dict.fromkeys(versions, to)
    answer: dict[str, int] = {"given": 0}
    if given and to:
        done = staffing.confirm(office.desk, who.actor, given, versions)
        answer = {"given": len(done.given), "conflicts": len(done.conflicts)}
    if left:
        answer["left"] = left
    return RedirectResponse(f"/weeks/{day}?{urlencode(answer)}", 303)
