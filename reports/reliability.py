"""What a version said against what came: calibration in groups, and precision by the length of the list."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reports.plots import wilson

SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)
Point = tuple[float, float, float, float]


def calibration_points(probability: np.ndarray, outcome: np.ndarray, *, groups: int = 10) -> list[Point]:
    """Expected and observed share of each of some groups of equal size, with the 95 % interval of the observed.

    >>> calibration_points(np.array([0.1, 0.1, 0.9, 0.9]), np.array([0, 0, 1, 1]), groups=2)[1][:2]
    (0.9, 1.0)
    """
    order = np.argsort(probability, kind="stable")
    made = []
    for group in (part for part in np.array_split(order, groups) if len(part)):
        low, high = wilson(float(outcome[group].sum()), len(group))
        made.append(_rounded(probability[group].mean(), outcome[group].mean(), low, high))
    return made


def precision_points(
    score: np.ndarray, outcome: np.ndarray, shares: Sequence[float] = SHARES
) -> list[tuple[float, int, float, float, float]]:
    """For lists of some shares of all households: the share, how many, precision and its 95 % interval."""
    order = np.argsort(-score, kind="stable")
    found = np.cumsum(outcome[order])
    made = []
    for share in shares:
        size = round(share * len(score))
        if size:
            low, high = wilson(float(found[size - 1]), size)
            _, precision, low, high = _rounded(share, found[size - 1] / size, low, high)
            made.append((share, size, precision, low, high))
    return made


def _rounded(*values: float) -> Point:
    a, b, c, d = (round(float(value), 6) for value in values)
    return a, b, c, d
