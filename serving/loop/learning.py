"""One model for each small province, learnt as the product learns, from rows that all of them were read in together."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from features.engines.duckdb import Engine
from features.hardship import read_evidence
from features.panel import PanelFolder
from features.project import Project
from features.store import Store
from models.booster import Booster, load_booster
from models.calibration import Calibration
from training.baselines import Known, score_baselines
from training.days import mature_days
from training.folds import temporal_folds
from training.gathering import LEAST_POSITIVES, Work, used_indicators
from training.pipeline import learn
from training.rows import Progress, Rows, read_rows


@dataclass(frozen=True)
class Model:
    """What ranks one province's households.

    Attributes:
        onsets, rows: what it was learnt from.
    """

    booster: Booster
    calibration: Calibration
    baselines: Mapping[str, Any]
    until: date
    onsets: float
    rows: int

    def risk(self, method: str, known: Known) -> np.ndarray:
        """Each household's risk by the method; for rules, the share of ten rules that it meets."""
        if method == "lightgbm":
            found: np.ndarray = self.calibration.probability(self.booster.margins(known.x))
            return found
        said = score_baselines({method: self.baselines[method]}, known)[method]
        return said.score / 10 if method == "rules" else said.probability


class Kept:
    """Panels of the days that are trained on, each kept as it was when its list was made.

    Rows that arrive later never change an earlier panel, so that what was built for a list serves every training after
    it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.days: list[date] = []

    def keep(self, panel: PanelFolder, days: Sequence[date]) -> None:
        """Keep some days of a panel."""
        self.path.mkdir(parents=True, exist_ok=True)
        for day in days:
            source, target = panel.path / f"as_of={day}", self.path / f"as_of={day}"
            target.mkdir()
            for file in source.iterdir():
                os.link(file, target / file.name)
        self.days = sorted([*self.days, *days])
        manifest = {**panel.manifest, "days": [str(day) for day in self.days]}
        (self.path / "panel.json").write_text(json.dumps(manifest, ensure_ascii=False), encoding="utf-8")

    @property
    def panel(self) -> PanelFolder:
        """All days together."""
        return PanelFolder(self.path)


def gather_rows(
    kept: Kept, project: Project, task: str, store: Store, until: date, engine: Engine, progress: Progress
) -> Work:
    """Rows of all provinces on the days whose outcomes are known by `until`."""
    rule = project.tasks[task]
    days = mature_days(project, task, kept.days, until)
    folds = temporal_folds(days, rule, project.choices(task).folds, until)
    evidence = read_evidence(project, rule, store, [*days, until, *(fold.known_by for fold in folds)], engine)
    indicators = used_indicators(project, task)
    ids = [indicator.id for indicator in indicators]
    rows = read_rows(kept.panel, evidence, days, ids, until, compared=project.fairness, progress=progress)
    return Work(project, task, 0, 1, rows, evidence, until, tuple(indicator.direction for indicator in indicators))


def learn_one(whole: Work, prefix: str, seed: int, threads: int, *, compared: bool) -> Model | None:
    """A model of the rows whose area begins with `prefix`; None where they hold too few onsets to learn from.

    `compared`: fit baselines as well.
    """
    rows = _of_areas(whole.rows, prefix)
    told = rows.outcome[rows.cohort]
    if min(float(told.sum()), float((1 - told).sum())) < LEAST_POSITIVES:
        return None
    work = Work(whole.project, whole.task, seed, threads, rows, whole.evidence, whole.until, whole.directions)
    learnt = learn(work, 0, lambda *_: None, compared=compared)
    booster = load_booster(learnt.booster, threads=threads)
    return Model(booster, learnt.calibration, learnt.baselines, whole.until, float(told.sum()), len(told))


def _of_areas(rows: Rows, prefix: str) -> Rows:
    inside = np.array([str(area).startswith(prefix) for area in rows.areas], dtype=bool)
    return rows.take(inside[rows.area])
