"""Rules and texts of the deployment: routing, calendar and words of pages, amended with a ground and from a day on."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from features.strict import Words
from serving.casework import amending, worklist
from serving.casework import amendments as am
from serving.casework.amendments import Amendment, Ground, Kind
from serving.casework.classification import Mistake
from serving.casework.deadlines import known_year, later
from serving.casework.refusals import ConflictError, FormError
from serving.casework.routing import CHOSEN, Unit
from serving.casework.words import catalogue, word
from serving.web.office import Office
from serving.web.pages.households import number
from serving.web.showing import show
from serving.web.steps import Difference, Planned, by_field, confirmed, differences, show_change
from serving.web.visitor import OfficeOf, PageError, Posted, PostedOf, Staff, staff

router = APIRouter()
Administering = Annotated[Staff, Depends(staff("admin"))]
CONTENT: dict[str, tuple[str, ...]] = {
    "need": ("lead", "clause", "amount", "unit"), "year": ("off", "worked"), "local": ("off",), "text": ("zh", "en"),
}  # fmt: skip
"""Fields of each kind's form; `co` is a list beside them."""
GROUND = ("since", "source", "reason", "seen")
LABELS: dict[str, tuple[str, str]] = {
    "lead": ("主办部门", "lead department"), "co": ("协办部门", "supporting departments"),
    "clause": ("政策条款", "clause"), "length": ("反馈时限", "time to answer"),
    "off": ("放假", "days off"), "worked": ("调休上班", "worked weekends"),
    "zh": ("中文", "Chinese"), "en": ("英文", "English"),
}  # fmt: skip
HOMES = {"need": "/admin/routing", "year": "/admin/calendar", "local": "/admin/calendar", "text": "/admin/texts"}


@router.get("/admin/routing")
def routing(request: Request, office: OfficeOf, who: Administering) -> Response:
    """The routing table, with what was amended."""
    rules, day = office.desk.rules, office.desk.rules.day(office.desk.now())
    known = am.amendments(office.desk.database)
    lost = [one for (kind, _), one in am.in_force(known, day).items() if kind == "need" and not _works(office, one)]
    return _list(request, office, who, "routing.html", known, "need", needs=rules.routing.needs, lost=lost,
                 source=rules.routing.source, since=rules.routing.since)  # fmt: skip


def _works(office: Office, one: Amendment) -> bool:
    own = office.desk.book.own
    return one.key in own.routing.needs and am.fits(own, one.body or {})


@router.get("/admin/calendar")
def calendar(request: Request, office: OfficeOf, who: Administering) -> Response:
    """Years whose days off are known, and local days off."""
    rules = office.desk.rules
    this = rules.day(office.desk.now()).year
    years = [
        (year, known_year(year, {}), rules.deadlines.announced.get(year),
         [day for day in rules.deadlines.local_days_off if day.year == year])
        for year in range(this - 1, this + 3)
    ]  # fmt: skip
    known = am.amendments(office.desk.database)
    return _list(request, office, who, "calendar.html", known, "year", years=years, unknown=unknown_years(office))


@router.get("/admin/texts")
def texts(request: Request, office: OfficeOf, who: Administering) -> Response:
    """Texts of pages that a deployment words itself."""
    said = {key: office.desk.text(key) for key in catalogue()["text"]}
    known = am.amendments(office.desk.database)
    return _list(request, office, who, "texts.html", known, "text", said=said)


def _list(
    request: Request, office: Office, who: Staff, template: str, known: tuple[Amendment, ...], kind: str, **values: Any
) -> Response:
    day = office.desk.rules.day(office.desk.now())
    return show(
        request, template, held=am.in_force(known, day), departments=office.desk.rules.routing.departments,
        coming=[one for one in known if one.since > day and HOMES[one.kind] == HOMES[kind]],
        may=am.may_amend(office.desk, who.actor), people=worklist.people(office.desk),
        done=request.query_params.get("done", ""), **values,
    )  # fmt: skip


def unknown_years(office: Office) -> list[int]:
    """Years that today's deadlines reach into, and whose days off are not known."""
    rules, now = office.desk.rules, office.desk.now()
    last = later(now, rules.deadlines.effect_check_after, rules).at
    years = range(rules.day(now).year, rules.day(last).year + 1)
    return [year for year in years if not known_year(year, rules.deadlines.announced)]


@router.get("/admin/rules/{kind}/{key}")
def rule(request: Request, kind: str, key: str, office: OfficeOf, who: Administering) -> Response:
    """One rule with the form of its amendment, and every amendment so far."""
    return _form(request, office, who, _kind(kind), key, None)


@router.post("/admin/rules/{kind}/{key}")
def amend(request: Request, kind: str, key: str, office: OfficeOf, who: Administering, form: PostedOf) -> Response:
    """Show what changes, then keep the amendment."""
    chosen = _kind(kind)
    if not am.may_amend(office.desk, who.actor):
        raise office.desk.refuse(who.actor, "amendment_outside", f"{chosen}:{key[:40]}")
    before = _present(office, chosen, key)
    typed = {name: form.one(name, 4000) for name in (*CONTENT[chosen], *GROUND)} | {"co": form.many("co")}
    withdrawn = form.one("withdraw") == "1"
    typed["withdraw"] = "1" if withdrawn else ""
    read, wrong = (None, ()) if withdrawn else amending.read(chosen, key, typed, office.desk.rules)
    ground, more = _ground(form, office)
    mistakes = (*wrong, *more)
    if mistakes:
        return _form(request, office, who, chosen, key, typed, 422, wrong=by_field(who, mistakes))
    place = f"/admin/rules/{chosen}/{key}"
    if not confirmed(form):
        after = _own(office, chosen, key) if withdrawn else read
        lines = _lines(office, who, before, after)
        shown = _grounds(who, ground, lines)
        return show_change(request, Planned(_title(who, chosen, key), place, place, shown, typed))
    try:
        am.amend(office.desk, who.actor, chosen, key, read, ground, number(form.one("seen")))
    except FormError as error:
        return _form(request, office, who, chosen, key, typed, 422, wrong=by_field(who, error.mistakes))
    except ConflictError:
        return _form(request, office, who, chosen, key, typed, 409, conflict=True)
    return RedirectResponse(f"{HOMES[chosen]}?done=amended", 303)


def _kind(kind: str) -> Kind:
    found = next((one for one in am.KINDS if one == kind), None)
    if found is None:
        raise PageError(404)
    return found


def _present(office: Office, kind: Kind, key: str) -> dict[str, Any] | None:
    return am.present(office.desk.rules, kind, key, office.desk.text(key) if kind == "text" else None)


def _own(office: Office, kind: Kind, key: str) -> dict[str, Any] | None:
    return am.present(office.desk.book.own, kind, key)


def _ground(form: Posted, office: Office) -> tuple[Ground, tuple[Mistake, ...]]:
    today = office.desk.rules.day(office.desk.now())
    made = Ground(today, form.one("source", 200), form.one("reason", 500))
    try:
        made = Ground(date.fromisoformat(form.one("since", 10)), made.source, made.reason)
    except ValueError:
        row = amending.mistake("since", "day_row_unreadable", row=1, text=form.one("since", 10))
        return made, (row, *am.check_ground(made, today))
    return made, am.check_ground(made, today)


def _form(
    request: Request, office: Office, who: Staff, kind: Kind, key: str, typed: dict[str, Any] | None, http: int = 200,
    *, wrong: dict[str, list[str]] | None = None, conflict: bool = False,
) -> Response:  # fmt: skip
    now = _present(office, kind, key)
    known = [one for one in am.amendments(office.desk.database) if (one.kind, one.key) == (kind, key)]
    shown = dict(typed or _typed(office, kind, now))
    shown["seen"] = str(am.newest_number(known, kind, key))
    history = [(one, _lines(office, who, None, one.body)) for one in reversed(known)]
    return show(
        request, "rule.html", http, kind=kind, key=key, heading=_title(who, kind, key), typed=shown, wrong=wrong or {},
        now_lines=_lines(office, who, None, now), history=history, conflict=conflict, labels=LABELS, chosen=CHOSEN,
        departments=office.desk.rules.routing.departments, units=get_args(Unit), people=worklist.people(office.desk),
        may=am.may_amend(office.desk, who.actor), listed=HOMES[kind], may_withdraw=bool(known and known[-1].body),
    )  # fmt: skip


def _typed(office: Office, kind: Kind, now: dict[str, Any] | None) -> dict[str, Any]:
    """The fields before anything is typed: what holds now."""
    typed: dict[str, Any] = dict.fromkeys((*CONTENT[kind], *GROUND, "withdraw"), "") | {"co": ()}
    for name, value in (now or {}).items():
        typed[name] = "\n".join(value) if isinstance(value, list) and name != "co" else value
    return {**typed, "since": str(office.desk.rules.day(office.desk.now()))}


def _title(who: Staff, kind: Kind, key: str) -> str:
    if kind == "need":
        return f"{key} {who.word(word('need', key))}"
    if kind == "text":
        return who.word(word("text", key))
    return f"{key} {who.word(word('amendment', kind))}"


def _lines(office: Office, who: Staff, before: Any, after: Any) -> tuple[Difference, ...]:
    """What changes, in words."""
    names = ("lead", "co", "clause", "length", "off", "worked", "zh", "en")
    old, new = (_said(office, who, body or {}) for body in (before, after))
    return differences(who, [(LABELS[name], old.get(name, ""), new.get(name, "")) for name in names])


def _said(office: Office, who: Staff, body: dict[str, Any]) -> dict[str, str]:
    departments = office.desk.rules.routing.departments

    def named(code: str) -> str:
        chosen = Words(zh="转办时指定", en="named with the referral")
        return who.word(chosen if code == CHOSEN else departments[code]) if code in (*departments, CHOSEN) else code

    comma = "、" if who.language != "en" else ", "
    found: dict[str, str] = {name: comma.join(body[name]) for name in ("off", "worked") if name in body}
    found |= {name: str(body[name]) for name in ("clause", "zh", "en") if name in body}
    if "lead" in body:
        found["lead"], found["co"] = named(body["lead"]), comma.join(named(code) for code in body["co"])
        found["length"] = f"{body['amount']} {who.word(word('unit', body['unit']))}"
    return found


def _grounds(who: Staff, ground: Ground, lines: tuple[Difference, ...]) -> tuple[Difference, ...]:
    """The content's changes, and the ground beneath them; without a change there is nothing to confirm."""
    if not lines:
        return ()
    said = [
        (("自何日起", "from"), "", str(ground.since)),
        (("依据", "source"), "", ground.source),
        (("修改原因", "why"), "", ground.reason),
    ]
    return (*lines, *differences(who, said))
