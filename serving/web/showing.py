"""A page for a visitor: the frame around what a page family gives."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec

from fastapi import Request
from starlette.responses import HTMLResponse, Response

from features.errors import DependencyError
from serving.access.roles import ROLES
from serving.web.office import Office
from serving.web.rendering import HOMES, ROOMS, render
from serving.web.visitor import office_of, visitor_of

Given = ParamSpec("Given")


def in_one_look(page: Callable[Given, Response]) -> Callable[Given, Response]:
    """A page that only looks: one state of the database, one connection, and one note of all that was looked at.

    The page names the office that it looks from `office`, as all pages do.
    """

    @functools.wraps(page)
    def shown(*args: Given.args, **named: Given.kwargs) -> Response:
        office = named["office"]
        assert isinstance(office, Office)
        with office.desk.looking():
            return page(*args, **named)

    return shown


def show(request: Request, template: str, http: int = 200, /, **values: Any) -> HTMLResponse:
    """A whole page."""
    office = office_of(request)
    visitor = visitor_of(request)
    role = visitor.actor.role if visitor.actor else ""
    rooms = [(path, name) for path, name, roles in ROOMS if role in roles]
    text = render(
        template,
        visitor.language,
        office.desk.zone,
        visitor=visitor,
        title_of_project=office.project.title,
        rooms=rooms,
        here=here(request.url.path),
        home=HOMES.get(role, "/help"),
        role_name=ROLES[role] if role else None,
        area_name=office.tree.title(visitor.actor.area, visitor.language) if visitor.actor else "",
        contact=contact_of(office, visitor.language),
        trial=office.desk.now() if office.settings.clock_shift else None,
        newest=office.weeks.newest(),
        back=back_to(request),
        other="zh" if visitor.language == "en" else "en",
        idle_minutes=office.settings.session_idle,
        now=office.desk.now(),
        **values,
    )
    return HTMLResponse(text, http)


def contact_of(office: Office, language: str) -> str:
    """Whom to ask: as an administrator wrote it, else as the settings say."""
    try:
        amended = office.desk.text("contact")
    except DependencyError:  # whoever meets an error has to know whom to ask all the more
        amended = None
    return amended.of(language) if amended is not None else office.settings.contact


def here(path: str) -> str:
    """The room of an address; a household belongs to nobody's room alone.

    >>> here("/weeks/2026-03-01"), here("/households/1")
    ('/weeks', '')
    """
    return next((room for room, _, _ in ROOMS if path == room or path.startswith(f"{room}/")), "")


def back_to(request: Request) -> str:
    """The page to come back to after a preference; a page that was sent is not asked for again by address."""
    if request.method != "GET":
        return "/"
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{request.url.path}{query}"
