"""From a margin to a probability, and to a range that covers as it claims.

The probability is a sigmoid of the margin (Platt). Isotonic regression was tried elsewhere and dropped: its ties
destroyed the ranking. The slope is held above zero, so that calibration never changes an order.

The range answers: *of 100 households like this one, how many will it be in a coming period?* It is a 90 % prediction
interval for that number, made of the luck of 100 households (binomial) and the drift between periods: the logit of
the rate moves from period to period by a normal with a standard deviation estimated from out-of-fold margins. Its
coverage is measured out of time on groups of 100 households of neighbouring scores (`coverage`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import optimize, stats

GROUP = 100
"""The number of households of which the range speaks."""
LEAST_SLOPE = 1e-3
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(21)
_GRID = np.linspace(-8.0, 5.0, 261)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), without overflow."""
    found: np.ndarray = np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))
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
            weights: of the rows.
            level: share of groups that the range is to cover.
        """
        weight = np.ones(len(margins)) if weights is None else np.asarray(weights, dtype=np.float64)
        slope, intercept = _platt(margins, outcomes, weight)
        return Calibration(slope, intercept, _drift(slope * margins + intercept, outcomes, periods, weight), level)

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
        """Low and high shares of 100 households like this, both within [0, 1] and around the probability."""
        logit = np.clip(self.logit(margins), _GRID[0], _GRID[-1])
        low, high = _interval(self.drift, self.level)
        probability = self.probability(margins)
        return (
            np.minimum(np.interp(logit, _GRID, low), probability),
            np.maximum(np.interp(logit, _GRID, high), probability),
        )

    def coverage(self, margins: np.ndarray, outcomes: np.ndarray, periods: np.ndarray) -> tuple[float, int]:
        """Share of groups of 100 neighbouring scores whose number fell inside the range, and how many groups."""
        inside, groups = 0, 0
        for period in np.unique(periods):
            at = np.flatnonzero(periods == period)
            at = at[np.argsort(margins[at], kind="stable")][::-1]
            for start in range(0, len(at) - GROUP + 1, GROUP):
                members = at[start : start + GROUP]
                low, high = self.range(np.array([margins[members].mean()]))
                share = outcomes[members].mean()
                inside += bool(low[0] - 1e-9 <= share <= high[0] + 1e-9)
                groups += 1
        return (inside / groups if groups else float("nan")), groups

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @staticmethod
    def of_plain(content: Mapping[str, Any]) -> Calibration:
        """From JSON."""
        return Calibration(**content)


def _platt(margins: np.ndarray, outcomes: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Weighted maximum likelihood of slope and intercept."""
    margins = np.asarray(margins, dtype=np.float64)
    center, scale = float(np.average(margins, weights=weight)), float(margins.std()) or 1.0
    x = (margins - center) / scale
    total = weight.sum()

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        z = parameters[0] * x + parameters[1]
        value = np.sum(weight * (np.logaddexp(0.0, z) - outcomes * z)) / total
        error = weight * (sigmoid(z) - outcomes) / total
        return float(value), np.array([np.sum(error * x), np.sum(error)])

    rate = np.clip(np.average(outcomes, weights=weight), 1e-6, 1 - 1e-6)
    start = np.array([1.0, np.log(rate / (1 - rate))])
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(LEAST_SLOPE, None), (None, None)])
    slope = float(found.x[0]) / scale
    return slope, float(found.x[1]) - slope * center


def _drift(logit: np.ndarray, outcomes: np.ndarray, periods: np.ndarray, weight: np.ndarray) -> float:
    """Standard deviation of the logit between periods, less what the luck of the draw explains (DerSimonian-Laird).

    With few periods the estimate itself is uncertain; a t quantile instead of a normal one allows for it.
    """
    shifts, variances = [], []
    for period in np.unique(periods):
        at = periods == period
        if outcomes[at].sum() < 5:
            continue
        p = sigmoid(logit[at])
        information = np.sum(weight[at] * p * (1 - p))
        shift = np.sum(weight[at] * (outcomes[at] - p)) / information
        shifts.append(shift)
        variances.append(1 / information)
    if len(shifts) < 2:
        return 0.25
    shift_array, variance = np.array(shifts), np.array(variances)
    inverse = 1 / variance
    mean = np.sum(inverse * shift_array) / inverse.sum()
    q = np.sum(inverse * (shift_array - mean) ** 2)
    c = inverse.sum() - np.sum(inverse**2) / inverse.sum()
    between = max(0.0, (q - (len(shifts) - 1)) / c)
    of_mean = 1 / np.sum(1 / (between + variance))
    widening = stats.t.ppf(0.95, len(shifts) - 1) / stats.norm.ppf(0.95)
    return float(np.sqrt(between + of_mean) * widening)


_CACHE: dict[tuple[float, float], tuple[np.ndarray, np.ndarray]] = {}


def _interval(drift: float, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles of the number among 100 on a grid of logits: a binomial whose logit is normal."""
    if (drift, level) not in _CACHE:
        rates = sigmoid(_GRID[:, None] + drift * _NODES[None, :])
        weights = _WEIGHTS / _WEIGHTS.sum()
        counts = np.arange(GROUP + 1)
        distribution = np.zeros((len(_GRID), GROUP + 1))
        for node, weight in enumerate(weights):
            distribution += weight * stats.binom.pmf(counts[None, :], GROUP, rates[:, node : node + 1])
        cumulative = np.cumsum(distribution, axis=1)
        tail = (1 - level) / 2
        low = np.argmax(cumulative > tail, axis=1) / GROUP
        high = np.argmax(cumulative >= 1 - tail, axis=1) / GROUP
        _CACHE[(drift, level)] = (np.maximum.accumulate(low), np.maximum.accumulate(high))
    return _CACHE[(drift, level)]
