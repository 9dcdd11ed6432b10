"""The hidden state of households: everything from which the next month follows, and nothing else.

One array element is a household; the second axis of persons is a slot: 0–2 adults, 3–4 elders, 5–7 children. A slot
can be filled again (a birth), which `generation` counts. Because the next month depends on this alone, the chance of
what comes can be found by living many futures of a copy (`oracle`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from features.province.values import Values

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Generator = np.random.Generator

NO_JOB, INFORMAL, FORMAL, UNEMPLOYED = 0, 1, 2, 3
ADULTS, ELDERS, CHILDREN = slice(0, 3), slice(3, 5), slice(5, 8)
SLOTS = 8
EMPLOYERS_PER_COUNTY = 40


@dataclass
class State:
    """Households of a block.

    Attributes:
        serial: number of the household in the province.
        county, region, urban: where it lives.
        line: local line for one person, yuan a month.
        kin, remittance, frailty, savings: hidden from every department.
        flows, costs: income and rigid cost of the last three months.
        benefit: months of unemployment benefit left.
        serious: slot of the member who is seriously ill, -1 for none.
    """

    serial: Integers
    county: Integers
    region: Integers
    urban: Flags
    line: Floats
    migrant: Flags
    farms: Flags
    education: Floats
    ability: Floats
    kin: Floats
    remittance: Floats
    frailty: Floats
    housing: Integers
    alive: Flags
    birth: Integers
    male: Flags
    generation: Integers
    disability: Integers
    job: Integers
    searching: Integers
    employer: Integers
    persistent: Floats
    serious: Integers
    savings: Floats
    farm_damaged: Integers
    benefit: Integers
    assisted: Flags
    paid: Floats
    flows: Floats
    costs: Floats
    hardship: Flags
    onset_count: Integers
    clear_count: Integers
    depth: Floats

    def __len__(self) -> int:
        return len(self.serial)

    @property
    def elders(self) -> Integers:
        """Living elders."""
        return np.asarray(self.alive[:, ELDERS].sum(axis=1))

    @property
    def children(self) -> Integers:
        """Living children."""
        return np.asarray(self.alive[:, CHILDREN].sum(axis=1))

    @property
    def size(self) -> Integers:
        """Living members."""
        return np.asarray(self.alive.sum(axis=1))

    def need(self, values: Values, factor: float = 1.0) -> Floats:
        """What each household needs in a month, in yuan."""
        found: Floats = factor * self.line * (1 + values.need.further_member * (np.maximum(self.size, 1) - 1))
        return found

    def take(self, rows: Integers) -> State:
        """Some households, in this order; they may repeat."""
        return State(**{column.name: getattr(self, column.name)[rows].copy() for column in fields(self)})

    def employees(self) -> Flags:
        """Whether anybody is insured through work."""
        return np.asarray((self.job == FORMAL).any(axis=1))


def settle(
    values: Values, serial: Integers, county: Integers, region: Integers, urban: Flags, index: int, rng: Generator
) -> State:
    """Households before anything has happened to them, as they stand in month `index`."""
    v, n = values.people, len(serial)
    alive, birth = _members(values, n, index, rng)
    education = np.clip(
        rng.normal(v.education_years.mean, v.education_years.deviation, n) + v.education_years.urban * urban, 0, 19
    )
    ability = rng.normal(0, v.ability_deviation, n) + v.ability_per_year * (education - 8)
    share = values.work.formal_share
    formal = rng.random((n, 3)) < np.where(urban, share.urban, share.rural)[:, None]
    works = alive[:, ADULTS] & (rng.random((n, 3)) < values.work.participation)
    line = np.where(urban, np.array(values.need.urban)[region], np.array(values.need.rural)[region]).astype(float)
    size = alive.sum(axis=1)
    need = line * (1 + values.need.further_member * (size - 1))
    receives = rng.random(n) < v.remittance.share
    grades = [v.housing_grades.rural, v.housing_grades.urban]
    drawn = rng.random(n)
    housing = np.where(urban, _drawn(drawn, grades[1]), _drawn(drawn, grades[0]))
    return State(
        serial=serial,
        county=county,
        region=region,
        urban=urban,
        line=line,
        migrant=rng.random(n) < v.migrant,
        farms=~urban & (rng.random(n) < v.farms),
        education=education,
        ability=ability,
        kin=rng.beta(*v.kin, n),
        remittance=np.where(receives, rng.lognormal(v.remittance.log_mean, v.remittance.log_deviation, n), 0.0),
        frailty=rng.normal(0, 1, n),
        housing=housing,
        alive=alive,
        birth=birth,
        male=rng.random((n, SLOTS)) < 0.5,
        generation=np.zeros((n, SLOTS), dtype=np.int64),
        disability=np.zeros((n, SLOTS), dtype=np.int64),
        job=np.where(works, np.where(formal, FORMAL, INFORMAL), NO_JOB),
        searching=np.zeros((n, 3), dtype=np.int64),
        employer=county[:, None] * EMPLOYERS_PER_COUNTY + rng.integers(0, EMPLOYERS_PER_COUNTY, (n, 3)),
        persistent=rng.normal(0, 0.18, n),
        serious=np.full(n, -1),
        savings=need * rng.lognormal(v.savings_months.log_mean, v.savings_months.log_deviation, n),
        farm_damaged=np.zeros(n, dtype=np.int64),
        benefit=np.zeros(n, dtype=np.int64),
        assisted=np.zeros(n, dtype=bool),
        paid=np.zeros(n),
        flows=np.repeat(need[:, None], 3, axis=1) * 1.5,
        costs=np.zeros((n, 3)),
        hardship=np.zeros(n, dtype=bool),
        onset_count=np.zeros(n, dtype=np.int64),
        clear_count=np.zeros(n, dtype=np.int64),
        depth=np.zeros(n),
    )


def _drawn(uniform: Floats, shares: tuple[float, ...]) -> Integers:
    """Categories by cumulated shares."""
    found: Integers = np.minimum(np.searchsorted(np.cumsum(shares), uniform), len(shares) - 1)
    return found


def _members(values: Values, n: int, index: int, rng: Generator) -> tuple[Flags, Integers]:
    """Who lives in the household, and the month in which each was born."""
    v = values.people
    elders = _drawn(rng.random(n), v.elders)
    adults = rng.random(n)
    adults = np.where(elders > 0, _drawn(adults, v.adults_with_elders), _drawn(adults, v.adults_without_elders))
    children = np.where(adults > 0, _drawn(rng.random(n), v.children), 0)
    alive = np.column_stack(
        [np.arange(3) < adults[:, None], np.arange(2) < elders[:, None], np.arange(3) < children[:, None]]
    )
    years = ((23, 59, 3), (61, 88, 2), (0, 21, 3))
    age = np.column_stack([rng.integers(least * 12, most * 12, (n, slots)) for least, most, slots in years])
    return alive, index - age
