"""What simulated visitors find at the door, and what departments then do: some of it no record ever holds.

A visitor sees savings and help from kin in bands, errs a little, meets some households not at all, and chooses one of
the validity codes of D3 (V1 … V9). Every random number is drawn for all households at once, whoever is visited: so
what a visit *would* have found is defined for everybody, and a list's true recall can be told.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from pydantic import Field

from features.province.living import Month
from features.province.state import Flags, Floats, Generator, Integers, State
from features.strict import Sourced, Strict

FILE = Path(__file__).with_name("field.yaml")
HELPED = ("V1", "V2")
"""What leads to help: hardship now, or a risk that is not yet hardship."""
UNTOLD = ("V7", "V8", "V9")
SCORES = (0, 4)
Share = Field(ge=0, le=1)


class Visits(Sourced):
    """Shares of what goes otherwise than it should, and what a visit costs."""

    not_met: float = Share
    refused: float = Share
    undecided: float = Share
    data_error: float = Share
    seasonal: float = Share
    overlooked: float = Share
    imagined: float = Share
    unknown_help: float = Share
    onset_error: tuple[float, float, float]
    score_noise: float
    minutes: int
    weekdays: int


class PrivateKnowledge(Sourced):
    """What is seen at the door and stands in no record."""

    savings_months: tuple[float, float, float]
    strong_kin: float = Share


class Referrals(Sourced):
    """How departments answer."""

    urgent: float = Share
    urgent_days: tuple[int, int]
    never: float = Share
    median_days: float
    spread: float


class FieldValues(Strict):
    """Everything that the field is a function of, beside its seed."""

    visits: Visits
    knowledge: PrivateKnowledge
    referrals: Referrals


@functools.cache
def field_values(path: Path = FILE) -> FieldValues:
    """The values of a file; the frozen ones by default."""
    return FieldValues.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Sight:
    """What a visitor could see of every household of a block, as it stood at the end of a month.

    Attributes:
        index: the month.
        onset_month: of each household's newest onset; -1 where there was none.
        thin: savings are in the lowest two bands.
        carried: kin carry the household.
    """

    index: int
    hardship: Flags
    assisted: Flags
    thin: Flags
    carried: Flags
    comfort: Floats
    onset_month: Integers


def sight(month: Month, state: State, onset_month: Integers, values: FieldValues) -> Sight:
    """What can be seen at the end of a month; nothing of it changes when the state does."""
    bands = np.digitize(month.savings / month.need, values.knowledge.savings_months)
    return Sight(
        index=month.index,
        hardship=month.hardship,
        assisted=month.assisted,
        thin=bands < 2,
        carried=state.kin >= values.knowledge.strong_kin,
        comfort=month.savings / month.need / 3 + 2 * state.kin,
        onset_month=onset_month.copy(),
    )


@dataclass(frozen=True)
class Findings:
    """What visits to all households would find.

    Attributes:
        met: the code that a visitor chooses who meets the household and can decide.
        told: what is written down: `met`, or V7, V8, V9.
        onset_month: month of the onset as it is told, for V1.
        score: judgement of 0 (nothing left) to 4 points.
        weekday: days after the list's day.
    """

    met: np.ndarray
    told: np.ndarray
    onset_month: Integers
    score: Integers
    weekday: Integers

    @property
    def confirmed(self) -> Flags:
        """Whom a visitor would confirm: V1 or V2."""
        found: Flags = np.isin(self.met, HELPED)
        return found


def visit(
    earlier: Sight, later: Sight, weekdays: Integers, straddles: Flags, values: FieldValues, rng: Generator
) -> Findings:
    """What visits in a week find, household by household.

    Args:
        earlier: the end of the month before the list's day.
        later: the end of the list's month.
        weekdays: day of each visit after the list's day.
        straddles: whether that day lies in the month after: `later` is seen then, else `earlier`.
        values: of the field.
        rng: drawn from for all households alike.
    """
    v, n = values.visits, len(weekdays)
    uniform, error, season = rng.random((3, n))
    away = rng.random(n)
    months = rng.choice(3, n, p=v.onset_error) - 1
    noise = rng.normal(0, v.score_noise, n)

    def seen(name: str) -> np.ndarray:
        found: np.ndarray = np.where(straddles, getattr(later, name), getattr(earlier, name))
        return found

    hardship, helped = seen("hardship").astype(bool), seen("assisted").astype(bool)
    managing = np.where(error < v.data_error, "V4", np.where(season < v.seasonal, "V6", "V3"))
    met = np.select(
        [
            hardship & helped,
            hardship,
            seen("thin").astype(bool) & ~seen("carried").astype(bool),
        ],
        [
            np.where(uniform < v.unknown_help, "V1", "V5"),
            np.where(uniform < v.overlooked, "V3", "V1"),
            "V2",
        ],
        np.where(uniform < v.imagined, "V1", managing),
    )
    edges = np.cumsum([v.not_met, v.refused, v.undecided])
    told = np.select([away < edge for edge in edges], UNTOLD, met)
    onset = seen("onset_month").astype(np.int64)
    onset = np.where(hardship & (onset >= 0), np.minimum(onset + months, seen_index(earlier, later, straddles)), -1)
    score = np.clip(np.rint(seen("comfort") + noise), *SCORES).astype(np.int64)
    return Findings(met, told, onset, score, weekdays)


def seen_index(earlier: Sight, later: Sight, straddles: Flags) -> Integers:
    """The month that each visitor sees."""
    found: Integers = np.where(straddles, later.index, earlier.index)
    return found


@dataclass(frozen=True)
class Answers:
    """What becomes of referrals: days until each department's answer, `NEVER` for none; who gets a small sum first."""

    days: Integers
    urgent: Flags
    urgent_days: Integers


NEVER = -1


def answer(size: int, values: FieldValues, rng: Generator) -> Answers:
    """Answers to referrals of all households of a block, drawn whoever is referred."""
    v = values.referrals
    days = np.rint(v.median_days * np.exp(rng.normal(0, v.spread, size))).astype(np.int64)
    days = np.where(rng.random(size) < v.never, NEVER, np.maximum(days, 1))
    low, high = v.urgent_days
    return Answers(days, rng.random(size) < v.urgent, rng.integers(low, high + 1, size))
