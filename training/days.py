"""As-of days that can be trained on, and up to which day the store tells of outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from features.anchors import presence
from features.calendar import FOREVER, Span, as_of_days, period_end, period_index
from features.engines.duckdb import Engine
from features.errors import UsageError
from features.indicators.registry import find_series
from features.indicators.structure import walk
from features.project import Project, Task
from features.store import Store
from training.labels import is_mature


def first_day(project: Project, store: Store, engine: Engine | None = None) -> date:
    """End of the first period that every essential reporting feed had begun to tell about.

    Before it a panel would be missing whole departments.

    Raises:
        UsageError: nothing was delivered yet.
    """
    del engine
    began: dict[str, date] = {}
    for receipt in store.deliveries():
        if receipt.first_period and receipt.accepted:
            day = date.fromisoformat(receipt.first_period)
            began[receipt.feed] = min(day, began.get(receipt.feed, day))
    reporting = [feed for feed in presence(project) if project.feeds[feed].essential and feed in began]
    starts = [began[feed] for feed in reporting] or list(began.values())
    if not starts:
        raise UsageError("training_store_empty")
    grain = project.calendar.grain
    return period_end(grain, period_index(grain, max(starts)))


def candidate_days(project: Project, task: str, first: date, last: date) -> list[date]:
    """Every so-manieth as-of day, counted back from the newest."""
    days = as_of_days(project.calendar.cadence, first, last)
    return days[::-1][:: project.choices(task).stride][::-1]


def mature_days(project: Project, task: str, days: Sequence[date], known_by: date) -> list[date]:
    """Days whose horizon and reporting delay have passed."""
    return [day for day in days if is_mature(project.tasks[task], day, known_by)]


def recent(days: Sequence[date], history: Span | None) -> list[date]:
    """Days at most `history` before the newest."""
    if history is None or not days:
        return list(days)
    earliest = history.before(max(days))
    return [day for day in days if day > earliest]


def known_until(store: Store, engine: Engine, task: Task) -> date:
    """The newest day on which the store learned something about outcomes of the task.

    What happened after it is not known, whatever the calendar says: rows that would need it are immature.
    """
    tables = ["outcome"] if task.state is None else _tables(store.project, task)
    newest: date | None = None
    for table in tables:
        for subject in ("household", "person"):
            known = store.as_known_on(FOREVER - timedelta(days=1), table, engine, subject=subject)
            found = engine.frame(known.aggregate(newest=known.known_from.max()))["newest"].iloc[0]
            day = _as_date(found)
            newest = max(day, newest) if day is not None and newest is not None else day or newest
    if newest is None:
        raise UsageError("training_store_empty")
    return newest


def _tables(project: Project, task: Task) -> list[str]:
    assert task.state is not None
    series = find_series(project, task.state.series)
    return sorted({str(getattr(node, "table")) for node in walk(series) if hasattr(node, "table")})  # noqa: B009


def _as_date(value: Any) -> date | None:
    if value is None or value != value:  # noqa: PLR0124 -- NaT is not equal to itself
        return None
    day: date = value.date() if hasattr(value, "date") else value
    return day
