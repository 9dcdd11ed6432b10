"""The panel agrees with plain Python for every word of the language, and the future never changes the past."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features import panel
from features.indicators import definition as d
from features.indicators.definition import KINDS, Series, When
from features.indicators.drafts import draft
from features.indicators.structure import walk
from tests.reference import Reference
from tests.worlds import DAYS, World, WorldStore, project

WAGE = Series("wage", "income", "amount", (("source", ("total",)),), "sum", 0.01)
AID = Series("aid", "reading", "value", (("detail", ("aid",)), ("kind", ("answer",))), "maximum")
ANSWERS = Series("answers", "reading", "value", (), "mean")
LAST = Series("last", "reading", "value", (), "last")
LEAST = Series("least", "reading", "value", (), "minimum")
BILLS = Series("bills", "expense", "amount", (("kind", ("medical",)),), "sum")
NUMBER = Series("number", "expense", None, (), "count")
AREA, COUNTY, HOME = d.Attribute("area"), d.Attribute("area:county"), d.Attribute("residence")
PER_AID = d.Named("per_aid", d.Ratio(WAGE, AID))
RANK = d.Rank(WAGE, (COUNTY,))
LOW = d.Test(RANK, When(below=0.4))
DEFINITIONS = {
    "last": d.Last(WAGE, 3),
    "last_skip": d.Last(AID, 4, 1),
    "at": d.At(BILLS, 2),
    "previous": d.Previous(WAGE, 5, 2),
    "total": d.Total(BILLS, 4),
    "total_two_feeds": d.Total(d.Difference(WAGE, BILLS), 4, 0, 2),
    "mean": d.Mean(ANSWERS, 3),
    "minimum": d.Minimum(LEAST, 4),
    "maximum": d.Maximum(LAST, 4, 1),
    "reported": d.Reported(NUMBER, 5),
    "count": d.Count(WAGE, When(above=1000.0, at_most=4000.0), 5),
    "share": d.Share(AID, When(any_of=(1.0, 2.5)), 5, 0, 2),
    "since": d.Since(AID, 5, When(equals=1.0)),
    "since_any": d.Since(BILLS, 6),
    "late": d.Late(BILLS, 5),
    "slope": d.Slope(WAGE, 6, 3),
    "volatility": d.Volatility(WAGE, 6),
    "deviation": d.Volatility(ANSWERS, 6, 2, False),
    "usual_ratio": d.ToUsual(WAGE, 2, 4),
    "usual_difference": d.ToUsual(NUMBER, 1, 4, "difference"),
    "usual_log": d.ToUsual(BILLS, 2, 4, "log_ratio"),
    "lag": d.Last(d.Difference(WAGE, d.Lag(WAGE, 2)), 3),
    "named": d.Mean(PER_AID, 4),
    "sum": d.Sum((d.Last(WAGE), d.Constant(2.0))),
    "sum_some": d.Sum((d.Last(WAGE), d.Last(AID), d.Last(BILLS)), 2),
    "product": d.Product((d.Last(WAGE, 2), d.Last(AID, 2))),
    "log_ratio": d.LogRatio(d.Last(WAGE, 2), d.Last(BILLS, 4)),
    "log": d.Log(d.Last(WAGE, 2)),
    "root": d.Root(d.Difference(d.Last(WAGE, 2), d.Constant(100.0))),
    "absolute": d.Absolute(d.Difference(d.Last(AID, 3), d.Constant(2.0))),
    "lowest": d.Lowest((d.Last(AID, 3), d.Constant(1.5))),
    "highest": d.Highest((d.Last(AID, 3), d.Constant(1.5))),
    "first_of": d.FirstOf((d.Last(WAGE), d.Constant(-1.0))),
    "test": d.Test(d.Last(WAGE, 2), When(at_least=10.0)),
    "where": d.Where(d.Test(d.Last(AID, 3), When(at_least=2.0)), d.Last(WAGE, 3), d.Constant(0.0)),
    "where_else": d.Where(d.Test(d.Last(AID, 3), When(at_least=2.0)), d.Last(WAGE, 3)),
    "is_missing": d.IsMissing(d.Last(WAGE)),
    "urban": d.Attribute("residence", ("urban",)),
    "own_weight": d.Attribute("weight"),
    "members": d.Members(),
    "children": d.Members((("sex", ("female",)),), younger_than=18),
    "elders": d.Members(at_least=60),
    "events": d.Events("event", 60),
    "events_ahead": d.Events("event", 1, (("kind", ("birth",)),), 30, "any"),
    "event_since": d.Events("event", 90, what="since"),
    "event_total": d.Events("event", 90, what="total", measure="amount", scale=0.01),
    "event_largest": d.Events("expense", 90, what="largest", measure="amount"),
    "event_latest": d.Events("expense", 90, (("place", ("local",)),), what="latest", measure="amount"),
    "holding": d.Holding("category"),
    "holding_count": d.Holding("category", (("category", ("dibao",)),), "count"),
    "held": d.Holding("category", what="held"),
    "left": d.Holding("category", what="left"),
    "ended": d.Holding("category", what="ended"),
    "line": d.Line(scale=0.01),
    "to_line": d.ToLine(d.Last(WAGE, 3), d.Line(scale=0.01)),
    "schedule": d.Schedule("school_fee"),
    "area_reading": d.AreaReading("price", 3),
    "season": d.Season("cosine"),
    "month": d.Season("month"),
    "feed_state": d.FeedState("wages"),
    "rank_day": d.Rank(d.Last(WAGE, 3), (AREA,)),
    "rank_size": d.Rank(d.Last(WAGE, 3), (COUNTY, d.Lowest((d.Members(), d.Constant(3.0))))),
    "mean_day": d.PeerMean(d.Test(d.Last(WAGE, 3), When(below=2000.0)), (COUNTY,), leave_out=True),
    "quantile_day": d.PeerQuantile(d.Last(WAGE, 3), 0.3, (HOME,), 2),
    "maximum_day": d.PeerMaximum(d.Last(WAGE, 3), (COUNTY,)),
    "rank_of_rank": d.Rank(d.PeerMean(d.Last(WAGE, 3), (AREA,)), ()),
    "rank_period": d.Last(RANK, 4),
    "rank_before": d.Mean(d.Rank(WAGE, (AREA, d.Lowest((AID, d.Constant(2.0))))), 5, 1),
    "quantile_period": d.Last(d.PeerQuantile(WAGE, 0.5, (COUNTY,)), 3),
    "line_of_peers": d.Mean(d.Ratio(WAGE, d.PeerMaximum(d.Where(LOW, WAGE))), 3),
    "lowest_of_peers": d.Last(d.PeerMinimum(WAGE, (HOME,)), 2),
    "mean_period": d.Last(d.PeerMean(WAGE, (COUNTY,), leave_out=True), 3),
    "rate_pooled": d.Last(d.PeerMean(d.Test(WAGE, When(below=1500.0)), (COUNTY,), periods=3, smooth=5.0), 3),
}
INDICATORS = tuple(
    draft(name, (name, name), "context", definition, unit="number", direction=0)
    for name, definition in DEFINITIONS.items()
)


def build(opened, world, days=DAYS, buckets=3, shuffle=None, population=None, indicators=INDICATORS):
    with TemporaryDirectory() as name:
        folder = Path(name)
        store = WorldStore(world, folder / "store", buckets, shuffle=shuffle)
        made = project(buckets=buckets, population=population)
        return panel.build(
            made, store, days, engine=opened, indicators=indicators, folder=folder / "panels"
        ).read()  # fmt: skip


def same(a, b):
    if a is None or b is None or math.isnan(a) or math.isnan(b):
        return (a is None or math.isnan(a)) and (b is None or math.isnan(b))
    return math.isclose(a, b, rel_tol=1e-7, abs_tol=1e-6)


def differences(frame, expected):
    rows = {(row.as_of, row.household_id): row for row in frame.itertuples()}
    assert set(rows) == set(expected)
    return [
        (name, key, getattr(rows[key], name), value)
        for key, values in expected.items()
        for name, value in values.items()
        if not same(getattr(rows[key], name), value)
    ]


def test_every_word_is_tried():
    tried = {type(node) for definition in DEFINITIONS.values() for node in walk(definition)}
    assert set(KINDS.values()) <= tried, [kind for kind in KINDS.values() if kind not in tried]


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10_000), population=st.sampled_from([None, "wages"]))
def test_panel_agrees_with_plain_python(opened, seed, population):
    world = World(seed)
    reference = Reference(project(population=population), world.records, DAYS)
    assert differences(build(opened, world, population=population), reference.panel(DEFINITIONS)) == []


def test_no_compared_column_is_constant(opened):
    frame = build(opened, World(1, households=24))
    constant = [name for name in DEFINITIONS if frame[name].nunique(dropna=False) < 2]
    assert constant == []


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10_000))
def test_what_becomes_known_later_never_changes_an_earlier_panel(opened, seed):
    world = World(seed)
    whole = build(opened, world)
    cells = 0
    for day in DAYS:
        alone = build(opened, world.until(day), days=(day,))
        then = whole[whole["as_of"] == day].reset_index(drop=True)
        assert alone.equals(then)
        cells += alone.size
    assert cells > 1000


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10_000), shuffle=st.integers(0, 100))
def test_order_of_rows_and_number_of_buckets_do_not_matter(opened, seed, shuffle):
    world = World(seed)
    usual = build(opened, world)
    assert build(opened, world, shuffle=shuffle).equals(usual)
    for buckets in (1, 5):
        other = build(opened, world, buckets=buckets).sort_values(["as_of", "household_id"], ignore_index=True)
        assert other.equals(usual.sort_values(["as_of", "household_id"], ignore_index=True))


def test_days_that_are_built_in_parts_say_the_same(opened, monkeypatch):
    world = World(3)
    whole = build(opened, world)
    monkeypatch.setattr(panel, "MOST_DAYS", 2)
    pd.testing.assert_frame_equal(whole, build(opened, world))


def test_a_panel_with_more_days_serves_and_shows_what_was_asked(opened):
    with TemporaryDirectory() as name:
        folder = Path(name)
        store = WorldStore(World(3), folder / "store", 2)
        asked = {"engine": opened, "indicators": INDICATORS, "folder": folder / "panels"}
        larger = panel.build(project(buckets=2), store, DAYS, **asked)
        found = panel.build(project(buckets=2), store, DAYS[1:2], **asked)
        assert (found.path, found.days) == (larger.path, list(DAYS[1:2]))
        assert 0 < found.rows < larger.rows
        pd.testing.assert_frame_equal(found.read(), larger.read(DAYS[1:2]))
        other = panel.build(project(buckets=2), store, DAYS[1:2], **{**asked, "indicators": INDICATORS[:5]})
        assert other.path != larger.path


@pytest.mark.parametrize("name", list(DEFINITIONS))
def test_definitions_survive_yaml(name):
    from features.indicators.parsing import parse
    from features.indicators.structure import canonical, definition_hash, plain

    found = parse(canonical(plain(DEFINITIONS[name])), {})
    assert found == plain(DEFINITIONS[name])
    assert definition_hash(found) == definition_hash(DEFINITIONS[name])
    assert len({definition_hash(one) for one in DEFINITIONS.values()}) == len(DEFINITIONS)
