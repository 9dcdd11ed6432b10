"""Every indicator of the table agrees with plain Python through the real panel, as a project takes it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from features import panel
from features.indicators.registry import generic, indicators_of
from tests.property.test_panel import differences
from tests.province_world import DAYS, PARAMETERS, Province, project
from tests.reference import Reference
from tests.worlds import WorldStore

CODED = [one.id for one in generic().values() if one.code]
PROJECT = project({"use": CODED, "parameters": PARAMETERS})
INDICATORS = indicators_of(PROJECT)


def build(opened, world, days=DAYS):
    with TemporaryDirectory() as name:
        folder = Path(name)
        store = WorldStore(world, folder / "store", 3)
        return panel.build(PROJECT, store, days, engine=opened, indicators=INDICATORS, folder=folder / "panels").read()


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10_000))
@example(seed=104)  # two records of one membership, and a fact that became known after both
def test_every_indicator_agrees_with_plain_python(opened, seed):
    world = Province(seed, households=6)
    reference = Reference(PROJECT, world.records, DAYS)
    expected = reference.panel({one.id: one.definition for one in INDICATORS})
    assert differences(build(opened, world), expected) == []


def test_no_indicator_is_constant(opened):
    frame = build(opened, Province(1, households=60))
    constant = [name for name in CODED if frame[name].nunique(dropna=False) < 2]
    assert constant == []


@settings(max_examples=1, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10_000))
def test_what_becomes_known_later_never_changes_an_earlier_panel(opened, seed):
    world = Province(seed, households=12)
    whole = build(opened, world)
    first = min(DAYS)
    alone = build(opened, world.until(first), days=(first,))
    then = whole[whole["as_of"] == first].reset_index(drop=True)
    assert alone.size > 500
    assert alone.equals(then)
