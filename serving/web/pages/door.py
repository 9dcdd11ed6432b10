"""The door: sign in, sign out, home, and how somebody wants pages shown."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from serving.web import accounts
from serving.web.accounts import Refused
from serving.web.office import Office
from serving.web.rendering import HOMES
from serving.web.sessions import COOKIE
from serving.web.showing import show
from serving.web.visitor import DOOR, LANGUAGES, OfficeOf, PostedOf, Staff, VisitorOf, door_token, inside, staff

router = APIRouter()
Anybody = Annotated[Staff, Depends(staff())]


@router.get("/")
def home(who: Anybody) -> Response:
    """Where a role begins."""
    return RedirectResponse(HOMES.get(who.actor.role, "/help"), 303)


@router.get("/login")
def door(request: Request, visitor: VisitorOf, office: OfficeOf) -> Response:
    """The sign-in form."""
    if visitor.account is not None:
        return RedirectResponse("/", 303)
    return _form(request, office, inside(request.query_params.get("next", "/")))


def _form(request: Request, office: Office, onward: str, *, name: str = "", refused: Refused | None = None) -> Response:
    token = request.cookies.get(DOOR, "") or door_token()
    answer = show(
        request, "login.html", 200 if refused is None else 422, door_token=token, onward=onward, name=name,
        refused=refused, minutes=int(accounts.LOCKED_FOR.total_seconds() // 60),
    )  # fmt: skip
    answer.set_cookie(DOOR, token, httponly=True, samesite="strict", secure=bool(office.settings.https), path="/login")
    return answer


@router.post("/login")
def enter(request: Request, office: OfficeOf, form: PostedOf) -> Response:
    """Sign in; the session is a new one whatever the browser held."""
    onward = inside(form.one("next"))
    name = form.one("account", 80)
    given = form.one("password", 200)
    found = accounts.sign_in(office.desk, name, given)
    if isinstance(found, Refused):
        return _form(request, office, onward, name=name, refused=found)
    token = office.sessions.open(found, request.cookies.get(COOKIE, ""))
    answer = RedirectResponse(onward, 303)
    answer.set_cookie(COOKIE, token, httponly=True, samesite="lax", secure=bool(office.settings.https), path="/")
    answer.delete_cookie(DOOR, path="/login")
    return answer


@router.post("/logout")
def leave(request: Request, office: OfficeOf, who: Anybody, _form: PostedOf) -> Response:
    """Sign out."""
    office.sessions.close(request.cookies.get(COOKIE, ""))
    office.desk.note(who.actor, "signed_out", who.account.account)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


@router.post("/preferences")
def prefer(office: OfficeOf, who: Anybody, form: PostedOf) -> Response:
    """Language and large type; they stay with the account."""
    language, large = form.one("language"), form.one("large")
    accounts.prefer(
        office.desk, who.account.account,
        language=language if language in LANGUAGES else None, large=large == "1" if large in ("0", "1") else None,
    )  # fmt: skip
    return RedirectResponse(inside(form.one("back")), 303)
