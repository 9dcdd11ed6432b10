"""What machines ask before anything else: alive, ready, measures, and the description of the service."""

from __future__ import annotations

import json

import anyio.to_thread
from prometheus_client import CONTENT_TYPE_LATEST

from serving import observing
from serving.api.limits import Send
from serving.api.surroundings import Surroundings
from serving.schemas import Health


async def answer(name: str, opened: Surroundings, send: Send) -> None:
    """Answer one of the endpoints that need no token."""
    if name == "metrics":
        _measure(opened)
        body = await anyio.to_thread.run_sync(observing.exposition)
        await _send(send, 200, CONTENT_TYPE_LATEST, body)
    elif name == "openapi":
        from serving.api.openapi import document

        await _send(send, 200, "application/json", document(opened.current.now, opened.project))
    else:
        state = state_of(opened)
        status = 503 if name == "ready" and not state.ready else 200
        await _send(send, status, "application/json", state.model_dump_json().encode())


def state_of(opened: Surroundings) -> Health:
    """The state of this process; a registry that does not answer leaves it ready, and is said."""
    current = opened.current
    now = current.now
    return Health(
        alive=True,
        ready=now is not None and not opened.draining,
        version=now.version.number if now else None,
        bundle=now.bundle.digest if now else None,
        registry=current.state,
        refused=current.refused,
        since=current.answered.isoformat(timespec="seconds") if current.answered else None,
        draining=opened.draining,
    )


def _measure(opened: Surroundings) -> None:
    observing.REACHABLE.set(opened.current.state in ("reachable", "packed"))
    observing.REFUSED_BUNDLE.set(opened.current.refused is not None)
    age = opened.weeks.age_days()
    if age is not None:
        observing.LIST_AGE.set(age)


async def _send(send: Send, status: int, media_type: str, body: bytes | dict[str, object]) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    headers = [(b"content-type", media_type.encode()), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
