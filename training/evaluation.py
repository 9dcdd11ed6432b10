"""Evaluation: a model and its baselines on rows that neither was fitted on, every figure with its 95 % interval.

The list is the top 5 % of all rows of the window, pooled and unweighted, ties in order of pseudonym; figures of each
day's own list and of the project's capacity stand beside it. Intervals resample households; differences are paired,
model and baseline on the same resample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.project import Project, Task
from models.calibration import Calibration
from training import measures
from training.baselines import Scored
from training.capacity import at_capacity, by_day
from training.fairness import BAND, recall_by_group, worst_ratio
from training.measures import LIST_SHARE, all_measures, joined, rank, ranking_measures
from training.resampling import Resamples, draw, figures, number
from training.rows import Rows
from training.slices import fairness_groups, feed_groups, slices
from training.weighting import inverse_probability

MAIN = "lightgbm"
WITHOUT_SLOPE = ("rules",)
SMALLEST_GROUP = 30
FEW = 10


@dataclass(frozen=True)
class Judged:
    """Cohort rows with known outcomes, and what each model says about them.

    Attributes:
        scores: by model; `lightgbm` first, a `champion` may be among them.
        calibration: where given, how often its range covered is measured.
    """

    rows: Rows
    scores: Mapping[str, Scored]
    calibration: Calibration | None = None


def evaluate_rows(project: Project, task: Task, judged: Judged, *, resamples: int, seed: int = 0) -> dict[str, Any]:
    """The report, ready for JSON."""
    rows = judged.rows
    outcome = rows.outcome
    drawn = draw(rows.household, resamples, seed)
    by_model = {
        name: _measure(rows, scored, drawn, slope=_sloped(name, scored)) for name, scored in judged.scores.items()
    }
    main = judged.scores[MAIN]
    ranking = rank(main.score, outcome, rows.household, rows.day)
    rates = joined([{"base_rate": (w @ outcome) / w.sum(axis=1)} for w in drawn.weights()])
    fairness = {
        name: recall_by_group(ranking, outcome, groups, drawn)
        for name, groups in {"feeds": feed_groups(rows), **fairness_groups(project, rows)}.items()
        if len(groups) > 1
    }
    return {
        "rows": len(rows),
        "households": len(np.unique(rows.household)),
        "positives": number(float(outcome.sum())),
        **figures(rates),
        "immature": rows.counts.get("immature", 0),
        "counts": dict(rows.counts),
        "list_share": LIST_SHARE,
        "list_size": int(np.ceil(LIST_SHARE * len(rows) - 1e-9)),
        "resamples": resamples,
        "models": {name: figures(found) for name, found in by_model.items()},
        "differences": {name: _difference(by_model[MAIN], found) for name, found in by_model.items() if name != MAIN},
        "by_day": by_day(rows, judged.scores, drawn),
        "capacity": at_capacity(project, rows, judged.scores, drawn),
        "slices": _slices(project, task, judged, drawn),
        "fairness": fairness,
        "fairness_band": list(BAND),
        "worst_recall_ratio": worst_ratio(fairness),
        "range": _coverage(judged),
        "selected": _selected(judged, drawn),
    }


def _sloped(name: str, scored: Scored) -> bool:
    """Whether a calibration slope means something: not for rules, nor where there are few probabilities."""
    return name not in WITHOUT_SLOPE and len(np.unique(scored.probability)) >= FEW


def _measure(rows: Rows, scored: Scored, drawn: Resamples, *, slope: bool) -> dict[str, np.ndarray]:
    ranking = rank(scored.score, rows.outcome, rows.household, rows.day)
    return joined([all_measures(ranking, scored.probability, rows.outcome, w, slope=slope) for w in drawn.weights()])


def _difference(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Model less baseline, on the same resamples."""
    return figures({name: one[name] - other[name] for name in measures.MEASURES})


# --- slices -------------------------------------------------------------------------------------------------------


def _slices(project: Project, task: Task, judged: Judged, drawn: Resamples) -> dict[str, Any]:
    rows = judged.rows
    ranking = rank(judged.scores[MAIN].score, rows.outcome, rows.household, rows.day)
    found: dict[str, Any] = {}
    for name, groups in slices(project, task, rows).items():
        caught = recall_by_group(ranking, rows.outcome, groups, drawn)
        found[name] = {group: _slice(judged, mask, drawn, caught[group]) for group, mask in groups.items()}
    return found


def _slice(judged: Judged, mask: np.ndarray, drawn: Resamples, caught: Mapping[str, Any]) -> dict[str, Any]:
    """A group's own ranking, its share of the pooled list, and expected against observed onsets."""
    rows, main = judged.rows, judged.scores[MAIN]
    outcome = rows.outcome[mask]
    told: dict[str, Any] = {
        "rows": int(mask.sum()),
        "positives": number(float(outcome.sum())),
        "base_rate": number(float(outcome.mean())),
        "expected_rate": number(float(main.probability[mask].mean())),
        "listed_share": caught["listed_share"],
        "precision_on_list": caught["precision"],
        "recall_on_list": caught["recall"],
        "recall_on_list_interval": caught["recall_interval"],
    }
    if len(outcome) < SMALLEST_GROUP or outcome.sum() < 1:
        return told
    told["models"] = {}
    for name, scored in judged.scores.items():
        ranking = rank(scored.score[mask], outcome, rows.household[mask], rows.day[mask])
        if name == MAIN:
            told["models"][name] = figures(joined([ranking_measures(ranking, w) for w in drawn.weights(mask)]))
        else:
            alone = ranking_measures(ranking, np.ones((1, len(outcome))))
            told["models"][name] = {key: number(value[0]) for key, value in alone.items()}
    return told


# --- ranges and selected findings ---------------------------------------------------------------------------------


def _coverage(judged: Judged) -> dict[str, Any] | None:
    """How often the number of onsets among 100 households of one day and similar score fell within its range."""
    if judged.calibration is None:
        return None
    rows, margin = judged.rows, judged.scores[MAIN].score
    covered, groups = judged.calibration.coverage(margin, rows.outcome, rows.day)
    return {"covered": number(covered), "groups": groups, "nominal": judged.calibration.level}


def _selected(judged: Judged, drawn: Resamples) -> dict[str, Any] | None:
    """Figures over findings drawn with a known probability, each standing for 1/p households."""
    rows = judged.rows
    mask = np.isfinite(rows.selected) & (rows.selected > 0)
    if mask.sum() < SMALLEST_GROUP:
        return None
    stands_for = inverse_probability(rows.selected)[mask]
    outcome, main = rows.outcome[mask], judged.scores[MAIN]
    ranking = rank(main.score[mask], outcome, rows.household[mask], rows.day[mask])
    parts = []
    for w in drawn.weights(mask):
        weights = w * stands_for
        found = all_measures(ranking, main.probability[mask], outcome, weights)
        parts.append({"base_rate": (weights @ outcome) / weights.sum(axis=1), **found})
    return {"rows": int(mask.sum()), **figures(joined(parts))}
