"""How much is taken at once: bodies, requests of one token, and requests of all.

A body is counted as it arrives, so that a chunked one cannot slip past its limit. Too large a body is read on and
thrown away up to a point, because a sender who is cut off in the middle of sending never reads the answer.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Self

from serving import observing
from serving.api.problems import refuse

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
SECONDS = 20
THROWN_AWAY = 64 * 2**20
MOST_SENDERS = 10_000


class Gone(Exception):  # noqa: N818 -- nobody is left to answer
    """The sender went away in the middle of its body."""


async def read_body(receive: Receive, limit: int, length: int | None) -> bytes:
    """The whole body.

    Args:
        receive: ASGI's source of messages.
        limit: bytes that are taken.
        length: bytes that the sender announced.

    Raises:
        Refusal: it is larger than the limit, or did not arrive in time.
        Gone: the sender went away.
    """
    if length is not None and length > limit + THROWN_AWAY:
        raise refuse(413, "body_too_large", limit=limit)
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body", False):
        if len(body) > limit:
            raise refuse(413, "body_too_large", limit=limit)
        return body
    try:
        async with asyncio.timeout(SECONDS):
            return await _rest(receive, limit, message)
    except TimeoutError:
        raise refuse(408, "body_too_slow", seconds=SECONDS) from None


async def _rest(receive: Receive, limit: int, message: Message) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise Gone
        size += len(message.get("body", b""))
        if size <= limit:
            parts.append(message.get("body", b""))
        elif size > limit + THROWN_AWAY:
            break
        if not message.get("more_body", False):
            break
        message = await receive()
    if size > limit:
        raise refuse(413, "body_too_large", limit=limit)
    return b"".join(parts)


class Rate:
    """Requests of each sender: so many a second, with short bursts of twice as many."""

    def __init__(self, per_second: float) -> None:
        self._rate, self._burst = per_second, max(1.0, 2 * per_second)
        self._known: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, sender: str) -> None:
        """Count one request.

        Raises:
            Refusal: the sender has used up what it may send; says when to come again.
        """
        now = time.monotonic()
        left, since = self._known.get(sender, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._rate)
        self._known[sender] = (max(0.0, left - 1.0), now)
        self._known.move_to_end(sender)
        if len(self._known) > MOST_SENDERS:
            self._known.popitem(last=False)
        if left < 1.0:
            raise refuse(429, "too_many_requests", seconds=math.ceil((1.0 - left) / self._rate))


class InFlight:
    """Requests at once in this process; more are turned away at once instead of waiting in a queue."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.now = 0

    def __enter__(self) -> Self:
        if self.now >= self._most:
            raise refuse(429, "overloaded", seconds=1)
        self.now += 1
        observing.IN_FLIGHT.inc()
        return self

    def __exit__(self, *_: object) -> None:
        self.now -= 1
        observing.IN_FLIGHT.dec()
