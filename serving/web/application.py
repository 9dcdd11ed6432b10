"""The pages as one application: headers, errors, rooms. Mounted in the service's process behind its gate."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from html import escape
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, RedirectResponse, Response

from features.errors import DependencyError, UsageError, ZhoujiError
from serving import observing
from serving.access.roles import ROLES
from serving.api.surroundings import surroundings
from serving.casework.refusals import AccessError, ActionDetailError, ActionError, ConflictError
from serving.web.office import Office, open_office
from serving.web.pages import (
    about,
    admin,
    audit,
    common,
    door,
    exports,
    feedback,
    help_,
    households,
    lists,
    models,
    overview,
    quality,
    records,
    referrals,
    requests,
    resources,
    reveal,
    rules,
    sheets,
    tasks,
    weeks,
    workers,
)
from serving.web.rendering import static
from serving.web.showing import show
from serving.web.visitor import PageError, PasswordError, SignInError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
MOST_BYTES, MOST_UPLOADED = 256 * 2**10, 5 * 2**20
GONE = 499
"""Status in logs and measures of a request whose sender left before it was whole."""
UPLOADS = re.compile(r"/weeks/[^/]{1,40}/import")
"""The one kind of address that takes a file."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=()",
}
STATIC = {
    "style.css": "text/css; charset=utf-8",
    "visit_sheet.css": "text/css; charset=utf-8",
    "zhouji.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
UNKNOWN = frozenset({"case_unknown", "account_unknown", "amendment_unknown", "list_import_gone", "export_gone"})
"""Refusals that say that there is nothing here."""
ROOMS = (
    door, common, weeks, lists, tasks, sheets, households, records, reveal, referrals, requests, resources, overview,
    feedback, quality, models, exports, audit, help_, about, admin, rules, workers,
)  # fmt: skip


def web_application(office: Office) -> FastAPI:
    """The application over an office."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.office = office
    for room in ROOMS:
        app.include_router(room.router)
    app.add_api_route("/static/{name}", _static, methods=["GET"], name="static")
    app.add_middleware(Frame)
    app.add_exception_handler(SignInError, _sign_in)
    app.add_exception_handler(PasswordError, lambda _request, _error: RedirectResponse("/password", 303))
    app.add_exception_handler(PageError, _page_error)
    app.add_exception_handler(ZhoujiError, _refused)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _unknown)
    return app


def _static(name: str) -> Response:
    if name not in STATIC:
        raise PageError(404)
    kept = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(static(name), media_type=STATIC[name], headers=kept)


# --- errors -----------------------------------------------------------------------------------------------------------


def _sign_in(request: Request, _error: Exception) -> Response:
    """To the door, and back to where somebody wanted to go."""
    wanted = request.url.path if request.method == "GET" else "/"
    query = f"?{request.url.query}" if request.url.query and request.method == "GET" else ""
    address = "/login" if wanted == "/" else f"/login?{urlencode({'next': wanted + query})}"
    return RedirectResponse(address, 303)


def _page_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PageError)
    roles = [ROLES[role] for role in error.fields.get("roles", ())]
    return show(
        request, "error.html", error.status, status=error.status, code=error.code, roles=roles, said=None, repair=None
    )


def _refused(request: Request, error: Exception) -> Response:
    """What casework refused, in its own words."""
    assert isinstance(error, ZhoujiError)
    if isinstance(error, ConflictError):
        return _said(request, error, 409)
    if isinstance(error, AccessError):
        return _said(request, error, 403)
    if isinstance(error, DependencyError):
        return _said(request, error, 503)
    if isinstance(error, ActionError | ActionDetailError):
        return _said(request, error, 409 if isinstance(error, ActionError) else 422)
    if isinstance(error, UsageError):
        return _said(request, error, 404 if error.code in UNKNOWN else 422)
    return _said(request, error, 422)


def _said(request: Request, error: ZhoujiError, status: int) -> HTMLResponse:
    from serving.web.visitor import visitor_of

    language = visitor_of(request).language
    return show(
        request, "error.html", status, status=status, code=error.code, roles=[], said=error.sentence(language),
        repair=error.repair(language),
    )  # fmt: skip


def _http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return show(request, "error.html", status, status=status, code="", roles=[], said=None, repair=None)


def _unknown(request: Request, _error: Exception) -> Response:
    """An address whose parts cannot be is an address that there is not."""
    return show(request, "error.html", 404, status=404, code="", roles=[], said=None, repair=None)


# --- around every answer ----------------------------------------------------------------------------------------------


class Frame:
    """Headers on every answer, a limit on every body, one log line, and a number for what nobody foresaw."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer within the frame."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, state = time.perf_counter(), {"status": 0}
        body = 0
        most = MOST_UPLOADED if scope["method"] == "POST" and UPLOADS.fullmatch(scope["path"]) else MOST_BYTES

        announced = Headers(scope=scope).get("content-length", "")

        async def limited() -> MutableMapping[str, Any]:
            nonlocal body
            if announced.isascii() and announced.isdigit() and int(announced) > most:
                raise PageError(413)
            message = await receive()
            body += len(message.get("body", b""))
            if body > most:
                raise PageError(413)
            return message

        async def framed(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                state["status"] = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        try:
            await self.app(scope, limited, framed)
        except ClientDisconnect:  # a telephone that lost its connection while it sent: nobody is left to answer
            self._tell(scope, state["status"] or GONE, started)
            return
        except Exception as error:  # noqa: BLE001 -- the last door: anything else would be a traceback
            incident = secrets.token_hex(4)
            observing.surprise(error)
            status = 503 if isinstance(error, DependencyError) else 500
            if not state["status"]:
                said = error if isinstance(error, DependencyError) else None
                await HTMLResponse(last_words(incident, said), status)(scope, receive, framed)
            self._tell(scope, status, started, incident=incident)
            return
        self._tell(scope, state["status"], started)

    @staticmethod
    def _tell(scope: Scope, status: int, started: float, **more: str) -> None:
        """The page's pattern, never the address: addresses name households."""
        route = scope.get("route")
        observing.told(
            f"web {getattr(route, 'path', 'unknown')}",
            scope["method"],
            status,
            time.perf_counter() - started,
            None,
            **more,
        )


def last_words(incident: str, said: DependencyError | None = None) -> str:
    """The page when no other can be made, such as without a database: both languages, no templates."""
    told = [f"{said.sentence(one)} {said.repair(one)}" for one in ("zh", "en")] if said else ["", ""]
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>出错了</title></head><body><main>'
        "<h1>页面暂时打不开</h1><p>不是您的操作有误。请稍后再试；仍不行时，请把下面的编号告诉管理员。</p>"
        f'<p>{escape(told[0])}</p><p lang="en">{escape(told[1])}</p>'
        f"<p>编号：<strong>{incident}</strong></p>"
        '<p lang="en">This page cannot be shown now. Please try again, or tell an administrator the number above.</p>'
        '<p><a href="/">返回首页</a></p></main></body></html>'
    )


# --- in the service's process -----------------------------------------------------------------------------------------

_made: dict[int, FastAPI] = {}


async def pages(scope: Scope, receive: Receive, send: Send) -> None:
    """The application of this process, made when it is first asked for."""
    opened = surroundings()
    app = _made.get(id(opened))
    if app is None:
        app = web_application(open_office(opened))
        _made.clear()
        _made[id(opened)] = app
    await app(scope, receive, send)
