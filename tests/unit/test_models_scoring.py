"""Boosters, calibration, levels: what a frozen bundle says."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import DataError
from features.project import Condition, Levels, Trigger
from models import bundle as bundles
from models.booster import load_booster, merge
from models.calibration import GROUP, Calibration, sigmoid
from models.levels import RANKS, assign, bands_of, triggered_ranks
from models.schema import IndicatorEntry, Schema


def entry(name: str, direction: int = 0, topic: str = "") -> IndicatorEntry:
    words = {"zh": f"{name}为{{value}}", "en": f"{name} is {{value}}"}
    return IndicatorEntry(
        id=name, definition_hash=name, family="income", topic=topic or name, unit="number", direction=direction,
        names={"zh": name, "en": name}, owners={"zh": "民政", "en": "civil affairs"}, feeds={}, up=words, down=words,
    )  # fmt: skip


def trained(seed: int = 1, columns: int = 4, rows: int = 800, rounds: int = 8, **more) -> str:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, columns))
    x[rng.random(x.shape) < 0.1] = np.nan
    y = (np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 1]) ** 2 + rng.normal(size=rows) > 1).astype(float)
    settings = {"objective": "cross_entropy", "num_leaves": 6, "verbosity": -1, "seed": seed, "deterministic": True,
                "force_col_wise": True, "bagging_fraction": 0.7, "bagging_freq": 1, "num_threads": 1, **more}  # fmt: skip
    return lightgbm.train(settings, lightgbm.Dataset(x, y), rounds).model_to_string()


def sample(rows: int = 60, columns: int = 4) -> np.ndarray:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(rows, columns))
    x[rng.random(x.shape) < 0.2] = np.nan
    return x


def test_contributions_add_up_to_the_margin() -> None:
    booster = load_booster(trained())
    parts, base = booster.contributions(sample())
    np.testing.assert_allclose(parts.sum(axis=1) + base, booster.margins(sample()), atol=1e-12)


def test_merged_boosters_are_the_mean_of_their_members() -> None:
    texts = [trained(seed) for seed in (1, 2, 3)]
    merged, x = load_booster(merge(texts)), sample()
    singles = [load_booster(text) for text in texts]
    np.testing.assert_allclose(merged.margins(x), np.mean([b.margins(x) for b in singles], axis=0), atol=1e-12)
    parts = np.mean([b.contributions(x)[0] for b in singles], axis=0)
    np.testing.assert_allclose(merged.contributions(x)[0], parts, atol=1e-12)
    assert merge(texts) == merge(texts)


def shapley_by_hand(booster: lightgbm.Booster, x: np.ndarray, columns: int) -> np.ndarray:
    """Shapley values of the path-dependent game: unknown columns follow the training rows' shares at each split."""
    trees = booster.dump_model()["tree_info"]

    def worth(node: dict, known: frozenset[int]) -> float:
        if "leaf_value" in node:
            return node["leaf_value"]
        left, right = node["left_child"], node["right_child"]
        if node["split_feature"] in known:
            value = x[node["split_feature"]]
            goes_left = node["default_left"] if math.isnan(value) else value <= node["threshold"]
            return worth(left if goes_left else right, known)
        counts = [child.get("internal_count", child.get("leaf_count")) for child in (left, right)]
        return (counts[0] * worth(left, known) + counts[1] * worth(right, known)) / sum(counts)

    def total(known: frozenset[int]) -> float:
        return sum(worth(tree["tree_structure"], known) for tree in trees)

    found = np.zeros(columns)
    for at in range(columns):
        others = [column for column in range(columns) if column != at]
        for size in range(columns):
            weight = math.factorial(size) * math.factorial(columns - size - 1) / math.factorial(columns)
            for chosen in itertools.combinations(others, size):
                found[at] += weight * (total(frozenset({*chosen, at})) - total(frozenset(chosen)))
    return found


def test_contributions_are_the_shapley_values() -> None:
    text = trained(rounds=3, use_missing=True, bagging_fraction=1.0, bagging_freq=0)
    model, booster = lightgbm.Booster(model_str=text), load_booster(text)
    for row in sample(6):
        np.testing.assert_allclose(booster.contributions(row[None])[0][0], shapley_by_hand(model, row, 4), atol=1e-9)


@pytest.mark.filterwarnings("ignore")
def test_shap_gives_the_same() -> None:
    import shap

    text, x = trained(), sample()
    found = shap.TreeExplainer(lightgbm.Booster(model_str=text)).shap_values(x)
    parts = load_booster(text).contributions(x)[0]
    np.testing.assert_allclose(np.asarray(found if not isinstance(found, list) else found[1]), parts, atol=1e-9)


def test_a_declared_direction_is_kept() -> None:
    booster = load_booster(trained(monotone_constraints=[1, 0, 0, 0], rounds=30))
    x = np.repeat(np.nan_to_num(sample(20)), 9, axis=0)
    x[:, 0] = np.tile(np.linspace(-3, 3, 9), 20)
    assert (np.diff(booster.margins(x).reshape(20, 9), axis=1) >= -1e-12).all()


@settings(max_examples=40, deadline=None)
@given(
    slope=st.floats(0.2, 3),
    intercept=st.floats(-3, 3),
    drift=st.floats(0, 0.6),
    margins=st.lists(st.floats(-4, 3), min_size=2, max_size=20),
)
def test_ranges_hold_the_probability_and_grow_with_it(slope, intercept, drift, margins) -> None:
    calibration = Calibration(slope, intercept, drift)
    x = np.sort(np.array(margins))
    p, (low, high) = calibration.probability(x), calibration.range(x)
    assert (low <= p).all() and (p <= high).all()
    assert (np.diff(p) >= 0).all() and (np.diff(low) >= -1e-12).all() and (np.diff(high) >= -1e-12).all()


@pytest.mark.parametrize("drift", [0.0, 0.3])
def test_ranges_cover_as_they_claim(drift: float) -> None:
    """On average over many histories: one history of twelve periods may have met milder drift than is to come."""
    rng = np.random.default_rng(3)

    def draw(periods: int):
        margin = rng.normal(-1.5, 1.2, size=(periods, 2000))
        logit = 1.3 * margin + 0.4 + drift * rng.normal(size=(periods, 1))
        outcome = (rng.random(margin.shape) < sigmoid(logit)).astype(float)
        return margin.ravel(), outcome.ravel(), np.repeat(np.arange(periods), 2000)

    covered = []
    for _ in range(25):
        calibration = Calibration.fit(*draw(12))
        assert calibration.slope == pytest.approx(1.3, abs=0.1)
        share, groups = calibration.coverage(*draw(12))
        assert groups == 12 * 2000 // GROUP
        covered.append(share)
    assert 0.88 <= np.mean(covered) <= 0.96


LEVELS = Levels(source="test", since="2026-01-01", red=0.25, orange=0.12, yellow=0.05, triggers=[
    Trigger(level="red", indicator="alone", when=Condition(equals=1)),
])  # fmt: skip


@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from(sorted(RANKS))), min_size=1, max_size=30))
def test_hysteresis_only_delays_leaving(rows) -> None:
    p, before = np.array([row[0] for row in rows]), [row[1] for row in rows]
    fresh, held = assign(p, bands_of(LEVELS)), assign(p, bands_of(LEVELS), previous=before)
    for probability, name, plain, kept in zip(p, before, fresh, held, strict=True):
        assert RANKS[kept] >= RANKS[plain]
        if RANKS[kept] > RANKS[plain]:
            assert RANKS[kept] <= RANKS[name]
            assert probability >= LEVELS.leave_ratio * {3: 0.25, 2: 0.12, 1: 0.05}[RANKS[kept]]


def test_a_trigger_raises_and_missing_data_is_not_low_risk() -> None:
    frame = pd.DataFrame({"alone": [1.0, 0.0, np.nan]})
    ranks, which = triggered_ranks(LEVELS, frame)
    found = assign(
        np.array([0.01, 0.01, 0.01]), bands_of(LEVELS), triggered=ranks, sufficient=np.array([True, True, False])
    )
    assert found.tolist() == ["red", "none", "insufficient"]
    assert which == [["alone"], [], []]


def make(folder: Path, **changes) -> bundles.Bundle:
    parts = {
        "manifest": {"project": "p", "task": "t", "until": "2011-12-31"},
        "schema": Schema(tuple(entry(f"c{at}") for at in range(4))),
        "booster": trained(),
        "calibration": Calibration(1.0, 0.0, 0.2),
        "levels": LEVELS,
        "baselines": {"lowest": "c0"},
        "project_file": b"version: 1\n",
    }
    return bundles.save(folder, **{**parts, **changes})


def test_a_bundle_is_named_by_its_content(tmp_path: Path) -> None:
    first = make(tmp_path)
    assert make(tmp_path / "other").digest == first.digest == first.folder.name
    assert make(tmp_path, booster=trained(2)).digest != first.digest
    frame = pd.DataFrame(sample(), columns=first.schema.ids)
    scored = first.score(frame)
    assert ((scored["low"] <= scored["probability"]) & (scored["probability"] <= scored["high"])).all()


@pytest.mark.parametrize("name", ["booster.txt", "schema.json", "calibration.json"])
def test_an_edited_bundle_is_refused(name: str, tmp_path: Path) -> None:
    folder = make(tmp_path).folder
    bundles.load.cache_clear()
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    with pytest.raises(DataError, match="was changed"):
        bundles.load(folder)
    (folder / name).unlink()
    with pytest.raises(DataError, match="lacks the file"):
        bundles.load(folder)


def test_a_schema_of_another_meaning_is_refused(tmp_path: Path) -> None:
    import dataclasses

    bundle = make(tmp_path)
    changed = Schema((dataclasses.replace(bundle.schema.entries[0], definition_hash="new"), *bundle.schema.entries[1:]))
    with pytest.raises(DataError, match="computed differently"):
        bundles.same_meaning(bundle, changed)


@pytest.mark.parametrize("frame", [
    pd.DataFrame({"c0": [1.0]}),
    pd.DataFrame({f"c{at}": ["x"] for at in range(4)}),
    pd.DataFrame({f"c{at}": [np.inf] for at in range(4)}),
])  # fmt: skip
def test_a_wrong_frame_is_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(DataError):
        Schema(tuple(entry(f"c{at}") for at in range(4))).matrix(frame)
