"""Ways to foresee hardship, from a rule of thumb to a model that is told everything; all learn from the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from features.project import Project
from serving.bound.worlds import Told, Truth
from training.baselines import Known, fit_baselines, score_baselines

QUANTILES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.975, 0.99)
"""Cuts that a weighted rule may take, as shares of the training rows."""
BOOSTING: dict[str, Any] = {
    "num_leaves": 31, "learning_rate": 0.03, "n_estimators": 350, "min_child_samples": 150, "colsample_bytree": 0.4,
    "reg_lambda": 10, "subsample": 0.8, "subsample_freq": 1, "random_state": 1, "verbose": -1, "deterministic": True,
    "force_col_wise": True,
}  # fmt: skip


@dataclass(frozen=True)
class Rows:
    """Households that were not in hardship, on the days of some months.

    Attributes:
        x: indicators as they were known.
        hidden: what nobody knew.
        onset: whether hardship followed.
        chance: the oracle's, NaN where it was not asked.
        month: index of each row's month.
        household: position of each row's household.
    """

    x: pd.DataFrame
    area: np.ndarray
    hidden: np.ndarray
    onset: np.ndarray
    chance: np.ndarray
    month: np.ndarray
    household: np.ndarray


def rows(told: Told, truth: Truth, months: Sequence[int], ahead: int) -> Rows:
    """The rows of the months, each month's households in order."""
    parts: list[pd.DataFrame] = []
    columns: dict[str, list[np.ndarray]] = {name: [] for name in ("hidden", "onset", "chance", "month", "household")}
    for month in months:
        frame = told.frames[month]
        there = np.flatnonzero(truth.clear(month) & frame["area_code"].notna().to_numpy())
        parts.append(frame.iloc[there])
        chance = truth.chances.get(ahead, {}).get(month)
        columns["hidden"].append(truth.hidden[month][there])
        columns["onset"].append(truth.label(month, ahead)[there])
        columns["chance"].append(np.full(len(there), np.nan) if chance is None else chance[there])
        columns["month"].append(np.full(len(there), month))
        columns["household"].append(there)
    whole = pd.concat(parts)
    joined = {name: np.concatenate(found) for name, found in columns.items()}
    return Rows(whole.drop(columns="area_code"), whole["area_code"].astype(str).to_numpy(), **joined)


def boost(x: np.ndarray, y: np.ndarray, asked: np.ndarray, *, threads: int) -> np.ndarray:
    """Chances by LightGBM with the experiment's fixed settings."""
    model = lightgbm.LGBMClassifier(**BOOSTING, n_jobs=threads).fit(x, y)
    found: np.ndarray = np.asarray(model.predict_proba(asked))[:, 1]
    return found


def scores(project: Project, train: Rows, test: Rows, *, seed: int, threads: int) -> dict[str, np.ndarray]:
    """Scores of the methods that look at what was told, by name."""
    fitted = fit_baselines(project, project.default_task, _known(train), train.onset.astype(float), None, seed=seed)
    found = {name: scored.score for name, scored in score_baselines(fitted, _known(test)).items()}
    found["weighted_rules"] = weighted_rules(project, train, test)
    found["lightgbm"] = boost(train.x.to_numpy(), train.onset, test.x.to_numpy(), threads=threads)
    return found


def everything(train: Rows, test: Rows, *, threads: int) -> np.ndarray:
    """Chances by LightGBM that is told the hidden state beside the indicators."""
    return boost(np.hstack([train.x, train.hidden]), train.onset, np.hstack([test.x, test.hidden]), threads=threads)


def weighted_rules(project: Project, train: Rows, test: Rows) -> np.ndarray:
    """The published rules with cuts tuned on the training rows and weights by how much each tells, and declared income.

    A rule's cut is the quantile of its indicator at which meeting it changes the odds of hardship most; its weight
    comes from a logistic regression on all rules and on the step of declared income.
    """
    conditions = {name for rule in project.baselines.rules for name in rule.when}
    told = [name for name in sorted(conditions) if name in train.x.columns]
    cuts = {name: _cut(train.x[name].to_numpy(dtype=float), train.onset) for name in told}
    income = project.baselines.lowest
    steps = np.nanquantile(train.x[income].to_numpy(dtype=float), np.linspace(0.05, 0.95, 19)) if income else None

    def met(x: pd.DataFrame) -> np.ndarray:
        columns = [_meets(x[name].to_numpy(dtype=float), *cuts[name]) for name in told]
        if steps is not None:
            values = x[income].to_numpy(dtype=float)
            columns.append(np.where(np.isnan(values), 0.5, 1 - np.searchsorted(steps, values) / len(steps)))
        return np.column_stack(columns)

    model = LogisticRegression(C=1.0, max_iter=500).fit(met(train.x), train.onset)
    score: np.ndarray = model.decision_function(met(test.x))
    return score


def _cut(values: np.ndarray, onset: np.ndarray) -> tuple[float, bool]:
    """The cut, and whether it is met from above, with the largest weighted difference of rates."""
    best, found = -1.0, (np.inf, True)
    known = np.isfinite(values)
    if not known.any():
        return found
    rate = onset.mean()
    for quantile in QUANTILES:
        for above in (True, False):
            cut = float(np.quantile(values[known], quantile if above else 1 - quantile))
            inside = _meets(values, cut, above) > 0
            if inside.any() and not inside.all():
                gain = inside.sum() * (onset[inside].mean() - rate) ** 2 * np.sign(onset[inside].mean() - rate)
                if gain > best:
                    best, found = gain, (cut, above)
    return found


def _meets(values: np.ndarray, cut: float, above: bool) -> np.ndarray:  # noqa: FBT001
    with np.errstate(invalid="ignore"):
        return (values >= cut if above else values <= cut).astype(float)


def _known(given: Rows) -> Known:
    return Known(list(given.x.columns), given.x.to_numpy(dtype=np.float64), given.area)
