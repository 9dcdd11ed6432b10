"""Date arithmetic: periods, spans and as-of days."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.calendar import (
    GRAINS,
    Span,
    as_of_days,
    is_as_of_day,
    parse_period,
    parse_span,
    period_end,
    period_index,
    period_start,
)
from features.errors import UsageError

days = st.dates(date(1950, 1, 1), date(2100, 12, 31))


@given(day=days, grain=st.sampled_from(GRAINS))
def test_a_period_holds_its_days_and_meets_its_neighbour(day: date, grain) -> None:
    index = period_index(grain, day)
    assert period_start(grain, index) <= day <= period_end(grain, index)
    assert period_end(grain, index) + timedelta(days=1) == period_start(grain, index + 1)


@given(day=days, grain=st.sampled_from(GRAINS))
def test_a_period_reads_back_what_it_writes(day: date, grain) -> None:
    from features.calendar import Period

    period = Period(grain, period_index(grain, day))
    assert parse_period(str(period)) == period


@given(day=days, cadence=st.sampled_from(("week", "month", "quarter")), count=st.integers(1, 60))
def test_an_as_of_day_moved_by_its_own_unit_is_an_as_of_day(day: date, cadence, count: int) -> None:
    end = period_end(cadence, period_index(cadence, day))
    moved = Span(count, cadence).after(end)
    assert is_as_of_day(cadence, moved)
    assert period_index(cadence, moved) - period_index(cadence, end) == count
    assert Span(count, cadence).before(moved) == end


def test_weeks_end_on_sunday() -> None:
    found = as_of_days("week", date(2026, 11, 1), date(2026, 11, 30))
    assert [day.isoweekday() for day in found] == [7] * 5


@pytest.mark.parametrize("text", ["2012-Q5", "2012-13", "12", "2012-W60", "", "2012-1"])
def test_a_wrong_period_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_period(text)
    assert text in refused.value.sentence("zh")
    assert refused.value.exit_code == 2


def test_a_span_is_read_and_written() -> None:
    assert str(parse_span("1 quarter")) == "1 quarter"
    assert parse_span(" 13 weeks ") == Span(13, "week")
    with pytest.raises(UsageError):
        parse_span("soon")
