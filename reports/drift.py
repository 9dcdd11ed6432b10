"""How far indicators have moved since training: the population stability index of each, and its missing values.

The index compares the shares of households in ten groups that the training sample fills alike, and in an eleventh
group of missing values. 0 is no change; by the custom of credit scoring below 0.1 is stable, from 0.25 on shifted.
A shift is a reason to look at the source first and at the model second, no verdict about either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

GROUPS = 10
LOOK, SHIFTED = 0.1, 0.25
FLOOR = 1e-4
"""Share that an empty group counts as, so that no logarithm is infinite."""


@dataclass(frozen=True)
class Drift:
    """One indicator: its index, and the shares of missing values now and in training."""

    psi: float | None
    missing: float
    missing_before: float | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def stability(before: np.ndarray, now: np.ndarray) -> float:
    """The population stability index of a column; NaN is a missing value.

    The same values have not moved, others have:

    >>> column = np.arange(100.0)
    >>> stability(column, column), round(stability(column, column + 50), 2) > SHIFTED
    (0.0, True)
    """
    known = before[~np.isnan(before)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, GROUPS + 1)[1:-1])) if len(known) else np.zeros(0)
    shares = [_shares(column, edges) for column in (before, now)]
    index: float = float(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))
    return round(index, 6)


def _shares(column: np.ndarray, edges: np.ndarray) -> np.ndarray:
    known = column[~np.isnan(column)]
    counts = np.bincount(np.searchsorted(edges, known, side="left"), minlength=len(edges) + 1)
    found: np.ndarray = np.maximum(np.append(counts, len(column) - len(known)) / max(len(column), 1), FLOOR)
    return found


def drift(before: Mapping[str, np.ndarray] | None, now: Mapping[str, np.ndarray]) -> dict[str, Drift]:
    """Each indicator of a panel against the training sample; without one there is no index."""
    made = {}
    for name, column in now.items():
        missing = round(float(np.isnan(column).mean()), 6) if len(column) else 0.0
        earlier = None if before is None else before.get(name)
        if earlier is None or not len(earlier) or not len(column):
            made[name] = Drift(None, missing, None)
        else:
            made[name] = Drift(stability(earlier, column), missing, round(float(np.isnan(earlier).mean()), 6))
    return made
