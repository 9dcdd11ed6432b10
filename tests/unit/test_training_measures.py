"""Measures agree with plain formulas and with scikit-learn; intervals behave like intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from training.fairness import recall_by_group, verdict
from training.measures import LIST_SHARE, MEASURES, all_measures, joined, rank, ranking_measures, taken
from training.resampling import draw, figures, interval


def made(seed, rows=400, *, ties=False, parts=False):
    random = np.random.default_rng(seed)
    score = random.normal(-1, 1.3, rows)
    if ties:
        score = np.round(score * 2) / 2
    outcome = (random.random(rows) < 1 / (1 + np.exp(-score))).astype(float)
    if parts:
        outcome[random.random(rows) < 0.1] = 0.5
    outcome[:2] = (0, 1)
    household = random.integers(0, rows // 2, rows)
    return score, 1 / (1 + np.exp(-score * 1.2)), outcome, household, random.integers(0, 4, rows)


def alone(score, probability, outcome, household, day):
    ranking = rank(score, outcome, household, day)
    return {
        key: float(v[0]) for key, v in all_measures(ranking, probability, outcome, np.ones((1, len(score)))).items()
    }


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), ties=st.booleans())
def test_ranking_measures_agree_with_scikit_learn(seed, ties):
    score, probability, outcome, household, day = made(seed, ties=ties)
    found = alone(score, probability, outcome, household, day)
    assert found["auc"] == pytest.approx(roc_auc_score(outcome, score), abs=1e-12)
    assert found["average_precision"] == pytest.approx(average_precision_score(outcome, score), abs=1e-12)
    assert found["brier"] == pytest.approx(brier_score_loss(outcome, probability), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), ties=st.booleans())
def test_the_list_is_the_top_five_per_cent_with_ties_by_pseudonym(seed, ties):
    score, probability, outcome, household, day = made(seed, ties=ties)
    found = alone(score, probability, outcome, household, day)
    rows = sorted(range(len(score)), key=lambda i: (-score[i], household[i], day[i]))[: int(np.ceil(0.05 * len(score)))]
    assert found["precision_at_5pct"] == pytest.approx(outcome[rows].mean())
    assert found["recall_at_5pct"] == pytest.approx(outcome[rows].sum() / outcome.sum())
    assert found["lift_at_5pct"] == pytest.approx(outcome[rows].mean() / outcome.mean())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), parts=st.booleans())
def test_weights_do_what_repeated_rows_do(seed, parts):
    """A household drawn twice counts as if its rows stood there twice."""
    score, probability, outcome, household, day = made(seed, 200, parts=parts)
    weights = np.random.default_rng(seed).integers(0, 3, len(score))
    ranking = rank(score, outcome, household, day)
    weighted = all_measures(ranking, probability, outcome, weights[None, :].astype(float))
    rows = np.repeat(np.arange(len(score)), weights)
    repeated = alone(score[rows], probability[rows], outcome[rows], household[rows], day[rows])
    for name in ("auc", "average_precision", "precision_at_5pct", "recall_at_5pct", "brier", "calibration_slope"):
        assert float(weighted[name][0]) == pytest.approx(repeated[name], abs=1e-6), name


def test_slope_and_intercept_are_those_of_a_logistic_regression():
    score, probability, outcome, household, day = made(5, 3000)
    found = alone(score, probability, outcome, household, day)
    margin = np.log(probability / (1 - probability))
    model = LogisticRegression(C=1e8, tol=1e-10).fit(margin[:, None], outcome)
    assert found["calibration_slope"] == pytest.approx(model.coef_[0, 0], abs=1e-4)
    assert found["calibration_intercept"] == pytest.approx(model.intercept_[0], abs=1e-4)


def test_calibration_error_is_the_mean_gap_of_ten_bins():
    score, probability, outcome, household, day = made(6, 1000)
    order = np.argsort(probability)
    bins = np.array_split(order, 10)
    wanted = sum(abs(probability[b].mean() - outcome[b].mean()) * len(b) for b in bins) / len(order)
    assert alone(score, probability, outcome, household, day)["calibration_error"] == pytest.approx(wanted, abs=1e-9)


def test_an_outcome_in_part_is_so_much_of_a_positive():
    score = np.array([3.0, 2.0, 1.0])
    outcome = np.array([1.0, 0.5, 0.0])
    found = ranking_measures(rank(score, outcome, np.arange(3), np.zeros(3)), np.ones((1, 3)))
    # 1.5 positives over 1.5 negatives: of the pairs, 1 x 1.5 are right, and half of 0.5 x 0.5 besides 0.5 x 1
    assert float(found["auc"][0]) == pytest.approx((1 * 1.5 + 0.5 * 1 + 0.5 * 0.5 * 0.5) / (1.5 * 1.5))


def test_without_positives_nothing_is_claimed():
    found = alone(np.arange(30.0), np.full(30, 0.1), np.zeros(30), np.arange(30), np.zeros(30))
    assert np.isnan(found["auc"])
    assert np.isnan(found["average_precision"])
    assert figures({"auc": np.array([np.nan] * 20)}) == {"auc": None, "auc_interval": None}


def test_taken_gives_a_whole_list_under_every_weight():
    weights = np.random.default_rng(1).integers(0, 4, (6, 500)).astype(float)
    on_list = taken(weights)
    assert np.allclose(on_list.sum(axis=1), np.ceil(LIST_SHARE * weights.sum(axis=1)))
    assert ((on_list >= 0) & (on_list <= weights)).all()


def test_intervals_hold_the_figure_and_shrink_with_more_households():
    widths = []
    for rows in (400, 6400):
        score, probability, outcome, household, day = made(3, rows)
        ranking = rank(score, outcome, household, day)
        drawn = draw(household, 200, 1)
        found = figures(joined([all_measures(ranking, probability, outcome, w) for w in drawn.weights()]))
        for name in MEASURES:
            low, high = found[f"{name}_interval"]
            assert low < high
            if name != "calibration_error":  # never below zero, so resamples lie above the figure
                assert low <= found[name] <= high
        widths.append(found["auc_interval"][1] - found["auc_interval"][0])
    assert widths[1] < widths[0] / 2


def test_intervals_cover_what_they_claim():
    """Of 120 samples, the interval of the base rate should hold the true rate in about 95 %."""
    covered = 0
    for seed in range(120):
        random = np.random.default_rng(seed)
        household = np.repeat(np.arange(150), 4)
        outcome = (random.random(600) < np.repeat(random.beta(2, 6, 150), 4)).astype(float)
        weights = np.concatenate(list(draw(household, 200, seed).weights()))
        low, high = interval((weights @ outcome / weights.sum(axis=1))[1:])
        covered += low <= 0.25 <= high
    assert 105 <= covered <= 120


def test_resamples_keep_households_whole():
    household = np.array([5, 5, 9, 7, 7, 7])
    drawn = draw(household, 50, 2)
    for weights in drawn.weights():
        assert (weights[:, 0] == weights[:, 1]).all()
        assert (weights[:, 3] == weights[:, 5]).all()
    assert drawn.counts.sum(axis=1).tolist() == [3] * 51


def test_recall_by_group_counts_who_was_caught():
    score, _, outcome, household, day = made(8, 2000)
    groups = {"a": household % 3 == 0, "b": household % 3 != 0}
    found = recall_by_group(rank(score, outcome, household, day), outcome, groups, draw(household, 100, 1))
    listed = np.zeros(len(score), dtype=bool)
    listed[sorted(range(len(score)), key=lambda i: (-score[i], household[i], day[i]))[:100]] = True
    for name, mask in groups.items():
        assert found[name]["recall"] == pytest.approx(outcome[mask & listed].sum() / outcome[mask].sum(), abs=1e-6)
        assert found[name]["false_negative_rate"] == pytest.approx(1 - found[name]["recall"], abs=1e-6)
        assert found[name]["rows"] == mask.sum()
    assert found["a"]["recall_ratio"] == pytest.approx(found["a"]["recall"] / found["b"]["recall"], abs=1e-5)
    assert verdict(1.0, [0.9, 1.1]) == "yes"
    assert verdict(None, None) == "unsettled"
