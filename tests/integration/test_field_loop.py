"""The loop drives the product as its users would: lists, visits, findings through the door, help, a model of its own."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from features.engines.duckdb import engine
from features.project import load_project
from features.province.field import HELPED
from features.settings import Home, Settings
from features.store import Store
from reports.loop import write_report
from serving.loop.account import account, reach, visited
from serving.loop.comparison import compare
from serving.loop.driver import Terms, drive, sundays
from serving.loop.lives import Plan

pytestmark = pytest.mark.filterwarnings("ignore")
TERMS = Terms(households=700, per_county=350, weeks=4, history=15, paths=5)
PLANS = (Plan(0, "1 with", 1, "lightgbm", 0.3), Plan(1, "1 without", 1), Plan(2, "1 oracle", 1, "oracle"))


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loop")
    return folder, drive(TERMS, PLANS, folder)


def test_lists_are_as_long_as_the_capacity_and_some_rows_are_drawn_at_random(lived):
    _, diaries = lived
    for diary in diaries:
        assert [week.day for week in diary.weeks] == sundays(TERMS.listing_months[0])
        assert {len(week.rows) for week in diary.weeks} == {10}  # two counties, five visits each
        assert all(week.audit.any() == (diary.plan.audit_share > 0) for week in diary.weeks)
        assert all((week.probability[week.audit] < 0.1).all() for week in diary.weeks)
    assert [len(diary.trained) for diary in diaries] == [1, 1, 0]


def test_findings_come_back_as_a_delivery_with_their_probabilities(lived):
    folder, diaries = lived
    settings = Settings(home=folder / "home")
    project = load_project(folder / "project.yaml")
    # the last month's visits wait for the next delivery: what has arrived is what villages found before the lists
    store = Store(Home(settings.home), project)
    with engine(settings, Home(settings.home)) as opened:
        known = opened.frame(store.as_known_on(diaries[0].weeks[-1].day, "outcome", opened))
    assert set(known["source"]) == {"visit", "admission"}
    assert known.loc[known["source"] == "visit", "selection_probability"].notna().all()
    assert not [receipt for receipt in store.deliveries() if receipt.quarantined]


def test_nobody_is_visited_again_while_the_finding_holds(lived):
    _, diaries = lived
    for diary in diaries:
        times = Counter(call.row for call in diary.calls)
        assert max(times.values()) == 1  # V1 and V2 keep a household off the list for sixty days
        told = np.concatenate([week.told for week in diary.weeks])
        assert int(np.isin(told, HELPED).sum()) == len(diary.calls)
        assert diary.visits == len(told) == len(visited(diary.weeks).found)


def test_provinces_of_one_seed_begin_alike_and_the_oracle_knows_more(lived):
    _, diaries = lived
    assert (diaries[0].onsets[: TERMS.history + 1] == diaries[2].onsets[: TERMS.history + 1]).all()
    assert (diaries[0].untouched == diaries[1].untouched).all()
    found = [sum(int(np.isin(week.told, HELPED).sum()) for week in diary.weeks) for diary in diaries]
    assert found[2] >= found[1]


def test_reached_is_who_was_helped_from_thirteen_weeks_before_to_thirty_days_after(lived):
    _, diaries = lived
    diary = diaries[2]
    first, last = diary.weeks[0].day, diary.weeks[-1].day + timedelta(days=6)
    reached, rows = reach(diary, first, last)
    assert set(rows[reached]) <= {call.row for call in diary.calls}
    nobody, _ = reach(replace(diary, calls=[]), first, last)
    assert not nobody.any()


def test_the_report_stands_in_both_languages_with_its_charts(lived, tmp_path):
    _, diaries = lived
    # as many weeks again, so that a quarter is full
    longer = [replace(diary, weeks=diary.weeks * 7) for diary in diaries]
    again = {"rules": [longer[1]], "lightgbm": [longer[0]], "oracle": [longer[2]]}
    terms = {"provinces": 3, "households": 700, "weeks": 28}
    whole = {"terms": terms, "visits": 120, "loop": account(longer[:2]), "comparison": compare_wide(again)}
    files = write_report(whole, tmp_path)
    assert {file.suffix for file in files} == {".json", ".html", ".svg"}
    text = json.loads((tmp_path / "loop.json").read_text("utf-8"))
    assert text["loop"]["recall"]["covered"]["intervals"] == 1
    for language, word in (("zh", "召回率"), ("en", "Recall of the list")):
        page = (tmp_path / f"loop.{language}.html").read_text("utf-8")
        assert word in page
        assert page.count("aria-label=") == page.count("<svg") > 6
    assert write_report(whole, tmp_path / "again")[0].read_bytes() == files[0].read_bytes()


def compare_wide(diaries):
    """Methods over a time that is long enough to have new hardships with whole windows."""
    wide = {
        name: [
            replace(d, weeks=[*d.weeks, replace(d.weeks[-1], day=d.weeks[0].day + timedelta(days=300))]) for d in found
        ]
        for name, found in diaries.items()
    }
    return compare({name: [shifted(d) for d in found] for name, found in wide.items()})


def shifted(diary):
    """The same diary as if its lists had begun 250 days earlier, when hardships already came."""
    days = timedelta(days=250)
    weeks = [replace(week, day=week.day - days) for week in diary.weeks]
    return replace(diary, weeks=weeks, calls=[replace(call, day=call.day - days) for call in diary.calls])
