"""Model cards as pages tell them: what the registry said last, kept in memory and in the home.

A process asks once before it answers; from then on no page waits for the registry: what is older than a minute is
asked for again beside it. Where the registry does not answer, the last card stays, and says so.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from features.errors import DataError, DependencyError, UsageError
from features.settings import Home, Settings
from features.staging import write_atomically
from models.bundle import canonical
from models.registry import Registry, Version
from reports.reliability import calibration_points, precision_points

FRESH_SECONDS = 60.0
VERSIONS = "versions"


@dataclass(frozen=True)
class Told:
    """What the registry said, when, and whether it still answers."""

    content: Any
    asked_at: datetime
    reachable: bool = True


class Cards:
    """The cards of one task's versions."""

    def __init__(self, project: str, task: str, settings: Settings) -> None:
        self._project, self._task = project, task
        self._home = Home(settings.home)
        self._folder = self._home.project(project).path / "cards" / task
        self._registry = Registry(settings, self._home)
        self._remote = bool(settings.mlflow_uri)
        self._known: dict[str, Told] = {}
        self._looked: dict[str, float] = {}
        self._asking: set[str] = set()
        self._lock = threading.Lock()

    def versions(self) -> Told:
        """All versions, newest first."""
        return self._take(VERSIONS, self._versions) or Told([], datetime.now(UTC), reachable=False)

    def card(self, number: str) -> Told | None:
        """The card of a version; None where there is no such version."""
        known = next((one for one in self.versions().content if one["number"] == number), None)
        if known is None:
            return None
        return self._take(f"version-{number}", lambda: self._card(known))

    # --- asking and keeping -------------------------------------------------------------------------------------

    def _take(self, key: str, ask: Callable[[], Any]) -> Told | None:
        with self._lock:
            known = self._known.get(key) or self._read(key)
            old = time.monotonic() - self._looked.get(key, -FRESH_SECONDS) >= FRESH_SECONDS
            first = key not in self._looked
            begin = old and key not in self._asking
            if begin:
                self._asking.add(key)
        if begin and first:  # nobody can say yet whether the registry answers
            self._ask(key, ask)
        elif begin:
            threading.Thread(target=self._ask, args=(key, ask), name=f"card {key}", daemon=True).start()
        return self._known.get(key) or known

    def _ask(self, key: str, ask: Callable[[], Any]) -> None:
        told: Told | None
        try:
            told = Told(ask(), datetime.now(UTC))
            self._write(key, told)
        except (DependencyError, DataError, UsageError):
            last = self._known.get(key) or self._read(key)
            told = None if last is None else Told(last.content, last.asked_at, reachable=False)
        finally:
            with self._lock:
                self._asking.discard(key)
                self._looked[key] = time.monotonic()
        if told is not None:
            self._known[key] = told

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"

    def _read(self, key: str) -> Told | None:
        try:
            found = json.loads(self._path(key).read_text(encoding="utf-8"))
            return Told(found["content"], datetime.fromisoformat(found["asked_at"]))
        except (OSError, ValueError, KeyError):
            return None

    def _write(self, key: str, told: Told) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path(key), canonical({"asked_at": told.asked_at.isoformat(), "content": told.content}))

    # --- what is asked ------------------------------------------------------------------------------------------

    def _versions(self) -> list[dict[str, Any]]:
        if not self._remote and not (self._home.mlflow / "mlflow.db").is_file():
            return []  # no page makes a registry
        found = self._registry.versions(self._project, self._task)
        return [{**asdict(one), "aliases": list(one.aliases), "tags": dict(one.tags)} for one in reversed(found)]

    def _card(self, known: dict[str, Any]) -> dict[str, Any]:
        version = Version(**{**known, "aliases": tuple(known["aliases"])})
        return {
            "evaluation": self._registry.evaluation(self._project, self._task, version),
            "training": self._registry.training_of(version),
            **self._curves(version.digest),
        }

    def _curves(self, digest: str) -> dict[str, Any]:
        """Calibration and precision out of fold, where the training's report is on this machine."""
        folder = self._home.project(self._project).path / "trainings" / f"{digest[:24]}-report"
        if not (folder / "out_of_fold.parquet").is_file():
            return {"calibration": None, "precision": None}
        said = pd.read_parquet(folder / "out_of_fold.parquet")
        outcome = said["outcome"].to_numpy()
        return {
            "calibration": calibration_points(said["probability"].to_numpy(), outcome),
            "precision": precision_points(said["score"].to_numpy(), outcome),
        }
