"""What would lower a household's risk: its own usual again, or a gap closed, scored anew.

Only indicators that help can change are moved, and each topic by itself; the rest of the household stays as it is. A
scenario is a computation with the same model, not a promise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.bundle import Bundle
from models.schema import IndicatorEntry

MOST = 3
GAPS = frozenset({"flag", "persons"})
"""Units of indicators whose better value is none at all."""
LEAST = 0.01
"""Scenarios that change less than one household in a hundred are not worth a sentence."""


@dataclass(frozen=True)
class Lowering:
    """One scenario: the indicator that speaks for it, its value now and then, and the probability then."""

    indicator: str
    now: float
    then: float
    probability: float


def lowerings(
    bundle: Bundle, matrix: np.ndarray, probability: np.ndarray, usual: Mapping[str, np.ndarray]
) -> list[tuple[Lowering, ...]]:
    """Up to three scenarios of each household, the best first.

    Args:
        bundle: the model.
        matrix: indicators in the schema's order, shape (households, indicators); NaN is missing.
        probability: as they are, shape (households,); NaN where too little is known.
        usual: by changeable indicator, each household's usual value, shape (households,); NaN where unknown.
    """
    entries = bundle.schema.entries
    topics: dict[str, list[int]] = {}
    for at, entry in enumerate(entries):
        if entry.changeable:
            topics.setdefault(entry.topic if entry.unit not in GAPS else entry.id, []).append(at)
    found: list[list[Lowering]] = [[] for _ in matrix]
    for places in topics.values():
        better = matrix.copy()
        for at in places:
            better[:, at] = _better(entries[at], matrix[:, at], usual.get(entries[at].id))
        known = ~np.isnan(matrix[:, places])  # a missing value equals nothing, itself included
        changed = ((better[:, places] != matrix[:, places]) & known).any(axis=1)
        moved = np.flatnonzero(changed & ~np.isnan(probability))
        if not len(moved):
            continue
        then = bundle.probabilities(bundle.booster.margins(np.ascontiguousarray(better[moved])))
        for row, chance in zip(moved, then, strict=True):
            if probability[row] - chance >= LEAST:
                speaker = _speaker(places, matrix[row], better[row])
                found[row].append(
                    Lowering(
                        entries[speaker].id, float(matrix[row, speaker]), float(better[row, speaker]), float(chance)
                    )
                )
    return [tuple(sorted(one, key=lambda item: (item.probability, item.indicator))[:MOST]) for one in found]


def _better(entry: IndicatorEntry, now: np.ndarray, usual: np.ndarray | None) -> np.ndarray:
    """The indicator at its better value, never at a worse one."""
    if entry.unit in GAPS:
        return np.where(np.isnan(now), now, np.minimum(now, 0.0) if entry.direction > 0 else now)
    if usual is None or not entry.direction:
        return now
    within = np.minimum(now, usual) if entry.direction > 0 else np.maximum(now, usual)
    return np.where(np.isnan(now) | np.isnan(usual), now, within)


def _speaker(places: Sequence[int], now: np.ndarray, then: np.ndarray) -> int:
    """The member that changes most: amounts speak before ratios."""

    def change(at: int) -> float:
        return -1.0 if np.isnan(now[at]) else float(abs(then[at] - now[at]))

    return max(places, key=lambda at: (change(at), -at))
