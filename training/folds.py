"""Temporal folds: each tests a block of as-of days and trains only on outcomes known before the block began.

Between the newest training day and the first test day lies a gap of the horizon plus the reporting delay. Where
history is too short for that (one as-of day only), households are divided instead, and the folds say so.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from features.project import Folds, Task
from training.labels import is_mature

HOUSEHOLD_PARTS = 3


@dataclass(frozen=True)
class Fold:
    """As-of days to train and to test on; outcomes count as they were known by `known_by`, the first test day.

    `part` is set where households are divided because time cannot be: (which part is tested, of how many).
    """

    train: tuple[date, ...]
    test: tuple[date, ...]
    known_by: date
    part: tuple[int, int] | None = None


def temporal_folds(days: Sequence[date], task: Task, choices: Folds, until: date) -> list[Fold]:
    """Folds from old to new; the newest tests the newest mature block of days.

    A fold that would have nothing to train on is left out.
    """
    mature = sorted(day for day in set(days) if is_mature(task, day, until))
    found: list[Fold] = []
    if not mature:
        return found
    last = mature[-1]
    for _ in range(choices.count):
        start = choices.test.before(last)
        test = tuple(day for day in mature if start < day <= last)
        if test:
            train = tuple(day for day in mature if is_mature(task, day, test[0]))
            if train:
                found.append(Fold(train, test, test[0]))
        last = start
    return found[::-1]


def household_folds(days: Sequence[date], until: date, task: Task) -> list[Fold]:
    """Folds that divide households, for histories too short to be divided in time."""
    mature = tuple(sorted(day for day in set(days) if is_mature(task, day, until)))
    return [Fold(mature, mature, until, (part, HOUSEHOLD_PARTS)) for part in range(HOUSEHOLD_PARTS)]


def household_part(households: Iterable[str], parts: int) -> np.ndarray:
    """The part that each household belongs to; the same household is always in the same part."""
    return np.array([zlib.crc32(str(name).encode()) % parts for name in households], dtype=np.int64)
