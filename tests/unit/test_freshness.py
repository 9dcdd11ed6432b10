"""Feeds that are late, shrunken or silent, in the whole and in one area; only what was known on the day counts."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from features.calendar import period_end, period_index, period_start
from features.engines.duckdb import engine
from features.errors import GateError
from features.feeds.contracts import TABLES
from features.freshness import check, check_areas, require_fresh
from features.settings import Settings
from tests.worlds import World, WorldStore, project, pseudonym

FIRST = period_index("month", date(2021, 1, 1))
DAY = date(2021, 8, 31)  # June should be there: wages are due within 20 days, bills too
AREAS = {"n1": 30, "s1": 30}


def world(reports):
    """Households in two towns; `reports(area, household, period)` says when a wage becomes known, or None."""
    made = World.__new__(World)
    made.records, made.serial = {name: [] for name in TABLES}, 0
    for area, households in AREAS.items():
        for ix in range(households):
            home, person = pseudonym(f"{area}{ix}"), pseudonym(f"p{area}{ix}")
            begun = period_start("month", FIRST - 2)
            made.add(
                "household",
                begun,
                household_id=home,
                valid_from=begun,
                period_end=begun,
                area_code=area,
                feed="register",
            )
            made.add(
                "member", begun, person_id=person, household_id=home, valid_from=begun, period_end=begun, feed="people"
            )
            for period in range(FIRST, FIRST + 8):
                known = reports(area, ix, period)
                if known is not None:
                    end = period_end("month", period)
                    made.add("income", known, household_id=home, period_end=end, source="total", amount=1, feed="wages")
                    made.add("expense", known, person_id=person, period_end=end, kind="medical", amount=1, feed="bills")
    return made


def punctual(_area, _ix, period):
    return period_end("month", period) + timedelta(days=10)


def states(tmp_path, made, day=DAY, look=check):
    store = WorldStore(made, tmp_path / "store", 3)
    with engine(Settings(home=tmp_path / "home", threads=1)) as opened:
        return [state for state in look(project(), store, day, opened) if state.feed in ("wages", "bills")]


def test_punctual_feeds_are_current(tmp_path):
    wages, bills = states(tmp_path, world(punctual))
    assert (wages.status, wages.newest, wages.expected, wages.rows, wages.usual_rows) == (
        "current",
        "2021-07",
        "2021-07",
        60,
        60,
    )
    assert bills.status == "current"
    assert require_fresh([wages, bills]) == []


def test_a_silent_month_is_late_and_stops_a_run(tmp_path):
    found = states(tmp_path, world(lambda a, i, p: punctual(a, i, p) if p < FIRST + 6 else None))
    assert [(s.status, s.newest, s.age_days) for s in found] == [("late", "2021-06", 62)] * 2
    with pytest.raises(GateError) as caught:
        require_fresh(found)
    assert caught.value.code == "feed_stale"
    assert require_fresh(found, allow_stale=True) == ["wages", "bills"]


def test_a_third_of_the_rows_is_shrunken(tmp_path):
    found = states(tmp_path, world(lambda a, i, p: punctual(a, i, p) if p != FIRST + 6 or i % 3 == 0 else None))
    assert [(s.status, s.rows, s.usual_rows) for s in found] == [("shrunken", 20, 60)] * 2


def test_a_feed_that_stopped_years_ago_is_late_and_one_that_never_came_absent(tmp_path):
    late = states(tmp_path / "late", world(punctual), day=date(2026, 6, 30))
    assert [(s.status, s.newest) for s in late] == [("late", "2021-08")] * 2
    absent = states(tmp_path / "absent", world(lambda _a, _i, _p: None))
    assert [(s.status, s.newest, s.rows) for s in absent] == [("absent", None, 0)] * 2


def test_what_becomes_known_later_changes_no_earlier_day(tmp_path):
    before = states(tmp_path / "a", world(lambda a, i, p: punctual(a, i, p) if p < FIRST + 6 else None))
    late = world(lambda a, i, p: punctual(a, i, p) if p < FIRST + 6 else DAY + timedelta(days=1))
    assert states(tmp_path / "b", late) == before
    assert all(s.status == "current" for s in states(tmp_path / "c", late, day=DAY + timedelta(days=2)))


def test_one_silent_county_hides_in_the_whole_and_shows_by_area(tmp_path):
    made = world(lambda a, i, p: punctual(a, i, p) if a == "n1" or p < FIRST + 6 else None)
    assert {s.status for s in states(tmp_path / "whole", made)} == {"current"}
    found = states(tmp_path / "areas", made, look=check_areas)
    assert [(s.feed, s.area, s.status, s.rows) for s in found] == [
        ("wages", "n", "current", 30),
        ("wages", "s", "late", 30),
        ("bills", "n", "current", 30),
        ("bills", "s", "late", 30),
    ]
    assert found[1].as_dict()["expected"] == "2021-07"


def test_an_area_of_few_rows_is_not_judged(tmp_path, monkeypatch):
    monkeypatch.setitem(AREAS, "s1", 6)
    made = world(lambda a, i, p: punctual(a, i, p) if a == "n1" or p < FIRST + 6 or i == 0 else None)
    found = states(tmp_path, made, look=check_areas)
    assert {(s.area, s.status) for s in found} == {("n", "current"), ("s", "current")}
