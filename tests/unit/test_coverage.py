"""Areas that never send a feed: their households' feed is absent, and no report says that all is well there."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import pydantic
import pytest

from features import coverage
from features.divisions import area_tree
from features.engines.duckdb import engine
from features.errors import ProjectError
from features.freshness import check_areas
from features.indicators.registry import indicators_of
from features.panel import build
from features.settings import Settings
from reports.documents import FeedLine, Heading
from serving.explaining import heading_here
from tests.unit.test_freshness import DAY, punctual, world
from tests.worlds import WorldStore, pseudonym
from tests.worlds import project as made_project

BEFORE = date(2021, 7, 31)


def project(areas=("s",), since="2021-08-01", until=None):
    made = made_project()
    silence = {"areas": list(areas), "since": since, "until": until, "source": "agreed with the bureau"}
    feeds = made.model_dump(mode="json", by_alias=True)["feeds"]
    feeds["bills"]["not_from"] = [silence]
    return made_project(feeds=feeds)


def test_a_household_of_a_silent_area_has_the_feed_absent_whatever_reached_it(tmp_path):
    store = WorldStore(world(punctual), tmp_path / "store", 3)
    with engine(Settings(home=tmp_path / "home", threads=1)) as opened:
        built = build(project(), store, [BEFORE, DAY], engine=opened, folder=tmp_path / "panels",
                      indicators=indicators_of(project())[:1])  # fmt: skip
        frame = built.read([BEFORE, DAY]).set_index(["household_id", "as_of"])
    states = {name: frame.loc[pseudonym(name)]["feed__bills"].tolist() for name in ("n10", "s10")}
    assert states["n10"][-1] == 0
    assert states["s10"] == [states["n10"][0], 2], "it is silent from the day on which it is"
    assert frame.loc[pseudonym("s10")]["feed__wages"].tolist()[-1] == 0, "other feeds come from there"


def test_the_report_by_area_names_it_absent(tmp_path):
    store = WorldStore(world(lambda a, i, p: punctual(a, i, p) if a == "n1" else None), tmp_path / "store", 3)
    with engine(Settings(home=tmp_path / "home", threads=1)) as opened:
        found = [state for state in check_areas(project(), store, DAY, opened) if state.feed == "bills"]
    assert [(s.area, s.status, s.rows) for s in found] == [("n", "current", 30), ("s", "absent", 0)]


def test_what_lies_within_a_silent_area_is_silent_as_long_as_it_is():
    made = project(since="2021-01-01", until="2021-06-30")
    tree = area_tree(made)
    assert coverage.is_silent(made, tree, "bills", "s1", date(2021, 6, 30))
    assert not coverage.is_silent(made, tree, "bills", "s1", date(2021, 7, 1))
    assert not coverage.is_silent(made, tree, "bills", "n1", date(2021, 6, 30))
    assert not coverage.is_silent(made, tree, "wages", "s1", date(2021, 6, 30))
    whole = project(areas=("g",))
    assert coverage.silent_areas(whole, tree, "bills", DAY) == ["n", "s"]


def test_an_unknown_area_is_refused():
    made = project(areas=("x",))
    with pytest.raises(ProjectError, match="x") as caught:
        coverage.silent_areas(made, area_tree(made), "bills", DAY)
    assert caught.value.code == "silence_area_unknown"


def test_a_silence_begins_on_a_day():
    with pytest.raises(pydantic.ValidationError, match="since"):
        project(since="last year")


def test_the_page_of_a_household_says_that_its_area_does_not_send_the_feed():
    made = project()
    lines = tuple(
        FeedLine(feed, made.feeds[feed].name, made.departments["bureau"].name, "current", "2021-07", 31)
        for feed in ("wages", "bills")
    )
    heading = Heading(made.title, "t", made.title, DAY, "2021-08", "run", "1", "b", 1, made.title, feeds=lines)
    scored = SimpleNamespace(project=made, tree=area_tree(made), heading=heading)
    assert heading_here(scored, "n1") == heading
    here = heading_here(scored, "s1")
    assert [(line.feed, line.status, line.newest) for line in here.troubled] == [("bills", "absent", None)]
