"""A province of any size, lived block by block, so that memory is bounded and the number of cores changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.province.course import Course, course
from features.province.geography import Geography
from features.province.living import Month, live
from features.province.state import Generator, State, settle
from features.province.values import Values

BLOCK = 10_000
BURN_IN_MONTHS = 24
STREET_WEIGHT = 2.0
"""A street of a city has twice the households of another town."""


@dataclass(frozen=True)
class Province:
    """What a province is a function of.

    Attributes:
        first: index of the first month that departments report on.
        months: how many there are.
    """

    values: Values
    geography: Geography
    households: int
    first: int
    months: int
    seed: int
    scenario: str = "S0"

    @property
    def last(self) -> int:
        """Index of the last month."""
        return self.first + self.months - 1

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return -(-self.households // BLOCK)

    def course(self) -> Course:
        """What happens to whole counties."""
        return course(
            self.values, self.first - BURN_IN_MONTHS, self.last, self.geography.region_of_county,
            seed=self.seed, scenario=self.scenario,
        )  # fmt: skip

    def block(self, number: int, course: Course) -> Block:
        """A block, before its first month and after its burn-in."""
        rng = np.random.default_rng([self.seed, number])
        serial = np.arange(number * BLOCK, min((number + 1) * BLOCK, self.households))
        town = _towns(self, len(serial), rng)
        county = self.geography.county_of_town[town]
        v = self.values.people
        urban = rng.random(len(serial)) < np.where(self.geography.street[town], v.urban_in_street, v.urban_elsewhere)
        region = self.geography.region_of_county[county]
        state = settle(self.values, serial, county, region, urban, course.first, rng)
        for index in range(course.first, self.first):
            live(state, course, index, rng)
        return Block(number, town, state, course, rng)


@dataclass
class Block:
    """Households of a province that are lived together."""

    number: int
    town: NDArray[np.int64]
    state: State
    course: Course
    rng: Generator

    def months(self, first: int, last: int) -> Iterator[Month]:
        """Live from month `first` to `last`."""
        for index in range(first, last + 1):
            yield live(self.state, self.course, index, self.rng)


def _towns(province: Province, households: int, rng: Generator) -> NDArray[np.int64]:
    """Towns drawn by the regions' shares of the population, streets more often than other towns."""
    geography = province.geography
    region = geography.region_of_county[geography.county_of_town]
    weight = np.where(geography.street, STREET_WEIGHT, 1.0)
    share = np.array(province.values.people.region_share)
    weight = weight / np.bincount(region, weight, len(share))[region] * share[region]
    found: NDArray[np.int64] = np.searchsorted(np.cumsum(weight / weight.sum()), rng.random(households))
    return np.minimum(found, len(geography.towns) - 1)
