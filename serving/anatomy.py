"""One score taken apart for analysts: every contribution in log-odds, from the base to the margin and its calibration.

It is the only thing that shows log-odds. It names no household but by its pseudonym, and no record.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from features.project import Currency
from features.strict import Words
from models.bundle import Bundle
from models.reasons import explain
from models.wording import Voice
from serving.days import KnownDay


@dataclass(frozen=True)
class Part:
    """One indicator's contribution; `value` in words, and whether it is missing."""

    indicator: str
    names: Words
    family: str
    value: Words
    missing: bool
    contribution: float


@dataclass(frozen=True)
class Anatomy:
    """A score with all its parts, the largest first.

    Attributes:
        base: log-odds of a household about whom nothing is known.
        margin: sum of base and parts.
        calibrated: log-odds of the calibrated probability; None where too little is known to say one.
        explained: share of all raising contributions that the reasons on caseworkers' pages carry.
    """

    household: str
    day: date
    version: str
    base: float
    margin: float
    calibrated: float | None
    probability: float | None
    low: float | None
    high: float | None
    level: str
    explained: float
    parts: tuple[Part, ...]


def anatomy(known: KnownDay, bundle: Bundle, version: str, household: str, currency: Currency) -> Anatomy | None:
    """A household of a day's cohort, taken apart; None where it is not in it."""
    at = known.places.get(household, -1)
    scored = int(known.cohort[at]) if at >= 0 else -1
    if scored < 0:
        return None
    row = known.matrix[at : at + 1, : len(bundle.schema.ids)]
    contributions, base = bundle.contributions(row)
    numbers = {name: float(known.columns[name][scored]) for name in ("probability", "low", "high")}
    told: Mapping[str, float | None] = {name: None if math.isnan(value) else value for name, value in numbers.items()}
    order = np.lexsort((np.arange(row.shape[1]), -np.abs(contributions[0])))
    voices = [Voice(language, currency) for language in ("zh", "en")]
    parts = []
    for place in order:
        entry, value = bundle.schema.entries[place], float(row[0, place])
        zh, en = (voice.value(entry.unit, value) for voice in voices)
        names = Words(zh=entry.names["zh"], en=entry.names["en"])
        parts.append(Part(entry.id, names, entry.family, Words(zh=zh, en=en), math.isnan(value),
                          float(contributions[0, place])))  # fmt: skip
    return Anatomy(
        household, known.day, version, base, base + float(contributions.sum()), _logit(told["probability"]),
        told["probability"], told["low"], told["high"], str(known.columns["level"][scored]),
        explain(bundle.schema, row[0], contributions[0]).explained, tuple(parts),
    )  # fmt: skip


def _logit(probability: float | None) -> float | None:
    return None if probability is None or not 0 < probability < 1 else math.log(probability / (1 - probability))
