"""Twenty small provinces for a hundred weeks: the interval of the list's recall keeps its promise, and only with audit
rows; a seed says the same twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.project import load_project
from features.province.field import field_values
from features.province.simulation import PROJECT
from serving.loop.account import account
from serving.loop.diary import Diary
from serving.loop.driver import Terms, drive, sundays
from serving.loop.lives import Plan, settle
from serving.loop.weeks import Desk

pytestmark = pytest.mark.filterwarnings("ignore")
SEEDS = range(1, 21)


def field_alone(terms: Terms, plan: Plan) -> Diary:
    """Lists, visits and help of a province without store and model: ranked by what is seen of savings, with noise."""
    project = load_project(PROJECT)
    life = settle(plan, lambda *_: None, field_values(), **terms.shape)
    life.opening()
    for index in range(terms.first, terms.listing_months[0]):
        life.month(index)
    life.leave_visits_to_lists()
    names = np.array(life.codes, dtype=object)
    desk = Desk(life, Diary(plan, len(life), terms.first), names)
    county = np.array([town.parent for town in life.province.geography.towns])[life.observer.block.town]
    rng = np.random.default_rng(plan.seed)
    left = terms.weeks
    for index in terms.listing_months:
        life.month(index)
        days = sundays(index)[:left]
        for day in days:
            assert life.earlier is not None
            noise = rng.normal(0, 1, len(life))
            seen: dict[str, Any] = {"household_id": names, "area": county, "sufficient": True}
            seen["risk"] = 1 / (1 + np.exp(life.earlier.comfort + noise))
            desk.week(project, day, pd.DataFrame(seen)[~life.earlier.assisted], {})
        left -= len(days)
        if not left:
            break
        desk.month_end(days[-1] + timedelta(days=6))
    diary = desk.diary
    diary.onsets, diary.unaided, diary.applied = (np.array(part) for part in (life.onsets, life.unaided, life.applied))
    diary.untouched = np.zeros_like(diary.onsets)
    return diary


@pytest.mark.drill
def test_the_interval_keeps_its_promise_in_the_field_whatever_the_model_is_worth():
    terms = Terms(households=1_250, per_county=500, weeks=100, history=3)
    made = [field_alone(terms, Plan(at, f"{seed} with", seed, "lightgbm", 0.2)) for at, seed in enumerate(SEEDS)]
    found = account(made)["recall"]
    print(found["covered"], found["covered_blocks"], found["bias"])
    for covered in (found["covered"], found["covered_blocks"]):
        assert covered["expected"][0] <= covered["share"] <= covered["expected"][1]
    assert abs(found["bias"]["with_audit_rows"]) < found["bias"]["recorded_only"] / 5


@pytest.mark.drill
def test_the_interval_holds_the_true_recall_as_often_as_it_says(tmp_path):
    terms = Terms(households=1_250, per_county=500, weeks=100)
    plans = [Plan(at, f"{seed} with", seed, "lightgbm", 0.2) for at, seed in enumerate(SEEDS)]
    found = account(drive(terms, plans, tmp_path, memory="3GB"))["recall"]
    print(found["covered"], found["covered_blocks"], found["bias"])
    for covered in (found["covered"], found["covered_blocks"]):
        assert covered["expected"][0] <= covered["share"] <= covered["expected"][1]
    bias = found["bias"]
    assert abs(bias["with_audit_rows"]) < bias["recorded_only"] / 5
    assert bias["recorded_only"] > 0.2  # who is neither visited nor comes does not exist for the records
    assert bias["listed_rows_only"] > 0.5


@pytest.mark.drill
def test_the_same_seed_gives_the_same_report(tmp_path):
    terms = Terms(households=400, per_county=200, weeks=8)
    plans = [Plan(0, "3 with", 3, "lightgbm", 0.2), Plan(1, "3 without", 3)]
    once, twice = (account(drive(terms, plans, tmp_path / name)) for name in ("once", "twice"))
    assert repr(once) == repr(twice)
