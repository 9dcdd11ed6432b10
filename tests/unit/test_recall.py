"""Recall of the list from audit rows: unbiased, its interval keeps its promise, and silence is never a no."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy import stats

from reports.recall import Recall, Visited, estimate_recall, gamma_limits

WEEKS, POOL, PLACES, AUDITS = 60, 600, 12, 3


def lists(rng: np.random.Generator, share: float, unmet: float = 0.1) -> tuple[Recall, float]:
    """Weekly lists of a model that knows something, with audit rows drawn from the rest; estimate and truth."""
    found, probability, audit = [], [], []
    caught = total = 0
    for _ in range(WEEKS):
        need = rng.random(POOL) < share
        order = np.argsort(-(1.5 * need + rng.normal(size=POOL)))
        risk, rest = order[: PLACES - AUDITS], order[PLACES - AUDITS :]
        rows = np.r_[risk, rng.choice(rest, AUDITS, replace=False)]
        caught, total = caught + int(need[risk].sum()), total + int(need.sum())
        found.append(np.where(rng.random(PLACES) < unmet, np.nan, need[rows]))
        probability.append(np.r_[np.ones(len(risk)), np.full(AUDITS, AUDITS / len(rest))])
        audit.append(np.arange(PLACES) >= len(risk))
    visited = Visited(np.concatenate(found), np.concatenate(probability), np.concatenate(audit))
    return estimate_recall(visited), caught / total


@pytest.mark.parametrize("share", [0.02, 0.08])
def test_the_interval_keeps_its_promise_where_the_truth_is_known(share):
    rng = np.random.default_rng(11)
    runs = 300
    made = [lists(rng, share) for _ in range(runs)]
    inside = sum(found.low <= true <= found.high for found, true in made)
    # a little more than promised where confirmed audit rows are few
    assert stats.binom.ppf(0.005, runs, 0.95) <= inside
    assert inside / runs <= 0.99
    missed = np.array([found.missed / (found.caught * (1 / true - 1)) for found, true in made])
    assert abs(missed.mean() - 1) < 4 * missed.std() / np.sqrt(runs) + 0.03


def test_without_audit_rows_recall_is_unknown_and_not_one():
    found = estimate_recall(Visited(np.ones(8), np.ones(8), np.zeros(8, dtype=bool)))
    assert found.caught == 8
    assert np.isnan([found.estimate, found.low, found.high]).all()


def test_no_confirmed_audit_row_still_leaves_room_for_the_missed():
    rows = np.r_[np.ones(5), np.zeros(30)]
    found = estimate_recall(Visited(rows, np.r_[np.ones(5), np.full(30, 0.1)], np.arange(35) >= 5))
    assert found.estimate == 1
    assert found.missed_high == pytest.approx(29.96, abs=0.01)  # three rows' worth, each of ten households
    assert found.low == pytest.approx(5 / (5 + found.missed_high))
    assert found.high == 1


def test_households_that_nobody_met_stand_aside():
    told = np.r_[np.ones(6), np.zeros(4), 1.0, np.zeros(9)]
    probability = np.r_[np.ones(10), np.full(10, 0.05)]
    audit = np.arange(20) >= 10
    whole = estimate_recall(Visited(told, probability, audit))
    unmet = np.r_[told, np.full(10, np.nan)]
    twice = estimate_recall(Visited(unmet, np.r_[probability, np.ones(10)], np.r_[audit, np.zeros(10, dtype=bool)]))
    assert twice.caught == pytest.approx(2 * whole.caught)  # as many again were listed and not met
    assert twice.missed == whole.missed


def test_an_edge_row_that_might_not_have_been_listed_stands_for_some_that_were_not():
    found = estimate_recall(Visited(np.r_[1.0, 0.0], np.r_[0.8, 0.1], np.r_[False, True]))
    assert found.caught == 1
    assert found.missed == pytest.approx(0.25)


@given(count=some.integers(1, 60))
def test_with_equal_weights_the_limits_are_those_of_a_count(count):
    low, high = gamma_limits(float(count), float(count), 1.0)
    for limit, tail in ((low, 0.975), (high, 0.025)):
        middle = (stats.poisson.cdf(count, limit) + stats.poisson.cdf(count - 1, limit)) / 2
        assert middle == pytest.approx(tail, abs=1e-6)
