"""Stopping without losing an answer: what was asked is answered, and whoever is connected is told to go elsewhere.

On SIGTERM a worker says on every answer that the connection closes, answers `/readyz` with 503, and lets a moment pass
in which connected clients learn of it; then it stops as uvicorn does, which finishes what is in flight. Under
`zhouji serve` the socket has been shut by then, and a worker accepts no more; under `bentoml serve` it goes on
accepting during that moment, because connections would wait in a queue that nobody reads.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from serving.api.surroundings import Surroundings

LINGER_SECONDS = 1.0
KEPT = "ZHOUJI_LISTENER_KEPT"
"""In a worker's environment where its parent shuts the socket."""


def drain_on_signal(opened: Surroundings) -> None:
    """Put draining in front of what the server does on SIGTERM; only where signals can be had."""
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    before: Any = signal.getsignal(signal.SIGTERM)
    if not callable(before):
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if opened.draining:
            return
        opened.draining = True
        if KEPT in os.environ:
            loop.call_soon_threadsafe(_accept_no_more, loop)
        loop.call_soon_threadsafe(loop.call_later, LINGER_SECONDS, _after, before, number, frame)

    signal.signal(signal.SIGTERM, stop)


def _accept_no_more(loop: asyncio.AbstractEventLoop) -> None:
    """Take the shut socket out of the event loop, which would otherwise find it ready for ever."""
    if "--fd" in sys.argv:
        loop.remove_reader(int(sys.argv[sys.argv.index("--fd") + 1]))


def _after(before: Callable[[int, FrameType | None], Any], number: int, frame: FrameType | None) -> None:
    before(number, frame)
