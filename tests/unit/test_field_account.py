"""The loop's account on diaries made by hand: windows, censoring, bias without audit rows, methods on the same onsets."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from features.calendar import period_end, period_index
from reports.charts import curves
from serving.loop.account import account, days_to_help, reach, true_recall
from serving.loop.comparison import compare
from serving.loop.diary import Call, Diary, Week
from serving.loop.lives import Plan

FIRST = period_index("month", date(2025, 1, 1))
START = date(2025, 1, 5)


def diary(calls: list[Call], *, audit_share: float = 0.0, weeks: int = 52, method: str = "lightgbm") -> Diary:
    """A year of lists of two rows over a hundred households, of whom number 7 falls at the end of June."""
    onsets = np.zeros((14, 100), dtype=bool)
    onsets[5, 7] = True
    audit = np.array([False, audit_share > 0])
    made = [
        Week(
            day=START + timedelta(days=7 * week),
            rows=np.array([0, 1]),
            audit=audit,
            probability=np.where(audit, 1 / 99, 1.0),
            told=np.array(["V1" if week % 2 else "V3", "V2" if week % 13 == 0 else "V3"]),
            pool=100,
            true_caught=week % 2,
            true_total=8,
            true_unaided=3,
            mean_risk=0.05,
        )
        for week in range(weeks)
    ]
    still = np.zeros_like(onsets)
    plan = Plan(0, "1 with", 1, method, audit_share)
    return Diary(plan, 100, FIRST, made, calls, 2 * weeks, onsets, still, onsets.copy(), {}, [], still.copy())


ONSET = period_end("month", FIRST + 5)


@pytest.mark.parametrize(("days", "reached"), [(-92, False), (-91, True), (0, True), (30, True), (31, False)])
def test_reached_from_thirteen_weeks_before_to_thirty_days_after(days, reached):
    call = Call(7, ONSET + timedelta(days=days), "V1", None)
    found, rows = reach(diary([call]), START, START + timedelta(days=360))
    assert rows.tolist() == [7]
    assert found.tolist() == [reached]


def test_a_visit_to_another_household_reaches_nobody():
    found, _ = reach(diary([Call(8, ONSET, "V1", ONSET)]), START, START + timedelta(days=360))
    assert not found.any()


@pytest.mark.parametrize(
    ("helped", "days"), [(None, 90), (ONSET - timedelta(days=20), 0), (ONSET + timedelta(days=12), 12)]
)
def test_days_to_help_end_at_ninety_and_begin_with_the_onset(helped, days):
    call = Call(7, ONSET - timedelta(days=30), "V1", helped)
    assert days_to_help(diary([call]), START, START + timedelta(days=360)).tolist() == [days]


def test_an_own_application_is_help_as_well():
    alone = diary([])
    alone.applied[6, 7] = True
    assert days_to_help(alone, START, START + timedelta(days=360)).tolist() == [31]


def test_the_account_shows_what_would_be_said_without_audit_rows():
    found = account([diary([], audit_share=0.5), diary([])])
    assert found["provinces"] == {"with": 1, "without": 1}
    recall = found["recall"]
    assert true_recall(diary([]).weeks) == pytest.approx(26 / (52 * 8))
    assert recall["provinces"][0]["inside"]
    assert recall["bias"]["listed_rows_only"] == pytest.approx(1 - recall["bias"]["true"])
    assert recall["bias"]["recorded_only"] > 0.9  # nobody applied: the records know of no one else
    assert len(found["series"]["with"]) == 4
    assert found["series"]["without"][0]["precision"][0] == pytest.approx(7 / 26)


def test_methods_are_compared_on_the_same_hardships():
    in_time = [Call(7, ONSET, "V1", ONSET + timedelta(days=3))]
    found = compare({"rules": [diary([], method="rules")], "lightgbm": [diary(in_time)], "oracle": [diary(in_time)]})
    assert found["hardships"] == 1
    assert [entry["missed"] for entry in found["methods"].values()] == [1, 0, 0]
    assert [(step["from"], step["to"]) for step in found["steps"]] == [("rules", "lightgbm"), ("lightgbm", "oracle")]
    assert found["steps"][0]["more_reached"][0] == 1
    assert found["steps"][0]["fewer_days"][0] == 87


def test_a_curve_says_its_lines_by_mark_dash_and_name():
    drawn = curves([("one", [(0.1, 0.0, 0.2), (0.2, 0.1, 0.3)]), ("two", [(0.3, None, None)])], ["a", "b"], "both")
    assert drawn.count("<circle") == 2
    assert 'aria-label="both"' in drawn
    assert ">one<" in drawn
    assert ">two<" in drawn
