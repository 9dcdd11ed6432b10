"""Administration: accounts and areas. Every edit shows what it changes before it is made."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from features.errors import UsageError
from serving.access.roles import ROLES
from serving.casework import amendments, worklist
from serving.casework.actions import WHO
from serving.casework.refusals import ConflictError
from serving.web import appointments
from serving.web.accounts import Account
from serving.web.appointments import Post, check_post
from serving.web.office import Office
from serving.web.pages.households import number
from serving.web.pages.rules import unknown_years
from serving.web.showing import in_one_look, show
from serving.web.steps import Difference, Planned, Typed, by_field, confirmed, differences, show_change
from serving.web.visitor import OfficeOf, PostedOf, Staff, staff

router = APIRouter()
Administering = Annotated[Staff, Depends(staff("admin"))]
FIELDS = ("account", "name", "role", "area", "department", "capacity", "version")
SHOWN = 50


@router.get("/admin")
@in_one_look
def administration(request: Request, office: OfficeOf, who: Administering) -> Response:
    """What there is to administer, and what wants attention."""
    whole = amendments.may_amend(office.desk, who.actor)
    here = appointments.places(office.desk, who.actor, who.actor.area)[0]
    return show(request, "admin.html", whole=whole, here_is=here, unknown=unknown_years(office))


# --- accounts ---------------------------------------------------------------------------------------------------------


@router.get("/admin/accounts")
@in_one_look
def accounts(request: Request, office: OfficeOf, who: Administering) -> Response:
    """Accounts of the administrator's area."""
    chosen = {name: request.query_params.get(name, "").strip()[:40] for name in ("search", "role", "area")}
    after = request.query_params.get("after", "")[:40]
    rows, onward = appointments.page(office.desk, who.actor, **chosen, after=after, limit=SHOWN)
    more = urlencode({**{key: value for key, value in chosen.items() if value}, "after": onward})
    return show(
        request, "accounts.html", rows=rows, onward=f"/admin/accounts?{more}" if onward else "", chosen=chosen,
        roles=ROLES, departments=office.desk.rules.routing.departments, first=not after,
        done=request.query_params.get("done", ""), place_of=lambda code: _place(office, who, code),
    )  # fmt: skip


def _place(office: Office, who: Staff, code: str) -> str:
    return office.tree.title(code, who.language)


@router.get("/admin/accounts/new")
@in_one_look
def new(request: Request, office: OfficeOf, who: Administering) -> Response:
    """The form of a new account."""
    return _form(request, office, who, {**dict.fromkeys(FIELDS, ""), "area": who.actor.area})


@router.post("/admin/accounts/new")
def make(request: Request, office: OfficeOf, who: Administering, form: PostedOf) -> Response:
    """Show the new account, then make it; its password is shown once."""
    typed = {name: form.one(name, 80) for name in FIELDS}
    post = _post(typed)
    wrong = by_field(who, check_post(office.desk, who.actor, post) if post is not None else ())
    if post is None:
        wrong["capacity"] = [who.say("请写一个整数，或留空。", "Write a whole number or nothing.")]
    if wrong or post is None:
        return _form(request, office, who, typed, 422, wrong=wrong)
    if not confirmed(form):
        heading = who.say("新建账号 ", "New account ") + typed["account"]
        said = who.say("建立后显示一次性密码。", "Its password is shown once, after this.")
        lines, place = _lines(office, who, None, post), "/admin/accounts"
        return show_change(request, Planned(heading, f"{place}/new", place, lines, typed, said))
    try:
        made, password = appointments.appoint(office.desk, who.actor, typed["account"], post)
    except UsageError as error:
        said = f"{error.sentence(who.language)}"
        return _form(request, office, who, typed, 422, wrong={"account": [said]})
    return _told(request, made, password)


@router.get("/admin/accounts/{account}")
@in_one_look
def account(request: Request, account: str, office: OfficeOf, who: Administering) -> Response:
    """One account with the form of its post."""
    known, post = appointments.found(office.desk, who.actor, account)
    return _form(request, office, who, _typed(known, post), known=known)


@router.post("/admin/accounts/{account}")
def change(request: Request, account: str, office: OfficeOf, who: Administering, form: PostedOf) -> Response:
    """Show what changes, then change it."""
    known, before = appointments.found(office.desk, who.actor, account)
    typed = {name: form.one(name, 80) for name in FIELDS} | {"account": account}
    post = _post(typed)
    wrong = by_field(who, check_post(office.desk, who.actor, post) if post is not None else ())
    if post is None:
        wrong["capacity"] = [who.say("请写一个整数，或留空。", "Write a whole number or nothing.")]
    if wrong or post is None:
        return _form(request, office, who, typed, 422, known=known, wrong=wrong)
    if not confirmed(form):
        lines, place = _lines(office, who, before, post), f"/admin/accounts/{account}"
        return show_change(request, Planned(account, place, place, lines, typed))
    try:
        appointments.change(office.desk, who.actor, account, post, number(typed["version"]))
    except ConflictError:
        return _conflict(request, office, who, account, typed)
    return RedirectResponse("/admin/accounts?done=changed", 303)


@router.post("/admin/accounts/{account}/password")
def password(request: Request, account: str, office: OfficeOf, who: Administering, form: PostedOf) -> Response:
    """Ask once more, then show a new password once."""
    known, _ = appointments.found(office.desk, who.actor, account)
    typed = {"version": form.one("version", 10)}
    if not confirmed(form):
        said = who.say(
            "原密码立即失效，已登录的会话退出。新密码只显示一次，首次登录须更换。",
            "The old password ends at once, and whoever is signed in is out. The new one is shown once and has to be "
            "changed at the first sign-in.",
        )
        told = who.say("现有密码", "the present one"), who.say("新的一次性密码", "a new one-time password")
        lines = differences(who, [(("密码", "password"), *told)])
        place = f"/admin/accounts/{account}"
        return show_change(request, Planned(account, f"{place}/password", place, lines, typed, said))
    try:
        made = appointments.new_password(office.desk, who.actor, account, number(typed["version"]))
    except ConflictError:
        return _conflict(request, office, who, account, None)
    return _told(request, known, made)


@router.post("/admin/accounts/{account}/active")
def set_active(request: Request, account: str, office: OfficeOf, who: Administering, form: PostedOf) -> Response:
    """Ask once more, then disable an account or let it in again."""
    known, _ = appointments.found(office.desk, who.actor, account)
    active, typed = form.one("active") == "1", {"version": form.one("version", 10), "active": form.one("active", 1)}
    if not confirmed(form):
        said = who.say(
            "停用后不能登录，也不再分派走访；手上未办结的走访由镇街或县级移交。",
            "It can neither sign in nor be given visits; open visits are handed over by the town or county.",
        )
        yes, no = who.say("可以登录", "may sign in"), who.say("停用", "disabled")
        lines = differences(who, [(("登录", "sign-in"), yes if known.active else no, yes if active else no)])
        place = f"/admin/accounts/{account}"
        return show_change(request, Planned(account, f"{place}/active", place, lines, typed, "" if active else said))
    try:
        appointments.set_active(office.desk, who.actor, account, active=active, seen=number(typed["version"]))
    except ConflictError:
        return _conflict(request, office, who, account, None)
    return RedirectResponse(f"/admin/accounts?done={'enabled' if active else 'disabled'}", 303)


def _told(request: Request, account: Account, password: str) -> Response:
    """The one page that shows a password."""
    return show(request, "password_once.html", account=account, password=password)


def _conflict(request: Request, office: Office, who: Staff, account: str, typed: Typed | None) -> Response:
    """Somebody was faster: the newer one as it is, with what was typed kept in the fields."""
    known, post = appointments.found(office.desk, who.actor, account)
    now = _typed(known, post)
    shown = now if typed is None else {**{key: str(value) for key, value in typed.items()}, "version": now["version"]}
    lines = _lines(office, who, None, post)
    return _form(request, office, who, shown, 409, known=known, newer=lines)


def _form(
    request: Request, office: Office, who: Staff, typed: dict[str, str], http: int = 200, *,
    known: Account | None = None, wrong: dict[str, list[str]] | None = None, newer: tuple[Difference, ...] = (),
) -> Response:  # fmt: skip
    return show(
        request, "account.html", http, typed=typed, known=known, wrong=wrong or {}, newer=newer, roles=ROLES,
        departments=office.desk.rules.routing.departments, own=known is not None and known.account == who.actor.account,
        place=_place(office, who, typed["area"]) if typed["area"] in office.tree else "",
    )  # fmt: skip


def _typed(known: Account, post: Post) -> dict[str, str]:
    return {
        "account": known.account, "name": post.name, "role": post.role, "area": post.area,
        "department": post.department, "capacity": "" if post.capacity is None else str(post.capacity),
        "version": str(known.version),
    }  # fmt: skip


def _post(typed: dict[str, str]) -> Post | None:
    """The post that was typed; None where the capacity is no number."""
    text = typed["capacity"]
    if text and not (text.isascii() and text.isdigit() and len(text) < 6):
        return None
    capacity = int(text) if text else None
    return Post(typed["name"], typed["role"], typed["area"], typed["department"], capacity)


def _lines(office: Office, who: Staff, before: Post | None, after: Post) -> tuple[Difference, ...]:
    departments = office.desk.rules.routing.departments

    def said(post: Post | None) -> list[str]:
        if post is None:
            return [""] * 5
        role = who.word(ROLES[post.role]) if post.role in ROLES else post.role
        department = who.word(departments[post.department]) if post.department in departments else post.department
        capacity = str(post.capacity) if post.capacity is not None else who.say("不分派走访", "given no visits")
        visits = capacity if post.role in WHO["visit"] else ""
        return [post.name, role, f"{_place(office, who, post.area)} {post.area}", department, visits]

    labels = (
        ("称呼", "name"), ("岗位", "role"), ("区划", "area"), ("部门", "department"),
        ("在办上限", "open visits at most"),
    )  # fmt: skip
    return differences(who, list(zip(labels, said(before), said(after), strict=True)))


# --- areas ------------------------------------------------------------------------------------------------------------


@router.get("/admin/areas")
@in_one_look
def whole(request: Request, office: OfficeOf, who: Administering) -> Response:
    """The administrator's own area and those below it."""
    return _area(request, office, who, who.actor.area)


@router.get("/admin/areas/{area}")
@in_one_look
def area(request: Request, area: str, office: OfficeOf, who: Administering) -> Response:
    """An area and those below it, with who covers it."""
    return _area(request, office, who, area)


def _area(request: Request, office: Office, who: Staff, area: str) -> Response:
    found = appointments.places(office.desk, who.actor, area)
    above = [one.code for one in reversed(office.tree.chain(area)) if office.desk.reaches(who.actor, one.code)]
    return show(
        request, "areas.html", mine=found[0], below=found[1:], above=above[:-1], name_of=_named(office, who),
        covering=appointments.covering(office.desk, area), people=worklist.people(office.desk),
    )  # fmt: skip


def _named(office: Office, who: Staff) -> object:
    return lambda code: office.tree.name(code, who.language)
