"""Weights of rows: the household's own, and the inverse of the probability with which a finding was looked for.

Only visited households have a finding, and the list chose most of them: without correction a model learns whom we
visit, not who falls into hardship. Audit rows and listed rows carry the probability with which they were drawn; a row
found with probability p stands for 1/p households. Weights are trimmed, because one row with p = 0.001 would drown all
others: what trimming loses in truth it gains in steadiness.
"""

from __future__ import annotations

import numpy as np

from features.project import ModelChoices, Task

TRIM = 0.99
LARGEST = 50.0


def inverse_probability(selected: np.ndarray) -> np.ndarray:
    """1/p, trimmed at the 99th percentile and at 50; 1 where nothing was selected.

    >>> inverse_probability(np.array([0.5, np.nan, 1.0]))
    array([2., 1., 1.])
    """
    drawn = np.isfinite(selected) & (selected > 0)
    weights = np.ones(len(selected))
    weights[drawn] = 1 / np.clip(selected[drawn], 1 / LARGEST, 1)
    if drawn.sum() >= 100:
        weights[drawn] = np.minimum(weights[drawn], np.quantile(weights[drawn], TRIM))
    return weights


def row_weights(choices: ModelChoices, task: Task, household: np.ndarray, selected: np.ndarray) -> np.ndarray | None:
    """Training weights with mean 1; None where all rows weigh the same.

    Findings are weighted where households without a finding are left out (`unrecorded: unknown`): there the rows with
    a finding stand for all. Where no finding counts as no onset, every household stands for itself already.
    """
    weights = np.ones(len(selected))
    if choices.weights == "household":
        weights = np.where(np.isfinite(household) & (household > 0), household, 1.0)
    if task.recorded and task.unrecorded == "unknown":
        weights = weights * inverse_probability(selected)
    if len(weights) == 0 or np.ptp(weights) == 0:
        return None
    found: np.ndarray = weights / weights.mean()
    return found
