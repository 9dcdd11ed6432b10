"""Anchors: for each feed and as-of day, the newest complete period that was known on that day.

Windows count back from here. A feed's period is complete when the volume visible on the day reaches the feed's
`minimum_share` of the usual volume, the median of up to four periods before it. Only records known on the day are
counted, so that what arrives later never moves an earlier anchor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from statistics import median

from features.calendar import period_end, period_index
from features.cells import Batch, delivers, indexed, period_of, record_date
from features.indicators.definition import Expression, Series
from features.indicators.structure import walk
from features.project import Project

USUAL_PERIODS = 4
REGISTERS = (
    "household",
    "member",
    "category",
    "area",
    "assistance_line",
    "schedule",
    "area_reading",
    "employer_month",
)


def presence(project: Project) -> dict[str, Series]:
    """For each feed that reports by period, the series that tells whether it reported a household.

    That is its household record where one is renewed every period, else its first table of dated records, those that
    every row has before those that need a value. Registers without periods have none: silence is their usual state.
    """
    found = {}
    for feed_id in project.feeds:
        table = _reporting_table(project, feed_id)
        if table:
            found[feed_id] = Series(f"{feed_id}_reported", table, where=(("feed", (feed_id,)),), aggregate="count")
    return found


def _reporting_table(project: Project, feed_id: str) -> str | None:
    profile = project.feeds[feed_id].profile
    for rule in profile.records:
        derived = profile.derive.get(rule.columns.get("valid_from", ""))
        if rule.table == "household" and derived is not None and derived.period_start is not None:
            return "household"
    dated = [rule for rule in profile.records if rule.table not in REGISTERS]
    always = [rule for rule in dated if not rule.when_present and not rule.when]
    return next((rule.table for rule in (*always, *dated)), None)


def feeds_of(project: Project, expression: Expression) -> tuple[str, ...]:
    """Feeds that can bring records of the series within an expression."""
    found: dict[str, None] = {}
    for node in walk(expression):
        if isinstance(node, Series):
            named = dict(node.where).get("feed")
            names = [str(name) for name in named] if named else _bringing(project, node)
            found.update(dict.fromkeys(names))
    return tuple(found)


def _bringing(project: Project, series: Series) -> list[str]:
    """Feeds with a rule for the table whose constants do not contradict the series' filter."""
    found = []
    for feed_id in delivers(project, series.table):
        rules = [rule for rule in project.feeds[feed_id].profile.records if rule.table == series.table]
        for rule in rules:
            spread = {rule.each.key: tuple(rule.each.over)} if rule.each else {}
            fixed = {column: (value,) for column, value in rule.constants.items()} | spread
            if all(set(values) & set(fixed.get(column, values)) for column, values in series.where):
                found.append(feed_id)
                break
    return list(dict.fromkeys(found))


def anchors(batch: Batch, feeds: Sequence[str], series: Mapping[str, Series]) -> dict[str, list[int]]:
    """Index of the anchor period by feed and as-of day; where nothing was ever known, the day's last whole period."""
    return {feed: _anchor(batch, feed, series[feed].table) for feed in feeds}


def _anchor(batch: Batch, feed: str, table: str) -> list[int]:
    grain = batch.project.calendar.grain
    subject = "person" if feed in delivers(batch.project, table, by_person=True) else "household"
    records = batch.store.as_known_on(batch.days, table, batch.engine, subject=subject)
    records = records.filter(records.feed == feed)
    counts = records.select("known_from", "known_to", counted_on=record_date(records))
    counts = counts.group_by("counted_on", "known_from", "known_to").agg(n=counts.count())
    counts = indexed(batch, counts)
    placed = counts.mutate(p=period_of(batch, counts.counted_on))
    frame = batch.engine.frame(placed.group_by("p", "lo", "hi").agg(n=placed.n.sum()))
    rows = list(frame[["p", "lo", "hi", "n"]].itertuples(index=False, name=None))
    share = batch.project.feeds[feed].minimum_share
    return [_newest(rows, ix, _whole(grain, day), share) for ix, day in enumerate(batch.days)]


def _newest(rows: Sequence[tuple[int, int, int, int]], ix: int, last: int, share: float) -> int:
    seen: dict[int, int] = {}
    for p, lo, hi, n in rows:
        if lo <= ix < hi and p <= last:
            seen[p] = seen.get(p, 0) + n
    periods = sorted(seen)
    for place in range(len(periods) - 1, -1, -1):
        before = [seen[p] for p in periods[max(0, place - USUAL_PERIODS) : place]]
        if not before or seen[periods[place]] >= share * median(before):
            return int(periods[place])
    return last


def _whole(grain: str, day: date) -> int:
    """The last period of the grain that has ended by the day."""
    index = period_index(grain, day)  # type: ignore[arg-type]
    return index if period_end(grain, index) <= day else index - 1  # type: ignore[arg-type]


def expected(batch: Batch, feed: str) -> list[int]:
    """For each as-of day, the newest period that the feed should have delivered by then."""
    grain, wait = batch.project.calendar.grain, batch.project.feeds[feed].expected_within_days
    return [_whole(grain, day - timedelta(days=wait)) for day in batch.days]
