"""Simulated visitors: they know what no record holds, err as told, and what they would have found does not depend on
whom they visit."""

from __future__ import annotations

import numpy as np
import pytest

from features.province.field import NEVER, Sight, answer, field_values, sight, visit
from features.province.values import values
from features.province.world import Province
from serving.loop.lives import APART, MOST, places

N = 20_000


def seen(index: int = 10, **changed: np.ndarray) -> Sight:
    """Households without any difficulty, except for what is changed."""
    shown = {
        "hardship": np.zeros(N, dtype=bool),
        "assisted": np.zeros(N, dtype=bool),
        "thin": np.zeros(N, dtype=bool),
        "carried": np.zeros(N, dtype=bool),
        "comfort": np.full(N, 2.0),
        "onset_month": np.full(N, -1),
    }
    return Sight(index=index, **{**shown, **changed})


def visited(earlier: Sight, later: Sight | None = None, *, straddles: bool = False, seed: int = 1):
    days = np.ones(N, dtype=np.int64)
    rng = np.random.default_rng(seed)
    return visit(earlier, later or earlier, days, np.full(N, straddles), field_values(), rng)


def share(found: np.ndarray, code: str) -> float:
    return float((found == code).mean())


def test_most_are_found_as_they_are_and_some_are_not():
    v, yes = field_values().visits, np.ones(N, dtype=bool)
    alone = visited(seen(hardship=yes)).met
    assert share(alone, "V1") == pytest.approx(1 - v.overlooked, abs=0.01)
    assert share(alone, "V3") == pytest.approx(v.overlooked, abs=0.01)
    assert share(visited(seen(hardship=yes, assisted=yes)).met, "V5") == pytest.approx(1 - v.unknown_help, abs=0.01)
    managing = visited(seen()).met
    assert share(managing, "V1") == pytest.approx(v.imagined, abs=0.01)
    assert set(managing) == {"V1", "V3", "V4", "V6"}


def test_a_visitor_sees_that_kin_carry_a_household():
    yes = np.ones(N, dtype=bool)
    assert share(visited(seen(thin=yes)).met, "V2") == 1
    assert share(visited(seen(thin=yes, carried=yes)).met, "V2") == 0


def test_who_is_not_met_is_unknown_and_not_a_no():
    v, found = field_values().visits, visited(seen())
    for code, expected in (("V7", v.not_met), ("V8", v.refused), ("V9", v.undecided)):
        assert share(found.told, code) == pytest.approx(expected, abs=0.01)
    told = ~np.isin(found.told, ("V7", "V8", "V9"))
    assert (found.told[told] == found.met[told]).all()


def test_a_visit_in_the_next_month_sees_that_month():
    yes = np.ones(N, dtype=bool)
    after = seen(11, hardship=yes, onset_month=np.full(N, 11))
    assert share(visited(seen(), after).met, "V1") < 0.05
    found = visited(seen(), after, straddles=True)
    assert share(found.met, "V1") > 0.9
    assert found.onset_month.max() == 11  # nobody tells of an onset to come
    assert set(found.onset_month[found.met == "V1"]) <= {10, 11, -1}


def test_departments_answer_late_or_never():
    v, found = field_values().referrals, answer(N, field_values(), np.random.default_rng(3))
    assert (found.days == NEVER).mean() == pytest.approx(v.never, abs=0.01)
    assert np.median(found.days[found.days != NEVER]) == pytest.approx(v.median_days, abs=1)
    assert found.urgent_days.min() == v.urgent_days[0]


def test_sight_stays_when_the_world_goes_on():
    province = Province(values(), places(0, 400, 200), 400, 24_000, 2, 5)
    block = province.block(0, province.course())
    month = next(block.months(24_000, 24_000))
    told = sight(month, block.state, np.full(400, -1), field_values())
    before = told.hardship.copy(), told.carried.copy()
    next(block.months(24_001, 24_001))
    assert (told.hardship == before[0]).all()
    assert (told.carried == before[1]).all()


def test_provinces_side_by_side_share_no_code():
    made = [places(number, 3_000, 1_000) for number in (0, 1)]
    codes = [{place.code for place in (*one.counties, *one.towns)} for one in made]
    assert codes[0].isdisjoint(codes[1])
    assert all(code.startswith("99") for one in codes for code in one)
    assert (made[0].region_of_county == made[1].region_of_county).all()  # the same seed has the same weather
    assert APART * MOST * 3 < 5_000_000  # persons of different households never share a number
