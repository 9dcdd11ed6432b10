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
        refused=refused, minutes=int(accounts.LOCKED_FOR.total_seconds() // 60), notice=office.desk.text("door"),
        common=office.issuer is not None, turned_away=request.query_params.get("away") == "1",
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
    answer = signed_in(office, token, onward)
    answer.delete_cookie(DOOR, path="/login")
    return answer


def signed_in(office: Office, token: str, onward: str) -> Response:
    """On to where somebody wanted to go, with the new session."""
    answer = RedirectResponse(onward, 303)
    answer.set_cookie(COOKIE, token, httponly=True, samesite="lax", secure=bool(office.settings.https), path="/")
    return answer


@router.post("/logout")
def leave(request: Request, office: OfficeOf, who: Anybody, _form: PostedOf) -> Response:
    """Sign out."""
    office.sessions.close(request.cookies.get(COOKIE, ""))
    office.desk.note(who.actor, "signed_out", who.account.account)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


@router.get("/password")
def password(request: Request, _who: Anybody) -> Response:
    """The form of another password."""
    return show(request, "password.html", wrong={}, least=accounts.SHORTEST)


@router.post("/password")
def change_password(request: Request, office: OfficeOf, who: Anybody, form: PostedOf) -> Response:
    """Another password; every other session of the account ends, and this one goes on as a new one."""
    current, chosen, again = (form.one(name, 200) for name in ("current", "chosen", "again"))
    wrong: dict[str, list[str]] = {}
    if len(chosen) < accounts.SHORTEST or chosen == current:
        least = accounts.SHORTEST
        zh, en = f"至少 {least} 个字符，且不同于现在的密码。", f"At least {least} characters, and not the present one."
        wrong["chosen"] = [who.say(zh, en)]
    elif chosen != again:
        wrong["again"] = [who.say("两次写的不一样。", "The two differ.")]
    if not wrong and not accounts.change_password(office.desk, who.account, current, chosen):
        wrong["current"] = [who.say("现在的密码不对。", "The present password is wrong.")]
    if wrong:
        return show(request, "password.html", 422, wrong=wrong, least=accounts.SHORTEST)
    token = office.sessions.open(who.account, request.cookies.get(COOKIE, ""))
    return signed_in(office, token, "/")


@router.post("/preferences")
def prefer(office: OfficeOf, who: Anybody, form: PostedOf) -> Response:
    """Language and large type; they stay with the account."""
    language, large = form.one("language"), form.one("large")
    accounts.prefer(
        office.desk, who.account.account,
        language=language if language in LANGUAGES else None, large=large == "1" if large in ("0", "1") else None,
    )  # fmt: skip
    return RedirectResponse(inside(form.one("back")), 303)
