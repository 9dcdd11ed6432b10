"""The simulated province against the moments that a faithful one has (20,000 households, 48 months, several seeds)."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from features.calendar import period_index
from features.province.geography import read_geography
from features.province.living import live
from features.province.moments import cyclone_season, lived, moments
from features.province.oracle import oracle
from features.province.values import values
from features.province.world import BLOCK, Province

FIRST = period_index("month", date(2022, 11, 1))
ACCEPTED = {
    "hardship": (0.07, 0.13),
    "onset": (0.008, 0.018),
    "label": (0.03, 0.06),
    "cv": (0.33, 0.45),
    "cv_poorest": (0.38, 0.70),
    "income_to_need": (1.6, 2.3),
    "bill_mean": (3500, 6000),
    "bill_median": (1600, 2600),
    "admissions": (0.14, 0.22),
    "catastrophic_inpatient": (0.07, 0.14),
    "catastrophic": (0.11, 0.18),
    "assisted_in_hardship": (0.45, 0.70),
}


def province(seed: int, households: int = 20_000, scenario: str = "S0") -> Province:
    return Province(values(), read_geography(), households, FIRST, 48, seed, scenario)


@pytest.fixture(scope="module", params=[1, 2, 3])
def found(request):
    return moments(lived(province(request.param)))


def test_moments(found):
    outside = {name: found[name] for name, (least, most) in ACCEPTED.items() if not least <= found[name] <= most}
    assert not outside


def test_shapes(found):
    assert found["label_most"] < 2 * found["label_least"], "school fees or festivals make a cliff"
    assert found["catastrophic_inpatient_urban"] < found["catastrophic_inpatient_rural"]
    assert found["catastrophic_urban"] < found["catastrophic_rural"]
    assert found["exit_late"] < found["exit_early"]


def test_cyclones_come_in_summer():
    assert 0.65 <= cyclone_season(province(1)) <= 0.80


def test_the_oracle_is_calibrated_and_as_sharp_as_the_prototype():
    sharp, off = [], []
    for seed in (5, 6):
        world = province(seed, BLOCK)
        course = world.course()
        block = world.block(0, course)
        for month in block.months(world.first, world.first + 40):
            if month.index - world.first not in (18, 27, 40):
                continue
            chances = oracle(block.state, course, month.index, months=3, paths=60, rng=np.random.default_rng(9))
            assert len(chances.households) == (~month.hardship).sum()
            future, rng = block.state.take(np.arange(len(block.state))), np.random.default_rng(seed)
            onset = np.zeros(len(future), dtype=bool)
            for ahead in range(1, 4):
                onset |= live(future, course, month.index + ahead, rng).onset
            realised, p = onset[chances.households], chances.probability
            # what came is one more future: it differs from their mean as they differ from each other
            off.append((p.mean() - realised.mean()) / np.hypot(chances.spread, chances.mean_error))
            sharp.append(roc_auc_score(realised, p))
    assert max(np.abs(off)) < 3.5
    assert 0.90 <= np.mean(sharp) <= 0.95
