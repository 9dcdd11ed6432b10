"""Who looks at a page, in which language, and the form that was sent: what every page depends on."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.datastructures import FormData, UploadFile

from features.strict import Words
from serving.casework.actor import Actor
from serving.web.accounts import Account
from serving.web.office import Office
from serving.web.sessions import COOKIE, form_token, same

DOOR = "zhouji_door"
"""Cookie of the sign-in form, which has no session yet: the form carries the same."""
MOST_FIELDS = 600
LANGUAGES = ("zh", "en")
BEFORE_PASSWORD = ("/password", "/logout", "/preferences")
"""What somebody may do who still has to choose a password."""


class PageError(Exception):
    """A page that cannot be shown, with its status; `code` chooses the words."""

    def __init__(self, status: int, code: str = "", **fields: Any) -> None:
        self.status, self.code, self.fields = status, code, fields
        super().__init__(code)


class SignInError(Exception):
    """Somebody has to sign in first."""


class PasswordError(Exception):
    """Somebody signed in with a password that was handed over has to choose one first."""


@dataclass(frozen=True)
class Visitor:
    """Somebody at a page; without an account before the door."""

    language: str
    large: bool
    account: Account | None = None
    actor: Actor | None = None
    token: str = field(default="", repr=False)

    @property
    def form_token(self) -> str:
        """What forms of this visitor carry."""
        return form_token(self.token) if self.token else ""


@dataclass(frozen=True)
class Staff:
    """Somebody signed in."""

    visitor: Visitor
    account: Account
    actor: Actor

    @property
    def language(self) -> str:
        """The language of the pages."""
        return self.visitor.language

    def say(self, zh: str, en: str) -> str:
        """One sentence in the visitor's language."""
        return en if self.language == "en" else zh

    def word(self, text: Words) -> str:
        """A text in the visitor's language."""
        return text.of(self.language)


def office_of(request: Request) -> Office:
    """The office of the application."""
    office: Office = request.app.state.office
    return office


def visitor_of(request: Request) -> Visitor:
    """Who is there: account over ?lang over Accept-Language."""
    known = getattr(request.state, "visitor", None)
    if isinstance(known, Visitor):
        return known
    office = office_of(request)
    token = request.cookies.get(COOKIE, "")
    account = office.sessions.account(token)
    asked = request.query_params.get("lang", "")
    language = (account.language if account else "") or (asked if asked in LANGUAGES else "") or preferred(request)
    found = Visitor(language, large=bool(account and account.large))
    if account is not None:
        found = Visitor(language, account.large, account, office.actor(account), token)
    request.state.visitor = found
    return found


def preferred(request: Request) -> str:
    """The language that a browser asks for first, of those that there are; zh without one."""
    wanted: list[tuple[float, str]] = []
    for part in request.headers.get("accept-language", "").split(",")[:12]:
        name, _, weight = part.strip().partition(";q=")
        try:
            wanted.append((-float(weight or 1), name.lower()[:2]))
        except ValueError:
            continue
    found = [name for _, name in sorted(wanted, key=lambda one: one[0]) if name in LANGUAGES]
    return found[0] if found else "zh"


def staff(*roles: str) -> Callable[[Request], Staff]:
    """The dependency of a page that only some roles may see; nobody named: everybody who is signed in."""

    def found(request: Request) -> Staff:
        visitor = visitor_of(request)
        if visitor.account is None or visitor.actor is None:
            raise SignInError
        if visitor.account.temporary and request.url.path not in BEFORE_PASSWORD:
            raise PasswordError
        if roles and visitor.actor.role not in roles:
            raise PageError(403, "role", roles=roles)
        return Staff(visitor, visitor.account, visitor.actor)

    return found


class Posted:
    """A form that was sent from one of our own pages."""

    def __init__(self, form: FormData, files: Mapping[str, tuple[str, bytes]] | None = None) -> None:
        self._form, self._files = form, files or {}

    def one(self, name: str, most: int = 4000) -> str:
        """A field; empty where it is missing."""
        value = self._form.get(name, "")
        return value.strip()[:most] if isinstance(value, str) else ""

    def many(self, name: str) -> tuple[str, ...]:
        """All values of a field."""
        return tuple(value for value in self._form.getlist(name) if isinstance(value, str))

    def plain(self, names: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Several fields as they were sent."""
        return {name: self.many(name) for name in names}

    def file(self, name: str) -> tuple[str, bytes]:
        """A file that was sent, with its name for people; no path of theirs, and nothing where there is none."""
        return self._files.get(name, ("", b""))

    def starting(self, prefix: str) -> dict[str, str]:
        """Fields of a family, by what follows the prefix."""
        found = {key.removeprefix(prefix): self.one(key) for key in self._form if key.startswith(prefix)}
        return {key: value for key, value in found.items() if value}


async def posted(request: Request) -> Posted:
    """The form of a POST; it must come from a page of ours, with its visitor's token."""
    return await _posted(request, 0)


async def posted_with_file(request: Request) -> Posted:
    """The same with one file."""
    return await _posted(request, 1)


async def _posted(request: Request, files: int) -> Posted:
    if not own_origin(request):
        raise PageError(403, "form")
    async with request.form(max_files=files, max_fields=MOST_FIELDS) as form:
        given = form.get("form_token", "")
        token = request.cookies.get(COOKIE, "")
        wanted = request.cookies.get(DOOR, "") if request.url.path == "/login" else form_token(token) if token else ""
        if not isinstance(given, str) or not same(given, wanted):
            if not token and request.url.path != "/login":
                raise SignInError
            raise PageError(403, "form")
        sent = {name: file for name, file in form.items() if isinstance(file, UploadFile)}
        return Posted(form, {name: (called(file.filename or ""), await file.read()) for name, file in sent.items()})


def called(name: str) -> str:
    r"""What a file is called, for people: no folders, no signs that cannot be seen.

    >>> called("../../etc/passwd"), called("C:\\lists\\清单.xlsx")
    ('passwd', '清单.xlsx')
    """
    return "".join(one for one in name.replace("\\", "/").split("/")[-1] if one.isprintable())[-60:]


def own_origin(request: Request) -> bool:
    """Whether a browser says that the request comes from elsewhere; one that says nothing is believed."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin", "")
    return not origin or urlsplit(origin).netloc == request.headers.get("host", "")


def door_token() -> str:
    """A token for the sign-in form."""
    return secrets.token_urlsafe(24)


def inside(path: str) -> str:
    r"""An address to go on to, if it is one of ours.

    >>> inside("/weeks?state=alert"), inside("//evil.example/"), inside("https://evil.example"), inside("/\\evil")
    ('/weeks?state=alert', '/', '/', '/')
    """
    fits = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if fits and len(path) < 500 else "/"


OfficeOf = Annotated[Office, Depends(office_of)]
VisitorOf = Annotated[Visitor, Depends(visitor_of)]
PostedOf = Annotated[Posted, Depends(posted)]
PostedFileOf = Annotated[Posted, Depends(posted_with_file)]
