"""The logistic regression: a strong, plain peer of the booster, fitted by scikit-learn and kept as plain numbers.

Every indicator becomes a column drawn in to its extreme quantiles, filled with its median and standardised, with a
flag where it is missing; an indicator whose values are classes becomes one flag a class; where the project says so, a
slope bends at given values. A ridge penalty holds what the columns have in common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from features.errors import ProjectError, did_you_mean
from features.project import Logistic

CLIP = 0.002
CLASS_ROWS = 50
CLASSES = 60
CHUNK = 50_000
DIGITS = 12


def fit(
    indicators: Sequence[str],
    x: np.ndarray,
    outcome: np.ndarray,
    weight: np.ndarray | None,
    choices: Logistic,
    *,
    seed: int,
) -> dict[str, Any]:
    """Coefficients of the standardised terms; at most `choices.rows` rows are used, drawn with the seed."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    if len(outcome) > choices.rows:
        drawn = np.sort(np.random.default_rng(seed).choice(len(outcome), choices.rows, replace=False))
        x, outcome = x[drawn], outcome[drawn]
        weight = None if weight is None else weight[drawn]
    w = np.ones(len(outcome)) if weight is None else weight
    terms = _terms(indicators, x, choices)
    design = _design(terms, indicators, x)
    mean, scale = design.mean(axis=0), design.std(axis=0)
    varied = scale > 1e-12
    terms = [term for term, kept in zip(terms, varied, strict=True) if kept]
    mean, scale = mean[varied], scale[varied]
    design = design if varied.all() else design[:, varied]
    design -= mean
    design /= scale
    design, label, w = _split_parts(design, outcome, w)
    with threadpool_limits(limits=1):  # sums in one order, so that the same seed gives the same bytes
        model = LogisticRegression(C=choices.strength, solver="newton-cholesky", max_iter=100, tol=1e-6)
        model.fit(design, label, sample_weight=w)
    parts = zip(terms, mean, scale, model.coef_[0], strict=True)
    return {
        "intercept": _short(model.intercept_[0]),
        "terms": [{**term, "mean": _short(m), "scale": _short(s), "coefficient": _short(c)} for term, m, s, c in parts],
    }


def margins(fitted: Mapping[str, Any], indicators: Sequence[str], x: np.ndarray) -> np.ndarray:
    """Log-odds of every row, from plain numbers."""
    terms = fitted["terms"]
    coefficients = np.array([term["coefficient"] / term["scale"] for term in terms])
    shift = fitted["intercept"] - float(np.sum(coefficients * np.array([term["mean"] for term in terms])))
    found = np.empty(len(x))
    for start in range(0, len(x), CHUNK):
        part = x[start : start + CHUNK]
        found[start : start + CHUNK] = _design(terms, indicators, part) @ coefficients + shift
    return found


def sigmoid(margin: np.ndarray) -> np.ndarray:
    """Log-odds to probability.

    >>> sigmoid(np.array([0.0]))
    array([0.5])
    """
    found: np.ndarray = 1 / (1 + np.exp(-np.clip(margin, -50, 50)))
    return found


def _short(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")


def _split_parts(design: np.ndarray, outcome: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An outcome that counts in part becomes two rows: so much of an onset, and the rest of none."""
    parts = (outcome > 0) & (outcome < 1)
    if not parts.any():
        return design, outcome.astype(int), w
    label = np.concatenate([np.where(outcome > 0, 1, 0), np.zeros(int(parts.sum()), dtype=int)])
    share = np.where(parts, outcome, 1.0)
    weights = np.concatenate([w * share, (w * (1 - outcome))[parts]])
    return np.concatenate([design, design[parts]]), label, weights


def _terms(indicators: Sequence[str], x: np.ndarray, choices: Logistic) -> list[dict[str, Any]]:
    for name in (*choices.classes, *choices.bends):
        if name not in indicators:
            near = did_you_mean(name, list(indicators)) or ", ".join(list(indicators)[:8])
            raise ProjectError("indicator_of_model_unknown", place="model.logistic", id=name, suggestion=near)
    terms: list[dict[str, Any]] = []
    for place, name in enumerate(indicators):
        column = x[:, place].astype(np.float64)
        told = column[np.isfinite(column)]
        if len(told) == 0:
            continue
        if name in choices.classes:
            terms += _class_terms(name, told)
        else:
            low, middle, high = (float(q) for q in np.quantile(told, [CLIP, 0.5, 1 - CLIP]))
            limits = {"fill": middle, "low": low, "high": high}
            terms.append({"indicator": name, "kind": "value", **limits})
            bends = choices.bends.get(name, [])
            terms += [{"indicator": name, "kind": "bend", "at": float(at), **limits} for at in bends]
        if 0 < len(told) < len(column):
            terms.append({"indicator": name, "kind": "missing"})
    return terms


def _class_terms(name: str, told: np.ndarray) -> list[dict[str, Any]]:
    values, counts = np.unique(told, return_counts=True)
    common = [(-count, value) for value, count in zip(values, counts, strict=True) if count >= CLASS_ROWS]
    chosen = sorted(value for _, value in sorted(common)[:CLASSES])
    return [{"indicator": name, "kind": "class", "at": float(value)} for value in chosen]


def _design(terms: Sequence[Mapping[str, Any]], indicators: Sequence[str], x: np.ndarray) -> np.ndarray:
    places = {name: place for place, name in enumerate(indicators)}
    design = np.empty((len(x), len(terms)))
    for number, term in enumerate(terms):
        column = x[:, places[term["indicator"]]].astype(np.float64)
        if term["kind"] == "missing":
            design[:, number] = ~np.isfinite(column)
        elif term["kind"] == "class":
            design[:, number] = column == term["at"]
        else:
            filled = np.clip(np.where(np.isfinite(column), column, term["fill"]), term["low"], term["high"])
            design[:, number] = np.maximum(filled - term["at"], 0) if term["kind"] == "bend" else filled
    return design
