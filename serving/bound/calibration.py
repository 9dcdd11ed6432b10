"""Whether chances hold, region by region and quarter by quarter, when the model is recalibrated every month.

The model is trained once. On each later month's day its probabilities are fitted anew on the newest months whose
outcome is known by then, and held against what then happened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import lightgbm
import numpy as np

from features.province.geography import REGIONS
from models.calibration import Calibration
from serving.bound import methods
from serving.bound.worlds import Told, Truth

RESAMPLES = 400
TOLERANCE = 0.10


def recalibrated(
    told: Told, truth: Truth, train: Sequence[int], test: Sequence[int], ahead: int, *,
    cohorts: int, seed: int, threads: int,
) -> dict[str, Any]:  # fmt: skip
    """Slope and predicted by realised, of all test months, of each region, and of each calendar quarter.

    The model learns from the months `train`; `test` are those that follow, and recalibration looks at the `cohorts`
    newest that lie `ahead` months before each. Few follow a level that drifts; a whole year does not take a season for
    a level.
    """
    learnt = methods.rows(told, truth, train, ahead)
    model = lightgbm.LGBMClassifier(**methods.BOOSTING, n_jobs=threads).fit(learnt.x.to_numpy(), learnt.onset)
    months = sorted({month - ahead - back for month in test for back in range(cohorts)} | set(test))
    whole = methods.rows(told, truth, months, ahead)
    margin = np.asarray(model.predict(whole.x.to_numpy(), raw_score=True), dtype=np.float64)
    probability = np.full(len(margin), np.nan)
    for month in test:
        matured = np.isin(whole.month, [month - ahead - back for back in range(cohorts)])
        fitted = Calibration.fit(margin[matured], whole.onset[matured].astype(float), whole.month[matured])
        now = whole.month == month
        probability[now] = fitted.probability(margin[now])
    asked = np.isin(whole.month, test)
    region, quarter = truth.region[whole.household], whole.month % 12 // 3 + 1
    groups = {"all": asked}
    groups |= {f"region_{name}": asked & (region == place) for place, name in enumerate(REGIONS)}
    groups |= {f"quarter_{q}": asked & (quarter == q) for q in sorted(set(quarter[asked].tolist()))}
    rng = np.random.default_rng(seed)
    figures = {
        name: _figures(probability[at], whole.onset[at], whole.household[at], rng) for name, at in groups.items()
    }
    return {"groups": figures, "within": all(_holds(figure) for figure in figures.values()), "tests": len(test)}


def _figures(
    probability: np.ndarray, onset: np.ndarray, household: np.ndarray, rng: np.random.Generator
) -> dict[str, Any]:
    """Slope of the outcome on the logit, and the ratio of predicted to realised with its interval over households."""
    logit = np.log(probability / (1 - probability))
    numbers, place = np.unique(household, return_inverse=True)
    expected = np.bincount(place, probability, len(numbers))
    realised = np.bincount(place, onset, len(numbers))
    drawn = []
    for _ in range(RESAMPLES):
        times = rng.poisson(1.0, len(numbers))
        drawn.append(float(times @ expected) / max(float(times @ realised), 1e-9))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {
        "rows": len(onset),
        "onsets": int(onset.sum()),
        "slope": _slope(logit, onset),
        "ratio": float(probability.sum() / max(onset.sum(), 1)),
        "interval": [float(low), float(high)],
    }


def _slope(logit: np.ndarray, onset: np.ndarray) -> float:
    """Slope of a logistic regression of the outcome on the predicted logit, by Newton's steps."""
    x = np.column_stack([np.ones(len(logit)), logit])
    at = np.array([0.0, 1.0])
    for _ in range(25):
        p = 1 / (1 + np.exp(-x @ at))
        step = np.linalg.solve(x.T @ (x * (p * (1 - p))[:, None]), x.T @ (onset - p))
        at += step
        if np.abs(step).max() < 1e-9:
            break
    return float(at[1])


def _holds(figure: Mapping[str, Any]) -> bool:
    low, high = figure["interval"]
    return bool(low <= 1 + TOLERANCE and high >= 1 - TOLERANCE)
