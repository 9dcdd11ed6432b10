"""From a margin to a probability, and to a range that covers as it claims.

The probability is a sigmoid of the margin (Platt). Isotonic regression was tried elsewhere and dropped: its ties
destroyed the ranking. The slope is held above zero, so that calibration never changes an order.

The range answers: *of 100 households like this one, how many will it be in a coming period?* It is a 90 % prediction
interval for that number, made of the luck of 100 households (binomial) and the drift between periods: the logit of
the rate moves from period to period by a normal with a standard deviation estimated from out-of-fold margins. Its
coverage is measured out of time on groups of 100 households of neighbouring scores (`coverage`).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

GROUP = 100
"""The number of households of which the range speaks."""
LEAST_SLOPE = 1e-3
"""Slope in standard deviations of the margin below which a fit is taken for flat or reversed."""
UNKNOWN_DRIFT = 0.25
"""Deviation between periods assumed where fewer than two periods have enough outcomes to estimate it."""
LEAST_OUTCOMES = 5
"""Outcomes that a period needs to say something about drift."""
_RIDGE = 1e-6
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(31)
_STEP = 0.01
_GRID = np.arange(-1000, 601) * _STEP


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), without overflow."""
    small = np.exp(-np.abs(x))
    found: np.ndarray = np.where(np.asarray(x) >= 0, 1 / (1 + small), small / (1 + small))
    return found


@dataclass(frozen=True)
class Calibration:
    """probability = sigmoid(slope * margin + intercept); `drift` is the logit's deviation between periods."""

    slope: float
    intercept: float
    drift: float
    level: float = 0.90

    @staticmethod
    def fit(
        margins: np.ndarray,
        outcomes: np.ndarray,
        periods: np.ndarray,
        weights: np.ndarray | None = None,
        *,
        level: float = 0.90,
    ) -> Calibration:
        """Fit on out-of-fold margins.

        Args:
            margins: raw scores of rows that the booster was not fitted on, shape (rows,).
            outcomes: within [0, 1].
            periods: as-of period of each row; drift is estimated between them.
            weights: of the rows, for example inverse selection probabilities; only their ratios matter.
            level: share of groups that the range is to cover.

        Raises:
            ValueError: there are no rows, or a margin or an outcome is missing.
        """
        margins, outcomes = np.asarray(margins, dtype=np.float64), np.asarray(outcomes, dtype=np.float64)
        if not len(margins) or not (np.isfinite(margins).all() and np.isfinite(outcomes).all()):
            raise ValueError("calibration needs rows with a margin and an outcome each")
        weight = np.ones(len(margins)) if weights is None else np.asarray(weights, dtype=np.float64)
        weight = weight / weight.mean()
        slope, intercept = _platt(margins, outcomes, weight)
        drift = _drift(slope * margins + intercept, outcomes, np.asarray(periods), weight)
        return Calibration(slope, intercept, drift, level)

    def logit(self, margins: np.ndarray) -> np.ndarray:
        """Calibrated log-odds."""
        found: np.ndarray = self.slope * np.asarray(margins, dtype=np.float64) + self.intercept
        return found

    def probability(self, margins: np.ndarray) -> np.ndarray:
        """Calibrated probability, shape (rows,).

        >>> Calibration(1.0, 0.0, 0.0).probability(np.array([0.0])).tolist()
        [0.5]
        """
        return sigmoid(self.logit(margins))

    def range(self, margins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Low and high shares of 100 households like this, within [0, 1], around the probability, growing with it.

        >>> low, high = Calibration(1.0, 0.0, drift=0.15).range(np.array([-0.75]))
        >>> float(low[0]), float(high[0])
        (0.23, 0.42)
        """
        return self._range_at(self.logit(margins))

    def _range_at(self, logit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whole households of 100, at the nearest of the logits for which the interval is worked out."""
        low, high = _interval(self.drift, self.level)
        nearest = np.rint((np.clip(logit, _GRID[0], _GRID[-1]) - _GRID[0]) / _STEP).astype(int)
        probability = sigmoid(logit)
        return np.minimum(low[nearest], probability), np.maximum(high[nearest], probability)

    def coverage(self, margins: np.ndarray, outcomes: np.ndarray, periods: np.ndarray) -> tuple[float, int]:
        """Share of groups of 100 neighbouring scores whose number fell inside the range, and how many groups.

        Groups are cut from the highest score of each period downwards; fewer than 100 at the end are left out.
        """
        inside, groups = 0, 0
        for period in np.unique(periods):
            at = np.flatnonzero(periods == period)
            at = at[np.argsort(-margins[at], kind="stable")]
            whole = at[: len(at) // GROUP * GROUP].reshape(-1, GROUP)
            if not len(whole):
                continue
            p = self.probability(margins[whole]).mean(axis=1)  # of the group, whose scores differ
            low, high = self._range_at(np.log(p) - np.log1p(-p))
            share = outcomes[whole].mean(axis=1)
            inside += int(((low - 1e-9 <= share) & (share <= high + 1e-9)).sum())
            groups += len(whole)
        return (inside / groups if groups else float("nan")), groups

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @staticmethod
    def of_plain(content: Mapping[str, Any]) -> Calibration:
        """From JSON."""
        return Calibration(**content)


def _platt(margins: np.ndarray, outcomes: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Weighted maximum likelihood of slope and intercept; a trace of ridge keeps separable outcomes finite."""
    center = float(np.average(margins, weights=weight))
    scale = float(np.sqrt(np.average((margins - center) ** 2, weights=weight))) or 1.0
    x = (margins - center) / scale
    slope, intercept = _newton(x, outcomes, weight, slope=None)
    if slope < LEAST_SLOPE:
        slope, intercept = _newton(x, outcomes, weight, slope=LEAST_SLOPE)
    return slope / scale, intercept - slope / scale * center


def _newton(x: np.ndarray, outcomes: np.ndarray, weight: np.ndarray, *, slope: float | None) -> tuple[float, float]:
    """Newton's method with halved steps on the penalised likelihood; the slope may be held."""
    total, ridge = weight.sum(), _RIDGE
    design = np.stack([x, np.ones_like(x)])

    def loss(at: np.ndarray) -> float:
        z = at @ design
        return float(weight @ (np.logaddexp(0.0, z) - outcomes * z) / total + ridge / 2 * at @ at)

    rate = float(np.clip(weight @ outcomes / total, 1e-6, 1 - 1e-6))
    at = np.array([0.0 if slope is None else slope, np.log(rate / (1 - rate))])
    for _ in range(100):
        p = sigmoid(at @ design)
        gradient = design @ (weight * (p - outcomes)) / total + ridge * at
        curvature = (design * (weight * p * (1 - p))) @ design.T / total + ridge * np.eye(2)
        if slope is not None:
            gradient, curvature = gradient * [0.0, 1.0], curvature * np.eye(2)
        step, now = np.linalg.solve(curvature, gradient), loss(at)
        if np.abs(step).max() < 1e-10:
            break
        while loss(at - step) > now and np.abs(step).max() > 1e-12:
            step = step / 2
        at = at - step
    return float(at[0]), float(at[1])


def _drift(logit: np.ndarray, outcomes: np.ndarray, periods: np.ndarray, weight: np.ndarray) -> float:
    """Standard deviation of the logit in a coming period, from how far it stood off in each of the periods seen.

    The shift of each period is the intercept that its outcomes ask for. Their variance less what the luck of the
    draw explains is the variance between periods (DerSimonian and Laird); to it comes that of the mean itself. With
    few periods both are uncertain: a t quantile with one degree of freedom less than there are periods allows for it
    (Higgins, Thompson and Spiegelhalter 2009).
    """
    found = [_shift(logit[at], outcomes[at], weight[at]) for at in (periods == period for period in np.unique(periods))]
    usable = [one for one in found if one is not None]
    if len(usable) < 2:
        return UNKNOWN_DRIFT
    shift, variance = np.array(usable).T
    inverse = 1 / variance
    mean = np.sum(inverse * shift) / inverse.sum()
    q = np.sum(inverse * (shift - mean) ** 2)
    between = max(0.0, (q - (len(shift) - 1)) / (inverse.sum() - np.sum(inverse**2) / inverse.sum()))
    of_mean = 1 / np.sum(1 / (between + variance))
    widening = stats.t.ppf(0.95, len(shift) - 1) / stats.norm.ppf(0.95)
    return float(np.sqrt(between + of_mean) * widening)


def _shift(logit: np.ndarray, outcomes: np.ndarray, weight: np.ndarray) -> tuple[float, float] | None:
    """The intercept that a period's outcomes ask for beside the calibrated logit, and its variance (sandwich)."""
    if outcomes.sum() < LEAST_OUTCOMES or (1 - outcomes).sum() < LEAST_OUTCOMES:
        return None
    shift = 0.0
    for _ in range(25):
        p = sigmoid(logit + shift)
        step = float(weight @ (outcomes - p) / (weight @ (p * (1 - p))))
        shift += float(np.clip(step, -1, 1))
        if abs(step) < 1e-9:
            break
    p = sigmoid(logit + shift)
    return shift, float(weight**2 @ (p * (1 - p)) / (weight @ (p * (1 - p))) ** 2)


@functools.lru_cache(maxsize=8)
def _interval(drift: float, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles of the number among 100 on a grid of logits: a binomial whose logit is normal (Gauss-Hermite)."""
    counts = np.arange(GROUP + 1)
    choose = np.array([stats.binom.logpmf(k, GROUP, 0.5) for k in counts]) + GROUP * np.log(2.0)
    distribution = np.zeros((len(_GRID), GROUP + 1))
    for node, weight in zip(_NODES, _WEIGHTS / _WEIGHTS.sum(), strict=True):
        z = _GRID + drift * node
        log_p, log_q = -np.logaddexp(0.0, -z)[:, None], -np.logaddexp(0.0, z)[:, None]
        distribution += weight * np.exp(choose + counts * log_p + (GROUP - counts) * log_q)
    cumulative = np.cumsum(distribution, axis=1)
    tail = (1 - level) / 2
    low = np.argmax(cumulative > tail + 1e-12, axis=1) / GROUP
    high = np.argmax(cumulative >= 1 - tail - 1e-12, axis=1) / GROUP
    return np.maximum.accumulate(low), np.maximum.accumulate(high)
