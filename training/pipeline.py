"""The whole of training: panel → labels → folds → search → fit → calibrate → baselines → evaluate → bundle → registry.

A training is a pure function of (project, task, store version, until, trials, seed): the same gives the same bundle to
the byte. Its receipt is written when the bundle is complete, so that a training that was killed while logging only
logs again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from features import panel
from features.calendar import as_of_days
from features.engines.duckdb import Engine
from features.errors import UsageError
from features.hardship import read_evidence
from features.indicators.registry import indicators_of
from features.project import Project
from features.settings import Settings
from features.staging import write_atomically
from features.store import Store
from models import bundle as bundles
from models.bundle import Bundle
from models.calibration import Calibration
from models.registry import Registry
from models.schema import schema_of
from training.baselines import Scored, score_baselines
from training.crossfitting import Split, calibrate, choose, divide, fit_whole, judge_out_of_fold, out_of_fold
from training.days import candidate_days, first_day, known_until, mature_days
from training.evaluation import MAIN, Judged, evaluate_rows
from training.folds import temporal_folds
from training.gathering import Work, gather, known_of, used_indicators
from training.labels import as_of_days_within, is_mature
from training.receipts import (
    finished,
    keep_for_plots,
    manifest,
    project_file,
    receipt_file,
    receipt_of,
    report_folder,
    training_key,
)
from training.rows import Progress, Rows, read_rows
from training.search import Found

CHUNK = 100_000
Draw = Callable[[Bundle, Mapping[str, Any], Path], Sequence[Path]]
"""Draws plots and pages of a training into its report's folder, and says which files they are."""


@dataclass(frozen=True)
class Trained:
    """What a training made; `version` is None where it was not registered."""

    bundle_digest: str
    version: str | None
    run_id: str
    metrics: dict[str, Any]
    report: dict[str, Any]


def train(
    project: Project,
    task: str,
    store: Store,
    registry: Registry,
    *,
    until: date,
    engine: Engine,
    settings: Settings,
    trials: int | None = None,
    seed: int = 0,
    register: bool = False,
    progress: Progress | None = None,
    draw: Draw | None = None,
) -> Trained:
    """Train on outcomes known by `until`; log the run with what `draw` makes, and register the version where asked.

    Raises:
        UsageError: no as-of day has a mature outcome by then, or too few onsets are among them.
    """
    report = progress or (lambda *_: None)
    trials = project.choices(task).search.trials if trials is None else trials
    indicators = used_indicators(project, task)
    receipt = receipt_file(store, training_key(project, task, store, until, (trials, seed), indicators))
    if receipt.is_file() and (found := finished(store, receipt)) is not None:
        return _log(registry, found[0], found[1], register=register, draw=draw)
    work = gather(project, task, store, until, engine, settings.threads, seed, indicators, report)
    learnt = learn(work, trials, report)
    judged, evaluated = judge_out_of_fold(
        work, learnt.folds, learnt.margins, learnt.out_of_fold, learnt.calibration, report
    )
    evaluated["training"] = receipt_of(work, learnt.folds, learnt.best)
    made = bundles.save(
        store.home.project(project.name).bundles,
        manifest=manifest(work, store, trials),
        schema=schema_of(project, indicators),
        booster=learnt.booster,
        calibration=learnt.calibration,
        levels=project.levels,
        baselines=learnt.baselines,
        project_file=project_file(project),
    )
    keep_for_plots(report_folder(made), judged, seed)
    content = {"bundle": made.digest, "report": evaluated}
    write_atomically(receipt, bundles.canonical(content))
    return _log(registry, made, evaluated, register=register, draw=draw)


@dataclass(frozen=True)
class Learnt:
    """What was learnt from rows: a booster of all of them with its calibration, baselines, and what folds said."""

    folds: list[Split]
    best: Found
    margins: list[np.ndarray]
    out_of_fold: list[dict[str, Scored]]
    calibration: Calibration
    booster: str
    baselines: dict[str, Any]


def learn(work: Work, trials: int, report: Progress, *, compared: bool = True) -> Learnt:
    """Fold, search, calibrate and fit; the same rows, trials and seed give the same bytes.

    Without `compared` no baselines are fitted but those that teach the booster: they take most of a small training.
    """
    folds = divide(work)
    best = choose(work, folds, trials, report)
    margins, baselines = out_of_fold(work, folds, best, report, compared=compared)
    calibration = calibrate(work, folds, margins)
    report("fit", 0, 1)
    booster, fitted = fit_whole(work, best, compared=compared)
    return Learnt(folds, best, margins, baselines, calibration, booster, fitted)


def plan(project: Project, task: str, store: Store, *, until: date, engine: Engine | None = None) -> dict[str, Any]:
    """What a training would use, without doing it."""
    name, found = project.task(task)
    days = mature_days(project, name, candidate_days(project, name, first_day(project, store, engine), until), until)
    folds = temporal_folds(days, found, project.choices(name).folds, until)
    shown = [
        {"train": [str(fold.train[0]), str(fold.train[-1])], "test": [str(fold.test[0]), str(fold.test[-1])]}
        for fold in folds
    ]
    return {"task": name, "days": [str(day) for day in days], "indicators": len(indicators_of(project)), "folds": shown}


def evaluation_days(
    project: Project, task: str, store: Store, first: date, last: date, engine: Engine | None = None
) -> list[date]:
    """As-of days whose horizon ends in [first, last]."""
    days = as_of_days(project.calendar.cadence, first_day(project, store, engine), last)
    return list(as_of_days_within(days, project.tasks[task], first, last))


def evaluate(
    project: Project,
    task: str,
    store: Store,
    registry: Registry,
    *,
    first: date,
    last: date,
    engine: Engine,
    settings: Settings,  # noqa: ARG001 -- every command passes it
    version: str | None = None,
    resamples: int = 500,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Hold a registered version, and the champion beside it, against outcomes whose horizon ends in [first, last].

    Raises:
        UsageError: no row has a known outcome in that window.
    """
    name, found = project.task(task)
    chosen, model = registry.fetch(project.name, name, version or registry.default(project.name, name))
    bundles.same_meaning(model, schema_of(project, used_indicators(project, name)))
    known_by = known_until(store, engine, found)
    days = evaluation_days(project, name, store, first, last, engine)
    rows = _rows_with_outcomes(project, name, store, days, known_by, engine, model.schema.ids, progress)
    if rows is None or len(rows) == 0 or rows.outcome.sum() == 0:
        raise UsageError("evaluation_no_rows", task=name, first=first, last=last, immature=_immature(rows, days))
    scores = {MAIN: scored_by(model, rows), **score_baselines(model.baselines, known_of(rows))}
    champion = _champion(registry, project, name, chosen.number)
    if champion is not None and champion[1].schema.ids == model.schema.ids:
        scores["champion"] = scored_by(champion[1], rows)
    until = str(model.manifest.get("until", ""))
    report = {
        "project": project.name,
        "task": name,
        "version": chosen.number,
        "bundle": model.digest,
        "first": str(first),
        "last": str(last),
        "known_by": str(known_by),
        "trained_until": until,
        "overlaps_training": bool(until) and until > str(rows.days[0]),
        "store_version": store.version,
        "champion_version": champion[0] if champion is not None and "champion" in scores else None,
        **evaluate_rows(project, found, Judged(rows, scores, model.calibration), resamples=resamples),
    }
    registry.log_evaluation(project.name, name, chosen, report=report, metrics=flat_metrics(report["models"][MAIN]))
    return report


def _rows_with_outcomes(
    project: Project,
    task: str,
    store: Store,
    days: list[date],
    known_by: date,
    engine: Engine,
    indicators: list[str],
    progress: Progress | None,
) -> Rows | None:
    """Cohort rows of the days whose outcome is known by `known_by`; None where not even one day is mature."""
    found = project.tasks[task]
    if not any(is_mature(found, day, known_by) for day in days):
        return None
    built = panel.build(project, store, days, engine=engine, progress=progress)
    evidence = read_evidence(project, found, store, [*days, known_by], engine)
    rows = read_rows(built, evidence, days, indicators, known_by, compared=project.fairness, progress=progress)
    return rows.take(rows.cohort)


def _immature(rows: Rows | None, days: list[date]) -> int:
    return len(days) if rows is None else rows.counts["immature"]


# --- registry and scores ---------------------------------------------------------------------------------------------


def _log(
    registry: Registry, made: Bundle, report: dict[str, Any], *, register: bool, draw: Draw | None = None
) -> Trained:
    """Log a finished training; one that was logged before keeps its run and version."""
    registry.sweep()
    folder = report_folder(made)
    file = folder / "evaluation.json"
    write_atomically(file, bundles.canonical(report))
    drawn = draw(made, report, folder) if draw is not None else ()
    training = report["training"]
    run_id, version = registry.log_training(
        made,
        params={**training["parameters"], "until": made.manifest["until"], "seed": made.manifest["seed"]},
        metrics=flat_metrics(report["models"][MAIN]),
        files=[file, *drawn],
        datasets={"panel": made.manifest["data"]},
        tags={"zhouji.code": str(made.manifest["code"]), "zhouji.lock": str(made.manifest["lock"])},
        register=register,
    )
    return Trained(made.digest, version, run_id, report["models"], report)


def flat_metrics(measures: Mapping[str, Any]) -> dict[str, float]:
    """Figures and the ends of their intervals, for MLflow."""
    found: dict[str, float] = {}
    for name, value in measures.items():
        if isinstance(value, int | float):
            found[name] = float(value)
        elif isinstance(value, list) and len(value) == 2:
            found[f"{name}_low"], found[f"{name}_high"] = float(value[0]), float(value[1])
    return found


def scored_by(model: Bundle, rows: Rows) -> Scored:
    """A bundle's word on rows that are in its schema's order."""
    parts = [model.margins(rows.x[start : start + CHUNK].astype(np.float64)) for start in range(0, len(rows), CHUNK)]
    margin = np.concatenate(parts) if parts else np.zeros(0)
    return Scored(margin, model.probabilities(margin))


def _champion(registry: Registry, project: Project, task: str, other_than: str) -> tuple[str, Bundle] | None:
    champions = [version for version in registry.versions(project.name, task) if version.promoted]
    if not champions or champions[0].number == other_than:
        return None
    return champions[0].number, registry.fetch(project.name, task, champions[0].number)[1]
