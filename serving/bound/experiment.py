"""The experiment: methods beside the oracle on the same households, and what lies between them.

    perfect ── noise ── oracle ── learning ── told everything ── hidden information ── prompt ── lag ── as told

Noise cannot be foreseen by anybody. Learning is what a model misses that is told the whole state but must learn from
these rows what the oracle knows by law. Hidden information is what no department knows (savings, help from kin, what
each month brought). Lag is what departments know later than it happened. What is left is what the model reaches.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from features.settings import Settings
from serving.bound import methods
from serving.bound.worlds import Progress, Told, Truth, last_month, live_through, tell

MONTHS_AHEAD = {13: 3, 26: 6}
"""Months of the label by weeks."""
TRAINING_MONTHS = 15
TEST_MONTHS = 2
RESAMPLES = 200
LADDER = (
    "rules",
    "weighted_rules",
    "lowest_income_first",
    "logistic",
    "lightgbm",
    "lightgbm_prompt",
    "everything",
    "oracle",
)
PARTS = ("reached", "lag", "hidden", "learning", "noise")
MEASURES = ("auc", "average_precision", "precision_at_2pct", "recall_at_5pct")


@dataclass(frozen=True)
class Asked:
    """Size of the experiment."""

    households: int = 20_000
    months: int = 36
    seeds: int = 3
    seed: int = 7
    weeks: tuple[int, ...] = (13, 26)
    paths: int = 100


def run(asked: Asked, folder: Path, settings: Settings, progress: Progress) -> dict[str, Any]:
    """All seeds; a report of plain numbers.

    Returns:
        by weeks: the figures of each method and seed, the interval of the oracle's average precision, what leaks (a
        method above that interval has seen the future), and the parts of the gap.
    """
    found: dict[str, Any] = {"asked": _plain(asked), "weeks": {str(weeks): [] for weeks in asked.weeks}}
    for seed in range(asked.seed, asked.seed + asked.seeds):
        for weeks, result in one_seed(asked, seed, folder, settings, progress).items():
            found["weeks"][str(weeks)].append(result)
    found["summary"] = {weeks: summary(results) for weeks, results in found["weeks"].items()}
    return found


def one_seed(
    asked: Asked, seed: int, folder: Path, settings: Settings, progress: Progress
) -> dict[int, dict[str, Any]]:
    """The experiment on one province, told twice: as departments do, and as if all knew at once."""
    last = last_month()
    plans = {weeks: _plan(last, MONTHS_AHEAD[weeks]) for weeks in asked.weeks}
    months = sorted({month for train, test in plans.values() for month in (*train, *test)})
    judged = {MONTHS_AHEAD[weeks]: test for weeks, (_, test) in plans.items()}
    size: dict[str, Any] = {"households": asked.households, "length": asked.months, "seed": seed}
    told: dict[bool, Told] = {}
    for prompt in (False, True):
        place = folder / f"seed-{seed}-{'prompt' if prompt else 'told'}"
        made, told[prompt] = tell(place, months, prompt=prompt, settings=settings, progress=progress, **size)
        shutil.rmtree(place)
    truth = live_through(made, months, judged, paths=asked.paths, progress=progress)
    found = {}
    for number, (weeks, (train, test)) in enumerate(plans.items()):
        progress("比较 compare", number, len(plans))
        found[weeks] = compare(told, truth, train, test, MONTHS_AHEAD[weeks], seed=seed, threads=settings.threads)
    return found


def _plan(last: int, ahead: int) -> tuple[list[int], list[int]]:
    """Training and test months. A training label ends before the first test day, a test label within the data."""
    test = [last - ahead - back for back in range(TEST_MONTHS, 0, -1)]
    newest = test[0] - ahead - 1
    return [newest - back for back in range(TRAINING_MONTHS - 1, -1, -1)], test


def compare(
    told: Mapping[bool, Told], truth: Truth, train: Sequence[int], test: Sequence[int], ahead: int, *, seed: int,
    threads: int,
) -> dict[str, Any]:  # fmt: skip
    """Every method on the same test rows: those that both tellings have."""
    learnt = {prompt: methods.rows(told[prompt], truth, train, ahead) for prompt in told}
    asked = {prompt: methods.rows(told[prompt], truth, test, ahead) for prompt in told}
    asked[False], asked[True] = _shared(asked[False], asked[True])
    plain = asked[False]
    scores = methods.scores(told[False].project, learnt[False], plain, seed=seed, threads=threads)
    prompt = methods.boost(
        learnt[True].x.to_numpy(), learnt[True].onset, asked[True].x.to_numpy(), threads=threads
    )  # fmt: skip
    scores |= {"lightgbm_prompt": prompt, "everything": methods.everything(learnt[True], asked[True], threads=threads)}
    scores["oracle"] = np.nan_to_num(plain.chance)
    figures = {name: measures(plain.onset, scores[name]) for name in LADDER if name in scores}
    low, high = interval(plain.onset, scores["oracle"], plain.household, seed=seed)
    return {
        "seed": seed,
        "households": len(plain.onset),
        "base_rate": float(plain.onset.mean()),
        "oracle_mean": float(scores["oracle"].mean()),
        "figures": figures,
        "oracle_interval": [low, high],
        "leaks": [name for name in figures if name != "oracle" and figures[name]["average_precision"] > high],
        "parts": parts({name: figure["average_precision"] for name, figure in figures.items()}),
    }


def _shared(one: methods.Rows, other: methods.Rows) -> tuple[methods.Rows, methods.Rows]:
    keys = [set(zip(rows.month.tolist(), rows.household.tolist(), strict=True)) for rows in (one, other)]
    both = keys[0] & keys[1]
    return tuple(_kept(rows, both) for rows in (one, other))  # type: ignore[return-value]


def _kept(rows: methods.Rows, wanted: set[tuple[int, int]]) -> methods.Rows:
    there = np.array([key in wanted for key in zip(rows.month.tolist(), rows.household.tolist(), strict=True)])
    columns = {name: getattr(rows, name)[there] for name in ("area", "hidden", "onset", "chance", "month", "household")}
    return replace(rows, x=rows.x[there], **columns)


def measures(onset: np.ndarray, score: np.ndarray) -> dict[str, float]:
    """AUC, average precision, precision of the first 2 % and recall of the first 5 %."""
    order = np.argsort(-score, kind="stable")
    two, five = order[: max(1, len(onset) // 50)], order[: max(1, len(onset) // 20)]
    return {
        "auc": float(roc_auc_score(onset, score)),
        "average_precision": float(average_precision_score(onset, score)),
        "precision_at_2pct": float(onset[two].mean()),
        "recall_at_5pct": float(onset[five].sum() / max(onset.sum(), 1)),
    }


def interval(onset: np.ndarray, score: np.ndarray, household: np.ndarray, *, seed: int) -> tuple[float, float]:
    """95 % interval of an average precision, households resampled whole."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(RESAMPLES):
        times = rng.poisson(1.0, household.max() + 1)[household]
        drawn.append(average_precision_score(onset, score, sample_weight=times))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def parts(average_precision: Mapping[str, float]) -> dict[str, float]:
    """What a perfect order's average precision of 1 is made of; the parts add up to it.

    >>> found = parts({"lightgbm": .3, "lightgbm_prompt": .4, "everything": .6, "oracle": .7})
    >>> {name: round(share, 2) for name, share in found.items()}
    {'reached': 0.3, 'lag': 0.1, 'hidden': 0.2, 'learning': 0.1, 'noise': 0.3}
    """
    steps = [0.0, *[average_precision[name] for name in ("lightgbm", "lightgbm_prompt", "everything", "oracle")], 1.0]
    return dict(zip(PARTS, np.diff(steps).tolist(), strict=True))


def summary(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean, least and most over the seeds, of each figure, of the parts, and of LightGBM's share of the oracle."""
    shares = [
        result["figures"]["lightgbm"]["average_precision"] / result["figures"]["oracle"]["average_precision"]
        for result in results
    ]
    return {
        "figures": {
            name: {key: _over([result["figures"][name][key] for result in results]) for key in MEASURES}
            for name in results[0]["figures"]
        },
        "parts": {name: _over([result["parts"][name] for result in results]) for name in PARTS},
        "share_of_oracle": _over(shares),
        "base_rate": _over([result["base_rate"] for result in results]),
        "leaks": sorted({name for result in results for name in result["leaks"]}),
    }


def _over(values: Sequence[float]) -> dict[str, float]:
    return {"mean": float(np.mean(values)), "least": float(min(values)), "most": float(max(values))}


def _plain(asked: Asked) -> dict[str, Any]:
    return {**vars(asked), "weeks": list(asked.weeks)}
