"""The bound that nobody can beat: the chance of an onset, found by living many futures of the hidden state.

The state is Markov, so P(onset in the months t+1 … t+H | state at t) is the share of futures, lived with fresh noise
from a copy, in which there is one. Storms of the future are drawn anew, too, for nobody knows them. It is what somebody
would say who knew everything that can be known on the day. Of the product's code only tests and reports about the
simulated province may open it (an import contract).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.province.course import Course
from features.province.living import live
from features.province.state import Flags, Floats, Generator, State

ROWS_AT_ONCE = 100_000


@dataclass(frozen=True)
class Chances:
    """Chances of an onset.

    Attributes:
        households: positions in the state of those who were not in hardship.
        probability: share of futures with an onset.
        error: Monte Carlo standard error of each.
        rates: share of these households with an onset, in each future.
    """

    households: np.ndarray
    probability: Floats
    error: Floats
    rates: Floats

    @property
    def spread(self) -> float:
        """Deviation of one future's rate: what the realised rate may differ by.

        Households of a county share their weather, so this is more than what independent households would give.
        """
        return float(self.rates.std(ddof=1))

    @property
    def mean_error(self) -> float:
        """Standard error of the mean chance."""
        return self.spread / float(np.sqrt(len(self.rates)))


def oracle(state: State, course: Course, index: int, *, months: int, paths: int, rng: Generator) -> Chances:
    """Chances of an onset in the `months` after month `index`, for everybody who was not in hardship at its end."""
    clear = np.flatnonzero(~state.hardship)
    found, rates = np.zeros(len(clear)), np.zeros(paths)
    counties = len(course.region_of_county)
    at_once = max(1, ROWS_AT_ONCE // max(len(clear), 1))
    for first in range(0, paths, at_once):
        copies = min(at_once, paths - first)
        future = state.take(np.tile(clear, copies))
        future.county += counties * np.repeat(np.arange(copies), len(clear))
        imagined = course.imagined(index, copies, rng)
        onset: Flags = np.zeros(len(future), dtype=bool)
        for ahead in range(1, months + 1):
            onset |= live(future, imagined, index + ahead, rng).onset
        onsets = onset.reshape(copies, len(clear))
        found += onsets.sum(axis=0)
        rates[first : first + copies] = onsets.mean(axis=1)
    probability = found / paths
    return Chances(clear, probability, np.sqrt(probability * (1 - probability) / paths), rates)
