"""Red, orange, yellow: published bands of the calibrated probability, hard triggers, and hysteresis.

A level is a word for a band, never a judgement. A trigger only raises. Where too little is known, a score says nothing:
the level that stood before stays, and a household without one is `insufficient`, which is a reason to look and not a
low risk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from features.errors import DataError
from features.project import Condition, Levels

NAMES = ("none", "yellow", "orange", "red")
RANKS: Mapping[str, int] = {name: rank for rank, name in enumerate(NAMES)}
INSUFFICIENT = "insufficient"


@dataclass(frozen=True)
class Bands:
    """Entry thresholds; a household that was in a band leaves it below `leave_ratio` × entry."""

    yellow: float
    orange: float
    red: float
    leave_ratio: float

    @property
    def entries(self) -> np.ndarray:
        """Entry thresholds from yellow to red."""
        return np.array([self.yellow, self.orange, self.red])


def bands_of(levels: Levels) -> Bands:
    """The project's bands."""
    return Bands(levels.yellow, levels.orange, levels.red, levels.leave_ratio)


def holds(condition: Condition, values: np.ndarray) -> np.ndarray:
    """Where a condition holds; a missing value holds nothing.

    >>> holds(Condition(at_least=2), np.array([1.0, 2.0, np.nan])).tolist()
    [False, True, False]
    """
    found: np.ndarray = ~np.isnan(values)
    if condition.at_least is not None:
        found &= values >= condition.at_least
    if condition.at_most is not None:
        found &= values <= condition.at_most
    if condition.equals is not None:
        found &= values == condition.equals
    if condition.any_of is not None:
        found &= np.isin(values, condition.any_of)
    return found


def assign(
    probability: np.ndarray,
    bands: Bands,
    *,
    previous: Sequence[str] | None = None,
    triggered: np.ndarray | None = None,
    sufficient: np.ndarray | None = None,
) -> np.ndarray:
    """Level names, shape (rows,).

    Args:
        probability: calibrated, shape (rows,); where it is missing, too little is known.
        bands: entry thresholds and the ratio at which a band is left.
        previous: levels on the list before, for hysteresis.
        triggered: ranks that hard triggers demand at least; they only raise.
        sufficient: False where too little is known for the score to count; the level before stays, so that a feed
            that falls silent lowers nobody.

    >>> bands = Bands(yellow=0.05, orange=0.12, red=0.25, leave_ratio=0.75)
    >>> assign(np.array([0.30, 0.20, 0.10, 0.01]), bands, previous=["none", "red", "none", "orange"]).tolist()
    ['red', 'red', 'yellow', 'none']
    """
    rank = np.searchsorted(bands.entries, probability, side="right")  # a missing probability comes out above all
    rank = np.where(np.isnan(probability), 0, rank)
    before = np.zeros(len(rank), dtype=int)
    if previous is not None:
        before = np.array([RANKS.get(name, 0) for name in previous], dtype=int)
        staying = np.searchsorted(bands.entries * bands.leave_ratio, probability, side="right")
        rank = np.maximum(rank, np.minimum(before, np.where(np.isnan(probability), 0, staying)))
    known = ~np.isnan(probability) if sufficient is None else np.asarray(sufficient, dtype=bool)
    rank = np.where(known, rank, before)
    if triggered is not None:
        rank = np.maximum(rank, triggered)
    names = np.array(NAMES, dtype=object)[rank]
    names[~known & (rank == 0)] = INSUFFICIENT
    return names


def triggered_ranks(levels: Levels, frame: pd.DataFrame) -> tuple[np.ndarray, list[list[str]]]:
    """For each row the highest rank that a trigger demands (0: none), and the indicators that did.

    Raises:
        DataError: a trigger's indicator is not in the frame, so that nobody could be raised by it.
    """
    wanted = trigger_indicators(levels)
    absent = [name for name in wanted if name not in frame.columns]
    if absent:
        raise DataError("trigger_indicators_absent", names=", ".join(absent[:5]), count=len(absent))
    columns = {name: frame[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in wanted}
    return raised(levels, columns, len(frame))


def raised(levels: Levels, columns: Mapping[str, np.ndarray], rows: int) -> tuple[np.ndarray, list[list[str]]]:
    """The same from columns of numbers, for callers without a frame."""
    rank = np.zeros(rows, dtype=int)
    which: list[list[str]] = [[] for _ in range(rows)]
    for trigger in levels.triggers:
        hit = holds(trigger.when, columns[trigger.indicator])
        rank = np.where(hit, np.maximum(rank, RANKS[trigger.level]), rank)
        for at in np.flatnonzero(hit):
            if trigger.indicator not in which[at]:
                which[at].append(trigger.indicator)
    return rank, which


def trigger_indicators(levels: Levels) -> list[str]:
    """Indicators that hard triggers look at, each once."""
    return list(dict.fromkeys(trigger.indicator for trigger in levels.triggers))


def plain(levels: Levels) -> dict[str, Any]:
    """For JSON in a bundle."""
    return levels.model_dump(mode="json")
