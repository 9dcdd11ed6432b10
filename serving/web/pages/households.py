"""One household: what is known, what was found, what comes next; and the form of the visit.

Who visits before a score is seen gets facts only, in the same shape for every household, until the record is handed in.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from features.errors import UsageError
from features.strict import Words
from reports.household import per_100
from reports.weekly_list import CAUSES, VALIDITIES
from serving.aid import read_aid
from serving.casework import actions as a
from serving.casework import lists, staffing, worklist
from serving.casework.actor import Actor
from serving.casework.assignment import Worker
from serving.casework.case import Case, Event
from serving.casework.chain import Link
from serving.casework.classification import Mistake, check, vocabulary
from serving.casework.desk import View
from serving.casework.facts import told as told_in_words
from serving.casework.neighbours import neighbours
from serving.casework.refusals import ActionDetailError, ConflictError, FormError
from serving.casework.revealing import in_hand
from serving.casework.tables import WorkerRow
from serving.casework.words import word
from serving.casework.workflow import closing_reasons
from serving.web.filling import Filled, filled, typed_of
from serving.web.office import Office
from serving.web.showing import in_one_look, show
from serving.web.telling import case_id_of, chain_of, day_of, told_of
from serving.web.visitor import OfficeOf, PageError, Posted, PostedOf, Staff, staff

router = APIRouter()
Looking = Annotated[Staff, Depends(staff("village", "town", "county", "supervisor", "department"))]
Working = Annotated[Staff, Depends(staff("village", "town", "county", "supervisor"))]
Meeting = Annotated[Staff, Depends(staff("village", "town", "county"))]
_CASE_WORDS = {
    "validity": "validity", "disposition": "disposition", "code": "feedback", "need": "need", "state": "state",
    "result": "effect", "step": "deadline", "method": "method",
}  # fmt: skip


@router.get("/households/{household_id}")
@in_one_look
def household(request: Request, household_id: str, office: OfficeOf, who: Looking) -> Response:
    """The page."""
    return _page(request, office, who, household_id, done=request.query_params.get("done", ""))


def _page(
    request: Request, office: Office, who: Staff, household_id: str, http: int = 200, *, done: str = "",
    typed: Mapping[str, Any] | None = None, mistakes: Sequence[Mistake] = (), conflict: Case | None = None,
    refused: str = "",
) -> Response:  # fmt: skip
    view = office.desk.view(who.actor, case_id_of(office, household_id))
    case = view.case
    department = who.actor.role == "department"
    body = view.signals[0] if view.signals else None
    blind = view.signals is None and not department
    told = None if department else told_of(office, view)
    chain = () if department else chain_of(office, who.actor, case, told)
    titles = lists.titles(office.desk, {_resource_of(link) for link in chain if link.kind == "matched"})
    by_field: dict[str, list[str]] = {}
    for mistake in mistakes:
        by_field.setdefault(mistake.field, []).append(who.word(mistake.words))
    workers = _workers(office, who) if {"assign", "hand_over"} & set(view.may) else []
    kind = next((one for one in ("classify", "add_opinion") if one in view.may), "")
    return show(
        request, "household.html", http, view=view, case=case, body=body, blind=blind, told=told,
        facts=_facts(chain, who, office.project.currency.minor_units, titles, blind=blind),
        offers=lists.offered(office.desk, case) if who.actor.role in lists.MEETING else {},
        matched=_matched(view, who, titles),
        place=office.tree.title(case.area_code, who.language),
        form_kind=kind, typed=typed if typed is not None else typed_of(case.draft if kind == "classify" else None),
        fresh=typed is None and case.draft is None, mistakes=by_field, conflict=conflict, refused=refused, done=done,
        families=list(dict.fromkeys(reason["family"] for reason in (body or {}).get("reasons", []))),
        words=vocabulary(), validities=VALIDITIES, causes=CAUSES, needs=list(office.desk.rules.routing.needs),
        today=office.desk.rules.day(office.desk.now()), closing=closing_reasons(case),
        routing=office.desk.rules.routing, people=worklist.people(office.desk, _named(case, workers)),
        departments=office.desk.rules.routing.departments, verify=read_aid(office.project.folder).needs,
        workers=workers,
        in_hand=in_hand(office.desk, who.actor, case),
        beside=None if department else neighbours(office.desk, who.actor, case.case_id),
        trend=[] if blind or told is None else [(str(day)[5:], p) for day, p, _ in told["trend"]],
        trend_numbers=lambda trend: "、".join(f"{day} {per_100(p)}" for day, p in trend),
        feed_of=lambda record: str(record["delivery"]).rsplit("-", 2)[0], known_feeds=office.project.feeds,
        as_of=day_of(told), on=date.fromisoformat, listed=case.opened_on if case.origin == "list" else None,
    )  # fmt: skip


def _named(case: Case, workers: Sequence[Worker]) -> list[str]:
    """Accounts that the page names."""
    owner = [case.owner.account] if case.owner else []
    return [*owner, *(record.by.account for record in case.records), *(one.account for one in workers)]


def _workers(office: Office, who: Staff) -> list[Worker]:
    desk = office.desk
    with desk.database.reading() as session:
        return [
            one for one in staffing.workers(desk, session, desk.rules.day(desk.now()), who.actor.area) if not one.away
        ]


def _resource_of(matched: Link | Event) -> str:
    """The line of the lists that an entry is about."""
    return str(matched.detail["resource"])


def _facts(
    chain: Sequence[Link], who: Staff, minor_units: int, titles: Mapping[str, Words], *, blind: bool
) -> list[dict[str, Any]]:
    """The chain as lines, newest first. That a list was made says the same of every household on it."""
    made = []
    for link in reversed(chain):
        if link.source == "list":
            text = who.say("列入每周清单", "on the weekly list")
            level = link.detail.get("level")
            if level and not blind:
                text += f"{who.say('，级别', ', level')} {who.word(_level(str(level)))}"
        elif link.source == "store":
            words = told_in_words(link.detail, minor_units)
            text = "" if words is None else who.word(words)
        elif link.source == "request":
            text = (
                who.word(word("request", str(link.detail["kind"])))
                + " · "
                + who.word(word("request_state", str(link.detail["state"])))
            )
        else:
            text = who.word(word("event", link.kind))
        detail = [] if link.source != "case" else _said(link.detail, who)
        if link.kind == "matched":
            detail += _resource_said(link, who, titles)
        made.append({"day": link.day, "text": text, "detail": detail, "store": link.source == "store"})
    return made


def _level(level: str) -> Any:
    from reports.documents import words

    return words(f"level_{level}")


def _said(detail: Mapping[str, Any], who: Staff) -> list[str]:
    """Codes of an event in words; what has none is left out."""
    found = []
    for key, group in _CASE_WORDS.items():
        value = detail.get(key)
        if isinstance(value, str) and value:
            try:
                found.append(who.word(word(group, value)))
            except KeyError:
                continue
    return found


def _resource_said(link: Link, who: Staff, titles: Mapping[str, Words]) -> list[str]:
    """From what a need was met: the kind, and what the line is called."""
    title = titles.get(_resource_of(link))
    return [who.word(word("resource", str(link.detail["kind"]))), *([who.word(title)] if title else [])]


def _matched(view: View, who: Staff, titles: Mapping[str, Words]) -> dict[str, list[str]]:
    """What each need of the case was met from so far."""
    found: dict[str, list[str]] = {}
    for one in view.events:
        title = titles.get(_resource_of(one)) if one.kind == "matched" else None
        if title is not None:
            found.setdefault(str(one.detail["need"]), []).append(who.word(title))
    return found


# --- the record -------------------------------------------------------------------------------------------------------


@router.post("/households/{household_id}/classifications")
def classify(request: Request, household_id: str, office: OfficeOf, who: Working, form: PostedOf) -> Response:
    """Hand in the record, or keep it as a draft."""
    case_id = case_id_of(office, household_id)
    sent, seen = filled(form), number(form.one("version"))
    if form.one("do") == "draft":
        kept = {name: value for name, value in sent.typed.items() if value}
        action: a.Action = a.SaveDraft(by=who.actor, form=kept)
        return _done(request, office, who, household_id, sent, action, case_id, seen, "draft")
    view = office.desk.view(who.actor, case_id)
    if sent.mistakes:
        return _page(request, office, who, household_id, 422, typed=sent.typed, mistakes=_all(office, view, sent))
    made = a.AddOpinion if "classify" not in view.may and "add_opinion" in view.may else a.Classify
    action = made(by=who.actor, form=sent.form)
    return _done(request, office, who, household_id, sent, action, case_id, seen, "classified")


def _all(office: Office, view: View, sent: Filled) -> tuple[Mistake, ...]:
    """What could not be read, and all else that is wrong."""
    desk, body = office.desk, (view.signals or ({},))[0]
    unread = {mistake.field for mistake in sent.mistakes}
    others = check(
        sent.form, listed_reasons=[reason["family"] for reason in body.get("reasons", [])],
        needs=list(desk.rules.routing.needs), not_before=view.case.opened_on, today=desk.rules.day(desk.now()),
    )  # fmt: skip
    return (*sent.mistakes, *(mistake for mistake in others if mistake.field not in unread))


def _done(
    request: Request, office: Office, who: Staff, household_id: str, sent: Filled, action: a.Action,
    case_id: str, seen: int, said: str,
) -> Response:  # fmt: skip
    try:
        office.desk.act(action, case_id, seen)
    except FormError as error:
        return _page(request, office, who, household_id, 422, typed=sent.typed, mistakes=error.mistakes)
    except ConflictError as error:
        return _page(request, office, who, household_id, 409, typed=sent.typed, conflict=error.newer)
    return RedirectResponse(f"/households/{household_id}?done={said}", 303)


def number(text: str) -> int:
    """A version as a form carries it; one that cannot be is nobody's."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


# --- everything else that may be done ---------------------------------------------------------------------------------


@router.post("/households/{household_id}/actions")
def act(request: Request, household_id: str, office: OfficeOf, who: Working, form: PostedOf) -> Response:
    """One step of the case."""
    case_id = case_id_of(office, household_id)
    do = form.one("do", 40)
    if do not in _ACTIONS:
        office.desk.view(who.actor, case_id)  # whose household it is comes before what may be done to it
        raise PageError(404)
    try:
        action = _ACTIONS[do](office, who.actor, form)
        office.desk.act(action, case_id, number(form.one("version")))
    except (ValueError, ValidationError):
        said = who.say("有一项没有填写，或写法不对。", "Something is missing or cannot be read.")
        return _page(request, office, who, household_id, 422, refused=said)
    except ActionDetailError as error:
        return _page(
            request,
            office,
            who,
            household_id,
            422,
            refused=f"{error.sentence(who.language)} {error.repair(who.language)}",
        )
    except ConflictError as error:
        return _page(request, office, who, household_id, 409, conflict=error.newer)
    return RedirectResponse(f"/households/{household_id}?done={do}", 303)


@router.post("/households/{household_id}/matches")
def meet(request: Request, household_id: str, office: OfficeOf, who: Meeting, form: PostedOf) -> Response:
    """Meet one need of the case from a service or resource."""
    case_id = case_id_of(office, household_id)
    chosen, need, seen = form.one("resource_id", 40), form.one("need", 20), number(form.one("version"))
    try:
        lists.match(office.desk, who.actor, case_id, seen, chosen, need)
    except ConflictError as error:
        return _page(request, office, who, household_id, 409, conflict=error.newer)
    except UsageError as error:
        said = f"{error.sentence(who.language)} {error.repair(who.language)}"
        return _page(request, office, who, household_id, 422, refused=said)
    return RedirectResponse(f"/households/{household_id}?done=matched", 303)


def _worker(office: Office, account: str) -> Actor:
    with office.desk.database.reading() as session:
        row = session.get(WorkerRow, account)
    if row is None or not row.active:
        raise UsageError("worker_unknown")
    return Actor(account=row.account, role=row.role, area=row.area_code)


def _day(form: Posted, name: str) -> date:
    return date.fromisoformat(form.one(name))


def fen(text: str) -> int:
    """Yuan as people write them, in whole fen.

    >>> fen("1,200.50")
    120050
    """
    from decimal import Decimal, InvalidOperation

    try:
        value = Decimal(text.replace(",", "").replace("，", "")) * 100
    except InvalidOperation as error:
        raise ValueError(text) from error
    if not value.is_finite() or value != value.to_integral_value() or not 0 <= value < 10**12:
        raise ValueError(text)
    return int(value)


_ACTIONS: Mapping[str, Callable[[Office, Actor, Posted], a.Action]] = {
    "small_sum": lambda _, by, f: a.GiveSmallSum(
        by=by, referral_id=secrets.token_hex(12), amount_fen=fen(f.one("amount")), on=_day(f, "on")
    ),
    "assign": lambda o, by, f: a.Assign(by=by, to=_worker(o, f.one("to"))),
    "hand_over": lambda o, by, f: a.HandOver(by=by, to=_worker(o, f.one("to"))),
    "refer": lambda _, by, f: a.Refer(
        by=by, referral_id=secrets.token_hex(12), need=f.one("need"), department=f.one("department"),
        urgent=f.one("urgent") == "1",
    ),
    "withdraw": lambda _, by, f: a.Withdraw(by=by, referral_id=f.one("referral"), reason=f.one("reason", 500)),
    "watch": lambda _, by, f: a.Watch(by=by, until=_day(f, "until")),
    "revisit": lambda _, by, f: a.Revisit(by=by, on=_day(f, "on")),
    "return_record": lambda _, by, f: a.ReturnRecord(by=by, reason=f.one("reason", 500)),
    "check_effect": lambda _, by, f: a.CheckEffect.model_validate(
        {"by": by, "on": _day(f, "on"), "result": f.one("result"), "note": f.one("note", 1000)}
    ),
    "close": lambda _, by, f: a.Close(by=by, reason=f.one("reason"), note=f.one("note", 1000)),
    "reopen": lambda _, by, f: a.Reopen(by=by, reason=f.one("reason", 500)),
}  # fmt: skip
"""Steps by the code that forms send."""
