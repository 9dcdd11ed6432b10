"""Fitting on what came before and judging on what came after: folds, search, calibration, and the whole.

Every figure of a training is out of fold: a fold's boosters and baselines saw only outcomes that were known before
its first test day, and its probabilities are calibrated on the folds before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from models.booster import merge
from models.calibration import Calibration
from training import fitting
from training.baselines import Scored, fit_baselines, score_baselines
from training.evaluation import MAIN, Judged, evaluate_rows
from training.folds import Fold, household_folds, household_part, temporal_folds
from training.gathering import LEAST_POSITIVES, Work, known_of
from training.rows import Progress, Rows, relabelled
from training.search import Found, search, worth
from training.weighting import row_weights

OUT_OF_FOLD_RESAMPLES = 200


@dataclass(frozen=True)
class Split:
    """Places of a fold's rows: to train on (with outcomes as known then) and to test on."""

    fold: Fold
    train: np.ndarray
    at_risk: np.ndarray
    outcome: np.ndarray
    test: np.ndarray


def divide(work: Work) -> list[Split]:
    """Temporal folds that have onsets to learn from; households are divided where there is no such fold."""
    task = work.rule
    days = work.rows.days
    found = [_split(work, fold) for fold in temporal_folds(days, task, work.choices.folds, work.until)]
    usable = [split for split in found if _enough(split, work.rows)]
    if usable:
        return usable
    return [_split(work, fold) for fold in household_folds(days, work.until, task)]


def _split(work: Work, fold: Fold) -> Split:
    rows = work.rows
    of_train, of_test = _on(rows, fold.train), _on(rows, fold.test) & rows.cohort
    if fold.part is not None:
        part = household_part(rows.households, fold.part[1])[rows.household]
        of_train, of_test = of_train & (part != fold.part[0]), of_test & (part == fold.part[0])
        at_risk, outcome = rows.at_risk, rows.outcome
    else:
        at_risk, outcome = relabelled(rows, work.evidence, fold.train, fold.known_by)
    told = of_train & ~np.isnan(outcome) & (at_risk | work.choices.train_all)
    train = np.flatnonzero(told)
    return Split(fold, train, at_risk[train], outcome[train], np.flatnonzero(of_test))


def _on(rows: Rows, days: tuple[date, ...]) -> np.ndarray:
    places = [place for place, day in enumerate(rows.days) if day in set(days)]
    return np.isin(rows.day, places)


def _enough(split: Split, rows: Rows) -> bool:
    tested = rows.outcome[split.test]
    fewest = min(float(split.outcome.sum()), float((1 - split.outcome).sum()))
    return fewest >= LEAST_POSITIVES and 0 < float(tested.sum()) < len(tested)


def _sample(work: Work, places: np.ndarray, outcome: np.ndarray) -> fitting.Sample:
    rows, task = work.rows, work.rule
    weight = row_weights(work.choices, task, rows.weight[places], rows.selected[places])
    return fitting.Sample(rows.indicators, rows.x[places], outcome, weight)


def _baselines_of(work: Work, places: np.ndarray, outcome: np.ndarray, at_risk: np.ndarray) -> dict[str, Any]:
    """Baselines fitted on the cohort among the rows."""
    places, outcome = places[at_risk], outcome[at_risk]
    task = work.rule
    weight = row_weights(work.choices, task, work.rows.weight[places], work.rows.selected[places])
    return fit_baselines(work.project, work.task, known_of(work.rows, places), outcome, weight, seed=work.seed)


def choose(work: Work, folds: list[Split], trials: int, progress: Progress) -> Found:
    """The parameters that do best over the folds; the project's own where nothing is searched."""
    rows = work.rows
    teachers: dict[int, Mapping[str, Any] | None] = {}

    def judge(parameters: Mapping[str, Any]) -> float:
        values = []
        for number, split in enumerate(folds):
            if number not in teachers:
                fitted = _baselines_of(work, split.train, split.outcome, split.at_risk) if work.choices.distil else {}
                teachers[number] = fitted.get("logistic")
            margin = _fit_fold(work, split, teachers[number], parameters, members=1)
            test = split.test
            values.append(
                worth(work.choices.search.measure, margin, rows.outcome[test], rows.household[test], rows.day[test])
            )
        return float(np.mean(values))

    return search(work.choices.search, judge, trials=trials, seed=work.seed, progress=progress)


def _fit_fold(
    work: Work, split: Split, teacher: Mapping[str, Any] | None, parameters: Mapping[str, Any], members: int | None
) -> np.ndarray:
    """Margins of a fold's test rows from boosters fitted on its training rows."""
    texts = fitting.fit(
        _sample(work, split.train, split.outcome),
        work.choices,
        work.directions,
        seed=work.seed,
        threads=work.threads,
        teacher=teacher,
        parameters=parameters,
        members=members,
    )
    return fitting.margins(texts, work.rows.x[split.test], threads=work.threads)


def out_of_fold(
    work: Work, folds: list[Split], best: Found, progress: Progress, *, compared: bool = True
) -> tuple[list[np.ndarray], list[dict[str, Scored]]]:
    """Margins and baselines of each fold's test rows; without baselines where nobody will compare."""
    margins, baselines = [], []
    for number, split in enumerate(folds):
        progress("folds", number, len(folds))
        wanted = compared or work.choices.distil > 0
        fitted = _baselines_of(work, split.train, split.outcome, split.at_risk) if wanted else {}
        margins.append(_fit_fold(work, split, fitted.get("logistic"), best.parameters, members=None))
        baselines.append(score_baselines(fitted, known_of(work.rows, split.test)))
    return margins, baselines


# --- calibration, evaluation, the whole ---------------------------------------------------------------------------


def _calibration_weights(work: Work, places: np.ndarray) -> np.ndarray | None:
    """Only selection is weighed: probabilities are those of households, not of what they stand for in a survey."""
    unweighted = work.choices.model_copy(update={"weights": "none"})
    task = work.rule
    return row_weights(unweighted, task, work.rows.weight[places], work.rows.selected[places])


def calibrate(work: Work, folds: list[Split], margins: list[np.ndarray]) -> Calibration:
    """Slope and intercept from the newest fold, drift between periods from all of them.

    The newest block resembles what comes next most; where households were divided, all parts are of one time.
    """
    newest = folds if folds[-1].fold.part is not None else folds[-1:]
    places = np.concatenate([split.test for split in newest])
    margin = np.concatenate(margins[-len(newest) :])
    rows = work.rows
    line = Calibration.fit(margin, rows.outcome[places], rows.day[places], _calibration_weights(work, places))
    every = np.concatenate([split.test for split in folds])
    whole = Calibration.fit(
        np.concatenate(margins), rows.outcome[every], rows.day[every], _calibration_weights(work, every)
    )
    return Calibration(line.slope, line.intercept, whole.drift, line.level)


def judge_out_of_fold(
    work: Work,
    folds: list[Split],
    margins: list[np.ndarray],
    baselines: list[dict[str, Scored]],
    calibration: Calibration,
    progress: Progress,
) -> tuple[Judged, dict[str, Any]]:
    """What was said out of fold, and its figures; a fold's probabilities are calibrated on the folds before it."""
    progress("evaluate", 0, 1)
    places = np.concatenate([split.test for split in folds])
    divided = folds[0].fold.part is not None
    probability = []
    for number, margin in enumerate(margins):
        others = [k for k in range(len(folds)) if (k != number if divided else k == number - 1)]
        line = _line(work, folds, margins, others)
        probability.append(line.probability(margin))
    scores = {MAIN: Scored(np.concatenate(margins), np.concatenate(probability))}
    for name in baselines[0]:
        parts = [one[name] for one in baselines]
        scores[name] = Scored(
            np.concatenate([part.score for part in parts]), np.concatenate([part.probability for part in parts])
        )
    rows = work.rows.take(places)
    task = work.rule
    judged = Judged(rows, scores, calibration)
    report = evaluate_rows(work.project, task, judged, resamples=OUT_OF_FOLD_RESAMPLES)
    return judged, {"out_of_fold": "households" if divided else "time", **report}


def _line(work: Work, folds: list[Split], margins: list[np.ndarray], of: list[int]) -> Calibration:
    """Calibration from some folds; the margin as it is where there is none."""
    if not of:
        return Calibration(1.0, 0.0, 0.0)
    places = np.concatenate([folds[k].test for k in of])
    margin = np.concatenate([margins[k] for k in of])
    rows = work.rows
    return Calibration.fit(margin, rows.outcome[places], rows.day[places], _calibration_weights(work, places))


def fit_whole(work: Work, best: Found, *, compared: bool = True) -> tuple[str, dict[str, Any]]:
    """The booster of all mature rows, its members merged into one, and the baselines of the same rows."""
    rows = work.rows
    places = np.flatnonzero(~np.isnan(rows.outcome) & (rows.at_risk | work.choices.train_all))
    wanted = compared or work.choices.distil > 0
    fitted = _baselines_of(work, places, rows.outcome[places], rows.at_risk[places]) if wanted else {}
    texts = fitting.fit(
        _sample(work, places, rows.outcome[places]),
        work.choices,
        work.directions,
        seed=work.seed,
        threads=work.threads,
        teacher=fitted.get("logistic"),
        parameters=best.parameters,
    )
    return merge(texts), fitted
