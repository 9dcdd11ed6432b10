"""Outcomes agree with plain Python, and what becomes known later never changes a label."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.calendar import period_end, period_index, period_start
from features.hardship import in_hardship, read_evidence
from tests.worlds import FIRST, World, WorldStore, project
from training.labels import label, observed_periods

SERIES = {"wage": {"name": {"zh": "工资", "en": "wage"}, "table": "income", "measure": "amount", "aggregate": "sum"}}
WORDS = {"title": {"zh": "试", "en": "trial"}}
RULE = {"series": "wage", "hardship": {"at_most": 100_000}}
TASKS = {
    "at": {**WORDS, "horizon": "2 months", "mode": "at", "state": RULE, "reporting_delay": "10 days"},
    "within": {**WORDS, "horizon": "3 months", "mode": "within", "state": RULE},
    "silent": {**WORDS, "horizon": "2 months", "state": {**RULE, "absent": "no_hardship"}},
    "recorded": {**WORDS, "horizon": "3 months", "recorded": True, "partial": {"V2": 0.5}, "categories": ["dibao"]},
    "visited": {**WORDS, "horizon": "60 days", "recorded": True, "unrecorded": "unknown", "lasts": "90 days"},
}
DAYS = tuple(period_end("month", FIRST + k) for k in (1, 3, 5))
KINDS = {
    "V1": "hardship",
    "V2": "at_risk",
    "V3": "no_hardship",
    "V4": "excluded",
    "V5": "excluded",
    "V6": "no_hardship",
}
FUTURE = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


def world(seed):
    """A world in which visits find things, late, and are corrected."""
    made = World(seed)
    homes = sorted({row["household_id"] for row in made.records["household"]})
    for home in homes:
        for _ in range(int(made.random.integers(0, 5))):
            found = period_start("month", FIRST) + timedelta(days=int(made.random.integers(0, 270)))
            code = f"V{int(made.random.integers(1, 10))}"
            onset = (
                found - timedelta(days=int(made.random.integers(0, 60))) if code == "V1" and made.chance(0.8) else None
            )
            row = made.add("outcome", made.lag(found), household_id=home, kind=KINDS.get(code, "unknown"), finding_date=found,
                           validity_code=code if made.chance(0.9) else None, onset_date=onset, source="visit",
                           period_end=found, selection_probability=made.pick(0.1, 0.5, None), feed="visits")  # fmt: skip
            if made.chance(0.2):
                made.correct(row, validity_code="V4", kind="excluded", onset_date=None)
            elif made.chance(0.1):
                made.correct(row)
    return made


def labels_of(opened, made, deployment, task, known_by, days=DAYS, *, shuffle=None):
    with TemporaryDirectory() as name:
        folder = Path(name)
        store = WorldStore(made, folder / "store", deployment.store.buckets, shuffle=shuffle)
        return label(deployment, deployment.tasks[task], store, days, known_by=known_by, engine=opened)


def deployment():
    return project(series=SERIES, tasks=TASKS, default_task="at")


@FUTURE
@given(seed=st.integers(0, 10**6), task=st.sampled_from(sorted(TASKS)), late=st.integers(0, 200))
def test_what_becomes_known_later_never_changes_a_label(opened, seed, task, late):
    known_by = DAYS[-1] + timedelta(days=late)
    made = world(seed)
    whole = labels_of(opened, made, deployment(), task, known_by, shuffle=seed)
    before = labels_of(opened, made.until(known_by), deployment(), task, known_by)
    pd.testing.assert_frame_equal(whole, before)


@FUTURE
@given(seed=st.integers(0, 10**6), task=st.sampled_from(["at", "within"]), late=st.integers(0, 200))
def test_derived_outcomes_agree_with_plain_python(opened, seed, task, late):
    made, setup = world(seed), deployment()
    known_by = DAYS[-1] + timedelta(days=late)
    found = labels_of(opened, made, setup, task, known_by)
    rule = setup.tasks[task]

    def state(home, period, day):
        rows = [r["amount"] for r in made.records["income"] if r["household_id"] == home and r["known_from"] <= day < r["known_to"]
                and period_index("month", r["period_end"]) == period]  # fmt: skip
        return float(sum(rows) <= 100_000) if rows else np.nan

    assert len(found)
    for row in found.itertuples():
        end = rule.horizon.after(row.as_of)
        assert row.horizon_end == end
        states = [state(row.household_id, p, known_by) for p in observed_periods(setup, rule, row.as_of)]
        if rule.reporting_delay.after(end) > known_by:
            wanted = np.nan
        elif 1.0 in states:
            wanted = 1.0
        else:
            wanted = np.nan if np.isnan(states).any() else 0.0
        np.testing.assert_equal(row.outcome, wanted)
        if row.status == "labelled":
            assert row.at_risk
            assert not np.isnan(row.outcome)


@FUTURE
@given(seed=st.integers(0, 10**6), task=st.sampled_from(["recorded", "visited"]), late=st.integers(0, 300))
def test_recorded_outcomes_agree_with_plain_python(opened, seed, task, late):
    made, setup = world(seed), deployment()
    known_by = DAYS[-1] + timedelta(days=late)
    rule = setup.tasks[task]
    found = labels_of(opened, made, setup, task, known_by)
    default = {"hardship": "V1", "at_risk": "V2", "no_hardship": "V3", "unknown": "V9", "excluded": "V4"}
    for row in found.itertuples():
        first, end = row.as_of, rule.horizon.after(row.as_of)
        seen = [(r["validity_code"] or default[r["kind"]], r["onset_date"] or r["finding_date"], r["finding_date"])
                for r in made.records["outcome"]
                if r["household_id"] == row.household_id and r["known_from"] <= known_by < r["known_to"]]  # fmt: skip
        onset = [one for one in seen if one[0] == "V1" and first < one[1] <= end]
        definite = sorted((f, c) for c, _, f in seen if c in ("V2", "V3", "V4", "V5", "V6") and first < f <= end)
        unclear = [one for one in seen if one[0] in ("V7", "V8", "V9") and first < one[2] <= end]
        newest = {c for f, c in definite if f == definite[-1][0]}
        worth = {"V2": rule.partial.get("V2", np.nan), "V3": 0.0, "V6": 0.0, "V4": np.nan, "V5": np.nan}
        if end > known_by:
            wanted = {np.nan}
        elif onset:
            wanted = {1.0}
        elif definite:
            wanted = {worth[code] for code in newest}
        elif unclear:
            wanted = {np.nan}
        else:
            wanted = {0.0 if task == "recorded" else np.nan}
        assert any(np.array_equal(row.outcome, one, equal_nan=True) for one in wanted), (row, seen)


def test_unknown_is_never_a_negative_and_excluded_is_in_neither_class(opened):
    made = World(3)
    made.records["outcome"].clear()
    made.records["category"].clear()
    homes = sorted({row["household_id"] for row in made.records["household"]})
    day, finding = DAYS[0], DAYS[0] + timedelta(days=20)
    for home, code in zip(homes, ("V1", "V2", "V3", "V4", "V5", "V6", "V7"), strict=False):
        made.add("outcome", finding, household_id=home, kind=KINDS.get(code, "unknown"), validity_code=code, finding_date=finding,
                 period_end=finding, source="visit", selection_probability=0.25, feed="visits")  # fmt: skip
    found = labels_of(opened, made, deployment(), "recorded", date(2021, 6, 30), [day]).set_index("household_id")
    told = [found["outcome"].get(home, np.nan) for home in homes[:7]]
    statuses = [found["status"].get(home) for home in homes[:7]]
    expected = [1.0, 0.5, 0.0, np.nan, np.nan, 0.0, np.nan]
    for home, value, wanted in zip(homes, told, expected, strict=False):
        if home in found.index:
            np.testing.assert_equal(value, wanted)
    assert {"excluded", "outcome_unknown", "labelled"} <= set(statuses)


def test_an_onset_found_later_to_lie_before_the_day_is_no_onset_after_it(opened):
    made = World(4)
    made.records["outcome"].clear()
    made.records["category"].clear()
    home = sorted({row["household_id"] for row in made.records["household"]})[0]
    made.add("outcome", DAYS[1], household_id=home, kind="hardship", validity_code="V1", onset_date=DAYS[0] - timedelta(days=5),
             finding_date=DAYS[1] - timedelta(days=3), period_end=DAYS[1], source="visit", feed="visits")  # fmt: skip
    found = labels_of(opened, made, deployment(), "recorded", date(2021, 6, 30), [DAYS[0]]).set_index("household_id")
    if home in found.index:
        assert found.loc[home, "status"] == "found_in_hardship_later"
        assert not found.loc[home, "at_risk"]


def test_a_recorded_hardship_ends_when_refuted_or_after_its_time(opened):
    made = World(5)
    made.records["outcome"].clear()
    homes = sorted({row["household_id"] for row in made.records["household"]})[:2]
    begun = date(2020, 2, 1)
    for home in homes:
        made.add("outcome", begun, household_id=home, kind="hardship", validity_code="V1", onset_date=begun, finding_date=begun,
                 period_end=begun, source="visit", feed="visits")  # fmt: skip
    made.add("outcome", date(2020, 4, 1), household_id=homes[0], kind="no_hardship", validity_code="V3",
             finding_date=date(2020, 4, 1), period_end=begun, source="visit", feed="visits")  # fmt: skip
    setup = deployment()
    days = [date(2020, 3, 31), date(2020, 4, 30), date(2020, 6, 30)]
    with TemporaryDirectory() as name:
        store = WorldStore(made, Path(name) / "store", 3)
        evidence = read_evidence(setup, setup.tasks["visited"], store, days, opened)
    states = np.stack([in_hardship(evidence, day, pd.Index(homes)) for day in days])
    assert states.tolist() == [[1, 1], [0, 1], [0, 0]]


def test_a_horizon_without_a_whole_period_is_refused():
    from features.errors import ProjectError

    setup = project(series=SERIES, tasks={"short": {**WORDS, "horizon": "1 week", "state": RULE}}, default_task="short")
    with pytest.raises(ProjectError, match="No whole month"):
        observed_periods(setup, setup.tasks["short"], date(2020, 3, 8))
