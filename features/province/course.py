"""What happens to whole counties: cyclones, closed factories, what a scenario changes; decided before anybody lives.

One course serves all blocks of households, so that a province does not depend on how it is cut or on the number of
cores. Months are indexes as in `features.calendar` (year × 12 + month − 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from features.province.values import Scenario, Values

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
COURSE_STREAM = 1_000_003
"""Keeps the stream of random numbers of the course apart from those of the blocks."""


@dataclass(frozen=True)
class Course:
    """The course of the province.

    Attributes:
        first: index of the first month that is lived, burn-in among them.
        last: index of the last month.
        hit: months × counties, whether a cyclone hits.
        scenario: what is different from the base.
        region_of_county: index of the region of each county.
    """

    values: Values
    first: int
    last: int
    hit: Flags
    scenario: Scenario
    region_of_county: NDArray[np.int64]

    def cyclone(self, index: int) -> Flags:
        """Counties that a cyclone hits in the month."""
        found: Flags = self.hit[index - self.first].copy()
        typhoon = self.scenario.typhoon
        if typhoon is not None and index == self.last - typhoon.months_before_end:
            found |= self.region_of_county == typhoon.region
        return found

    def house_damage(self, index: int) -> float:
        """Share of rural houses that a cyclone damages."""
        typhoon = self.scenario.typhoon
        if typhoon is not None and index == self.last - typhoon.months_before_end:
            return typhoon.house_damage
        return self.values.disasters.house_damage

    def work_stops(self, index: int) -> Flags:
        """Counties where informal work has stopped after the scenario's typhoon."""
        typhoon = self.scenario.typhoon
        if typhoon is None:
            return np.zeros(len(self.region_of_county), dtype=bool)
        since = index - (self.last - typhoon.months_before_end)
        stopped = 0 <= since < typhoon.work_stops
        found: Flags = (self.region_of_county == typhoon.region) & stopped
        return found

    def factory(self, index: int) -> Floats:
        """What multiplies the chance of losing formal work, by county."""
        factory = self.scenario.factory
        found = np.ones(len(self.region_of_county))
        if factory is not None:
            since = index - (self.last - factory.months_before_end)
            if 0 <= since < factory.months:
                found[self.region_of_county == factory.region] = factory.hazard
        return found

    def line(self, index: int) -> float:
        """What multiplies the local line."""
        policy = self.scenario.policy
        return policy.line if policy is not None and index >= self.last - policy.months_before_end else 1.0

    def aided_share(self, index: int) -> float:
        """Share of a bill that households on assistance bear."""
        policy = self.scenario.policy
        if policy is not None and index >= self.last - policy.months_before_end:
            return policy.aided_share
        return self.values.health.own_share.aided

    def take_up(self, index: int) -> float:
        """How many of those entitled apply within a year or so."""
        change = self.scenario.take_up
        if change is not None and index >= self.last - change.months_before_end:
            return change.rate
        return self.values.assistance.take_up

    def season_of_migrants(self, index: int) -> float:
        """What multiplies migrants' pay: more before the Spring Festival, a trough in its month, less after it."""
        year, month = divmod(index, 12)
        season = self.values.work.migrant_season
        for day in self.values.spring_festival:
            if day.year == year:
                trough = (day + timedelta(days=7)).month - 1  # most are at home on the eighth day of the lunar year
                return {trough - 1: season.before, trough: season.trough, trough + 1: season.after}.get(month, 1.0)
        return 1.0


def course(
    values: Values, first: int, last: int, region_of_county: NDArray[np.int64], *, seed: int, scenario: str = "S0"
) -> Course:
    """The course from month `first` to `last`; `scenario` is a name of the values."""
    rng = np.random.default_rng([seed, COURSE_STREAM])
    months = np.arange(first, last + 1)
    chance = np.array(values.disasters.cyclone)[months % 12]
    factor = np.array(values.disasters.region)[region_of_county]
    # places of one region are hit together: the county's own luck decides less than the storm's path
    storm = rng.random((len(months), len(values.disasters.region)))[:, region_of_county]
    own = rng.random((len(months), len(region_of_county)))
    hit = (0.5 * storm + 0.5 * own) < _quantile(chance[:, None] * factor[None, :])
    return Course(values, first, last, hit, values.scenarios[scenario], region_of_county)


def _quantile(chance: Floats) -> Floats:
    """Where the mean of two uniform numbers lies below with this chance (at most one half)."""
    found: Floats = np.sqrt(chance / 2)
    return found
