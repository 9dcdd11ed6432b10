"""Figures that took some reckoning, kept until a case changes; what takes long is kept for a while longer.

A figure that is reckoned in a moment is never older than the cases. Where a province has so many that it takes long,
it is at most twenty times as old as it took, so that reckoning never takes more than a twentieth of a process's time.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import func, select

from serving.casework.desk import Desk
from serving.casework.tables import EventRow

Made = TypeVar("Made")
MOST = 256
LONG_SECONDS, TIMES = 0.2, 20


@dataclass(frozen=True)
class _Kept:
    made: Any
    state: Hashable
    until: float


class Shelf:
    """What a process has reckoned."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._locks: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def take(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What is kept under a key, made anew where cases have changed since, or a minute has passed."""
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            state, kept = self._state(), self._kept.get(key)
            if kept is not None and (kept.state == state or time.monotonic() < kept.until):
                found: Made = kept.made
                return found
            started = time.monotonic()
            made = make()
            took = time.monotonic() - started
            until = time.monotonic() + TIMES * took if took > LONG_SECONDS else 0.0
            with self._lock:
                self._kept[key] = _Kept(made, state, until)
                self._kept.move_to_end(key)
                while len(self._kept) > MOST:
                    self._locks.pop(self._kept.popitem(last=False)[0], None)
            return made

    def _state(self) -> Hashable:
        """The newest event of any case, and the minute: deadlines pass by themselves."""
        with self._desk.database.reading() as session:
            newest = session.scalar(select(func.max(EventRow.seq)))
        return newest, int(self._desk.now().timestamp() // 60)
