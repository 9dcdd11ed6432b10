"""What households are told and ask for: what waits for an answer, one request with its answer, and a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from features.errors import UsageError
from serving.casework import requests, worklist
from serving.casework.amending import mistake
from serving.casework.classification import Mistake
from serving.casework.deadlines import later
from serving.casework.refusals import FormError
from serving.casework.requests import Authorisation, Kind, Snapshot, State
from serving.casework.words import catalogue
from serving.forgetting import forgetting
from serving.web.filling import read_day
from serving.web.office import Office
from serving.web.showing import in_one_look, show
from serving.web.steps import by_field
from serving.web.telling import case_id_of
from serving.web.visitor import OfficeOf, Posted, PostedOf, Staff, staff

router = APIRouter()
Deciding = Annotated[Staff, Depends(staff("town", "county"))]
Visiting = Annotated[Staff, Depends(staff("village", "town", "county"))]
ASKED: tuple[Kind, ...] = ("objection", "correction", "erasure", "verification")
"""What somebody enters; notices are owed by themselves when a department has answered."""
ANSWERS: Mapping[Kind, tuple[State, ...]] = {
    "notice": ("done",), "verification": ("done", "refused"),
    **dict.fromkeys(("objection", "correction", "erasure"), ("granted", "partly", "refused")),
}  # fmt: skip
ASKING = ("kind", "about", "number", "signed_on", "persons")
ANSWERING = ("state", "report", "dated", "expires_on")
MOST_PERSONS = 20


# --- what waits -------------------------------------------------------------------------------------------------------


@router.get("/requests")
@in_one_look
def waiting(request: Request, office: OfficeOf, who: Deciding) -> Response:
    """Open requests of one's area, the most urgent first."""
    query = request.query_params
    page = requests.waiting(office.desk, who.actor, after=query.get("after"))
    return show(
        request, "requests.html", page=page, done=query.get("done", "")[:20], first=not query.get("after"),
        place_of=lambda one: office.tree.title(one.area_code, who.language),
    )  # fmt: skip


# --- a household's ----------------------------------------------------------------------------------------------------


@router.get("/households/{household_id}/requests")
@in_one_look
def of_household(request: Request, household_id: str, office: OfficeOf, who: Visiting) -> Response:
    """Everything that one household was told and asked for, and the form of a new request."""
    return _household(request, office, who, household_id, done=request.query_params.get("done", "")[:20])


def _household(
    request: Request, office: Office, who: Staff, household_id: str, http: int = 200, *,
    typed: Mapping[str, Any] | None = None, wrong: Mapping[str, Sequence[str]] | None = None, done: str = "",
) -> Response:  # fmt: skip
    found = requests.of_household(office.desk, who.actor, case_id_of(office, household_id))
    return show(
        request, "household_requests.html", http, household=household_id, requests=found, done=done,
        typed=typed or {**dict.fromkeys(ASKING, ""), "scope": ()}, wrong=wrong or {}, asked=ASKED,
        scopes=list(catalogue()["scope"]), may_answer=who.actor.role != "village",
    )  # fmt: skip


@router.post("/households/{household_id}/requests")
def ask(request: Request, household_id: str, office: OfficeOf, who: Visiting, form: PostedOf) -> Response:
    """Write down what a household asks for."""
    case_id = case_id_of(office, household_id)
    typed = {**{name: form.one(name, 1000) for name in ASKING}, "scope": _scope(form)}
    kind = next((one for one in ASKED if one == typed["kind"]), None)
    paper, wrong = _authorisation(typed, office) if kind == "verification" else (None, ())
    if kind is None:
        wrong = (mistake("kind", "unknown_code" if typed["kind"] else "missing"),)
    elif not wrong:
        try:
            requests.ask(office.desk, who.actor, kind, case_id, str(typed["about"]), authorisation=paper)
        except FormError as error:
            wrong = error.mistakes
        else:
            return RedirectResponse(f"/households/{household_id}/requests?done=asked", 303)
    return _household(request, office, who, household_id, 422, typed=typed, wrong=by_field(who, wrong))


def _scope(form: Posted) -> tuple[str, ...]:
    return tuple(code for code in catalogue()["scope"] if code in form.many("scope"))


def _authorisation(typed: Mapping[str, Any], office: Office) -> tuple[Authorisation | None, tuple[Mistake, ...]]:
    """The paper of a verification, or what is wrong with it."""
    wrong = [mistake(name, "missing") for name in ("number", "signed_on", "persons", "scope") if not typed[name]]
    signed = read_day(typed["signed_on"], "signed_on", wrong)
    if signed is not None and signed > office.desk.rules.day(office.desk.now()):
        wrong.append(mistake("signed_on", "signed_later"))
    persons = int(typed["persons"]) if typed["persons"].isascii() and typed["persons"].isdigit() else 0
    if typed["persons"] and not 1 <= persons <= MOST_PERSONS:
        wrong.append(mistake("persons", "amount_range", most=MOST_PERSONS))
    if len(typed["number"]) > 80:
        wrong.append(mistake("number", "note_long", most=80))
    if wrong or signed is None:
        return None, tuple(wrong)
    return Authorisation(number=typed["number"], signed_on=signed, persons=persons, scope=typed["scope"]), ()


# --- the answer -------------------------------------------------------------------------------------------------------


@router.get("/requests/{request_id}")
@in_one_look
def one(request: Request, request_id: str, office: OfficeOf, who: Deciding) -> Response:
    """One request, and the form of its answer."""
    return _page(request, office, who, request_id)


def _page(
    request: Request, office: Office, who: Staff, request_id: str, http: int = 200, *,
    typed: Mapping[str, Any] | None = None, wrong: Mapping[str, Sequence[str]] | None = None, refused: str = "",
) -> Response:  # fmt: skip
    found = requests.looked_at(office.desk, who.actor, request_id[:40])
    blank = {**dict.fromkeys(ANSWERING, ""), "reasons": (), "scope": ()}
    people = worklist.people(office.desk, [found.by.account, *([found.decided_by.account] if found.decided_by else [])])
    return show(
        request, "request.html", http, one=found, typed=typed or blank, wrong=wrong or {}, refused=refused,
        answers=ANSWERS[found.kind], reasons=list(catalogue()["request_reason"]), people=people,
        own=found.kind == "objection" and found.by.account == who.actor.account,
        place=office.tree.title(found.area_code, who.language),
    )  # fmt: skip


@router.post("/requests/{request_id}")
def answer(request: Request, request_id: str, office: OfficeOf, who: Deciding, form: PostedOf) -> Response:
    """Answer it; an erasure that is granted is carried out at once."""
    desk = office.desk
    asked = requests.looked_at(desk, who.actor, request_id[:40])
    typed = {
        **{name: form.one(name, 1000) for name in ANSWERING}, "scope": _scope(form),
        "reasons": tuple(code for code in catalogue()["request_reason"] if code in form.many("reasons")),
    }  # fmt: skip
    snapshot, wrong = _read(typed, asked, office)
    if wrong:
        return _page(request, office, who, request_id, 422, typed=typed, wrong=by_field(who, wrong))
    forget = forgetting(office.project, office.settings, desk.rules.day(desk.now()))
    state: Any = typed["state"]
    try:
        requests.decide(desk, who.actor, asked.request_id, state, typed["reasons"], snapshot=snapshot, erase=forget)
    except UsageError as error:
        said = f"{error.sentence(who.language)} {error.repair(who.language)}"
        return _page(request, office, who, request_id, 422, typed=typed, refused=said)
    return RedirectResponse(f"/requests?done={state}", 303)


def _read(
    typed: Mapping[str, Any], asked: requests.Request, office: Office
) -> tuple[Snapshot | None, tuple[Mistake, ...]]:
    """What a verification said, where this answers one, and all that is wrong with the form."""
    wrong: list[Mistake] = []
    state = typed["state"]
    if state not in ANSWERS[asked.kind]:
        wrong.append(mistake("state", "unknown_code" if state else "missing"))
    if state in ("partly", "refused") and not typed["reasons"]:
        wrong.append(mistake("reasons", "reasons_missing"))
    if asked.kind != "verification" or state != "done":
        return None, tuple(wrong)
    wrong += [mistake(name, "missing") for name in ("report", "dated", "scope") if not typed[name]]
    if len(typed["report"]) > 80:
        wrong.append(mistake("report", "note_long", most=80))
    dated, ends = read_day(typed["dated"], "dated", wrong), read_day(typed["expires_on"], "expires_on", wrong)
    if wrong or dated is None:
        return None, tuple(wrong)
    rules = office.desk.rules
    most = rules.day(later(rules.end(dated), rules.deadlines.verification_valid, rules).at)
    return Snapshot(report=typed["report"], dated=dated, expires_on=ends or most, scope=typed["scope"]), ()
