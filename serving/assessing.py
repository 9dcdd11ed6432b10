"""Rows of numbers scored without frames: what a bundle says of them, and why.

Only arrays pass through here, so that one row costs little more than LightGBM itself takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np

from models.bundle import Bundle
from models.levels import assign, bands_of, raised
from models.reasons import UNSPOKEN
from serving.current import Served

FEW = 16
"""Up to so many rows are scored on the event loop; more of them in a thread."""
ALONE = 4096
"""Up to so many rows are scored by one thread; waking others costs more than they save."""


@dataclass(frozen=True)
class Assessed:
    """What a bundle says about rows, each of shape (rows,)."""

    margin: np.ndarray
    probability: np.ndarray
    low: np.ndarray
    high: np.ndarray
    level: np.ndarray
    triggers: list[list[str]]
    sufficient: np.ndarray


@dataclass(frozen=True)
class WrongRow:
    """The first row whose indicators are not the model's: its place, and how many are absent and unknown."""

    at: int
    absent: int
    extra: int


def matrix_of(needed: Sequence[str], rows: Sequence[dict[str, float | None]]) -> np.ndarray | WrongRow:
    """Rows as a matrix in the order of `needed`, shape (rows, needed); missing values are NaN."""
    wanted = set(needed)
    for at, row in enumerate(rows):
        if row.keys() != wanted:
            return WrongRow(at, len(wanted - row.keys()), len(row.keys() - wanted))
    pick = itemgetter(*needed) if len(needed) > 1 else (lambda row: (row[needed[0]],))
    return np.array([pick(row) for row in rows], dtype=np.float64)


def assess(served: Served, matrix: np.ndarray) -> Assessed:
    """Scores of a matrix of all needed indicators; rows that say nothing of their household are insufficient."""
    bundle = served.bundle
    width = len(bundle.schema.entries)
    inputs = matrix if matrix.shape[1] == width else np.ascontiguousarray(matrix[:, :width])
    booster = served.single if len(matrix) <= ALONE else bundle.booster
    margin = booster.margins(inputs)
    probability = bundle.probabilities(margin)
    low, high = bundle.ranges(margin)
    columns = {name: matrix[:, at] for at, name in enumerate(bundle.needed)}
    ranks, triggers = raised(bundle.levels, columns, len(matrix))
    sufficient = ~np.isnan(inputs[:, speaking(bundle)]).all(axis=1)
    level = assign(probability, bands_of(bundle.levels), triggered=ranks, sufficient=sufficient)
    return Assessed(margin, probability, low, high, level, triggers, sufficient)


def speaking(bundle: Bundle) -> list[int]:
    """Places of indicators that say something of the household itself, not of the season, the place or the data."""
    found = [at for at, entry in enumerate(bundle.schema.entries) if entry.family not in UNSPOKEN]
    return found or list(range(len(bundle.schema.entries)))
