"""The gate: every request passes it, in pure ASGI, in front of BentoML.

It knows the address, admits or sheds, asks for the token and the purpose, counts, reads the body within its limit, and
turns whatever goes wrong behind it into a problem in zh and en. BentoML's own errors never reach a client.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from pydantic import ValidationError

from features.errors import ZhoujiError
from serving import observing
from serving.access.roles import REFUSED, SUPPORT, purposes_known
from serving.api import health
from serving.api.asked import Asked
from serving.api.endpoints import MACHINES, PATTERNS, Endpoint, route
from serving.api.limits import Gone, Message, Receive, Send, read_body
from serving.api.problems import MEDIA_TYPE, Place, Refusal, of_error, of_validation, refuse
from serving.api.surroundings import Surroundings, surroundings

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
ASKED = "zhouji.asked"
MOST_PARAMETERS = 20
KEY = re.compile(r"[0-9A-Za-z-]{8,64}")
_REQUEST_ID = re.compile(r"[0-9A-Za-z-]{8,64}")
_JSON = re.compile(r"application/json\s*(;\s*charset\s*=\s*\"?utf-8\"?\s*)?", re.IGNORECASE)
_PATTERNS = {name: re.compile(pattern) for name, pattern in PATTERNS.items()}


class Gate:
    """ASGI middleware around the whole service."""

    def __init__(self, app: App, pages: App | None = None) -> None:
        self.app, self.pages = app, pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self.pages is not None and not known_to_machines(scope["path"]):
            opened = surroundings()
            with opened.in_flight:
                await self.pages(scope, receive, send)
            return
        await _Passage(self.app, scope, send).go(receive)


class _Passage:
    """One request at the gate."""

    def __init__(self, app: App, scope: Scope, send: Send) -> None:
        self.app, self.scope, self.send = app, scope, send
        self.started = time.perf_counter()
        self.open = surroundings()
        self.headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        given = self.headers.get("x-request-id", "")
        self.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
        self.language = "en" if self.headers.get("accept-language", "").lower().startswith("en") else "zh"
        self.asked: Asked | None = None
        self.endpoint: Endpoint | None = None
        self.status = 0
        self.code = ""
        self.replaced = False

    async def go(self, receive: Receive) -> None:
        """Answer the request, whatever happens."""
        try:
            await self._go(receive)
        except Refusal as refusal:
            await self._refuse(refusal)
        except ZhoujiError as error:
            await self._refuse(of_error(error))
        except Gone:
            self.status = 499
        except Exception as error:  # noqa: BLE001 -- the last door: anything else would be a traceback
            observing.surprise(error)
            await self._refuse(refuse(500, "unexpected"))
        self._tell()

    async def _go(self, receive: Receive) -> None:
        self.endpoint, params = route(self.scope["method"], self.scope["path"])
        if self.endpoint.open:
            await health.answer(self.endpoint.name, self.open, self._passed)
            return
        with self.open.in_flight, self.open.traces.span(self.endpoint.name, self.headers):
            asked = self.asked = self._admitted(self.endpoint, params)
            asked.query = self._query(self.endpoint)
            if self.endpoint.body is not None:
                asked.body = await self._body(receive, self.endpoint.limit)
            self.scope[ASKED] = asked
            await self.app(self.scope, receive, self._passed)

    # --- who and what for -----------------------------------------------------------------------------------------

    def _admitted(self, endpoint: Endpoint, params: dict[str, Any]) -> Asked:
        principal = self.open.principal(self.headers.get("authorization", ""))
        self.open.rate.take(principal.subject)
        purpose = self.headers.get("zhouji-purpose", "").strip().lower()
        asked = Asked(self.request_id, self.language, endpoint, params, principal, purpose)
        asked.purpose = purpose if purpose in SUPPORT or purpose in REFUSED else ""
        self.asked = asked
        if principal.role not in endpoint.roles:
            raise refuse(403, "role_refused", role=principal.role, roles=", ".join(sorted(endpoint.roles)))
        guard(purpose, principal.purposes)
        if endpoint.keyed:
            asked.key = self.headers.get("idempotency-key", "")
            if KEY.fullmatch(asked.key) is None:
                raise refuse(400, "idempotency_key_missing")
        for name, value in params.items():
            if _PATTERNS[name].fullmatch(value) is None:
                raise _wrong(f"path.{name}", "pattern_mismatch")
        return asked

    def _query(self, endpoint: Endpoint) -> Any:
        text = self.scope.get("query_string", b"").decode("latin-1")
        if not text and endpoint.body is not None:
            return None
        if text.count("&") >= MOST_PARAMETERS:
            raise _wrong("query", "too_many")
        pairs = parse_qsl(text, keep_blank_values=True, errors="replace") if text else []
        given = dict(pairs)
        if len(given) != len(pairs):
            raise _wrong("query", "repeated")
        try:
            return endpoint.query.model_validate(given)
        except ValidationError as error:
            raise of_validation(error) from None

    async def _body(self, receive: Receive, limit: int) -> bytes:
        if _JSON.fullmatch(self.headers.get("content-type", "")) is None:
            raise refuse(415, "media_type_unknown")
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            raise refuse(415, "media_type_unknown")
        length = self.headers.get("content-length")
        return await read_body(receive, limit, int(length) if length and length.isdigit() else None)

    # --- the answer -----------------------------------------------------------------------------------------------

    async def _passed(self, message: Message) -> None:
        """An answer on its way out; a refusal, or an error of BentoML's own making, takes its place."""
        if message["type"] == "http.response.start":
            await self._start(message)
        elif not self.replaced:
            await self.send(message)

    async def _start(self, message: Message) -> None:
        refusal = self.asked.refusal if self.asked is not None else None
        status = message["status"]
        if refusal is None and status >= 400 and self.endpoint is not None and not self.endpoint.open:
            refusal = refuse(500, "unexpected") if status >= 500 else refuse(400, "body_unreadable")
        if refusal is not None:
            self.replaced = True
            await self._refuse(refusal)
            return
        kept = [(key, value) for key, value in message["headers"] if key.lower() != b"server"]
        extra = self.asked.headers if self.asked is not None else {}
        self.status = status
        await self.send({**message, "headers": [*kept, *self._own_headers(extra)]})

    def _own_headers(self, extra: dict[str, str]) -> list[tuple[bytes, bytes]]:
        found = {"x-request-id": self.request_id, "x-content-type-options": "nosniff", **extra}
        if self.endpoint is not None and not self.endpoint.open:
            found.setdefault("cache-control", "no-store")
        if self.open.draining:
            found["connection"] = "close"
        return [(key.encode("latin-1"), value.encode("latin-1")) for key, value in found.items()]

    async def _refuse(self, refusal: Refusal) -> None:
        if self.status:
            return  # the answer has begun; the connection tells that it is not whole
        self.status, self.code = int(refusal.status), refusal.code
        body = refusal.body(self.request_id, self.language)
        headers = [(key.encode(), value.encode()) for key, value in refusal.headers_for(self.language).items()]
        headers += [(b"content-length", str(len(body)).encode()), *self._own_headers({})]
        await self.send({"type": "http.response.start", "status": self.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    def _tell(self) -> None:
        if self.endpoint is not None and self.endpoint.open and self.status == 200:
            return  # probes come every few seconds
        name = self.endpoint.name if self.endpoint is not None else "unknown"
        more = {"request_id": self.request_id} | ({"code": self.code} if self.code else {})
        seconds = time.perf_counter() - self.started
        method = self.scope["method"] if self.endpoint is not None else "?"
        observing.told(name, method, self.status, seconds, self.asked, **more)


def known_to_machines(path: str) -> bool:
    """Whether an address is the API's or the probes'; every other is a page.

    >>> known_to_machines("/api/v1/score"), known_to_machines("/livez"), known_to_machines("/weeks")
    (True, True, False)
    """
    return path.startswith("/api/") or path in MACHINES


def guard(purpose: str, granted: tuple[str, ...]) -> None:
    """Only purposes that support a household pass.

    Raises:
        Refusal: none was named, it lowers a household's standing, or the token was not given for it.
    """
    if not purpose:
        raise refuse(400, "purpose_missing", known=purposes_known())
    if purpose in REFUSED:
        raise refuse(403, "purpose_refused", known=purposes_known())
    if purpose not in SUPPORT:
        raise refuse(403, "purpose_unknown", known=purposes_known())
    if purpose not in granted:
        raise refuse(403, "purpose_not_granted", known=", ".join(granted))


def _wrong(at: str, rule: str) -> Refusal:
    refusal = refuse(422, "request_invalid", count=1)
    refusal.places = [Place(at=at, rule=rule)]
    return refusal


__all__ = ["ASKED", "MEDIA_TYPE", "Gate", "Surroundings", "guard"]
