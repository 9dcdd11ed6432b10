"""What happened to one small province: its lists and visits, and beside them what was true."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import numpy as np

from serving.loop.lives import Plan


@dataclass(frozen=True)
class Week:
    """One list and what came of it; the figures named `true` are the hidden world's.

    Attributes:
        rows: positions of the listed households.
        audit: which were drawn at random.
        probability: of selection.
        told: the validity code written down after each visit.
        true_caught: risk rows that a visitor who met them would confirm; true_total: of everybody the list drew from.
        true_unaided: in hardship without assistance and unknown to the list's makers, of everybody it drew from.
        mean_risk: what the model said of them, in the mean.
    """

    day: date
    rows: np.ndarray
    audit: np.ndarray
    probability: np.ndarray
    told: np.ndarray
    pool: int
    true_caught: int
    true_total: int
    true_unaided: int
    mean_risk: float


@dataclass(frozen=True)
class Call:
    """A visit that led to help: V1 or V2.

    Attributes:
        helped_on: day of the first help; None where no department answered.
    """

    row: int
    day: date
    told: str
    helped_on: date | None


@dataclass
class Diary:
    """Everything that one province's report is made of.

    Attributes:
        onsets, unaided: months × households, from month `first` on.
        untouched: onsets of the same province where nobody visits.
        risks: by list day, what the model said of each household; NaN outside the cohort.
        trained: days on which a model was learnt, with the onsets and rows it was learnt from.
        applied: months × households, came to assistance by themselves after an onset.
    """

    plan: Plan
    households: int
    first: int
    weeks: list[Week] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    visits: int = 0
    onsets: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=bool))
    unaided: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=bool))
    untouched: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=bool))
    risks: dict[date, np.ndarray] = field(default_factory=dict)
    trained: list[tuple[date, float, int]] = field(default_factory=list)
    applied: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=bool))
