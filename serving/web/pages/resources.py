"""The four lists of policy (14): policies, needs, services, resources; towns and counties enter what they can offer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from features.strict import Words
from serving.casework import lists
from serving.casework.amending import mistake
from serving.casework.classification import IDENTITY, Mistake
from serving.casework.refusals import ConflictError
from serving.casework.words import joined
from serving.web.filling import read_day
from serving.web.office import Office
from serving.web.pages.households import number
from serving.web.showing import in_one_look, show
from serving.web.steps import Planned, by_field, confirmed, differences, show_change
from serving.web.visitor import OfficeOf, Posted, PostedOf, Staff, staff

router = APIRouter()
Looking = Annotated[Staff, Depends(staff("village", "town", "county", "supervisor"))]
Keeping = Annotated[Staff, Depends(staff("town", "county"))]
LONGEST_TITLE, MOST_LEFT = 60, 99_999
FIELDS = ("area", "kind", "zh", "en", "remaining", "valid_from", "valid_until")
AMENDED = ("remaining", "valid_until", "version")
Typed = Mapping[str, str | tuple[str, ...]]


@router.get("/resources")
@in_one_look
def resources(request: Request, office: OfficeOf, who: Looking) -> Response:
    """The four lists of one's own area."""
    desk, after = office.desk, request.query_params.get("after")
    page = lists.entered(desk, who.actor, after=after[:200] if after else None)
    return show(
        request, "resources.html", services=[one for one in page.rows if one.kind == "service"],
        resources=[one for one in page.rows if one.kind != "service"], onward=page.next, first=not after,
        policies=lists.policies(desk), needs=lists.needs(desk, who.actor),
        departments=desk.rules.routing.departments, today=desk.rules.day(desk.now()),
        may_enter=who.actor.role in lists.KEEPING,
        may_change=lambda one: who.actor.role in lists.KEEPING and desk.reaches(who.actor, one.area_code),
        place_of=lambda one: office.tree.title(one.area_code, who.language),
        needs_of=lambda one: who.word(joined("need", one.needs)),
        done=request.query_params.get("done", "")[:40],
    )  # fmt: skip


# --- a new line -------------------------------------------------------------------------------------------------------


@router.get("/resources/new")
@in_one_look
def new(request: Request, office: OfficeOf, who: Keeping) -> Response:
    """The form of a new line, from today."""
    empty: dict[str, str | tuple[str, ...]] = dict.fromkeys(FIELDS, "")
    today = office.desk.rules.day(office.desk.now())
    return _new(request, office, who, {**empty, "area": who.actor.area, "valid_from": str(today), "needs": ()})


@router.post("/resources/new")
def enter(request: Request, office: OfficeOf, who: Keeping, form: PostedOf) -> Response:
    """Enter it for one's own area or for one right below it."""
    typed: dict[str, str | tuple[str, ...]] = {name: form.one(name, 400) for name in FIELDS}
    typed["needs"] = form.many("needs")
    line, wrong = _read(office, who, form)
    if line is None:
        return _new(request, office, who, typed, 422, wrong=by_field(who, wrong))
    lists.add(
        office.desk, who.actor, line.kind, line.title, line.needs, area=line.area, remaining=line.remaining,
        valid_from=line.valid_from, valid_until=line.valid_until,
    )  # fmt: skip
    return RedirectResponse("/resources?done=entered", 303)


@dataclass(frozen=True)
class _Line:
    """A line as it was read."""

    area: str
    kind: lists.Kind
    title: Words
    needs: tuple[str, ...]
    remaining: int | None
    valid_from: date
    valid_until: date | None


def _areas(office: Office, who: Staff) -> tuple[str, ...]:
    """Areas that somebody may enter a line for: one's own, and those right below it."""
    return who.actor.area, *office.tree.parts(who.actor.area)


def _read(office: Office, who: Staff, form: Posted) -> tuple[_Line | None, tuple[Mistake, ...]]:
    """The line, or all that is wrong with it."""
    known, today = office.desk.rules.routing.needs, office.desk.rules.day(office.desk.now())
    wrong: list[Mistake] = []
    area = form.one("area", 40) or who.actor.area
    if area not in _areas(office, who):
        wrong.append(mistake("area", "unknown_code"))
    kind = next((one for one in lists.KINDS if one == form.one("kind", 20)), None)
    if kind is None:
        wrong.append(mistake("kind", "unknown_code" if form.one("kind") else "missing"))
    zh, en = form.one("zh", 400), form.one("en", 400)
    if not zh:
        wrong.append(mistake("zh", "missing"))
    for name, text in (("zh", zh), ("en", en)):
        if len(text) > LONGEST_TITLE:
            wrong.append(mistake(name, "note_long", most=LONGEST_TITLE))
        if IDENTITY.search(text):
            wrong.append(mistake(name, "title_identity"))
    chosen = tuple(dict.fromkeys(form.many("needs")))
    if not chosen or set(chosen) - set(known):
        wrong.append(mistake("needs", "unknown_code" if chosen else "missing"))
    remaining = _count(form, 1, wrong)
    begins, ends = _day(form, "valid_from", wrong), _day(form, "valid_until", wrong)
    if begins is None and not form.one("valid_from"):
        wrong.append(mistake("valid_from", "missing"))
    if ends is not None and ends < max(begins or today, today):
        wrong.append(mistake("valid_until", "until_early"))
    if wrong or kind is None or begins is None:
        return None, tuple(wrong)
    return _Line(area, kind, Words(zh=zh, en=en or zh), chosen, remaining, begins, ends), ()


def _count(form: Posted, least: int, wrong: list[Mistake]) -> int | None:
    text = form.one("remaining", 400)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MOST_LEFT)) and least <= int(text)):
        wrong.append(mistake("remaining", "count_range", least=least, most=MOST_LEFT))
        return None
    return int(text)


def _day(form: Posted, name: str, wrong: list[Mistake]) -> date | None:
    return read_day(form.one(name, 400), name, wrong)


def _new(
    request: Request, office: Office, who: Staff, typed: Typed, http: int = 200, *,
    wrong: dict[str, list[str]] | None = None,
) -> Response:  # fmt: skip
    return show(
        request, "resource_new.html", http, typed=typed, wrong=wrong or {}, kinds=lists.KINDS,
        needs=list(office.desk.rules.routing.needs), place=office.tree.title(who.actor.area, who.language),
        areas=[(code, office.tree.name(code, who.language)) for code in _areas(office, who)],
    )  # fmt: skip


# --- a line that is there ---------------------------------------------------------------------------------------------


@router.get("/resources/{resource_id}")
@in_one_look
def resource(request: Request, resource_id: str, office: OfficeOf, who: Keeping) -> Response:
    """One line of one's own area or of one inside it, with the forms."""
    line = lists.entry(office.desk, who.actor, resource_id[:40])
    return _form(request, office, who, line, _typed(line))


@router.post("/resources/{resource_id}")
def put(request: Request, resource_id: str, office: OfficeOf, who: Keeping, form: PostedOf) -> Response:
    """Show what changes, then change how often it can still be given and until when."""
    desk, line = office.desk, lists.entry(office.desk, who.actor, resource_id[:40])
    typed = {name: form.one(name, 400) for name in AMENDED}
    wrong: list[Mistake] = []
    remaining, ends = _count(form, 0, wrong), _day(form, "valid_until", wrong)
    if ends is not None and ends < max(line.valid_from, desk.rules.day(desk.now())):
        wrong.append(mistake("valid_until", "until_early"))
    if wrong:
        return _form(request, office, who, line, typed, 422, wrong=by_field(who, wrong))
    place = f"/resources/{line.resource_id}"
    if not confirmed(form):
        labels = (("剩余数量", "left"), ("截止", "until"))
        texts = list(zip(labels, _shown(who, _typed(line)), _shown(who, typed), strict=True))
        planned = Planned(who.word(line.title), place, place, differences(who, texts), typed)
        return show_change(request, planned)
    try:
        seen = number(typed["version"])
        lists.change(desk, who.actor, line.resource_id, seen, remaining=remaining, valid_until=ends)
    except ConflictError:
        line = lists.entry(desk, who.actor, line.resource_id)
        return _form(request, office, who, line, {**typed, "version": str(line.version)}, 409, conflict=True)
    return RedirectResponse("/resources?done=changed", 303)


@router.post("/resources/{resource_id}/withdraw")
def withdraw(request: Request, resource_id: str, office: OfficeOf, who: Keeping, form: PostedOf) -> Response:
    """Say what ends, then end it."""
    line = lists.entry(office.desk, who.actor, resource_id[:40])
    place = f"/resources/{line.resource_id}"
    if not confirmed(form):
        said = who.say(
            "撤下后立即停用；已经对接的家庭不受影响。",
            "It stops at once; households that were matched with it keep what they have.",
        )
        texts = [(("状态", "state"), who.say("可用", "on offer"), who.say("已撤下", "withdrawn"))]
        typed = {"version": form.one("version", 20)}
        planned = Planned(who.word(line.title), f"{place}/withdraw", place, differences(who, texts), typed, said)
        return show_change(request, planned)
    try:
        lists.withdraw(office.desk, who.actor, line.resource_id, number(form.one("version")))
    except ConflictError:
        line = lists.entry(office.desk, who.actor, line.resource_id)
        return _form(request, office, who, line, _typed(line), 409, conflict=True)
    return RedirectResponse("/resources?done=withdrawn", 303)


def _typed(line: lists.Resource) -> dict[str, str]:
    return {
        "remaining": "" if line.remaining is None else str(line.remaining),
        "valid_until": str(line.valid_until or ""), "version": str(line.version),
    }  # fmt: skip


def _shown(who: Staff, typed: Mapping[str, str]) -> tuple[str, str]:
    left, until = typed["remaining"], typed["valid_until"]
    return left.lstrip("0") or ("0" if left else who.say("不限量", "does not run out")), until or who.say(
        "长期", "open"
    )


def _form(
    request: Request, office: Office, who: Staff, line: lists.Resource, typed: Mapping[str, str], http: int = 200,
    **told: Any,
) -> Response:  # fmt: skip
    today = office.desk.rules.day(office.desk.now())
    told = {"wrong": {}, "conflict": False, **told}
    return show(
        request, "resource.html", http, line=line, typed=typed, place=office.tree.title(line.area_code, who.language),
        ended=line.valid_until is not None and line.valid_until < today,
        needs=who.word(joined("need", line.needs)), **told,
    )  # fmt: skip
