"""The simulated province: the same for any cut and any observer, and every part does what it says."""

from __future__ import annotations

from dataclasses import fields
from datetime import date

import numpy as np
import pydantic
import pytest

from features.calendar import period_index
from features.province.course import NEVER
from features.province.geography import read_geography
from features.province.helping import give
from features.province.living import live
from features.province.oracle import oracle
from features.province.state import EMPLOYERS_PER_COUNTY, FORMAL, State
from features.province.values import Values, values
from features.province.world import BURN_IN_MONTHS, Province

FIRST = period_index("month", date(2024, 1, 1))
WEST, PRD = 2, 0


def province(households: int = 3_000, months: int = 12, scenario: str = "S0", seed: int = 4) -> Province:
    return Province(values(), read_geography(), households, FIRST, months, seed, scenario)


def lived(world: Province):
    course = world.course()
    block = world.block(0, course)
    return course, block, list(block.months(world.first, world.last))


def same(left: object, right: object) -> bool:
    return all(np.array_equal(getattr(left, f.name), getattr(right, f.name)) for f in fields(left))


def changed(**parts: dict[str, object]) -> Values:
    shape = values().model_dump(mode="json")
    for part, what in parts.items():
        shape[part].update(what)
    return Values.model_validate(shape)


def test_the_same_seed_gives_the_same_province_and_another_seed_another():
    one, two, other = (lived(province(500, 3, seed=seed))[2][-1] for seed in (1, 1, 2))
    assert same(one, two)
    assert not same(one, other)


def test_a_block_does_not_depend_on_how_many_others_there_are():
    small, large = province(10_000, 2), province(10_500, 2)
    assert (small.blocks, large.blocks) == (1, 2)
    months = [list(world.block(0, world.course()).months(world.first, world.last)) for world in (small, large)]
    assert same(months[0][-1], months[1][-1])
    assert len(large.block(1, large.course()).state) == 500


def test_an_unknown_value_is_refused():
    with pytest.raises(pydantic.ValidationError, match="frailtyy"):
        changed(health={"frailtyy": 1})


def test_income_adds_up_and_nobody_pays_below_zero():
    _, block, months = lived(province())
    for month in months:
        parts = month.farm + month.pension + month.remittance + month.benefit + month.paid
        assert np.allclose(month.flow, month.wage.sum(axis=1) + parts)
        assert min(month.flow.min(), month.rigid.min(), month.paid.min()) >= 0
        assert (month.paid[~month.assisted] == 0).all()
    need = months[-1].need
    limits = values().living
    assert (block.state.savings >= limits.savings_floor * need - 1e-6).all()
    assert (block.state.savings <= limits.savings_cap * need + 1e-6).all()


def test_hardship_begins_with_an_onset_and_ends_with_an_exit():
    _, _, months = lived(province())
    for before, month in zip(months[:-1], months[1:], strict=True):
        assert np.array_equal(month.hardship, (before.hardship | month.onset) & ~month.exit)
        assert not (month.onset & before.hardship).any()
        assert (month.condition & before.condition)[month.onset].all()  # two months in a row
        assert not (month.condition | before.condition)[month.exit].any()


def test_nobody_works_or_is_ill_in_an_empty_place():
    _, block, _ = lived(province())
    alive = block.state.alive
    assert (block.state.job[~alive[:, :3]] == 0).all()
    assert (block.state.disability[~alive] == 0).all()
    assert (block.state.size >= 1).all()


def test_migrants_earn_least_in_the_month_of_the_spring_festival():
    course = province(10, 40).course()
    season = {f"{index // 12}-{index % 12 + 1:02d}": course.season_of_migrants(index) for index in range(FIRST - 13, FIRST + 30)}  # fmt: skip
    work = values().work.migrant_season
    # 2023-01-22: the bonus is paid in the December before
    assert (season["2022-12"], season["2023-01"], season["2023-02"]) == (work.before, work.trough, work.after)
    assert (season["2026-01"], season["2026-02"], season["2026-03"]) == (work.before, work.trough, work.after)
    assert season["2025-06"] == 1.0


def test_a_typhoon_stops_informal_work_and_breaks_houses_in_its_region_only():
    base, storm = (lived(province(scenario=name)) for name in ("S0", "S1"))
    region = storm[1].state.region
    struck = storm[2][-3]
    assert struck.hit[region == WEST].all()
    assert struck.damaged[(region == WEST) & ~storm[1].state.urban].mean() > 0.2
    for month, usual in zip(storm[2][-3:-1], base[2][-3:-1], strict=True):
        informal = (month.job != FORMAL)[region == WEST]
        assert month.wage[region == WEST][informal].sum() == 0
        assert np.array_equal(month.wage[region != WEST], usual.wage[region != WEST])
    assert storm[2][-1].hardship[region == WEST].mean() > base[2][-1].hardship[region == WEST].mean()


def test_a_closed_factory_is_seen_as_all_who_leave_one_employer():
    course, _, months = lived(province(scenario="S2"))
    closing = course.closing
    assert set(np.repeat(course.region_of_county, EMPLOYERS_PER_COUNTY)[closing != NEVER]) == {PRD}
    assert 0.35 < (closing != NEVER)[np.repeat(course.region_of_county == PRD, EMPLOYERS_PER_COUNTY)].mean() < 0.55
    calm = lived(province())[2]
    lost = [sum(month.lost.sum() for month in run[-6:]) for run in (months, calm)]
    assert lost[0] > 3 * lost[1]


def test_a_campaign_and_a_higher_line_bring_more_to_assistance():
    assisted = {name: lived(province(6_000, 18, name))[2][-1].assisted.mean() for name in ("S0", "S4", "S6")}
    assert assisted["S4"] > assisted["S0"]
    assert assisted["S6"] > assisted["S0"]


def test_help_starts_assistance_or_adds_a_grant_and_lowers_the_chance_of_hardship():
    course, block, months = lived(province())
    v, rng = values(), np.random.default_rng(1)
    state: State = block.state
    index, need = months[-1].index, months[-1].need
    poor = np.flatnonzero(~state.hardship & ~state.assisted & (state.savings < need))
    helped = state.take(np.arange(len(state)))
    granted = give(helped, v, poor, "assistance", rng)
    assert abs(granted.mean() - v.help.granted) < 0.1
    assert helped.assisted[poor[granted]].all()
    assert np.array_equal(helped.assisted[poor[~granted]], state.assisted[poor[~granted]])
    give(helped, v, poor, "grant", rng)
    assert np.allclose(helped.savings[poor] - state.savings[poor], v.help.grant_months * need[poor])
    chances = [oracle(who, course, index, months=3, paths=20, rng=np.random.default_rng(2)) for who in (state, helped)]
    mean = [c.probability[np.isin(c.households, poor)].mean() for c in chances]
    assert mean[1] < mean[0] / 2


def test_looking_ahead_changes_nothing():
    course, block, months = lived(province(600))
    before = block.state.take(np.arange(len(block.state)))
    chances = oracle(block.state, course, months[-1].index, months=3, paths=30, rng=np.random.default_rng(2))
    assert same(before, block.state)
    assert chances.probability.shape == chances.households.shape == chances.error.shape
    assert chances.rates.mean() == pytest.approx(chances.probability.mean())
    assert ((chances.probability >= 0) & (chances.probability <= 1)).all()


def test_the_oracle_knows_no_coming_storm_and_no_coming_scenario():
    world = province(100, 12, "S1")
    course = world.course()
    at = world.last - 4
    imagined = [course.imagined(at, 3, np.random.default_rng(seed)) for seed in (1, 2)]
    counties = len(course.region_of_county)
    for one in imagined:
        assert one.scenario.typhoon is None
        assert one.hit.shape[1] == 3 * counties
        assert np.array_equal(one.hit[: at - course.first + 1, :counties], course.hit[: at - course.first + 1])
    later = slice((at - course.first) + 1, None)
    assert not np.array_equal(imagined[0].hit[later], imagined[1].hit[later])
    assert course.imagined(world.last - 1, 1, np.random.default_rng(1)).scenario.typhoon is not None  # has come


def test_a_district_is_hit_as_often_as_the_values_say():
    v = values()
    world = province(10, 1200)
    course = world.course()
    months = np.arange(course.first, course.last + 1)
    found = course.hit[months % 12 == 7].mean(axis=0)
    expected = v.disasters.cyclone[7] * np.array(v.disasters.region)[course.region_of_county]
    assert np.abs(found - expected).max() < 0.12
    assert abs(found.mean() - expected.mean()) < 0.03
    assert not course.hit[months % 12 == 1].any()
    assert course.first == FIRST - BURN_IN_MONTHS


def test_a_month_after_the_last_can_only_be_imagined():
    course, block, _ = lived(province(200))
    future = course.imagined(course.last, 1, np.random.default_rng(3))
    month = live(block.state, future, course.last + 1, np.random.default_rng(4))
    assert month.index == course.last + 1
