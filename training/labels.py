"""Outcomes: what became of the households of an as-of day, as known by a later day.

A derived rule reads the state in the periods of the grain that end within the horizon: the last of them (mode `at`)
or any of them (`within`: first onset inside). Recorded outcomes follow the validity codes: V1 is an onset on its
onset day; V2 counts in part where the task says so; V3 and V6 are no onset; V4 and V5 are in neither class; V7 to V9
are unknown. Unknown is never a negative.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import ibis
import numpy as np
import pandas as pd

from features.calendar import period_end, period_index
from features.cells import History
from features.engines.duckdb import Engine
from features.errors import ProjectError
from features.hardship import Evidence, in_hardship, read_evidence, state_in, visible
from features.project import Project, Task

STATUSES = (
    "labelled",
    "state_unknown",
    "in_hardship",
    "found_in_hardship_later",
    "immature",
    "excluded",
    "outcome_unknown",
)
"""What can become of a row, in the words of the counts."""
DEFINITE = ("V2", "V3", "V4", "V5", "V6")


def label(
    project: Project, task: Task, store: History, days: Sequence[date], *, known_by: date, engine: Engine
) -> pd.DataFrame:
    """Outcomes of every household that the store knows on the days; see `label_day` for the columns."""
    evidence = read_evidence(project, task, store, [*days, known_by], engine)
    frames = [label_day(evidence, day, known_by, _households(store, day, engine)) for day in sorted(set(days))]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def label_day(evidence: Evidence, day: date, known_by: date, households: pd.Index) -> pd.DataFrame:
    """Outcomes of households for one as-of day.

    Returns:
        household_id; as_of; at_risk: known not to be in hardship on the day, and not found later to have been; outcome:
        1, 0, a part, or NaN while it is not known; horizon_end; status, one of `STATUSES`; selection_probability of
        the finding that decided the outcome, NaN where there was no selection.
    """
    task = evidence.task
    end = task.horizon.after(day)
    before = in_hardship(evidence, day, households)
    known = before if known_by == day else in_hardship(evidence, day, households, known_by)
    found_later = (before == 0) & (known == 1)
    outcome, selected, excluded = _outcomes(evidence, day, end, known_by, households)
    at_risk = (before == 0) & ~found_later
    if not is_mature(task, day, known_by):
        outcome[:] = np.nan
        waiting = "immature"
    else:
        waiting = "outcome_unknown"
    status = np.select(
        [np.isnan(before), before == 1, found_later, excluded & (waiting != "immature"), np.isnan(outcome)],
        ["state_unknown", "in_hardship", "found_in_hardship_later", "excluded", waiting],
        "labelled",
    )
    return pd.DataFrame(
        {
            "household_id": households,
            "as_of": day,
            "at_risk": at_risk,
            "outcome": outcome,
            "horizon_end": end,
            "status": pd.Categorical(status, STATUSES),
            "selection_probability": selected,
        }
    )


def is_mature(task: Task, day: date, known_by: date) -> bool:
    """Whether the horizon of an as-of day, and the time outcomes need to become known, have passed."""
    return task.reporting_delay.after(task.horizon.after(day)) <= known_by


def observed_periods(project: Project, task: Task, day: date) -> list[int]:
    """Periods of the grain whose end lies within the horizon of an as-of day.

    Raises:
        ProjectError: none does.
    """
    grain = project.calendar.grain
    end = task.horizon.after(day)
    found = [
        p for p in range(period_index(grain, day), period_index(grain, end) + 1) if day < period_end(grain, p) <= end
    ]
    if not found:
        raise ProjectError("horizon_too_short", task=task.title.en, horizon=str(task.horizon), grain=grain)
    return found[-1:] if task.mode == "at" else found


# --- the two sources ----------------------------------------------------------------------------------------------


def _outcomes(
    evidence: Evidence, day: date, end: date, known_by: date, households: pd.Index
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcome, selection probability, and whether a finding puts the household in neither class."""
    if evidence.task.state is not None:
        nothing = np.full(len(households), np.nan)
        return _derived(evidence, day, known_by, households), nothing, np.zeros(len(households), dtype=bool)
    return _recorded(evidence, day, end, known_by, households)


def _derived(evidence: Evidence, day: date, known_by: date, households: pd.Index) -> np.ndarray:
    place = evidence.place(known_by)
    periods = observed_periods(evidence.project, evidence.task, day)
    states = np.stack([state_in(evidence, period, place, households) for period in periods])
    hard = (states == 1).any(axis=0)
    return np.where(hard, 1.0, np.where(np.isnan(states).any(axis=0), np.nan, 0.0))


def _recorded(
    evidence: Evidence, day: date, end: date, known_by: date, households: pd.Index
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    task = evidence.task
    first, last = pd.Timestamp(day), pd.Timestamp(end)
    seen = visible(evidence.outcomes, known_by)
    code, finding, start = seen["code"], seen["finding"], seen["start"]
    onset = seen[(code == "V1") & (start > first) & (start <= last)]
    within = seen[(code != "V1") & (finding > first) & (finding <= last)]
    definite = within[within["code"].isin(DEFINITE)]
    # an onset decides; else the newest definite finding; else a visit that could not tell
    unclear = within[~within["code"].isin(DEFINITE)]
    deciding = pd.concat(
        [
            unclear.drop_duplicates("household_id", keep="last"),
            definite.drop_duplicates("household_id", keep="last"),
            onset.drop_duplicates("household_id", keep="last"),
        ]
    ).drop_duplicates("household_id", keep="last")
    worth = {"V1": 1.0, "V3": 0.0, "V6": 0.0, **task.partial}
    at = pd.Index(deciding["household_id"]).get_indexer(households)
    outcome = np.full(len(households), 0.0 if task.unrecorded == "negative" else np.nan)
    selected = np.full(len(households), np.nan)
    excluded = np.zeros(len(households), dtype=bool)
    told = at >= 0
    if told.any():
        outcome[told] = deciding["code"].map(worth).to_numpy(dtype=float)[at[told]]
        selected[told] = deciding["selection_probability"].to_numpy(dtype=float)[at[told]]
        excluded[told] = deciding["code"].isin(("V4", "V5")).to_numpy(dtype=bool)[at[told]]
    outcome[excluded] = np.nan
    return outcome, selected, excluded


def _households(store: History, day: date, engine: Engine) -> pd.Index:
    """Households whose record was known and valid on a day."""
    table = store.as_known_on(day, "household", engine)
    at = ibis.literal(day)
    held = table.filter((table.valid_from <= at) & (table.valid_to.isnull() | (table.valid_to > at)))
    frame = engine.frame(held.select("household_id").distinct().order_by("household_id"))
    found: pd.Index = pd.Index(frame["household_id"].to_numpy())
    return found


def as_of_days_within(days: Sequence[date], task: Task, first: date, last: date) -> Iterator[date]:
    """As-of days whose horizon ends within [first, last]."""
    return (day for day in days if first <= task.horizon.after(day) <= last)
