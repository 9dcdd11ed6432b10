"""A seeded, budgeted search of hyperparameters over the temporal folds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from features.errors import ProjectError
from features.project import Search
from training.measures import rank, ranking_measures

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Found:
    """The best parameters, their mean over the folds, and every trial."""

    parameters: dict[str, Any] = field(default_factory=dict)
    value: float | None = None
    trials: tuple[dict[str, Any], ...] = ()


def search(
    choices: Search,
    judge: Callable[[Mapping[str, Any]], float],
    *,
    trials: int,
    seed: int,
    progress: Progress | None = None,
) -> Found:
    """The parameters that `judge` likes best, tried in an order that the seed fixes.

    The project's own parameters are tried first, so that a search never ends worse than it began. A budget of seconds
    may end a search early; then a slower machine may find other parameters, and the receipt says how many trials ran.

    Raises:
        ProjectError: the space is not pairs of numbers.
    """
    if trials <= 0 or not choices.space:
        return Found()
    import optuna

    _check(choices)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    done = [{"parameters": {}, "value": judge({})}]
    begun = time.monotonic()
    for number in range(trials):
        if progress:
            progress("search", number, trials)
        if choices.seconds is not None and time.monotonic() - begun > choices.seconds:
            break
        trial = study.ask()
        parameters = {name: _suggest(trial, name, low, high) for name, (low, high) in sorted(choices.space.items())}
        value = judge(parameters)
        study.tell(trial, value)
        done.append({"parameters": parameters, "value": value})
    best = max(done, key=lambda one: one["value"])  # type: ignore[arg-type, return-value]
    return Found(dict(best["parameters"]), float(best["value"]), tuple(done))  # type: ignore[arg-type, call-overload]


def worth(measure: str, margin: np.ndarray, outcome: np.ndarray, household: np.ndarray, day: np.ndarray) -> float:
    """What a search makes large: average precision, AUC, or log-likelihood."""
    if measure == "log_loss":
        return -float(np.mean(np.logaddexp(0, margin) - outcome * margin))
    ranking = rank(margin, outcome, household, day)
    value = float(ranking_measures(ranking, np.ones((1, len(outcome))))[measure][0])
    return value if np.isfinite(value) else 0.0


def _check(choices: Search) -> None:
    for name, bounds in choices.space.items():
        if len(bounds) != 2 or bounds[0] > bounds[1]:
            raise ProjectError("parameter_unknown", name=name, value=str(bounds))


def _suggest(trial: Any, name: str, low: float, high: float) -> float | int:
    """Whole numbers where both bounds are; on a logarithmic scale where they are far apart."""
    wide = low > 0 and high / low >= 10
    if float(low).is_integer() and float(high).is_integer() and name not in ("lambda_l1", "lambda_l2"):
        return int(trial.suggest_int(name, int(low), int(high), log=wide))
    return float(trial.suggest_float(name, low, high, log=wide))
