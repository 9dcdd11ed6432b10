"""People who visit: how much each can carry, when somebody is away, and handing over what lies with them."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from serving.casework import staffing, worklist
from serving.casework.actor import Actor
from serving.casework.amending import mistake
from serving.casework.classification import Mistake
from serving.casework.refusals import AccessError, ConflictError
from serving.casework.tables import WorkerRow
from serving.web.appointments import MOST_CAPACITY
from serving.web.office import Office
from serving.web.pages.households import number
from serving.web.showing import in_one_look, show
from serving.web.steps import Difference, Planned, by_field, confirmed, differences, show_change
from serving.web.visitor import OfficeOf, PostedOf, Staff, staff

router = APIRouter()
Leading = Annotated[Staff, Depends(staff("town", "county", "admin"))]
Offices = Annotated[Staff, Depends(staff("town", "county"))]
SHOWN = 50
FIELDS = ("capacity", "away_from", "away_until", "version")


@router.get("/workers")
@in_one_look
def workers(request: Request, office: OfficeOf, who: Leading) -> Response:
    """Everybody of one's area who visits."""
    after = request.query_params.get("after", "")[:40]
    page = staffing.worker_page(office.desk, who.actor, after=after, limit=SHOWN)
    return show(
        request, "workers.html", workers=page.rows, onward=page.next or "", first=not after,
        people=worklist.people(office.desk, [one.account for one in page.rows]),
        done=request.query_params.get("done", "")[:40],
        place_of=lambda one: office.tree.path(one.area_code, who.language) or one.area_code,
    )  # fmt: skip


@router.get("/workers/{account}")
@in_one_look
def worker(request: Request, account: str, office: OfficeOf, who: Leading) -> Response:
    """One of them, with the forms."""
    row = _row(office, who, account)
    return _form(request, office, who, row, _typed(row))


def _row(office: Office, who: Staff, account: str) -> WorkerRow:
    """Who visits; one of another area is as good as nobody.

    Raises:
        AccessError: there is nobody such in one's area.
    """
    with office.desk.database.reading() as session:
        row = session.get(WorkerRow, account)
    if row is None or not office.desk.reaches(who.actor, row.area_code):
        raise AccessError("case_outside")
    return row


@router.post("/workers/{account}")
def put(request: Request, account: str, office: OfficeOf, who: Leading, form: PostedOf) -> Response:
    """Show what changes, then change it."""
    row = _row(office, who, account)
    typed = {name: form.one(name, 10) for name in FIELDS}
    capacity, away, wrong = _read(typed)
    if wrong:
        return _form(request, office, who, row, typed, 422, wrong=by_field(who, wrong))
    place = f"/workers/{account}"
    if not confirmed(form):
        old, new = _typed(row), {**typed, "capacity": str(capacity)}
        labels = (("在办上限", "open visits at most"), ("离岗自", "away from"), ("离岗至", "away until"))
        lines = differences(who, list(zip(labels, _shown(old), _shown(new), strict=True)))
        heading = worklist.people(office.desk).get(account, account)
        return show_change(request, Planned(heading, place, place, lines, typed))
    try:
        of = Actor(account=row.account, role=row.role, area=row.area_code)
        seen = number(typed["version"])
        staffing.put_worker(office.desk, who.actor, of, capacity, away=away, active=row.active, seen=seen)
    except ConflictError:
        row = _row(office, who, account)
        return _form(request, office, who, row, {**typed, "version": str(row.version)}, 409, conflict=True)
    return RedirectResponse("/workers?done=changed", 303)


def _shown(typed: dict[str, str]) -> tuple[str, str, str]:
    return typed["capacity"], typed["away_from"], typed["away_until"]


def _read(typed: dict[str, str]) -> tuple[int, tuple[date, date] | None, tuple[Mistake, ...]]:
    wrong: list[Mistake] = []
    text = typed["capacity"]
    whole = text.isascii() and text.isdigit() and int(text) <= MOST_CAPACITY
    if not whole:
        wrong.append(mistake("capacity", "amount_range", most=MOST_CAPACITY))
    days: list[date] = []
    for name in ("away_from", "away_until"):
        try:
            days += [date.fromisoformat(typed[name])] if typed[name] else []
        except ValueError:
            wrong.append(mistake(name, "day_row_unreadable", row=1, text=typed[name]))
    away = (days[0], days[1]) if len(days) == 2 and days[0] <= days[1] else None
    if days and away is None and not any(one.field.startswith("away") for one in wrong):
        wrong.append(mistake("away_until", "absence_order"))
    return int(text) if whole else 0, away, tuple(wrong)


@router.post("/workers/{account}/hand-over")
def hand_over(request: Request, account: str, office: OfficeOf, who: Offices, form: PostedOf) -> Response:
    """Show who would take over what, then hand it over."""
    _row(office, who, account)
    place, people = f"/workers/{account}", worklist.people(office.desk)
    if not confirmed(form):
        made, _ = staffing.covered(office.desk, who.actor, account)
        lines = [
            Difference(people.get(to, to), "—", who.say(f"接手 {n} 户", f"takes over {n}"))
            for to, n in sorted(Counter(made.given.values()).items())
        ]
        left, said = len(made.left), ""
        if left:
            zh, en = f"{left} 户没有合适的人接手，仍留在原处。", f"For {left} there is nobody with room; they stay."
            said = who.say(zh, en)
        heading = who.say("移交：", "Hand over: ") + people.get(account, account)
        return show_change(request, Planned(heading, f"{place}/hand-over", place, lines, {}, said))
    done, made = staffing.cover(office.desk, who.actor, account)
    return RedirectResponse(f"/workers?done=handed_{len(done.given)}_{len(done.conflicts) + len(made.left)}", 303)


def _typed(row: WorkerRow) -> dict[str, str]:
    return {
        "capacity": str(row.capacity), "away_from": str(row.away_from or ""), "away_until": str(row.away_until or ""),
        "version": str(row.version),
    }  # fmt: skip


def _form(
    request: Request, office: Office, who: Staff, row: WorkerRow, typed: dict[str, str], http: int = 200, *,
    wrong: dict[str, list[str]] | None = None, conflict: bool = False,
) -> Response:  # fmt: skip
    return show(
        request, "worker.html", http, row=row, typed=typed, wrong=wrong or {}, conflict=conflict,
        name=worklist.people(office.desk).get(row.account, row.account), may_hand_over=who.actor.role != "admin",
        place=office.tree.title(row.area_code, who.language),
    )  # fmt: skip
