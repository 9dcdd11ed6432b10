"""The experiment on the bound: what its figures are made of, and a report that says them in both languages."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.project import load_project
from features.province.simulation import PROJECT
from reports.bound import spread, write_report
from serving.bound.calibration import recalibrated
from serving.bound.experiment import PARTS, _plan, interval, measures, parts, summary
from serving.bound.methods import Rows, weighted_rules
from serving.bound.worlds import Told, Truth


def test_no_training_label_reaches_the_first_test_day():
    for ahead in (3, 6):
        train, test = _plan(1000, ahead)
        assert max(train) + ahead < min(test)
        assert max(test) + ahead < 1000


def test_parts_add_up_to_a_perfect_order():
    found = parts({"lightgbm": 0.31, "lightgbm_prompt": 0.29, "everything": 0.6, "oracle": 0.7})
    assert sum(found.values()) == pytest.approx(1)
    assert tuple(found) == PARTS
    assert found["lag"] == pytest.approx(-0.02)  # what did not help is said


def test_the_interval_holds_the_figure_and_draws_households_whole():
    rng = np.random.default_rng(1)
    onset = rng.random(4000) < 0.1
    score = onset + rng.normal(0, 1, 4000)
    value = measures(onset, score)["average_precision"]
    low, high = interval(onset, score, np.arange(4000), seed=1)
    assert low < value < high
    once = high - low
    low, high = interval(np.tile(onset, 4), np.tile(score, 4), np.tile(np.arange(4000), 4), seed=1)
    assert high - low == pytest.approx(once, rel=0.35)  # the same households four times tell no more than once


def invented(rows: int, seed: int) -> Rows:
    """Households whose indicators of the rules are noise, but for one that foretells."""
    project = load_project(PROJECT)
    rng = np.random.default_rng(seed)
    names = sorted({name for rule in project.baselines.rules for name in rule.when} | {project.baselines.lowest or ""})
    x = pd.DataFrame({name: rng.normal(size=rows) for name in names if name})
    onset = rng.random(rows) < 1 / (1 + np.exp(3 - 2 * x[names[-1]].to_numpy()))
    zeros = np.zeros(rows)
    return Rows(x, np.full(rows, "440103"), zeros[:, None], onset, zeros, zeros.astype(int), np.arange(rows))


def test_weighted_rules_find_what_tells():
    train, test = invented(6000, 1), invented(3000, 2)
    score = weighted_rules(load_project(PROJECT), train, test)
    assert measures(test.onset, score)["auc"] > 0.75


def told_and_true(x, onset, first):
    """What a model is told of households (months × households), and in which months hardship came to them."""
    months, households = x.shape
    shifted = np.vstack([np.zeros(households, dtype=bool), onset[:-1]]).T
    frames = {
        first + at: pd.DataFrame({"told": x[at], "area_code": "440103"}, index=np.arange(households))
        for at in range(months)
    }
    hidden = {month: np.zeros((households, 1), dtype=np.float32) for month in frames}
    truth = Truth(shifted, np.zeros_like(shifted), np.arange(households) % 4, {}, hidden, first)
    return Told(load_project(PROJECT), frames), truth


def test_recalibrated_chances_hold_where_the_level_drifts():
    rng = np.random.default_rng(5)
    households, first, months = 3000, 24_000, 30
    x = rng.normal(size=(months, households)).astype(np.float32)
    level = np.linspace(-3.5, -2.0, months)  # hardship becomes more frequent year by year
    onset = rng.random((months, households)) < 1 / (1 + np.exp(-(level[:, None] + 1.2 * x)))
    told, truth = told_and_true(x, onset, first)
    train, test = list(range(first, first + 8)), list(range(first + 16, first + 28))
    found = recalibrated(told, truth, train, test, 1, cohorts=3, seed=1, threads=1)
    assert found["within"]
    assert set(found["groups"]) == {
        "all", "region_prd", "region_east", "region_west", "region_north", *[f"quarter_{q}" for q in (1, 2, 3, 4)]
    }  # fmt: skip
    assert found["groups"]["all"]["slope"] == pytest.approx(1, abs=0.1)
    assert found["groups"]["all"]["ratio"] == pytest.approx(1, abs=0.1)


def test_a_year_of_months_does_not_take_a_season_for_a_level():
    rng = np.random.default_rng(6)
    households, first, months = 3000, 24_000, 44
    season = np.sin(2 * np.pi * np.arange(months) / 12)
    x = rng.normal(size=(months, households)).astype(np.float32)
    onset = rng.random((months, households)) < 1 / (1 + np.exp(-(-2.6 + 0.6 * season[:, None] + 1.2 * x)))
    told, truth = told_and_true(x, onset, first)
    train, test = list(range(first, first + 12)), list(range(first + 30, first + 42))
    ratio = {  # the season is hidden from the model: quarters tell what was done
        cohorts: recalibrated(told, truth, train, test, 3, cohorts=cohorts, seed=1, threads=1)["groups"]
        for cohorts in (3, 12)
    }
    assert ratio[12]["all"]["ratio"] == pytest.approx(1, abs=0.05)
    # three months carry the last season over into this one, a year does not
    for quarter in ("quarter_1", "quarter_3"):
        assert abs(np.log(ratio[12][quarter]["ratio"])) < abs(np.log(ratio[3][quarter]["ratio"]))


def test_the_report_says_the_parts_in_both_languages(tmp_path):
    figures = {
        name: {"auc": 0.8, "average_precision": value, "precision_at_2pct": 0.3, "recall_at_5pct": 0.2}
        for name, value in (("rules", 0.05), ("lightgbm", 0.3), ("lightgbm_prompt", 0.4), ("everything", 0.6), ("oracle", 0.7))
    }  # fmt: skip
    result = {
        "seed": 7, "figures": figures, "leaks": [], "base_rate": 0.04,
        "parts": parts({name: figure["average_precision"] for name, figure in figures.items()}),
    }  # fmt: skip
    report = {
        "asked": {"households": 1000, "months": 36, "seeds": 1},
        "weeks": {"13": [result]},
        "summary": {"13": summary([result])},
    }
    files = write_report(report, tmp_path)
    assert {file.name for file in files} == {
        "bound.json", "bound.zh.html", "bound.en.html", "parts-13.zh.svg", "parts-13.en.svg"
    }  # fmt: skip
    for language, words in (
        ("zh", ("隐藏信息", "没有方法高于先知")),
        ("en", ("hidden information", "No method lies above")),
    ):
        page = (tmp_path / f"bound.{language}.html").read_text("utf-8")
        assert all(word in page for word in words)
        assert spread({"mean": 0.3, "least": 0.3, "most": 0.3}) in page
    leaking = {**report, "summary": {"13": {**report["summary"]["13"], "leaks": ["lightgbm"]}}}
    write_report(leaking, tmp_path)
    assert "has seen the future" in (tmp_path / "bound.en.html").read_text("utf-8")
