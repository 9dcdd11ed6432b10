"""How many of those in need the list reaches, estimated from what visits found: audit rows say what it misses.

Of the households that a visit would confirm, the list's risk rows reach some (`caught`): they were visited, and are
simply counted. The rest is out of sight, but for the audit rows, drawn at random with a known probability π: each
confirmed one stands for 1/π households (Horvitz–Thompson). With the probability π that a row had to be listed *by
either way*, Σ y/π over the list estimates Σ y over everybody the list was drawn from, without bias, whatever the model
is worth. Hence `missed` = Σ y/π − caught, and recall = caught / (caught + missed).

**Households that nobody met** (V7–V9) are not a no. Within risk rows and within audit rows those met stand for all.

**Interval.** Missed households are a weighted sum of few counts: a normal interval would reach below zero and cover too
seldom. Its limits are those of gamma distributions with the same mean and variance (Fay and Feuer 1997; the weight of
the next, unseen row is the mean of audit rows', Tiwari and others 2006; in the mid-P form of Fay and Kim 2017, because
the exact form covers 98 % where 95 is promised). For equal weights they are the mid-P limits of a Poisson count, and
with no confirmed audit row the upper one is three rows' worth, not zero. Uncertainty about unmet risk rows is added on
the log scale (Zou and Donner's variance recovery). Weeks may be pooled: draws of different weeks are independent given
what went before, so that the error of the sum is a martingale.

**Without audit rows nothing can be said of the missed.** `missed` then is not zero but unknown, and so is recall.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import optimize, stats

LEVEL = 0.95


@dataclass(frozen=True)
class Visited:
    """Rows of one or several lists, with what visits found.

    Attributes:
        found: 1 where a visit confirmed hardship or a risk of it, 0 where not, NaN where nobody could tell.
        probability: with which each row had to be listed, by either way, in (0, 1].
        audit: whether it was drawn at random.
    """

    found: np.ndarray
    probability: np.ndarray
    audit: np.ndarray


@dataclass(frozen=True)
class Recall:
    """Share of the households in need that the list's risk rows reach; NaN where nothing can be said.

    Attributes:
        caught, missed: households that a visit would confirm, on the list and off it, each a sum over lists.
        audit_rows, audit_confirmed: audit rows that were met, and how many of them a visit confirmed.
    """

    estimate: float
    low: float
    high: float
    caught: float
    missed: float
    missed_low: float
    missed_high: float
    audit_rows: int
    audit_confirmed: int

    def as_dict(self) -> Mapping[str, Any]:
        """For JSON."""
        return asdict(self)


def estimate_recall(visited: Visited, *, level: float = LEVEL) -> Recall:
    """Recall of the lists' risk rows, with an interval of the given level.

    Eighteen of twenty risk rows are confirmed, and one of ten audit rows, each of which stands for twenty households:

    >>> risk, audit = np.repeat([1.0, 0.0], [18, 2]), np.repeat([1.0, 0.0], [1, 9])
    >>> told = Visited(np.r_[risk, audit], np.r_[np.ones(20), np.full(10, 0.05)], np.arange(30) >= 20)
    >>> found = estimate_recall(told)
    >>> round(found.estimate, 3), round(found.low, 2), round(found.high, 2)
    (0.474, 0.15, 0.95)
    """
    met = ~np.isnan(visited.found)
    y = np.nan_to_num(visited.found)
    audit, p = visited.audit, visited.probability
    answering = _answering(met, audit)
    reached = np.where(met & ~audit, 1 / answering, 0.0)
    # an edge row that the list might not have taken stands for some that it did not take
    unseen = np.where(met, np.where(audit, 1 / p, 1 / p - 1) / answering, 0.0)
    caught, missed = float(reached @ y), float(unseen @ y)
    confirmed, rows = int((met & audit & (y > 0)).sum()), int((met & audit).sum())
    if rows == 0:
        nothing = float("nan")
        return Recall(nothing, nothing, nothing, caught, nothing, nothing, nothing, 0, 0)
    weight = float(unseen[met & audit].mean())
    missed_low, missed_high = gamma_limits(missed, float(unseen**2 @ y**2), weight, level)
    spread = float(stats.norm.ppf((1 + level) / 2)) * float(np.sqrt((reached * (reached - 1)) @ y**2))
    low, high = _limits(caught, spread, (missed, missed_low, missed_high))
    total = caught + missed
    estimate = caught / total if total > 0 else float("nan")
    return Recall(estimate, low, high, caught, missed, missed_low, missed_high, rows, confirmed)


def _answering(met: np.ndarray, audit: np.ndarray) -> np.ndarray:
    """Share of those met, among risk rows and among audit rows."""
    found = np.ones(len(met))
    for kind in (audit, ~audit):
        if kind.any():
            found[kind] = max(float(met[kind].mean()), 1e-9)
    return found


def gamma_limits(total: float, variance: float, weight: float, level: float = LEVEL) -> tuple[float, float]:
    """Limits of a weighted sum of counts; `weight` is that of one more count.

    With weights of one these are the mid-P limits of a Poisson count:

    >>> [round(limit, 2) for limit in gamma_limits(3.0, 3.0, 1.0)]
    [0.76, 8.16]
    >>> [round(limit, 2) for limit in gamma_limits(0.0, 0.0, 1.0)]
    [0.0, 3.0]
    """
    tail = (1 - level) / 2
    more, spread = total + weight, variance + weight**2
    wide = stats.gamma(more**2 / spread, scale=spread / more)
    if total <= 0:
        return 0.0, float(wide.ppf(1 - 2 * tail))
    narrow = stats.gamma(total**2 / variance, scale=variance / total)

    def limit(share: float) -> float:
        ends = float(narrow.ppf(share)), float(wide.ppf(share))
        found: float = optimize.brentq(lambda x: (narrow.cdf(x) + wide.cdf(x)) / 2 - share, *ends)
        return found

    return limit(tail), limit(1 - tail)


def _limits(caught: float, spread: float, missed: tuple[float, float, float]) -> tuple[float, float]:
    """Limits of caught / (caught + missed) from those of its parts."""
    if caught <= 0:
        return 0.0, 1.0
    estimate, least, most = missed
    apart = spread / caught  # of log caught
    centre = np.log(max(estimate, 1e-12))
    above = np.log(most) + (0.0 if estimate <= 0 else np.hypot(np.log(most) - centre, apart) - (np.log(most) - centre))
    low = 1 / (1 + float(np.exp(above)) / caught)
    if least <= 0:
        return low, 1.0
    below = centre - np.hypot(centre - np.log(least), apart)
    return low, 1 / (1 + float(np.exp(below)) / caught)
