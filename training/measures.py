"""Measures of a ranking and of its probabilities, for many resamples at once.

Each function takes weights of shape (resamples, rows): the first row of ones is the sample itself, the others count how
often each household was drawn. One code path gives the figure and its interval.

The list is the top share of all rows pooled; rows of the same score are taken in order of their pseudonym, so that a
list is one list. A row may count as an onset in part (0 < outcome < 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LIST_SHARE = 0.05
BINS = 10
RANKING = ("auc", "average_precision", "precision_at_5pct", "recall_at_5pct", "lift_at_5pct")
CALIBRATION = ("brier", "calibration_error", "calibration_slope", "calibration_intercept")
MEASURES = (*RANKING, *CALIBRATION)
NEWTON_STEPS = 8
MARGIN_LIMIT = 12.0


@dataclass(frozen=True)
class Ranking:
    """Rows from the highest score to the lowest, with their outcomes and where groups of equal scores begin."""

    order: np.ndarray
    outcome: np.ndarray
    starts: np.ndarray

    @property
    def tied(self) -> bool:
        """Whether any two rows have the same score."""
        return len(self.starts) < len(self.order)


def rank(score: np.ndarray, outcome: np.ndarray, household: np.ndarray, day: np.ndarray) -> Ranking:
    """Order by score, then pseudonym (codes are in pseudonym order), then day."""
    order = np.lexsort((day, household, -score))
    ordered = score[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    return Ranking(order, outcome[order], starts)


def taken(weights: np.ndarray, share: float = LIST_SHARE) -> np.ndarray:
    """How much of each row, in ranked order, is on a list of `share` of all rows.

    >>> taken(np.ones((1, 10)), 0.25)
    array([[1., 1., 1., 0., 0., 0., 0., 0., 0., 0.]])
    """
    through = np.cumsum(weights, axis=1)
    size = np.ceil(share * through[:, -1:] - 1e-9)
    found: np.ndarray = np.clip(size - (through - weights), 0, weights)
    return found


def ranking_measures(ranking: Ranking, weights: np.ndarray) -> dict[str, np.ndarray]:
    """AUC, average precision, and precision, recall and lift of the top 5 %."""
    w = weights[:, ranking.order]
    positive = w * ranking.outcome
    total, onsets = w.sum(axis=1), positive.sum(axis=1)
    on_list = taken(w)
    caught = on_list @ ranking.outcome
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = caught / on_list.sum(axis=1)
        found = {"precision_at_5pct": precision, "recall_at_5pct": caught / onsets}
        found["lift_at_5pct"] = precision / (onsets / total)
        if ranking.tied:
            w = np.add.reduceat(w, ranking.starts, axis=1)
            positive = np.add.reduceat(positive, ranking.starts, axis=1)
        higher = np.cumsum(positive, axis=1)
        above = np.cumsum(w, axis=1)
        found["average_precision"] = (positive * (higher / np.maximum(above, 1e-300))).sum(axis=1) / onsets
        others = w - positive
        found["auc"] = (others * (higher - positive / 2)).sum(axis=1) / (onsets * (total - onsets))
    found["average_precision"] = np.where(onsets > 0, found["average_precision"], np.nan)
    found["auc"] = np.where((onsets > 0) & (total - onsets > 1e-9), found["auc"], np.nan)
    return found


def calibration_measures(
    probability: np.ndarray, outcome: np.ndarray, weights: np.ndarray, *, slope: bool = True
) -> dict[str, np.ndarray]:
    """Brier score, calibration error over ten bins of equal size, and slope and intercept of the log-odds.

    The slope is that of a logistic regression of outcomes on log-odds: below 1 the probabilities are too extreme. It
    is left out where scores take few values (rules) and has no meaning.
    """
    total = weights.sum(axis=1)
    squares = outcome * (1 - probability) ** 2 + (1 - outcome) * probability**2
    found = {"brier": weights @ squares / total}
    gaps = weights @ _by_bin(probability, probability - outcome)
    found["calibration_error"] = np.abs(gaps).sum(axis=1) / total
    if slope and np.ptp(probability) > 0:
        found["calibration_slope"], found["calibration_intercept"] = _slopes(probability, outcome, weights)
    else:
        found["calibration_slope"] = found["calibration_intercept"] = np.full(len(weights), np.nan)
    return found


def _by_bin(probability: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """Each row's gap in the column of its bin; rows of one probability stay together."""
    cuts = np.unique(np.quantile(probability, np.linspace(0, 1, BINS + 1)[1:-1]))
    bins = np.searchsorted(cuts, probability, side="right")
    matrix = np.zeros((len(probability), len(cuts) + 1))
    matrix[np.arange(len(probability)), bins] = gap
    return matrix


def _slopes(probability: np.ndarray, outcome: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and intercept of outcomes on log-odds, by Newton's method in all resamples together."""
    p = np.clip(probability, 1e-9, 1 - 1e-9)
    x = np.clip(np.log(p / (1 - p)), -MARGIN_LIMIT, MARGIN_LIMIT)
    slope, intercept = np.ones(len(weights)), np.zeros(len(weights))
    positive = weights @ outcome
    crossed = weights @ (outcome * x)
    square = x * x
    for _ in range(NEWTON_STEPS):
        fitted = 1 / (1 + np.exp(-np.clip(slope[:, None] * x + intercept[:, None], -50, 50)))
        expected = weights * fitted
        spread = expected * (1 - fitted)
        first, second = positive - expected.sum(axis=1), crossed - expected @ x
        a, b, c = spread.sum(axis=1), spread @ x, spread @ square
        area = a * c - b * b
        with np.errstate(invalid="ignore", divide="ignore"):
            step_intercept = np.where(area > 1e-12, (c * first - b * second) / area, np.nan)
            step_slope = np.where(area > 1e-12, (a * second - b * first) / area, np.nan)
        intercept, slope = intercept + step_intercept, slope + step_slope
        if np.nanmax(np.abs(np.concatenate([step_intercept, step_slope])), initial=0) < 1e-8:
            break
    return slope, intercept


def all_measures(
    ranking: Ranking, probability: np.ndarray, outcome: np.ndarray, weights: np.ndarray, *, slope: bool = True
) -> dict[str, np.ndarray]:
    """All of `MEASURES` by resample."""
    found = ranking_measures(ranking, weights)
    return {**found, **calibration_measures(probability, outcome, weights, slope=slope)}


def joined(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Measures of chunks of resamples as measures of all."""
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]} if parts else {}
