"""Laws of the list: capacity, audit share, exact probabilities, no second listing for one episode."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.calendar import Span
from features.project import ListRules
from serving.listing import Earlier, Episode, Finding, select

DAY = date(2024, 3, 31)
RULES = ListRules(
    source="test", since="2024-01-01", audit_share=0.1, cool_down=Span(60, "day"), carry_over=Span(8, "week")
)


def cohort(households: int, areas: int, seed: int, high: float = 0.2) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    probability = random.beta(1, 12, households)
    probability[: int(high * households)] = random.uniform(0.05, 0.6, int(high * households))
    level = np.select(
        [probability >= 0.25, probability >= 0.12, probability >= 0.05], ["red", "orange", "yellow"], "none"
    )
    return pd.DataFrame(
        {
            "household_id": [f"{ix:024x}" for ix in range(households)],
            "area": [f"A{ix}" for ix in random.integers(0, areas, households)],
            "probability": probability,
            "level": level,
            "sufficient": random.random(households) > 0.02,
        }
    )


def places(frame: pd.DataFrame, each: int) -> dict[str, int]:
    return dict.fromkeys(sorted(set(frame["area"])), each)


few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@few
@given(
    households=st.integers(1, 400),
    areas=st.integers(1, 6),
    each=st.integers(0, 40),
    share=st.sampled_from([0.0, 0.05, 0.1, 0.3, 0.5]),
    seed=st.integers(0, 10_000),
)
def test_capacity_and_audit_share(households, areas, each, share, seed):
    frame = cohort(households, areas, seed)
    rules = RULES.model_copy(update={"audit_share": share})
    made = select(frame, day=DAY, capacity=places(frame, each), rules=rules, seed=str(seed))
    by_area = pd.Series([entry.area for entry in made.entries], dtype=object).value_counts()
    assert (by_area <= each).all()
    assert len({entry.household_id for entry in made.entries}) == len(made.entries)
    room = sum(min(each, count) for count in frame.groupby("area").size())
    assert made.count("audit") >= min(math.ceil(share * len(made.entries) - 1e-9), room)
    assert made.count("audit") <= math.ceil(share * (len(made.entries) + areas)) + 1
    for area in made.areas:
        for level in ("red", "orange", "yellow"):
            listed = sum(e.area == area.area and e.level == level for e in made.entries)
            assert listed + area.left_out[level] == area.at_or_above[level]


def test_full_areas_have_exactly_the_share():
    frame = cohort(3000, 6, 3, high=0.5)
    made = select(frame, day=DAY, capacity=places(frame, 30), rules=RULES, seed="x")
    assert len(made.entries) == 180
    assert made.count("audit") == 18


@few
@given(seed=st.integers(0, 10_000))
def test_same_inputs_same_list_whatever_the_order(seed):
    frame = cohort(300, 4, seed)
    mixed = frame.sample(frac=1, random_state=seed)
    one, two = (
        select(f, day=DAY, capacity=places(frame, 12), rules=RULES, seed="s", run_id="r") for f in (frame, mixed)
    )
    assert one == two
    other = select(frame, day=DAY, capacity=places(frame, 12), rules=RULES, seed="t", run_id="r")
    assert {e.household_id for e in other.entries if e.kind == "risk"} & {e.household_id for e in one.entries}


def test_risk_rows_are_the_highest_of_their_area():
    frame = cohort(500, 3, 5)
    made = select(frame, day=DAY, capacity=places(frame, 15), rules=RULES, seed="s")
    listed = {entry.household_id: entry.kind for entry in made.entries}
    for area, group in frame[frame["sufficient"]].groupby("area"):
        risks = group[group["household_id"].map(listed).eq("risk")]
        others = group[~group["household_id"].isin(listed)]
        assert risks["probability"].min() >= others["probability"].max()
        assert area in made.areas[int(area[1:])].area


def test_probabilities_of_selection_are_right():
    """Over many seeds each household is listed as often as its probability says, and weighting is unbiased."""
    frame = cohort(160, 3, 11)
    frame["truth"] = (np.random.default_rng(1).random(160) < frame["probability"]).astype(float)
    truth = dict(zip(frame["household_id"], frame["truth"], strict=True))
    capacity = {"A0": 9, "A1": 14, "A2": 5}
    times, runs = dict.fromkeys(truth, 0), 900
    stated: dict[str, float] = {}
    totals = []
    for seed in range(runs):
        made = select(frame, day=DAY, capacity=capacity, rules=RULES, seed=str(seed))
        for entry in made.entries:
            times[entry.household_id] += 1
            assert stated.setdefault(entry.household_id, entry.selection_probability) == entry.selection_probability
        totals.append(sum(truth[e.household_id] / e.selection_probability for e in made.entries))
    for household, probability in stated.items():
        spread = math.sqrt(probability * (1 - probability) / runs)
        assert abs(times[household] / runs - probability) <= 4.5 * spread + 1e-9
    assert sum(times.values()) / runs == pytest.approx(sum(stated.values()), rel=0.02)
    assert set(stated) == set(truth), "nobody of an area with visits is out of reach"
    assert abs(np.mean(totals) - frame["truth"].sum()) < 4 * np.std(totals) / math.sqrt(runs)


def test_an_open_episode_is_carried_and_ends_with_a_finding():
    frame = cohort(300, 2, 8)
    capacity = places(frame, 10)
    first = select(frame, day=DAY, capacity=capacity, rules=RULES, seed="1", run_id="one")
    later = DAY + timedelta(weeks=1)
    again = select(
        frame, day=later, capacity=capacity, rules=RULES, seed="2", run_id="two",
        earlier=Earlier(DAY, first.episodes),
    )  # fmt: skip
    assert {e.household_id for e in again.entries} == {e.household_id for e in first.entries}
    assert {e.change for e in again.entries} == {"same"}
    assert {e.opened_on for e in again.entries} == {DAY}
    assert {e.run_id for e in again.episodes} == {"one"}
    visited = [e for e in first.entries if e.kind == "risk"][:4]
    codes = ("V3", "V6", "V1", "V9")
    findings = tuple(Finding(e.household_id, later, code) for e, code in zip(visited, codes, strict=True))
    third = select(
        frame, day=later + timedelta(weeks=1), capacity=capacity, rules=RULES, seed="3", run_id="three",
        earlier=Earlier(later, again.episodes, findings),
    )  # fmt: skip
    listed = {e.household_id: e for e in third.entries}
    assert not {e.household_id for e in visited[:3]} & set(listed)
    assert listed[visited[3].household_id].opened_on == later + timedelta(weeks=1), "V9: a new episode"
    assert {left.household_id: left.why for left in third.left} == {
        visited[0].household_id: "cool_down", visited[1].household_id: "cool_down", visited[2].household_id: "visited"
    }  # fmt: skip
    assert len([e for e in third.entries if e.change == "new"]) == 3


def test_cool_down_ends_with_time_an_event_or_a_higher_level():
    frame = cohort(50, 1, 2).assign(area="A0", sufficient=True)
    frame.loc[0, ["probability", "level"]] = [0.2, "orange"]
    household = frame.loc[0, "household_id"]
    then = DAY - timedelta(days=14)
    episode = Episode(household, "A0", "risk", then, then, "orange", 0.2, 1.0, "r")
    finding = (Finding(household, DAY - timedelta(days=7), "V3"),)

    def listed(day=DAY, events=None, frame=frame, episode=episode):
        made = select(
            frame, day=day, capacity={"A0": 50}, rules=RULES.model_copy(update={"audit_share": 0.0}), seed="s",
            earlier=Earlier(then, (episode,), finding, events or {}),
        )  # fmt: skip
        return household in {e.household_id for e in made.entries}

    assert not listed()
    assert listed(day=DAY + timedelta(days=53))
    assert listed(events={household: DAY - timedelta(days=1)})
    assert not listed(events={household: DAY - timedelta(days=20)})
    assert listed(episode=replace(episode, level="yellow"))


def test_without_enough_data_a_visit_is_suggested_and_no_low_score_given():
    frame = cohort(120, 2, 4)
    frame.loc[:9, "sufficient"] = False
    frame.loc[:9, "probability"] = np.nan
    made = select(frame, day=DAY, capacity=places(frame, 8), rules=RULES, seed="s")
    missing = set(frame.loc[~frame["sufficient"], "household_id"])
    drawn = {e.household_id for e in made.entries} & missing
    assert set(made.suggestions) == missing - drawn
    assert all(e.probability is None and e.kind == "audit" for e in made.entries if e.household_id in drawn)
