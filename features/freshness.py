"""How late and how complete each feed is on a day; a run on stale or shrunken data stops, unless told to go on.

What counts is what was known on that day: rows per period, against the period that the feed should have delivered by
then (`cadence`, `expected_within_days`) and against the usual volume of the periods before (`minimum_share`).
A feed may be whole in the province and silent in one county: `check_areas` asks the same of every area.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from statistics import median
from typing import Any, Literal

import ibis

from features.anchors import USUAL_PERIODS, presence
from features.calendar import FOREVER, Grain, Period, period_end, period_index, period_start
from features.cells import Batch, History, delivers, record_date
from features.coverage import silent_areas
from features.divisions import AreaTree, area_tree
from features.engines.duckdb import Engine
from features.errors import GateError
from features.project import Project

Status = Literal["current", "late", "shrunken", "absent"]
FEWEST = 20  # an area that usually sends fewer rows is not judged: it goes up and down by itself


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


@dataclass(frozen=True)
class AreaState:
    """One feed in one area of the visiting level on one day, in the terms of `FeedState`."""

    feed: str
    area: str
    status: Status
    newest: str | None
    expected: str
    rows: int
    usual_rows: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


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


def check_areas(project: Project, store: History, day: date, engine: Engine) -> list[AreaState]:
    """The state of every feed that reports by period, in every area that it has reported on.

    A household is where its newest record known on the day says; a person's facts count where his household is. Areas
    from which the project says that a feed does not come are absent.
    """
    batch, tree = Batch(project, store, (day,), engine, engine.scratch), area_tree(project)
    found = []
    for feed, series in presence(project).items():
        due = _due(project, feed, day)
        silent = silent_areas(project, tree, feed, day)
        by_area = _counts_by_area(batch, feed, series.table, project.feeds[feed].cadence, tree)
        for area in sorted({*silent, *by_area}):
            if area in silent:
                found.append(AreaState(feed, area, "absent", None, due, 0, 0))
                continue
            counts = by_area[area]
            status, newest, rows, usual = _judge(project, feed, counts, day)
            if usual < FEWEST:
                status = "current"
            found.append(AreaState(feed, area, status, _named(project, feed, newest), due, rows, usual))
    return found


def _recent(batch: Batch, feed: str, table: str) -> Any:
    """A feed's records as known on the batch's one day: of the newest partitions, or of all where those are empty."""
    day, grain = batch.days[0], batch.project.feeds[feed].cadence
    subject = "person" if feed in delivers(batch.project, table, by_person=True) else "household"
    since = period_start(grain, period_index(grain, day) - 3 * USUAL_PERIODS)
    for periods in ((since, FOREVER), None):
        records = batch.store.as_known_on(batch.days, table, batch.engine, subject=subject, periods=periods)
        records = records.filter(records.feed == feed)
        if batch.engine.frame(records.limit(1).select("row_id")).size:
            break
    return records.mutate(counted_on=record_date(records))


def _counts(batch: Batch, feed: str, table: str, grain: Grain) -> dict[int, int]:
    """Records by period of the feed's cadence."""
    records = _recent(batch, feed, table)
    frame = batch.engine.frame(records.group_by("counted_on").agg(n=records.count()))
    found: dict[int, int] = {}
    for counted_on, rows in frame[["counted_on", "n"]].dropna().itertuples(index=False, name=None):
        index = period_index(grain, counted_on)
        found[index] = found.get(index, 0) + int(rows)
    return found


def _counts_by_area(batch: Batch, feed: str, table: str, grain: Grain, tree: AreaTree) -> dict[str, dict[int, int]]:
    """The same for each area of the visiting level."""
    records = _recent(batch, feed, table)
    if table == "household":
        placed = records
    else:
        if feed in delivers(batch.project, table, by_person=True):
            members = _newest_of(batch, "member", "person_id").select("person_id", at_household="household_id")
            records = records.select("person_id", "counted_on").join(members, "person_id")
            records = records.select("counted_on", household_id=records.at_household)
        homes = _newest_of(batch, "household", "household_id").select("household_id", "area_code")
        placed = records.select("household_id", "counted_on").join(homes, "household_id")
    frame = batch.engine.frame(placed.group_by("area_code", "counted_on").agg(n=placed.count()))
    found: dict[str, dict[int, int]] = {}
    for code, counted_on, rows in frame[["area_code", "counted_on", "n"]].dropna().itertuples(index=False, name=None):
        counts = found.setdefault(tree.at_level(code, batch.project.areas.visits) or code, {})
        index = period_index(grain, counted_on)
        counts[index] = counts.get(index, 0) + int(rows)
    return found


def _newest_of(batch: Batch, table: str, key: str) -> Any:
    """Each household's or person's newest record that has begun by the batch's one day."""
    records = batch.store.as_known_on(batch.days, table, batch.engine)
    begun = records.filter(records.valid_from <= ibis.literal(batch.days[0]))
    order = [ibis.desc("valid_from"), ibis.desc("knowledge_date"), ibis.desc("row_id")]
    ranked = begun.mutate(nth=ibis.row_number().over(ibis.window(group_by=key, order_by=order)))
    return ranked.filter(ranked.nth == 0)


def _due(project: Project, feed: str, day: date) -> str:
    """The newest period that the feed should have delivered by the day."""
    settings = project.feeds[feed]
    return str(Period(settings.cadence, _whole(settings.cadence, day - timedelta(days=settings.expected_within_days))))


def _named(project: Project, feed: str, index: int | None) -> str | None:
    return None if index is None else str(Period(project.feeds[feed].cadence, index))


def _judge(project: Project, feed: str, counts: dict[int, int], day: date) -> tuple[Status, int | None, int, int]:
    """Status, newest whole period, its rows, and the usual rows."""
    settings = project.feeds[feed]
    grain = settings.cadence
    due = _whole(grain, day - timedelta(days=settings.expected_within_days))
    whole = {index: rows for index, rows in counts.items() if index <= _whole(grain, day)}
    if not whole:
        return "absent", None, 0, 0
    newest = max(whole)
    before = [whole.get(index, 0) for index in range(newest - USUAL_PERIODS, newest) if index >= min(whole)]
    usual = int(median(before)) if before else whole[newest]
    status: Status = "current"
    if newest < due:
        status = "late"
    elif whole.get(max(due, min(whole)), 0) < settings.minimum_share * usual:
        status = "shrunken"
    return status, newest, whole[newest], usual


def _reporting(batch: Batch, feed: str, table: str, day: date) -> FeedState:
    """A feed that reports every period."""
    project = batch.project
    settings = project.feeds[feed]
    status, newest, rows, usual = _judge(project, feed, _counts(batch, feed, table, settings.cadence), day)
    age = None if newest is None else (day - period_end(settings.cadence, newest)).days
    named, due = _named(project, feed, newest), _due(project, feed, day)
    return FeedState(feed, status, settings.essential, named, due, age, rows, usual)


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
