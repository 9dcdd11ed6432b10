"""How late and how complete each feed is on a day; a run on stale or shrunken data stops, unless told to go on.

What counts is what was known on that day: rows per period, against the period that the feed should have delivered by
then (`cadence`, `expected_within_days`) and against the usual volume of the periods before (`minimum_share`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from statistics import median
from typing import Any, Literal

from features.anchors import USUAL_PERIODS, presence
from features.calendar import Grain, Period, period_end, period_index
from features.cells import Batch, History, delivers, record_date
from features.engines.duckdb import Engine
from features.errors import GateError
from features.project import Project

Status = Literal["current", "late", "shrunken", "absent"]


@dataclass(frozen=True)
class FeedState:
    """One feed on one day.

    Attributes:
        newest: newest period with records, as the data contract writes it; None where nothing is known.
        expected: newest period that should have been delivered by the day; None for registers, which report changes
            whenever they happen.
        age_days: days from the end of the newest period to the day.
        rows, usual_rows: records of the newest period, and the median of up to four periods before it.
    """

    feed: str
    status: Status
    essential: bool
    newest: str | None
    expected: str | None
    age_days: int | None
    rows: int
    usual_rows: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @property
    def sound(self) -> bool:
        """Whether a run may rest on it."""
        return self.status == "current"


def check(project: Project, store: History, day: date, engine: Engine) -> list[FeedState]:
    """The state of every feed as known on a day."""
    batch = Batch(project, store, (day,), engine, engine.scratch)
    reporting = presence(project)
    return [
        _reporting(batch, feed, reporting[feed].table, day) if feed in reporting else _register(batch, feed, day)
        for feed in project.feeds
    ]


def require_fresh(states: Sequence[FeedState], *, allow_stale: bool = False) -> list[str]:
    """Names of essential feeds that a run should not rest on.

    Raises:
        GateError: there are some, and nobody said to go on.
    """
    stale = [state for state in states if state.essential and not state.sound]
    if stale and not allow_stale:
        said = "; ".join(
            f"{s.feed} {s.status} ({s.newest or '—'} < {s.expected or '—'}, {s.rows}/{s.usual_rows})" for s in stale
        )
        raise GateError("feed_stale", feeds=", ".join(state.feed for state in stale), detail=said)
    return [state.feed for state in stale]


def _counts(batch: Batch, feed: str, table: str, grain: Grain) -> dict[int, int]:
    """Records by period of the feed's cadence, as known on the batch's one day."""
    subject = "person" if feed in delivers(batch.project, table, by_person=True) else "household"
    records = batch.store.as_known_on(batch.days, table, batch.engine, subject=subject)
    records = records.filter(records.feed == feed)
    dated = records.mutate(counted_on=record_date(records))
    frame = batch.engine.frame(dated.group_by("counted_on").agg(n=dated.count()))
    found: dict[int, int] = {}
    for counted_on, rows in frame[["counted_on", "n"]].dropna().itertuples(index=False, name=None):
        index = period_index(grain, counted_on)
        found[index] = found.get(index, 0) + int(rows)
    return found


def _reporting(batch: Batch, feed: str, table: str, day: date) -> FeedState:
    """A feed that reports every period."""
    settings = batch.project.feeds[feed]
    grain = settings.cadence
    counts = _counts(batch, feed, table, grain)
    due = _whole(grain, day - timedelta(days=settings.expected_within_days))
    whole = {index: rows for index, rows in counts.items() if index <= _whole(grain, day)}
    expected = str(Period(grain, due))
    if not whole:
        return FeedState(feed, "absent", settings.essential, None, expected, None, 0, 0)
    newest = max(whole)
    before = [whole.get(index, 0) for index in range(newest - USUAL_PERIODS, newest) if index >= min(whole)]
    usual = int(median(before)) if before else whole[newest]
    status: Status = "current"
    if newest < due:
        status = "late"
    elif newest >= due and whole.get(max(due, min(whole)), 0) < settings.minimum_share * usual:
        status = "shrunken"
    age = (day - period_end(grain, newest)).days
    return FeedState(feed, status, settings.essential, str(Period(grain, newest)), expected, age, whole[newest], usual)


def _register(batch: Batch, feed: str, day: date) -> FeedState:
    """A feed of changes: silence is its usual state, but it must have been delivered once."""
    table = batch.project.feeds[feed].profile.records[0].table
    subject = (
        "all" if table in ("assistance_line", "area_reading", "schedule", "area", "employer_month") else "household"
    )
    records = batch.store.as_known_on(batch.days, table, batch.engine, subject=subject)
    records = records.filter(records.feed == feed)
    rows, newest = (
        batch.engine.arrow(records.aggregate(n=records.count(), day=records.knowledge_date.max()))
        .to_pylist()[0]
        .values()
    )
    essential = batch.project.feeds[feed].essential
    if not rows:
        return FeedState(feed, "absent", essential, None, None, None, 0, 0)
    return FeedState(feed, "current", essential, newest.isoformat(), None, (day - newest).days, int(rows), int(rows))


def _whole(grain: Grain, day: date) -> int:
    """The last period that has ended by the day."""
    index = period_index(grain, day)
    return index if period_end(grain, index) <= day else index - 1
