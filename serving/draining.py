"""Stopping without losing an answer: what was asked is answered, and whoever is connected is told to go elsewhere.

On SIGTERM a worker says on every answer that the connection closes, answers `/readyz` with 503, and lets a moment pass
in which connected clients learn of it; then it stops as uvicorn does, which finishes what is in flight.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from serving.api.surroundings import Surroundings

LINGER_SECONDS = 1.0


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
        loop.call_soon_threadsafe(loop.call_later, LINGER_SECONDS, _after, before, number, frame)

    signal.signal(signal.SIGTERM, stop)


def _after(before: Callable[[int, FrameType | None], Any], number: int, frame: FrameType | None) -> None:
    before(number, frame)
