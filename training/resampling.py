"""Resamples of households: a household comes with all of its rows, because they resemble each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

CHUNK_CELLS = 1_500_000
LEVEL = 0.95


@dataclass(frozen=True)
class Resamples:
    """How often each household was drawn: (resamples + 1) × households; the first row, all ones, is the sample."""

    counts: np.ndarray
    household: np.ndarray

    def weights(self, chosen: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """Weights of rows (all, or those of a mask) in chunks that fit in memory."""
        household = self.household if chosen is None else self.household[chosen]
        step = max(1, CHUNK_CELLS // max(1, len(household)))
        for start in range(0, len(self.counts), step):
            yield self.counts[start : start + step][:, household].astype(np.float64)


def draw(household: np.ndarray, resamples: int, seed: int) -> Resamples:
    """Households drawn with replacement, as many as there are, `resamples` times."""
    _, places = np.unique(household, return_inverse=True)
    n = int(places.max()) + 1 if len(places) else 0
    counts = np.ones((resamples + 1, n), dtype=np.uint16)
    random = np.random.default_rng(seed)
    for number in range(1, resamples + 1):
        counts[number] = np.bincount(random.integers(0, n, n), minlength=n)
    return Resamples(counts, places.astype(np.int64))


def figures(measures: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Each measure under its name, and its 95 % interval beside it; None where it has no value.

    >>> figures({"auc": np.array([0.5, 0.4, 0.6])})["auc"]
    0.5
    """
    found: dict[str, Any] = {}
    for name, values in measures.items():
        found[name] = number(values[0])
        found[f"{name}_interval"] = interval(values[1:]) if found[name] is not None else None
    return found


def interval(values: np.ndarray) -> list[float] | None:
    """The middle 95 % of resampled values."""
    told = values[np.isfinite(values)]
    if len(told) < 10:
        return None
    low, high = np.quantile(told, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return [round(float(low), 6), round(float(high), 6)]


def number(value: float) -> float | None:
    """A figure for JSON: None where there is none."""
    return round(float(value), 6) if np.isfinite(value) else None
