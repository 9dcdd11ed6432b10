"""Red, orange, yellow: published bands of the calibrated probability, hard triggers, and hysteresis.

A level is a word for a band, never a judgement. A trigger only raises. A household with too little data is
`insufficient`, which is a reason to look and not a low risk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

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
        probability: calibrated, shape (rows,).
        bands: entry thresholds and the ratio at which a band is left.
        previous: levels on the list before, for hysteresis.
        triggered: ranks that hard triggers demand at least; they only raise.
        sufficient: False where too little is known; without a trigger the level is `insufficient`.
    """
    rank = np.searchsorted(bands.entries, probability, side="right")
    if previous is not None:
        before = np.array([RANKS.get(name, 0) for name in previous])
        staying = np.searchsorted(bands.entries * bands.leave_ratio, probability, side="right")
        rank = np.maximum(rank, np.minimum(before, staying))
    forced = np.zeros(len(rank), dtype=int) if triggered is None else triggered
    rank = np.maximum(rank, forced)
    names = np.array(NAMES, dtype=object)[rank]
    if sufficient is not None:
        names[~np.asarray(sufficient) & (forced == 0)] = INSUFFICIENT
    return np.asarray(names)


def triggered_ranks(levels: Levels, frame: pd.DataFrame) -> tuple[np.ndarray, list[list[str]]]:
    """For each row the highest rank that a trigger demands (0: none), and the indicators that did."""
    rank = np.zeros(len(frame), dtype=int)
    which: list[list[str]] = [[] for _ in range(len(frame))]
    for trigger in levels.triggers:
        if trigger.indicator not in frame.columns:
            continue
        hit = holds(trigger.when, frame[trigger.indicator].to_numpy(dtype=float))
        rank = np.where(hit, np.maximum(rank, RANKS[trigger.level]), rank)
        for at in np.flatnonzero(hit):
            which[at].append(trigger.indicator)
    return rank, which


def plain(levels: Levels) -> dict[str, Any]:
    """For JSON in a bundle."""
    return levels.model_dump(mode="json")
