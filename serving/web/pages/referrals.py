"""Referrals of a department's desk: the inbox by deadline, and the answer."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from serving.casework import actions as a
from serving.casework import worklist
from serving.casework.case import HELP_CODES, MECHANISM
from serving.casework.refusals import AccessError, ActionDetailError, ConflictError
from serving.web.office import Office
from serving.web.pages.households import fen, number
from serving.web.showing import in_one_look, show
from serving.web.visitor import OfficeOf, Posted, PostedOf, Staff, staff

router = APIRouter()
Desks = Annotated[Staff, Depends(staff("department", "county"))]
FIELDS = ("code", "help", "amount", "start", "end", "reasons", "note", "next")


@router.get("/referrals")
@in_one_look
def inbox(request: Request, office: OfficeOf, who: Desks) -> Response:
    """What waits for an answer, or what was answered."""
    query = request.query_params
    answered = query.get("answered") == "1"
    page = office.desk.inbox(who.actor, answered=answered, after=query.get("after"))
    tree, language = office.tree, who.language
    return show(
        request, "referrals.html", page=page, answered=answered, done=query.get("done", ""),
        place_of=lambda row: tree.title(row.area_code, language),
        departments=office.desk.rules.routing.departments, desk=_desk(who),
    )  # fmt: skip


def _desk(who: Staff) -> str:
    return MECHANISM if who.actor.role == "county" else who.actor.department


@router.get("/referrals/{referral_id}")
@in_one_look
def referral(request: Request, referral_id: str, office: OfficeOf, who: Desks) -> Response:
    """One referral with the form of its answer."""
    return _page(request, office, who, referral_id)


def _page(
    request: Request, office: Office, who: Staff, referral_id: str, http: int = 200, *,
    typed: dict[str, str] | None = None, refused: str = "",
) -> Response:  # fmt: skip
    case_id = worklist.case_of_referral(office.desk, referral_id[:60])
    if case_id is None:
        raise AccessError("case_outside")
    view = office.desk.view(who.actor, case_id)
    found = view.case.referral(referral_id)
    if found is None:
        raise AccessError("case_outside")
    routing = office.desk.rules.routing
    mine = found.department == _desk(who) and found.open and "answer" in view.may
    return show(
        request, "referral.html", http, case=view.case, one=found, mine=mine, typed=typed or dict.fromkeys(FIELDS, ""),
        codes=routing.answers(found.need, binding=found.binding, passes=found.passes), refused=refused,
        departments=routing.departments, need=routing.needs[found.need], help_codes=sorted(HELP_CODES),
        due=[one for one in view.due if one.referral_id == referral_id],
        place=office.tree.path(view.case.area_code, who.language) or view.case.area_code,
    )  # fmt: skip


@router.post("/referrals/{referral_id}/answers")
def answer(request: Request, referral_id: str, office: OfficeOf, who: Desks, form: PostedOf) -> Response:
    """Say something: received, granted, not eligible, passed on."""
    case_id = worklist.case_of_referral(office.desk, referral_id[:60])
    if case_id is None:
        raise AccessError("case_outside")
    typed = {name: form.one(name, 1000) for name in FIELDS}
    try:
        office.desk.act(_said(who, referral_id, form), case_id, number(form.one("version")))
    except (ValueError, ValidationError):
        said = who.say("有一项没有填写，或写法不对。", "Something is missing or cannot be read.")
        return _page(request, office, who, referral_id, 422, typed=typed, refused=said)
    except ActionDetailError as error:
        said = f"{error.sentence(who.language)} {error.repair(who.language)}"
        return _page(request, office, who, referral_id, 422, typed=typed, refused=said)
    except ConflictError:
        said = who.say("他人刚刚处理过，请对照后再提交。", "Somebody else was faster; compare and send again.")
        return _page(request, office, who, referral_id, 409, typed=typed, refused=said)
    return RedirectResponse(f"/referrals?done={form.one('code', 4)}", 303)


def _said(who: Staff, referral_id: str, form: Posted) -> a.AnswerReferral:
    def day(name: str) -> date | None:
        return date.fromisoformat(form.one(name)) if form.one(name) else None

    values: dict[str, Any] = {"amount_fen": fen(form.one("amount")) if form.one("amount") else None}
    reasons = tuple(line.strip() for line in form.one("reasons", 1000).splitlines() if line.strip())
    if not form.one("code"):
        raise ValueError(form.one("code"))
    return a.AnswerReferral(
        by=who.actor, referral_id=referral_id, code=form.one("code", 4), help=form.one("help", 200), start=day("start"),
        end=day("end"), reasons=reasons, note=form.one("note", 1000), next_department=form.one("next", 80), **values,
    )  # fmt: skip
