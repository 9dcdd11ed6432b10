"""What every booster is held against: rules, lowest income first, the area's rate, and a logistic regression.

All are fitted in training on the same rows as the booster and kept in the bundle as plain numbers; they are scored
from those numbers alone. Each gives a score that ranks and a probability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.errors import ProjectError, did_you_mean
from features.hardship import holds
from features.project import Condition, Project
from training import logistic

NAMES = ("logistic", "lowest_income_first", "rules", "area_rate")
INCOME_STEPS = 20


@dataclass(frozen=True)
class Scored:
    """A baseline's word on each row: what ranks it, and its probability."""

    score: np.ndarray
    probability: np.ndarray


@dataclass(frozen=True)
class Known:
    """What a baseline may look at: indicators by row, and the area of each row."""

    indicators: Sequence[str]
    x: np.ndarray
    area: np.ndarray

    def column(self, indicator: str, place: str) -> np.ndarray:
        """An indicator's values.

        Raises:
            ProjectError: the model has no such indicator; the nearest one is named.
        """
        if indicator not in self.indicators:
            near = did_you_mean(indicator, list(self.indicators)) or ", ".join(list(self.indicators)[:8])
            raise ProjectError("indicator_of_model_unknown", place=place, id=indicator, suggestion=near)
        values: np.ndarray = self.x[:, list(self.indicators).index(indicator)].astype(np.float64)
        return values


def fit_baselines(
    project: Project, task: str, known: Known, outcome: np.ndarray, weight: np.ndarray | None, *, seed: int
) -> dict[str, Any]:
    """All baselines that the project can have, as plain numbers for `baselines.json`."""
    w = np.ones(len(outcome)) if weight is None else weight
    rate = float(np.average(outcome, weights=w))
    choices = project.choices(task).logistic
    found: dict[str, Any] = {"logistic": logistic.fit(known.indicators, known.x, outcome, weight, choices, seed=seed)}
    found["area_rate"] = _fit_area(known.area, outcome, w, rate, project.baselines.area_prior)
    if project.baselines.lowest:
        values = known.column(project.baselines.lowest, "baselines.lowest")
        found["lowest_income_first"] = _fit_lowest(project.baselines.lowest, values, outcome, w)
    if project.baselines.rules:
        rules = [rule.model_dump(mode="json", exclude_none=True) for rule in project.baselines.rules]
        met = _met(rules, known)
        rates = {str(n): _smoothed(outcome, w, met == n, rate, 20.0) for n in range(len(rules) + 1)}
        found["rules"] = {"rules": rules, "rates": rates}
    return found


def score_baselines(fitted: Mapping[str, Any], known: Known) -> dict[str, Scored]:
    """Every fitted baseline's word on the rows, from plain numbers."""
    found: dict[str, Scored] = {}
    for name in NAMES:
        if name in fitted:
            found[name] = _SCORERS[name](fitted[name], known)
    return found


def _score_logistic(fitted: Mapping[str, Any], known: Known) -> Scored:
    margin = logistic.margins(fitted, known.indicators, known.x)
    return Scored(margin, logistic.sigmoid(margin))


# --- rules --------------------------------------------------------------------------------------------------------


def _met(rules: Sequence[Mapping[str, Any]], known: Known) -> np.ndarray:
    """How many rules each row meets; a missing value meets none."""
    met = np.zeros(len(known.x))
    for number, rule in enumerate(rules):
        held = np.ones(len(known.x), dtype=bool)
        for indicator, condition in rule["when"].items():
            values = known.column(indicator, f"baselines.rules[{number}]")
            held &= holds(values, Condition.model_validate(condition)) == 1
        met += held
    return met


def _score_rules(fitted: Mapping[str, Any], known: Known) -> Scored:
    met = _met(fitted["rules"], known)
    rates = np.array([fitted["rates"][str(n)] for n in range(len(fitted["rules"]) + 1)])
    return Scored(met, rates[met.astype(int)])


# --- lowest income first ------------------------------------------------------------------------------------------


def _fit_lowest(indicator: str, values: np.ndarray, outcome: np.ndarray, w: np.ndarray) -> dict[str, Any]:
    """Rates by step of income, never rising with it; a household of unknown income stands at the middle."""
    from sklearn.isotonic import isotonic_regression

    told = np.isfinite(values)
    middle = float(np.median(values[told])) if told.any() else 0.0
    filled = np.where(told, values, middle)
    cuts = np.unique(np.quantile(filled, np.linspace(0, 1, INCOME_STEPS + 1)[1:-1]))
    step = np.searchsorted(cuts, filled, side="left")
    rates, weights = [], []
    for number in range(len(cuts) + 1):
        inside = step == number
        weights.append(max(float(w[inside].sum()), 1e-9))
        rates.append(float((w * outcome)[inside].sum() / weights[-1]))
    falling = isotonic_regression(rates, sample_weight=weights, increasing=False)
    return {
        "indicator": indicator,
        "middle": middle,
        "cuts": [float(cut) for cut in cuts],
        "rates": [float(rate) for rate in falling],
    }


def _score_lowest(fitted: Mapping[str, Any], known: Known) -> Scored:
    values = known.column(fitted["indicator"], "baselines.lowest")
    filled = np.where(np.isfinite(values), values, fitted["middle"])
    step = np.searchsorted(np.array(fitted["cuts"]), filled, side="left")
    return Scored(-filled, np.array(fitted["rates"])[step])


# --- the area's rate ----------------------------------------------------------------------------------------------


def _smoothed(outcome: np.ndarray, w: np.ndarray, inside: np.ndarray, rate: float, prior: float) -> float:
    """A group's rate drawn towards the whole's as if `prior` rows of the whole were in it."""
    return float(((w * outcome)[inside].sum() + prior * rate) / (w[inside].sum() + prior))


def _fit_area(area: np.ndarray, outcome: np.ndarray, w: np.ndarray, rate: float, prior: float) -> dict[str, Any]:
    codes, places = np.unique(area.astype(str), return_inverse=True)
    found, size = np.bincount(places, w * outcome), np.bincount(places, w)
    rates = dict(zip(codes.tolist(), ((found + prior * rate) / (size + prior)).tolist(), strict=True))
    return {"rate": rate, "rates": rates}


def _score_area(fitted: Mapping[str, Any], known: Known) -> Scored:
    rate = fitted["rate"]
    codes, places = np.unique(known.area.astype(str), return_inverse=True)
    rates = np.array([fitted["rates"].get(code, rate) for code in codes])[places]
    return Scored(rates, rates)


_SCORERS = {
    "logistic": _score_logistic,
    "lowest_income_first": _score_lowest,
    "rules": _score_rules,
    "area_rate": _score_area,
}
