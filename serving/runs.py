"""Weekly runs on disk: `runs/<as_of>-<task>-<run_id>/`, complete or not there.

run.json        what the run is a function of, what came out, SHA-256 of each file
scores.parquet  the whole cohort: margin, probability, range, level, rank
list.json       the list for machines; list.csv and list.xlsx for those who plan visits
visits.xlsx     the same households for those who visit: no level, nothing that tells how a row came on the list
explained.parquet  each listed household in words, by household: what changed, peers, scenarios, departments' records
sealed.json     which rows were drawn at random, probabilities of selection, open episodes; only its owner reads it
PUBLISHED       there once the list is out; only published runs are followed by the next
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from features.settings import ProjectHome
from features.staging import write_atomically
from serving.listing import Entry, Episode, Left, Selection

RECEIPT, SEALED, SCORES, MARK = "run.json", "sealed.json", "scores.parquet", "PUBLISHED"
EXPLAINED = "explained.parquet"
LISTS = ("list.json", "list.csv", "list.xlsx", "visits.xlsx")


@dataclass(frozen=True)
class RunFolder:
    """A finished run."""

    path: Path

    @property
    def receipt(self) -> dict[str, Any]:
        """What the run is and what came out."""
        content: dict[str, Any] = json.loads((self.path / RECEIPT).read_text(encoding="utf-8"))
        return content

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.path.name.rsplit("-", 1)[1]

    @property
    def as_of(self) -> date:
        """The as-of day."""
        return date.fromisoformat(self.path.name[:10])

    @property
    def published(self) -> bool:
        """Whether the list went out."""
        return (self.path / MARK).is_file()

    def publish(self) -> None:
        """Let the list go out; the next run follows it."""
        if not self.published:
            write_atomically(self.path / MARK, (self.run_id + "\n").encode())

    def scores(self) -> pd.DataFrame:
        """Scores of the whole cohort."""
        return pd.read_parquet(self.path / SCORES)

    def households(self) -> list[dict[str, Any]]:
        """Rows of the list."""
        content = json.loads((self.path / LISTS[0]).read_text(encoding="utf-8"))
        return list(content["households"])

    def sealed(self) -> dict[str, Any]:
        """What only the audit may read."""
        content: dict[str, Any] = json.loads((self.path / SEALED).read_text(encoding="utf-8"))
        return content

    def episodes(self) -> tuple[Episode, ...]:
        """Episodes that were open, or in their cool-down, after this list."""
        return tuple(_episode(entry) for entry in self.sealed()["episodes"])

    def entries(self) -> tuple[Entry, ...]:
        """Rows of the list with their kinds and probabilities."""
        return tuple(
            Entry(**{**entry, "opened_on": date.fromisoformat(entry["opened_on"])})
            for entry in self.sealed()["entries"]
        )


def _episode(content: Mapping[str, Any]) -> Episode:
    days = {key: date.fromisoformat(content[key]) for key in ("opened_on", "listed_on")}
    return Episode(**{**content, **days})


def seal(selection: Selection) -> dict[str, Any]:
    """The sealed part of a selection, ready for JSON."""
    return {
        "entries": [_plain(asdict(entry)) for entry in selection.entries],
        "left": [_left(left) for left in selection.left],
        "episodes": [_plain(asdict(episode)) for episode in selection.episodes],
    }


def _left(left: Left) -> dict[str, Any]:
    return asdict(left)


def _plain(content: dict[str, Any]) -> dict[str, Any]:
    return {key: str(value) if isinstance(value, date) else value for key, value in content.items()}


def runs_of(home: ProjectHome, task: str) -> list[RunFolder]:
    """All finished runs of a task, by as-of day, store version and id."""
    found = [
        RunFolder(path)
        for path in home.runs.glob(f"*-{task}-*")
        if path.name[11:].rsplit("-", 1)[0] == task and (path / RECEIPT).is_file()
    ]
    return sorted(found, key=lambda run: (run.as_of, int(run.receipt["store_version"]), run.run_id))


def last_before(home: ProjectHome, task: str, day: date, area: str | None = None) -> RunFolder | None:
    """The newest published run of an earlier day, for the same area."""
    earlier = [
        run for run in runs_of(home, task) if run.as_of < day and run.published and run.receipt.get("area") == area
    ]
    return earlier[-1] if earlier else None


def newest_on(home: ProjectHome, task: str, day: date) -> RunFolder | None:
    """The newest run of a day, a published one first."""

    def newness(run: RunFolder) -> tuple[bool, int, float]:
        return run.published, int(run.receipt["store_version"]), run.path.stat().st_mtime

    return max((run for run in runs_of(home, task) if run.as_of == day), key=newness, default=None)


def with_run_id(home: ProjectHome, task: str, run_id: str) -> RunFolder | None:
    """The run of this id."""
    return next((run for run in runs_of(home, task) if run.run_id == run_id), None)


@dataclass(frozen=True)
class Options:
    """What a run may be asked to do differently."""

    area: str | None = None
    capacity: int | None = None
    audit_share: float | None = None
    seed: int = 7


@dataclass(frozen=True)
class Run:
    """A weekly run.

    Attributes:
        existed: whether it was there already.
        audit: number of audit rows; which ones they are is sealed.
        areas: by visiting area: capacity, listed, at or above yellow, left out, in the last list too.
    """

    run_id: str
    as_of: date
    task: str
    version: str
    folder: Path | None
    published: bool
    existed: bool
    listed: int
    new: int
    up: int
    audit: int
    suggestions: int
    cohort: int
    levels: Mapping[str, int]
    areas: tuple[Mapping[str, Any], ...]
    stale: bool
    trial: bool
    files: tuple[Path, ...] = ()
    mlflow_run: str | None = None
    overlap: int = 0
    left: Mapping[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "run_id": self.run_id,
            "as_of": str(self.as_of),
            "task": self.task,
            "version": self.version,
            "listed": self.listed,
            "new": self.new,
            "up": self.up,
            "audit": self.audit,
            "suggestions": self.suggestions,
            "cohort": self.cohort,
            "levels": dict(self.levels),
            "areas": [dict(area) for area in self.areas],
            "overlap": self.overlap,
            "left": dict(self.left),
            "stale": self.stale,
            "trial": self.trial,
            "published": self.published,
            "existed": self.existed,
            "mlflow_run": self.mlflow_run,
            "files": [str(file) for file in self.files],
        }
