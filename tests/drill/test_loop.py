"""Twenty small provinces for a hundred weeks: the interval of the list's recall keeps its promise, and only with audit
rows; a seed says the same twice."""

from __future__ import annotations

import pytest

from serving.loop.account import account
from serving.loop.driver import Terms, drive
from serving.loop.lives import Plan

pytestmark = pytest.mark.filterwarnings("ignore")
SEEDS = range(1, 21)


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
