"""Boosters, calibration, levels: what a frozen bundle says."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
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
from models.booster import canonical_text, explainer, load_booster, merge
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
    settings = {
        "objective": "cross_entropy", "num_leaves": 6, "verbosity": -1, "seed": seed, "deterministic": True,
        "force_col_wise": True, "bagging_fraction": 0.7, "bagging_freq": 1, "num_threads": 1, **more,
    }  # fmt: skip
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


@pytest.mark.parametrize("more", [{}, {"min_data_in_leaf": 700}, {"max_depth": 1}])
def test_merged_boosters_are_the_mean_of_their_members(more: dict) -> None:
    """Also where a member's trees have a single leaf and nothing is split."""
    texts = [trained(1), trained(2, rounds=3), trained(3, **more)]
    merged, x = load_booster(merge(texts)), sample()
    singles = [load_booster(text) for text in texts]
    np.testing.assert_allclose(merged.margins(x), np.mean([b.margins(x) for b in singles], axis=0), atol=1e-12)
    parts, base = merged.contributions(x)
    np.testing.assert_allclose(parts, np.mean([b.contributions(x)[0] for b in singles], axis=0), atol=1e-12)
    assert base == pytest.approx(np.mean([b.contributions(x)[1] for b in singles]), abs=1e-12)
    np.testing.assert_allclose(parts.sum(axis=1) + base, merged.margins(x), atol=1e-12)
    assert merge(texts) == merge([canonical_text(text) for text in texts])


def test_boosters_that_do_not_fit_are_not_merged() -> None:
    with pytest.raises(ValueError, match="cannot be merged"):
        merge([trained(), trained(columns=5)])
    with pytest.raises(ValueError, match="cannot be merged"):
        merge([trained(), trained(objective="binary")])


def test_a_canonical_text_predicts_the_same_and_forgets_how_it_was_fitted() -> None:
    text = trained()
    kept = canonical_text(text)
    np.testing.assert_array_equal(load_booster(kept).margins(sample()), load_booster(text).margins(sample()))
    assert "num_threads" not in kept
    assert canonical_text(trained(num_threads=2)) == kept == canonical_text(kept)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_cut_booster_is_refused(share: float) -> None:
    """LightGBM itself aborts the whole process on such a text."""
    kept = canonical_text(trained())
    with pytest.raises(ValueError, match="LightGBM"):
        load_booster(kept[: int(share * len(kept))])


def test_any_number_of_threads_and_rows_gives_the_same() -> None:
    text, x = trained(), sample()
    one, two = load_booster(text), load_booster(text, threads=2)
    np.testing.assert_array_equal(one.margins(x), two.margins(x))
    np.testing.assert_array_equal(one.contributions(x)[0], two.contributions(x)[0])
    np.testing.assert_array_equal(one.margins(x)[3:4], one.margins(x[3:4]))
    assert one.margins(x[:0]).shape == (0,)
    assert one.contributions(x[:0])[0].shape == (0, 4)
    with pytest.raises(ValueError, match="4 columns"):
        one.margins(x[:, :3])


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


@pytest.mark.parametrize("merged", [False, True])
def test_contributions_are_the_shapley_values(merged: bool) -> None:
    text = trained(rounds=3, use_missing=True, bagging_fraction=1.0, bagging_freq=0)
    text = merge([text, trained(rounds=2, num_leaves=9)]) if merged else text
    model, booster = lightgbm.Booster(model_str=text), load_booster(text)
    for row in sample(6):
        np.testing.assert_allclose(booster.contributions(row[None])[0][0], shapley_by_hand(model, row, 4), atol=1e-9)


@pytest.mark.filterwarnings("ignore")
def test_shap_gives_the_same() -> None:
    booster, x = load_booster(merge([trained(1), trained(2)])), sample()
    found = explainer(booster).shap_values(x)
    parts = booster.contributions(x)[0]
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
    assert (low <= p).all()
    assert (p <= high).all()
    for numbers in (p, low, high):
        assert (np.diff(numbers) >= -1e-12).all()
        assert ((numbers >= 0) & (numbers <= 1)).all()


@pytest.mark.parametrize(("drift", "rate", "seen"), [(0.0, -1.5, 12), (0.3, -1.5, 12), (0.3, -1.5, 4), (0.15, -3.0, 6)])
def test_ranges_cover_as_they_claim(drift: float, rate: float, seen: int) -> None:
    """On average over many histories: one history of a few periods may have met milder drift than is to come.

    Numbers of households are whole, so that a range covers a little more than the 90 % it claims.
    """
    rng = np.random.default_rng(3)

    def draw(periods: int):
        margin = rng.normal(rate, 1.2, size=(periods, 2000))
        logit = 1.3 * margin + 0.4 + drift * rng.normal(size=(periods, 1))
        outcome = (rng.random(margin.shape) < sigmoid(logit)).astype(float)
        return margin.ravel(), outcome.ravel(), np.repeat(np.arange(periods), 2000)

    covered, slopes = [], []
    for _ in range(40):
        calibration = Calibration.fit(*draw(seen))
        slopes.append(calibration.slope)
        share, groups = calibration.coverage(*draw(6))
        assert groups == 6 * 2000 // GROUP
        covered.append(share)
    assert 0.89 <= np.mean(covered) <= 0.97
    assert np.mean(slopes) == pytest.approx(1.3, abs=0.05)


def test_without_drift_the_range_is_the_luck_of_100_households() -> None:
    low, high = Calibration(1.0, 0.0, 0.0).range(np.array([0.0]))
    assert (low[0], high[0]) == (0.42, 0.58)  # the binomial's own 5 % and 95 % points
    wider = Calibration(1.0, 0.0, 0.5).range(np.array([0.0]))
    assert wider[0][0] < 0.42
    assert wider[1][0] > 0.58


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 0.0, -1.0]))
def test_calibration_never_turns_an_order_round(seed: int, truth: float) -> None:
    rng = np.random.default_rng(seed)
    margin = rng.normal(size=300)
    outcome = (rng.random(300) < sigmoid(truth * margin - 1)).astype(float)
    calibration = Calibration.fit(margin, outcome, np.repeat([0, 1, 2], 100))
    order = np.sort(margin)
    assert calibration.slope > 0
    assert (np.diff(calibration.probability(order)) > 0).all()
    assert calibration.probability(margin).mean() == pytest.approx(outcome.mean(), abs=1e-5)


def test_calibration_with_weights_is_that_of_the_whole() -> None:
    """Negatives sampled one in ten and weighted by ten give back the rate of the whole."""
    rng = np.random.default_rng(4)
    margin = rng.normal(size=40_000)
    outcome = (rng.random(40_000) < sigmoid(margin - 2)).astype(float)
    kept = (outcome == 1) | (rng.random(40_000) < 0.1)
    weights = np.where(outcome == 1, 1.0, 10.0)
    whole = Calibration.fit(margin, outcome, np.arange(40_000) % 4)
    part = Calibration.fit(margin[kept], outcome[kept], (np.arange(40_000) % 4)[kept], weights[kept])
    assert part.slope == pytest.approx(whole.slope, abs=0.06)
    assert part.intercept == pytest.approx(whole.intercept, abs=0.06)
    same = Calibration.fit(margin[kept], outcome[kept], (np.arange(40_000) % 4)[kept], 3 * weights[kept])
    assert same.drift == pytest.approx(part.drift)


@pytest.mark.parametrize("outcome", [np.zeros(60), np.ones(60), np.repeat([0.0, 1.0], 30), np.full(60, 0.3)])
def test_calibration_is_finite_whatever_the_outcomes(outcome: np.ndarray) -> None:
    for margin in (np.linspace(-1, 1, 60), np.zeros(60)):
        calibration = Calibration.fit(margin, outcome, np.arange(60) % 3)
        low, high = calibration.range(margin)
        assert np.isfinite([calibration.slope, calibration.intercept, calibration.drift, *low, *high]).all()
    with pytest.raises(ValueError, match="needs rows"):
        Calibration.fit(np.array([np.nan]), np.array([1.0]), np.array([0]))


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
    with pytest.raises(DataError, match="alone"):
        triggered_ranks(LEVELS, frame.drop(columns="alone"))


def test_silence_lowers_nobody() -> None:
    before = ["red", "yellow", "none", "insufficient"]
    found = assign(np.full(4, 0.01), bands_of(LEVELS), previous=before, sufficient=np.zeros(4, dtype=bool))
    assert found.tolist() == ["red", "yellow", "insufficient", "insufficient"]
    assert assign(np.array([np.nan]), bands_of(LEVELS)).tolist() == ["insufficient"]


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3), st.booleans()), min_size=1, max_size=30))
def test_triggers_only_raise(rows) -> None:
    p, forced, known = (np.array(part) for part in zip(*rows, strict=True))
    with_triggers = assign(p, bands_of(LEVELS), triggered=forced, sufficient=known)
    without = assign(p, bands_of(LEVELS), sufficient=known)
    for raised, plain, least in zip(with_triggers, without, forced, strict=True):
        assert RANKS.get(raised, 0) >= max(RANKS.get(plain, 0), least)


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


def test_an_edited_manifest_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path).folder
    manifest = folder / "bundle.json"
    text = manifest.read_text()
    for edited, says in [
        (text.replace('"project": "p"', '"project": "x"'), "was changed"),
        (text.replace('"format": 1', '"format": 2'), "another format"),
        (text.replace("booster.txt", "other.txt"), "cannot be read"),
        (text[: len(text) // 2], "cannot be read"),
        ("[]", "cannot be read"),
    ]:
        manifest.write_text(edited)
        with pytest.raises(DataError, match=says):
            bundles.read(folder)


def test_a_bundle_with_another_schema_than_its_manifest_says_is_refused(tmp_path: Path) -> None:
    """Even where somebody wrote all the digests anew."""
    folder = make(tmp_path).folder.rename(tmp_path / "elsewhere")
    schema = folder / "schema.json"
    schema.write_bytes(schema.read_bytes().replace(b'"direction": 0', b'"direction": 1', 1))
    manifest = json.loads((folder / "bundle.json").read_text())
    manifest["files"]["schema.json"] = hashlib.sha256(schema.read_bytes()).hexdigest()
    (folder / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="not the one of its manifest"):
        bundles.read(folder)
    with pytest.raises(ValueError, match="not fitted on this schema"):
        make(tmp_path, schema=Schema((entry("c0"),)))


def test_a_frame_is_assessed_with_its_levels(tmp_path: Path) -> None:
    bundle = make(tmp_path)
    frame = pd.DataFrame(sample(), columns=bundle.schema.ids).assign(alone=0.0)
    frame.iloc[0] = np.nan
    frame.loc[1, "alone"] = 1.0
    found = bundle.assess(frame)
    assert found["level"].tolist()[:2] == ["insufficient", "red"]
    assert bundle.needed == [*bundle.schema.ids, "alone"]
    with pytest.raises(DataError, match="alone"):
        bundle.assess(frame.drop(columns="alone"))


def test_a_schema_of_another_meaning_is_refused(tmp_path: Path) -> None:
    bundle = make(tmp_path)
    changed = Schema((dataclasses.replace(bundle.schema.entries[0], definition_hash="new"), *bundle.schema.entries[1:]))
    with pytest.raises(DataError, match="computed differently"):
        bundles.same_meaning(bundle, changed)


GOOD = pd.DataFrame({f"c{at}": [1.0, np.nan] for at in range(4)})


@pytest.mark.parametrize(("frame", "says"), [
    (GOOD[["c0"]], "3 indicators are absent"),
    (GOOD.assign(c1=["1", "2"]), "not numbers, for example c1"),
    (GOOD.assign(c2=pd.to_datetime("2026-01-01")), "not numbers, for example c2"),
    (GOOD.assign(c3=[1.0, np.inf]), "c3 have infinite"),
    (pd.concat([GOOD, GOOD[["c0"]]], axis=1), "stand twice, for example c0"),
])  # fmt: skip
def test_a_wrong_frame_is_refused(frame: pd.DataFrame, says: str) -> None:
    with pytest.raises(DataError, match=says):
        Schema(tuple(entry(f"c{at}") for at in range(4))).matrix(frame)


def test_a_frame_in_any_order_and_with_other_columns_gives_the_matrix() -> None:
    schema = Schema(tuple(entry(f"c{at}") for at in range(4)))
    frame = GOOD[["c3", "c1", "c0", "c2"]].assign(c1=[2, 3], c2=[True, False], c3=[None, None], household_id="x")
    found = schema.matrix(frame)
    np.testing.assert_array_equal(found, [[1, 2, 1, np.nan], [np.nan, 3, 0, np.nan]])
    assert found.dtype == np.float64
    with pytest.raises(DataError, match="household_id"):
        schema.matrix(frame, only=True)


def test_the_hash_covers_what_is_computed_and_not_its_words() -> None:
    schema = Schema((entry("a"), entry("b")))
    assert Schema.of_plain(json.loads(json.dumps(schema.plain()))).hash == schema.hash
    assert Schema((dataclasses.replace(entry("a"), names={"zh": "甲", "en": "A"}), entry("b"))).hash == schema.hash
    for change in ({"direction": 1}, {"unit": "share"}, {"definition_hash": "other"}, {"id": "c"}):
        assert Schema((dataclasses.replace(entry("a"), **change), entry("b"))).hash != schema.hash
    assert Schema((entry("b"), entry("a"))).hash != schema.hash
