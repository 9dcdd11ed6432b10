"""Boosters, logistic regression and baselines: repeatable, plain, and held to what they promise."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from features.errors import ProjectError
from features.project import Logistic, ModelChoices, Search, Task
from models.booster import load_booster, merge
from tests.worlds import project
from training import logistic
from training.baselines import Known, fit_baselines, score_baselines
from training.fitting import Sample, booster_parameters, fit, free_threads, keep_negatives, margins, softened
from training.search import search, worth
from training.weighting import inverse_probability, row_weights

NAMES = ("income", "members", "kind", "noise")
CHOICES = ModelChoices(rounds=30, parameters={"min_data_in_leaf": 20, "learning_rate": 0.1}, members=2)
RULES = {
    "lowest": "income",
    "rules": [
        {"name": {"zh": "低", "en": "low"}, "source": "-", "since": "2020", "when": {"income": {"at_most": -1}}},
        {"name": {"zh": "多", "en": "many"}, "source": "-", "since": "2020", "when": {"members": {"at_least": 2}}},
    ],
}


def sample(seed=0, rows=3000):
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 4)).astype(np.float32)
    x[:, 2] = random.integers(0, 3, rows)
    x[random.random((rows, 4)) < 0.1] = np.nan
    margin = -1.5 - np.nan_to_num(x[:, 0]) + 0.5 * np.nan_to_num(x[:, 1]) + (x[:, 2] == 1)
    outcome = (random.random(rows) < 1 / (1 + np.exp(-margin))).astype(float)
    return Sample(NAMES, x, outcome)


def test_the_same_seed_gives_the_same_bytes_whatever_the_threads():
    one = merge(fit(sample(), CHOICES, (-1, 1, 0, 0), seed=7, threads=1))
    two = merge(fit(sample(), CHOICES, (-1, 1, 0, 0), seed=7, threads=2))
    other = merge(fit(sample(), CHOICES, (-1, 1, 0, 0), seed=8, threads=1))
    assert one == two
    assert one != other


def test_members_are_averaged_exactly():
    texts = fit(sample(), CHOICES, (0, 0, 0, 0), seed=1, threads=1)
    x = sample(5).x
    each = np.mean([load_booster(text).margins(x) for text in texts], axis=0)
    np.testing.assert_allclose(margins(texts, x, threads=1), each, atol=1e-12)


def test_boosters_are_held_to_the_directions():
    text = merge(fit(sample(), CHOICES, (-1, 1, 0, 0), seed=1, threads=1))
    model = load_booster(text)
    for column, sign in ((0, -1), (1, 1)):
        rows = np.repeat(sample(2, 40).x.astype(float), 30, axis=0)
        rows[:, column] = np.tile(np.linspace(-3, 3, 30), 40)
        steps = np.diff(model.margins(rows).reshape(40, 30), axis=1) * sign
        assert steps.min() >= -1e-12
    free = booster_parameters(CHOICES.model_copy(update={"monotone": False}), (-1, 1, 0, 0), 1)
    assert "monotone_constraints" not in free


def test_fewer_negatives_keep_the_prior():
    whole = sample(3, 20_000)
    kept, weight = keep_negatives(whole, 0.2, seed=1)
    outcome = whole.outcome[kept]
    assert len(kept) < 12_000
    assert np.average(outcome, weights=weight) == pytest.approx(whole.outcome.mean(), abs=1e-9)
    assert keep_negatives(whole, 1.0, seed=1) == (None, None)
    few = fit(whole, CHOICES.model_copy(update={"negatives": 0.2}), (0, 0, 0, 0), seed=1, threads=1)
    p = 1 / (1 + np.exp(-margins(few, whole.x, threads=1)))
    assert p.mean() == pytest.approx(whole.outcome.mean(), rel=0.05)


def test_softened_labels_lie_between_outcome_and_teacher():
    whole = sample()
    teacher = logistic.fit(NAMES, whole.x, whole.outcome, None, Logistic(), seed=0)
    told = logistic.sigmoid(logistic.margins(teacher, NAMES, whole.x))
    found = softened(whole, ModelChoices(distil=0.25), teacher)
    np.testing.assert_allclose(found, 0.75 * whole.outcome + 0.25 * told)
    assert softened(whole, ModelChoices(), teacher) is whole.outcome


def test_threads_never_fall_below_one():
    assert free_threads(1) == 1
    assert 1 <= free_threads(2) <= 2


def test_logistic_regression_is_scikit_learns_from_plain_numbers():
    whole = sample(4)
    x = np.nan_to_num(whole.x)[:, :2]
    fitted = json.loads(json.dumps(logistic.fit(("a", "b"), x, whole.outcome, None, Logistic(strength=1.0), seed=0)))
    clipped = np.clip(x.astype(float), *(np.quantile(x.astype(float), [0.002, 0.998], axis=0)))
    z = (clipped - clipped.mean(axis=0)) / clipped.std(axis=0)
    model = LogisticRegression(C=1.0, tol=1e-8).fit(z, whole.outcome)
    np.testing.assert_allclose(logistic.margins(fitted, ("a", "b"), x), model.decision_function(z), atol=1e-3)


def test_logistic_regression_knows_classes_bends_and_what_is_missing():
    whole = sample(4)
    choices = Logistic(classes=["kind"], bends={"income": [0.0]})
    fitted = logistic.fit(NAMES, whole.x, whole.outcome, None, choices, seed=0)
    kinds = {(term["indicator"], term["kind"]) for term in fitted["terms"]}
    assert {("kind", "class"), ("income", "bend"), ("income", "missing"), ("members", "value")} <= kinds
    assert ("kind", "value") not in kinds
    effect = {term["at"]: term["coefficient"] for term in fitted["terms"] if term["kind"] == "class"}
    assert max(effect, key=effect.get) == 1.0
    with pytest.raises(ProjectError, match="income"):
        logistic.fit(NAMES, whole.x, whole.outcome, None, Logistic(classes=["incom"]), seed=0)


def test_logistic_regression_takes_outcomes_in_part_and_few_rows():
    whole = sample(4)
    half = np.where(np.arange(len(whole.outcome)) % 7 == 0, 0.5, whole.outcome)
    fitted = logistic.fit(NAMES, whole.x, half, np.ones(len(half)), Logistic(rows=1000), seed=0)
    again = logistic.fit(NAMES, whole.x, half, np.ones(len(half)), Logistic(rows=1000), seed=0)
    assert fitted == again
    told = logistic.sigmoid(logistic.margins(fitted, NAMES, whole.x))
    assert told.mean() == pytest.approx(half.mean(), abs=0.03)


def test_baselines_are_scored_from_plain_json():
    setup = project(baselines=RULES)
    whole = sample(1)
    area = np.where(np.arange(len(whole.outcome)) % 2 == 0, "n1", "s1").astype(object)
    known = Known(NAMES, whole.x, area)
    fitted = json.loads(json.dumps(fit_baselines(setup, "t", known, whole.outcome, None, seed=0)))
    scored = score_baselines(fitted, known)
    assert list(scored) == ["logistic", "lowest_income_first", "rules", "area_rate"]
    for told in scored.values():
        assert np.isfinite(told.score).all()
        assert told.probability.mean() == pytest.approx(whole.outcome.mean(), abs=0.02)
    met = (whole.x[:, 0] <= -1).astype(float) + (whole.x[:, 1] >= 2)
    np.testing.assert_array_equal(scored["rules"].score, met)
    income = np.where(np.isnan(whole.x[:, 0]), np.nanmedian(whole.x[:, 0]), whole.x[:, 0])
    np.testing.assert_allclose(scored["lowest_income_first"].score, -income, rtol=1e-6)
    assert (np.diff(scored["lowest_income_first"].probability[np.argsort(income, kind="stable")]) <= 1e-12).all()
    elsewhere = score_baselines(fitted, Known(NAMES, whole.x[:1], np.array(["never seen"], dtype=object)))
    assert elsewhere["area_rate"].score[0] == pytest.approx(whole.outcome.mean())


def test_a_rule_on_an_unknown_indicator_names_the_nearest():
    setup = project(baselines={"lowest": "incme"})
    whole = sample(1)
    with pytest.raises(ProjectError, match="income"):
        fit_baselines(setup, "t", Known(NAMES, whole.x, np.array(["n1"] * 3000)), whole.outcome, None, seed=0)


def test_weights_are_inverse_probabilities_trimmed():
    found = inverse_probability(np.array([0.5, 0.001, np.nan, 0.0]))
    assert found.tolist() == [2.0, 50.0, 1.0, 1.0]
    words = {"title": {"zh": "试", "en": "trial"}, "horizon": "1 month", "recorded": True}
    selected = np.array([0.5, 0.25, np.nan])
    visited = Task.model_validate({**words, "unrecorded": "unknown"})
    assert row_weights(ModelChoices(), visited, np.ones(3), selected).tolist() == pytest.approx([6 / 7, 12 / 7, 3 / 7])
    assert row_weights(ModelChoices(), Task.model_validate(words), np.ones(3), selected) is None
    household = row_weights(
        ModelChoices(weights="household"), Task.model_validate(words), np.array([1.0, 3.0, np.nan]), selected
    )
    assert household.tolist() == pytest.approx([0.6, 1.8, 0.6])


def test_a_search_is_repeatable_and_never_ends_worse_than_it_began():
    space = Search(space={"num_leaves": [4, 64], "learning_rate": [0.01, 0.2]})

    def judge(parameters):
        return -abs(parameters.get("num_leaves", 31) - 40) - parameters.get("learning_rate", 0.05)

    one, two = (search(space, judge, trials=8, seed=3) for _ in range(2))
    assert one == two
    assert one.value >= judge({})
    assert all(isinstance(trial["parameters"].get("num_leaves", 1), int) for trial in one.trials)
    assert search(space, judge, trials=0, seed=3).parameters == {}
    assert len(search(space.model_copy(update={"seconds": 0.0}), judge, trials=8, seed=3).trials) <= 2
    with pytest.raises(ProjectError, match="num_leaves"):
        search(Search(space={"num_leaves": [4]}), judge, trials=1, seed=0)


def test_what_a_search_makes_large():
    margin, outcome = np.array([2.0, -1.0, 0.5]), np.array([1.0, 0.0, 0.0])
    rows = np.arange(3)
    assert worth("auc", margin, outcome, rows, rows) == 1.0
    p = 1 / (1 + np.exp(-margin))
    wanted = np.mean(outcome * np.log(p) + (1 - outcome) * np.log(1 - p))
    assert worth("log_loss", margin, outcome, rows, rows) == pytest.approx(wanted)
