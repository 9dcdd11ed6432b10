"""Fitting boosters: LightGBM held to the indicators' directions, seeded, the same bytes for the same seed.

Labels may be softened by the logistic regression fitted on the same rows (distillation): where outcomes are noisy, a
booster learns faster from "this household had four in ten" than from "it fell". Scores stay one booster's, so that
their contributions stay exact.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from features.project import ModelChoices
from models.booster import load_booster, merge
from training import logistic

LOAD = Path("/proc/loadavg")
DEFAULTS: dict[str, Any] = {
    "learning_rate": 0.03,
    "num_leaves": 16,
    "min_data_in_leaf": 150,
    "feature_fraction": 0.4,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 20.0,
    "max_bin": 127,
}
"""Small, slow, strongly held trees; a project's `model.parameters` change them."""
FIXED: dict[str, Any] = {
    "objective": "cross_entropy",
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
    "feature_pre_filter": False,
}
"""What makes a fit repeatable: column-wise histograms are summed in one order whatever the number of threads."""


@dataclass(frozen=True)
class Sample:
    """Rows to fit on: indicators (float32), outcomes within [0, 1], weights."""

    indicators: tuple[str, ...]
    x: np.ndarray
    outcome: np.ndarray
    weight: np.ndarray | None = None


def fit(
    sample: Sample,
    choices: ModelChoices,
    directions: Sequence[int],
    *,
    seed: int,
    threads: int,
    teacher: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    members: int | None = None,
) -> list[str]:
    """Booster texts, one a member, each with a seed of its own.

    Args:
        sample: rows to fit on.
        choices: the project's.
        directions: +1, -1 or 0 for each indicator; boosters are held to them where `choices.monotone`.
        seed: of the first member; the others count on from it.
        threads: change the time, not the result.
        teacher: a fitted logistic regression, where `choices.distil` is above 0.
        parameters: changes that a search tries.
        members: fewer than the choices say, in a search.
    """
    label = softened(sample, choices, teacher)
    kept, weight = keep_negatives(sample, choices.negatives, seed)
    x = sample.x if kept is None else sample.x[kept]
    label = label if kept is None else label[kept]
    settings = booster_parameters(choices, directions, free_threads(threads), parameters)
    rounds = int((parameters or {}).get("rounds", choices.rounds))
    return [
        _fit_one((x, label, weight), {**settings, "seed": seed + number}, rounds)
        for number in range(members or choices.members)
    ]


def booster_parameters(
    choices: ModelChoices, directions: Sequence[int], threads: int, changes: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """All of LightGBM's parameters for a fit."""
    own = {name: value for name, value in (changes or {}).items() if name != "rounds"}
    settings = {**DEFAULTS, **choices.parameters, **own, **FIXED, "num_threads": threads}
    if choices.monotone and any(directions):
        settings["monotone_constraints"] = [int(direction) for direction in directions]
    return settings


def softened(sample: Sample, choices: ModelChoices, teacher: Mapping[str, Any] | None) -> np.ndarray:
    """Labels of which a share is the logistic regression's probability."""
    if choices.distil <= 0 or teacher is None:
        return sample.outcome
    told = logistic.sigmoid(logistic.margins(teacher, sample.indicators, sample.x))
    found: np.ndarray = (1 - choices.distil) * sample.outcome + choices.distil * told
    return found


def keep_negatives(sample: Sample, share: float, seed: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Places of the rows kept, and their weights: each negative that stays stands for those that went.

    So the prior needs no correction afterwards: margins are those of the whole.
    """
    if share >= 1:
        return None, sample.weight
    negative = sample.outcome <= 0
    drawn = np.random.default_rng(seed).random(len(sample.outcome)) < share
    kept = np.flatnonzero(~negative | drawn)
    weight = np.ones(len(sample.outcome)) if sample.weight is None else sample.weight.copy()
    actual = max(float(drawn[negative].mean()), 1e-9) if negative.any() else 1.0
    weight[negative] /= actual
    return kept, weight[kept]


def free_threads(most: int) -> int:
    """Threads that have a processor to themselves now, at least one.

    Threads of one fit wait for each other at every split: on a busy machine two are several times slower than one.
    The number changes the time and not the result.
    """
    if most <= 1 or not LOAD.is_file():
        return max(1, most)
    others = []
    for _ in range(3):
        others.append(int(LOAD.read_text(encoding="ascii").split()[3].partition("/")[0]) - 1)
        time.sleep(0.05)
    return max(1, min(most, (os.cpu_count() or 1) - sorted(others)[1]))


def _fit_one(data: tuple[np.ndarray, np.ndarray, np.ndarray | None], settings: Mapping[str, Any], rounds: int) -> str:
    import lightgbm

    x, label, weight = data
    columns = [f"c{place}" for place in range(x.shape[1])]  # indicator ids may have signs that LightGBM rewrites
    booster = lightgbm.train(dict(settings), lightgbm.Dataset(x, label, weight=weight, feature_name=columns), rounds)
    text: str = booster.model_to_string()
    return text


def margins(texts: Sequence[str], x: np.ndarray, *, threads: int) -> np.ndarray:
    """Margins of the members merged into one, by the scorer that will serve them."""
    return load_booster(merge(texts), threads=threads).margins(x)
