"""What the mission is about: new hardships reached in time, by method, at equal visits in the same provinces."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from serving.loop.account import HELP_DAYS, HORIZON_DAYS, days_to_help, precision, reach
from serving.loop.diary import Diary

METHODS = ("rules", "logistic", "lightgbm", "lightgbm_prompt", "oracle")
"""From what is published to what nobody can beat; each step says what it would bring."""
RESAMPLES = 1_000
AIM = 2.5
"""How many times as many new hardships as published-style rules the product is to reach."""


def compare(diaries: Mapping[str, Sequence[Diary]]) -> dict[str, Any]:
    """Share of new hardships reached, and days to the first help, by method; seeds of all methods in the same order.

    Intervals come from drawing households anew, the same for all methods: a household's onsets stay together, and
    methods are compared on the same households.
    """
    names = [name for name in METHODS if name in diaries]
    reached, days, rows = {}, {}, np.zeros(0, dtype=np.int64)
    for name in names:
        parts = [_of(diary) for diary in diaries[name]]
        reached[name] = np.concatenate([part[0] for part in parts])
        days[name] = np.concatenate([part[1] for part in parts])
        rows = np.concatenate([part[2] + at * 1_000_000 for at, part in enumerate(parts)])
    drawn = _resamples(rows)
    shares = {name: _shares(reached[name].astype(float), drawn) for name in names}
    waits = {name: _shares(days[name], drawn) for name in names}
    methods = {
        name: {
            "reached": _interval(shares[name]),
            "reached_by_seed": [float(_of(diary)[0].mean()) for diary in diaries[name]],
            "days_to_help": _interval(waits[name]),
            "helped_by_onset": float((days[name] <= 0).mean()),
            "never": float((days[name] >= HELP_DAYS).mean()),
            "missed": int((~reached[name]).sum()),
            "visits": int(sum(diary.visits for diary in diaries[name])),
            "precision": precision([week for diary in diaries[name] for week in diary.weeks]),
        }
        for name in names
    }
    steps = [
        {
            "from": before,
            "to": after,
            "more_reached": _interval(shares[after] - shares[before]),
            "times": _interval(shares[after] / np.maximum(shares[before], 1e-9)),
            "fewer_days": _interval(waits[before] - waits[after]),
        }
        for before, after in itertools.pairwise(names)
    ]
    times = (
        _interval(shares["lightgbm"] / np.maximum(shares["rules"], 1e-9))
        if {"rules", "lightgbm"} <= set(names)
        else None
    )
    return {
        "hardships": len(rows),
        "seeds": [diary.plan.seed for diary in diaries[names[0]]],
        "methods": methods,
        "steps": steps,
        "times_rules": times,
        "aim": AIM,
        "kept": None if times is None else bool(times[0] >= AIM),
    }


def _of(diary: Diary) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reached or not, days to help, household, for the onsets whose whole window lies within the lists' weeks."""
    first = diary.weeks[0].day + timedelta(days=HORIZON_DAYS)
    last = diary.weeks[-1].day + timedelta(days=6 - HELP_DAYS)
    reached, rows = reach(diary, first, last)
    return reached, days_to_help(diary, first, last), rows


def _resamples(rows: np.ndarray) -> np.ndarray:
    """How often each onset counts: once in the first line, then as its household was drawn."""
    rng = np.random.default_rng(0)
    _, place = np.unique(rows, return_inverse=True)
    households = int(place.max()) + 1 if len(place) else 0
    drawn = rng.multinomial(households, np.full(households, 1 / max(households, 1)), RESAMPLES)
    return np.vstack([np.ones(len(rows)), drawn[:, place]])


def _shares(values: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    found: np.ndarray = drawn @ values / np.maximum(drawn.sum(axis=1), 1)
    return found


def _interval(values: np.ndarray) -> list[float]:
    """The figure itself and its 95 % interval."""
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return [float(values[0]), float(low), float(high)]
