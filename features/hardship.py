"""Who is in hardship, as known on a day: read from a series by the task's rule, or from recorded outcomes.

`Evidence` holds what the store knew on each of a set of days; everything about states and outcomes is answered from
it, so that one reading serves the cohort of an as-of day (what was known then) and its outcome (what is known by a
later day). Evidence reads the store through `as_known_on` only.
"""

from __future__ import annotations

import shutil
import uuid
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.anchors import anchors, feeds_of, presence
from features.calendar import period_end, period_index
from features.cells import Batch, History, write_cells
from features.days import period_columns
from features.engines.duckdb import Engine
from features.errors import ProjectError
from features.indicators import definition as d
from features.indicators.compilation import value
from features.indicators.plan import LATE_AFTER, plan
from features.indicators.registry import find_series
from features.project import Condition, Project, Task

CODES = {"hardship": "V1", "at_risk": "V2", "no_hardship": "V3", "unknown": "V9", "excluded": "V4"}
"""The validity code that an outcome's kind stands for where none is recorded."""
REFUTING = ("V3", "V6")
STARTING = ("V1", "V5")


@dataclass(frozen=True)
class Evidence:
    """What the store knew on each of `days` about states and outcomes.

    Attributes:
        periods: by period index, household_id, hard (1 or 0) and the span [lo, hi) of places in `days` on which it
            was known like this; for a derived rule.
        anchors: newest complete period known on each day; for a derived rule.
        outcomes: household_id, code, start, finding, selection_probability, known_from, known_to; for recorded ones.
        holdings: household_id, valid_from, valid_to, known_from, known_to of the categories that mean hardship.
    """

    project: Project
    task: Task
    days: tuple[date, ...]
    periods: Mapping[int, pd.DataFrame]
    anchors: tuple[int, ...]
    outcomes: pd.DataFrame
    holdings: pd.DataFrame

    def place(self, day: date) -> int:
        """Place of a day; it must be among those that were read."""
        ix = bisect_left(self.days, day)
        if ix == len(self.days) or self.days[ix] != day:
            raise KeyError(day)
        return ix


def read_evidence(project: Project, task: Task, store: History, days: Sequence[date], engine: Engine) -> Evidence:
    """Evidence for all the days in one reading."""
    ordered = tuple(sorted(set(days)))
    nothing = pd.DataFrame()
    if task.state is None:
        outcomes = _outcomes(store, ordered, engine)
        return Evidence(project, task, ordered, {}, (), outcomes, _holdings(project, task, store, ordered, engine))
    scratch = engine.scratch / f"evidence-{uuid.uuid4().hex}"
    scratch.mkdir(parents=True)
    try:
        batch = Batch(project, store, ordered, engine, scratch)
        periods, newest = _states(batch, task)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    holdings = _holdings(project, task, store, ordered, engine)
    return Evidence(project, task, ordered, periods, newest, nothing, holdings)


def holds(values: np.ndarray, condition: Condition) -> np.ndarray:
    """Where a condition holds: 1 or 0, NaN where the value is missing.

    >>> holds(np.array([1.0, 3.0, np.nan]), Condition(at_most=2))
    array([ 1.,  0., nan])
    """
    held = np.ones(len(values), dtype=bool)
    if condition.at_most is not None:
        held &= values <= condition.at_most
    if condition.at_least is not None:
        held &= values >= condition.at_least
    if condition.equals is not None:
        held &= values == condition.equals
    if condition.any_of is not None:
        held &= np.isin(values, condition.any_of)
    return np.where(np.isnan(values), np.nan, held.astype(float))


# --- answers ------------------------------------------------------------------------------------------------------


def in_hardship(evidence: Evidence, day: date, households: pd.Index, known_on: date | None = None) -> np.ndarray:
    """1 where a household was in hardship on `day`, 0 where not, NaN where that was not known.

    `known_on` is the day whose knowledge counts; `day` itself by default.
    """
    known_on = known_on or day
    if evidence.task.state is None:
        found = _recorded_state(evidence, day, households, known_on)
    else:
        place = evidence.place(known_on)
        grain = evidence.project.calendar.grain
        period = evidence.anchors[place] if known_on == day else _whole(grain, day)
        found = state_in(evidence, period, place, households)
    held = _holding(evidence, day, known_on)
    return np.where(households.isin(held), 1.0, found) if len(held) else found


def state_in(evidence: Evidence, period: int, place: int, households: pd.Index) -> np.ndarray:
    """State in a period of the grain, as known on the day at `place`."""
    assert evidence.task.state is not None
    rows = evidence.periods.get(period)
    found = np.full(len(households), np.nan)
    if rows is not None:
        seen = rows[(rows["lo"] <= place) & (place < rows["hi"])]
        at = pd.Index(seen["household_id"]).get_indexer(households)
        found = np.where(at >= 0, seen["hard"].to_numpy()[at] if len(seen) else np.nan, np.nan)
    if evidence.task.state.absent == "no_hardship" and period <= evidence.anchors[place]:
        found = np.where(np.isnan(found), 0.0, found)
    return found


def visible(records: pd.DataFrame, known_on: date) -> pd.DataFrame:
    """Records known on a day."""
    day = pd.Timestamp(known_on)
    return records[(records["known_from"] <= day) & (day < records["known_to"])]


def _recorded_state(evidence: Evidence, day: date, households: pd.Index, known_on: date) -> np.ndarray:
    """In hardship since a recorded start that neither a later finding refutes nor `lasts` has ended."""
    seen = visible(evidence.outcomes, known_on)
    starts = seen[seen["code"].isin(STARTING) & (seen["start"] <= pd.Timestamp(day))]
    since = starts.groupby("household_id")["start"].max()
    if evidence.task.lasts is not None and len(since):
        since = since[[evidence.task.lasts.after(start.date()) > day for start in since]]
    refuted = seen[seen["code"].isin(REFUTING) & (seen["finding"] <= pd.Timestamp(day))]
    last = refuted.groupby("household_id")["finding"].max().reindex(since.index)
    hard = since.index[~(last > since).to_numpy(dtype=bool)]
    return households.isin(hard).astype(float)


def _holding(evidence: Evidence, day: date, known_on: date) -> pd.Index:
    if evidence.holdings.empty:
        return pd.Index([])
    seen = visible(evidence.holdings, known_on)
    at = pd.Timestamp(day)
    seen = seen[(seen["valid_from"] <= at) & (seen["valid_to"].isna() | (seen["valid_to"] > at))]
    held: pd.Index = pd.Index(seen["household_id"].drop_duplicates().to_numpy())
    return held


def _whole(grain: Any, day: date) -> int:
    index = period_index(grain, day)
    return index if period_end(grain, index) <= day else index - 1


# --- reading ------------------------------------------------------------------------------------------------------


def _states(batch: Batch, task: Task) -> tuple[dict[int, pd.DataFrame], tuple[int, ...]]:
    assert task.state is not None
    series = find_series(batch.project, task.state.series)
    needs = plan([d.At(series, 0)])
    if needs.period_peers:
        raise ProjectError("state_needs_peers", series=task.state.series)
    reporting = presence(batch.project)
    feeds = [feed for feed in feeds_of(batch.project, series) if feed in reporting]
    newest = anchors(batch, feeds, reporting)
    at = [min((newest[feed][a] for feed in feeds), default=_place(batch, a)) for a in range(len(batch.days))]
    moved = _moved(batch, {node.table for node in needs.series})
    first = min(at) - LATE_AFTER - max((lag.periods for lag in needs.lags), default=0)
    parts = []
    for bucket in range(batch.project.store.buckets):
        file = batch.scratch / f"states-{bucket}.parquet"
        write_cells(batch, needs, bucket, moved, first, file)
        cells = batch.engine.read_parquet([file])
        table = cells.select(
            "household_id", "p", "lo", "hi", value=value(needs.windowed[0], period_columns(needs, cells))
        )
        parts.append(batch.engine.frame(table.filter(table.value.notnull()).order_by("household_id", "p", "lo")))
        file.unlink()
    frame = pd.concat(parts, ignore_index=True)
    frame["hard"] = holds(frame.pop("value").to_numpy(dtype=float), task.state.hardship)
    periods = {int(p): frame[frame["p"] == p].drop(columns="p") for p in sorted(frame["p"].unique())}
    return periods, tuple(at)


def _place(batch: Batch, a: int) -> int:
    return _whole(batch.project.calendar.grain, batch.days[a])


def _moved(batch: Batch, tables: set[str]) -> dict[str, Path]:
    from features.membership import move_facts

    return {table: path for table in sorted(tables) if (path := move_facts(batch, table))}


def _dated(engine: Engine, table: Any) -> pd.DataFrame:
    """A table with its dates as timestamps, FOREVER among them."""
    frame: pd.DataFrame = engine.arrow(table).to_pandas(date_as_object=False)
    for column in frame.columns:
        if str(frame[column].dtype).startswith("datetime64"):
            frame[column] = frame[column].astype("datetime64[s]")
    return frame


def _outcomes(store: History, days: Sequence[date], engine: Engine) -> pd.DataFrame:
    table = store.as_known_on(days, "outcome", engine)
    frame = _dated(
        engine,
        table.filter(table.household_id.notnull()).select(
            "household_id", "kind", "validity_code", "onset_date", "finding_date", "selection_probability",
            "known_from", "known_to",
        ),
    )  # fmt: skip
    code = frame["validity_code"].astype(object).where(frame["validity_code"].notna(), frame["kind"].map(CODES))
    start = frame["onset_date"].fillna(frame["finding_date"])
    start = start.where(code != "V5", frame["finding_date"])
    found = pd.DataFrame({"household_id": frame["household_id"], "code": code, "start": start})
    found["finding"] = frame["finding_date"]
    for column in ("selection_probability", "known_from", "known_to"):
        found[column] = frame[column]
    order = ["household_id", "finding", "start", "code", "known_from"]
    return found.sort_values(order, kind="stable").reset_index(drop=True)


def _holdings(project: Project, task: Task, store: History, days: Sequence[date], engine: Engine) -> pd.DataFrame:
    del project
    if not task.categories:
        return pd.DataFrame()
    table = store.as_known_on(days, "category", engine)
    table = table.filter(table.category.isin(task.categories))
    return _dated(engine, table.select("household_id", "valid_from", "valid_to", "known_from", "known_to"))
