"""What a training works on: panel, evidence and rows of all mature days, and the choices that all steps share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from features import panel
from features.engines.duckdb import Engine
from features.errors import UsageError
from features.hardship import Evidence, read_evidence
from features.indicators.indicator import Indicator
from features.indicators.registry import indicators_of
from features.project import ModelChoices, Project, Task
from features.store import Store
from training.baselines import Known
from training.days import candidate_days, first_day, mature_days, recent
from training.folds import temporal_folds
from training.rows import Progress, Rows, read_rows

LEAST_POSITIVES = 20


@dataclass(frozen=True)
class Work:
    """What all steps of a training share."""

    project: Project
    task: str
    seed: int
    threads: int
    rows: Rows
    evidence: Evidence
    until: date
    directions: tuple[int, ...]

    @property
    def choices(self) -> ModelChoices:
        """The project's model choices for the task."""
        return self.project.choices(self.task)

    @property
    def rule(self) -> Task:
        """The task itself."""
        return self.project.tasks[self.task]


def used_indicators(project: Project, task: str) -> list[Indicator]:
    """The project's indicators less those that the task's model leaves out."""
    without = set(project.choices(task).without)
    return [indicator for indicator in indicators_of(project) if indicator.id not in without]


def training_days(project: Project, task: str, store: Store, until: date, engine: Engine) -> list[date]:
    """Days of the panel that a training reads: those of all tasks, so that the next one finds them built."""
    candidates = candidate_days(project, task, first_day(project, store, engine), until)
    return sorted({day for name in project.tasks for day in mature_days(project, name, candidates, until)})


def gather(
    project: Project,
    task: str,
    store: Store,
    until: date,
    engine: Engine,
    threads: int,
    seed: int,
    indicators: list[Indicator],
    progress: Progress,
) -> Work:
    """Panel, evidence and rows of all mature days."""
    found = project.tasks[task]
    candidates = candidate_days(project, task, first_day(project, store, engine), until)
    days = recent(mature_days(project, task, candidates, until), project.choices(task).history)
    if not days:
        raise UsageError("training_no_days", task=task, until=until)
    wanted = training_days(project, task, store, until, engine)
    built = panel.build(project, store, wanted, engine=engine, progress=progress)
    folds = temporal_folds(days, found, project.choices(task).folds, until)
    evidence = read_evidence(project, found, store, [*days, until, *(fold.known_by for fold in folds)], engine)
    ids = [indicator.id for indicator in indicators]
    everyone = project.choices(task).train_all
    rows = read_rows(built, evidence, days, ids, until, compared=project.fairness, everyone=everyone, progress=progress)
    positives, cohort = float(rows.outcome[rows.cohort].sum()), int(rows.cohort.sum())
    if positives < LEAST_POSITIVES or cohort - positives < LEAST_POSITIVES:
        raise UsageError("training_too_few", task=task, rows=cohort, positives=int(positives))
    directions = tuple(indicator.direction for indicator in indicators)
    return Work(project, task, seed, threads, rows, evidence, until, directions)


def known_of(rows: Rows, chosen: np.ndarray | None = None) -> Known:
    """What baselines may look at."""
    x, area = (rows.x, rows.area) if chosen is None else (rows.x[chosen], rows.area[chosen])
    return Known(rows.indicators, x, rows.areas[area])
