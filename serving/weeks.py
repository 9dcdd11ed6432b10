"""Published weekly runs as the service reads them: lists in order, and one household over the weeks."""

from __future__ import annotations

import json
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from features.project import Project
from features.settings import ProjectHome
from features.strict import Words
from serving.runs import EXPLAINED, RunFolder, runs_of

LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Sources:
    """Sources of a list: how many there are, and those that were not current, with their newest day."""

    known: int
    late: tuple[tuple[Words, str], ...]


@dataclass(frozen=True)
class Week:
    """One published run, read once."""

    run: RunFolder
    receipt: Mapping[str, Any]
    _reading: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """Rows of the list in the order of need."""
        return self.run.households()

    @cached_property
    def listed(self) -> Mapping[str, int]:
        """Household → place on the list."""
        return {str(row["household_id"]): at for at, row in enumerate(self.rows)}

    @cached_property
    def blind(self) -> list[int]:
        """Places by area and household: an order that tells nothing."""
        return sorted(range(len(self.rows)), key=lambda at: (self.rows[at]["area_code"], self.rows[at]["household_id"]))

    @cached_property
    def _scores(self) -> tuple[np.ndarray, Mapping[str, np.ndarray]]:
        frame = self.run.scores()
        names = np.array(frame["household_id"].tolist(), dtype="S24")
        columns = ("area_code", "level", "probability", "low", "high")
        return names, {name: frame[name].to_numpy() for name in columns}

    @cached_property
    def _explained(self) -> tuple[pq.ParquetFile, list[str]] | None:
        path = self.run.path / EXPLAINED
        if not path.is_file():
            return None
        file = pq.ParquetFile(path)
        groups = (file.metadata.row_group(at).column(0).statistics.min for at in range(file.num_row_groups))
        return file, list(groups)

    def explained(self, household: str) -> dict[str, Any] | None:
        """A listed household in words, as the run left it; None where it was not listed or the run is an older one."""
        if self._explained is None:
            return None
        file, firsts = self._explained
        at = bisect_right(firsts, household) - 1
        if at < 0:
            return None
        with self._reading:
            rows = file.read_row_group(at)
        names = rows.column("household_id").to_pylist()
        place = bisect_left(names, household)
        if place == len(names) or names[place] != household:
            return None
        found: dict[str, Any] = json.loads(rows.column("body")[place].as_py())
        return found

    def score(self, household: str) -> dict[str, Any] | None:
        """A household of the cohort: area, level, probability and range; the number is None where there is none."""
        names, columns = self._scores
        wanted = household.encode()
        at = int(np.searchsorted(names, wanted))
        if at == len(names) or names[at] != wanted:
            return None
        found = {name: values[at] for name, values in columns.items()}
        known = not np.isnan(found["probability"])
        numbers = {name: float(found[name]) if known else None for name in ("probability", "low", "high")}
        return {"area_code": str(found["area_code"]), "level": str(found["level"]), **numbers}


class Weeks:
    """The published runs of a task; a run never changes, so what was read once is kept."""

    def __init__(self, home: ProjectHome, task: str) -> None:
        self._home, self._task = home, task
        self._looked = 0.0
        self._found: list[RunFolder] = []
        self._lock = threading.Lock()
        self._read = lru_cache(maxsize=16)(lambda run: Week(run, run.receipt))

    def published(self) -> list[RunFolder]:
        """Published runs, oldest first."""
        with self._lock:
            if time.monotonic() - self._looked > LOOK_SECONDS:
                self._found = [run for run in runs_of(self._home, self._task) if run.published]
                self._looked = time.monotonic()
            return self._found

    def days(self) -> list[date]:
        """Days with a published list, oldest first."""
        return sorted({run.as_of for run in self.published()})

    def of_day(self, day: date) -> Week | None:
        """The newest published run of a day, one of the whole project first."""
        weeks = [self._read(run) for run in self.published() if run.as_of == day]
        whole = [week for week in weeks if week.receipt.get("area") is None]
        found = whole or weeks
        return found[-1] if found else None

    def of_run(self, run_id: str) -> Week | None:
        """The published run of this id."""
        return next((self._read(run) for run in self.published() if run.run_id == run_id), None)

    def newest_first(self) -> list[Week]:
        """One run a day, newest first."""
        found = (self.of_day(day) for day in reversed(self.days()))
        return [week for week in found if week is not None]

    def newest(self) -> Week | None:
        """The run of the newest day; the others are not looked at."""
        days = self.days()
        return self.of_day(days[-1]) if days else None

    def age_days(self) -> int | None:
        """Days since the data day of the newest list."""
        days = self.days()
        return (datetime.now(UTC).date() - days[-1]).days if days else None


def sources_of(project: Project, week: Week | None) -> Sources | None:
    """How the sources of a list stood when it was made; None where there is no list."""
    if week is None:
        return None
    feeds = {name: state for name, state in week.receipt["feeds"].items() if name in project.feeds}
    late = {name: state["newest"] for name, state in feeds.items() if state["status"] != "current"}
    return Sources(len(feeds), tuple((project.feeds[name].name, str(day or "—")) for name, day in late.items()))
