"""What happens to whole counties: cyclones, closed factories, what a scenario changes; decided before anybody lives.

One course serves all blocks of households, so that a province does not depend on how it is cut or on the number of
cores. Months are indexes as in `features.calendar` (year × 12 + month − 1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from features.calendar import period_index
from features.calendar_china import spring_festival
from features.province.observation_values import Scenario
from features.province.state import EMPLOYERS_PER_COUNTY
from features.province.values import Values

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
IMAGINED_MONTHS, NEVER = 12, -1
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
        closing: month in which each employer closes, `NEVER` for most; employers are numbered county by county.
    """

    values: Values
    first: int
    last: int
    hit: Flags
    scenario: Scenario
    region_of_county: NDArray[np.int64]
    closing: NDArray[np.int64]

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

    def closes(self, index: int) -> Flags:
        """Employers that close in the month."""
        found: Flags = self.closing == index
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

    def declared_noise(self, index: int) -> float:
        """What multiplies the noise of declared income."""
        change = self.scenario.verification
        return change.noise if change is not None and index >= self.last - change.months_before_end else 1.0

    def season_of_migrants(self, index: int) -> float:
        """What multiplies migrants' pay: more before the Spring Festival, a trough in its month, less after it."""
        season = self.values.work.migrant_season
        for day in (spring_festival(index // 12), spring_festival(index // 12 + 1)):
            # most are at home on the eighth day of the lunar year
            trough = period_index("month", day + timedelta(days=7))
            if abs(index - trough) <= 1:
                return (season.before, season.trough, season.after)[index - trough + 1]
        return 1.0

    def imagined(self, after: int, copies: int, rng: np.random.Generator) -> Course:
        """What may come after a month, as nobody knows it: storms are drawn anew, and no scenario begins.

        Counties are repeated `copies` times, so that each future has its own weather: county `c` of future `k` has the
        index `k * counties + c`.
        """
        later = max(self.last - after, 0)
        region = np.tile(self.region_of_county, copies)
        hit = np.tile(self.hit[: after - self.first + 1], (1, copies))
        new = _storms(self.values, np.arange(after + 1, after + 1 + max(later, IMAGINED_MONTHS)), region, copies, rng)
        begun = self._begun(after)
        closing = self.closing.copy()
        if begun.factory is None:
            closing[closing > after] = NEVER
        else:  # that employers go on to close is known, but not which
            begins = self.last - begun.factory.months_before_end
            place = np.repeat(self.region_of_county, EMPLOYERS_PER_COUNTY) == begun.factory.region
            open_ = place & ~((closing >= begins) & (closing <= after))
            closing[open_] = rng.permutation(closing[open_])
        return replace(self, hit=np.concatenate([hit, new]), region_of_county=region, scenario=begun, closing=closing)

    def _begun(self, index: int) -> Scenario:
        """The scenario without what begins after a month."""
        changes = ("typhoon", "factory", "policy", "take_up")
        later = {name: None for name in changes if self._begins(name) > index}
        return self.scenario.model_copy(update=later)

    def _begins(self, name: str) -> int:
        change = getattr(self.scenario, name)
        return self.first if change is None else self.last - int(change.months_before_end)


def course(
    values: Values, first: int, last: int, region_of_county: NDArray[np.int64], *, seed: int, scenario: str = "S0"
) -> Course:
    """The course from month `first` to `last`; `scenario` is a name of the values."""
    rng = np.random.default_rng([seed, COURSE_STREAM])
    hit = _storms(values, np.arange(first, last + 1), region_of_county, 1, rng)
    changed = values.scenarios[scenario]
    closing = _closings(changed, last, np.repeat(region_of_county, EMPLOYERS_PER_COUNTY), rng)
    return Course(values, first, last, hit, changed, region_of_county, closing)


def _closings(scenario: Scenario, last: int, region: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Month in which each employer closes."""
    found = np.full(len(region), NEVER)
    factory = scenario.factory
    if factory is not None:
        closes = (region == factory.region) & (rng.random(len(region)) < factory.closes)
        begins = last - factory.months_before_end
        found[closes] = begins + rng.integers(0, factory.months, closes.sum())
    return found


def _storms(
    values: Values, months: NDArray[np.int64], region: NDArray[np.int64], copies: int, rng: np.random.Generator
) -> Flags:
    """Months × counties, whether a cyclone hits; counties of a region and a copy lie in the path of the same storm."""
    chance = np.array(values.disasters.cyclone)[months % 12]
    factor = np.array(values.disasters.region)[region]
    regions = len(values.disasters.region)
    path = region + regions * np.repeat(np.arange(copies), len(region) // copies)
    # places of one region are hit together: the county's own luck decides less than the storm's path
    storm = rng.random((len(months), copies * regions))[:, path]
    own = rng.random((len(months), len(region)))
    hit: Flags = (0.5 * storm + 0.5 * own) < _quantile(chance[:, None] * factor[None, :])
    return hit


def _quantile(chance: Floats) -> Floats:
    """Where the mean of two uniform numbers lies below with this chance (at most one half)."""
    found: Floats = np.sqrt(chance / 2)
    return found
