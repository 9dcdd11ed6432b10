"""No fold trains on an outcome that was not yet known when its first tested list would have been made."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from features.calendar import Span, as_of_days
from features.project import Folds, Task
from training.folds import household_folds, household_part, temporal_folds

SPANS = st.builds(Span, st.integers(1, 5), st.sampled_from(["week", "month", "quarter"]))
DELAYS = st.builds(Span, st.integers(0, 60), st.just("day"))


@settings(max_examples=200, deadline=None)
@given(
    cadence=st.sampled_from(["week", "month", "quarter"]),
    horizon=SPANS,
    delay=DELAYS,
    test=SPANS,
    count=st.integers(1, 4),
    years=st.integers(1, 5),
    late=st.integers(0, 200),
)
def test_no_training_outcome_is_known_later_than_the_first_test_day(cadence, horizon, delay, test, count, years, late):
    task = Task.model_validate(
        {"title": {"zh": "试", "en": "trial"}, "horizon": str(horizon), "reporting_delay": str(delay), "recorded": True}
    )
    days = as_of_days(cadence, date(2015, 1, 1), date(2015 + years, 1, 1))
    until = date(2015 + years, 1, 1) + timedelta(days=late)
    folds = temporal_folds(days, task, Folds(count=count, test=test), until)
    assert len(folds) <= count
    tested = [day for fold in folds for day in fold.test]
    assert tested == sorted(set(tested))  # blocks in order, no day twice
    for fold in folds:
        assert fold.train
        assert fold.known_by == fold.test[0]
        for day in fold.train:
            assert delay.after(horizon.after(day)) <= fold.test[0]
            assert day < fold.test[0]
        for day in fold.test:
            assert delay.after(horizon.after(day)) <= until


def test_the_newest_fold_tests_the_newest_mature_year():
    task = Task.model_validate({"title": {"zh": "试", "en": "trial"}, "horizon": "1 quarter", "recorded": True})
    days = as_of_days("quarter", date(2003, 9, 30), date(2011, 12, 31))
    folds = temporal_folds(days, task, Folds(count=2, test=Span(1, "year")), date(2011, 12, 31))
    assert [fold.test[0] for fold in folds] == [date(2009, 12, 31), date(2010, 12, 31)]
    assert folds[-1].test[-1] == date(2011, 9, 30)
    assert folds[-1].train[-1] == date(2010, 9, 30)  # its outcome is that of 2010-12-31, known on the first test day


def test_one_day_only_is_divided_by_household():
    task = Task.model_validate({"title": {"zh": "试", "en": "trial"}, "horizon": "1 month", "recorded": True})
    day, until = date(2005, 9, 30), date(2005, 10, 31)
    assert temporal_folds([day], task, Folds(), until) == []
    folds = household_folds([day], until, task)
    assert {fold.part for fold in folds} == {(0, 3), (1, 3), (2, 3)}
    parts = household_part([f"h{i}" for i in range(3000)], 3)
    assert (parts == household_part([f"h{i}" for i in range(3000)], 3)).all()
    assert min((parts == part).sum() for part in range(3)) > 800
