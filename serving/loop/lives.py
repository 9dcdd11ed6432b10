"""Small simulated provinces that live side by side, month by month, each with its own seed, counties and field.

Several share one store, because a panel of many households costs little more than one of few. They are kept apart so
that none can learn anything from another: counties, towns, employers, households and persons of each have codes of
their own, and what happens to whole counties is decided by each province's own seed. Provinces of the same seed begin
alike and draw the same luck, so that what differs between them is what visitors did.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.calendar import period_end
from features.province.departments.assistance import Villages
from features.province.departments.work import employer_numbers
from features.province.faults import Faults
from features.province.field import FieldValues, Sight, sight
from features.province.geography import REGIONS, Geography, Place, read_geography
from features.province.habits import HABITS
from features.province.helping import Kind, give
from features.province.living import Month
from features.province.observation import Observer
from features.province.oracle import oracle
from features.province.values import Values, values
from features.province.world import BLOCK, Province

APART = 12_600
"""Household numbers kept for one province; a multiple of 42, for reviews and businesses go by the number, by six and
by seven."""
MOST = 100
FIELD_STREAM, ORACLE_STREAM = 7, 2
Add = Callable[[str, pa.Table], None]


@dataclass(frozen=True)
class Plan:
    """How one province lives, and how its lists are made.

    Attributes:
        number: place among those that share a store, below `MOST`.
        name: what reports call it.
        seed: of its world and of its field.
        method: what ranks households: `lightgbm`, `logistic`, `rules`, `oracle`.
        audit_share: share of its lists that is drawn at random.
    """

    number: int
    name: str
    seed: int
    method: str = "lightgbm"
    audit_share: float = 0.0


@dataclass
class Life:
    """One small province, from its first month that departments report on.

    Attributes:
        practice: how visitors find what they find, and departments answer.
        earlier, later: what visitors can see at the end of the last month but one, and of the last month.
        onsets: months × households.
        unaided: months × households, in hardship at the month's end without assistance.
        applied: months × households, came to assistance by themselves after an onset.
        oracle_chance: chance of an onset in the coming three months, from what was true before the last month.
    """

    plan: Plan
    province: Province
    observer: Observer
    practice: FieldValues
    add: Add
    earlier: Sight | None = None
    later: Sight | None = None
    onsets: list[np.ndarray] = field(default_factory=list)
    unaided: list[np.ndarray] = field(default_factory=list)
    applied: list[np.ndarray] = field(default_factory=list)
    oracle_chance: np.ndarray | None = None

    def __post_init__(self) -> None:
        """The field's dice are thrown apart from the world's."""
        self.rng = np.random.default_rng([self.plan.seed, FIELD_STREAM])
        self.admitted = np.zeros(len(self), dtype=bool)
        self.onset_month = np.full(len(self), -1)
        self.index = self.province.first
        self.codes: list[str] = self.observer.desk.roll.code.to_pylist()

    def __len__(self) -> int:
        return self.province.households

    @property
    def counties(self) -> list[str]:
        """Codes of the counties that visitors belong to."""
        return [county.code for county in self.province.geography.counties]

    def opening(self) -> None:
        """What registers said before the first month."""
        self.index = self.province.first
        self.observer.opening()

    def month(self, index: int, *, oracle_paths: int = 0) -> None:
        """Live a month, and let departments write what they notice of it."""
        self.index = index
        block = self.observer.block
        if oracle_paths:
            rng = np.random.default_rng([self.plan.seed, index, ORACLE_STREAM])
            self.oracle_chance = self._chances(index - 1, oracle_paths, rng)
        month = next(block.months(index, index))
        self.applied.append(month.began & (self.onset_month >= 0))
        # whom the field's referrals brought to assistance comes to the department like anybody who applied
        month = replace(month, began=month.began | self.admitted)
        self.admitted = np.zeros(len(self), dtype=bool)
        self.onset_month = np.where(month.onset, index, self.onset_month)
        self.observer.month(month)
        self._employers(month)
        self.earlier, self.later = self.later, sight(month, block.state, self.onset_month, self.practice)
        self.onsets.append(month.onset.copy())
        self.unaided.append(month.hardship & ~month.assisted)

    def help(self, rows: np.ndarray, kind: Kind) -> None:
        """Help some households from the coming month on."""
        block = self.observer.block
        rows = np.unique(rows)
        line = block.course.line(self.index)
        granted = give(block.state, self.province.values, rows, kind, self.rng, line=line)
        if kind == "assistance":
            self.admitted[rows[granted]] = True

    def leave_visits_to_lists(self) -> None:
        """From now on visitors go where the list sends them, and nowhere else."""
        others = tuple(d for d in self.observer.departments if not isinstance(d, Villages))
        self.observer.departments = others  # type: ignore[assignment] # one fewer than it was made with

    def written(self, feed: str, rows: pa.Table) -> None:
        """Rows on their way, in the codes of the day, with employers' numbers that no other province has."""
        rows = self.observer.desk.faults.coded(feed, rows, HABITS[feed])
        if "单位编号" in rows.column_names:
            place = rows.column_names.index("单位编号")
            told = pc.replace_substring(rows["单位编号"], "QY", f"QY{self.plan.number:03d}")
            rows = rows.set_column(place, "单位编号", told)
        self.add(feed, rows)

    def _chances(self, index: int, paths: int, rng: np.random.Generator) -> np.ndarray:
        """What the oracle says: 1 for who fell in the last month, the chance of falling soon for those who have not."""
        block = self.observer.block
        found = oracle(block.state, block.course, index, months=3, paths=paths, rng=rng)
        chance = np.zeros(len(self))
        chance[found.households] = found.probability
        return np.where(self.onset_month == index, 1.0, chance)

    def _employers(self, month: Month) -> None:
        """How many each employer insured in the month, and how many left."""
        insured, left = self.observer.employed[month.index - self.province.first]
        there = np.flatnonzero(insured + left)
        told = period_end("month", month.index) + timedelta(days=15)
        self.written(
            "employers",
            pa.table(
                {
                    "单位编号": employer_numbers(there),
                    "月份": [f"{month.index // 12}-{month.index % 12 + 1:02d}"] * len(there),
                    "参保人数": insured[there],
                    "减员人数": left[there],
                    "上报日期": pa.array([told] * len(there), pa.date32()),
                }
            ),
        )


def settle(
    plan: Plan, add: Add, practice: FieldValues, *, households: int, per_county: int, first: int, months: int,
    prompt: bool = False,
) -> Life:  # fmt: skip
    """A province before its first month."""
    geography = places(plan.number, households, per_county)
    province = Province(values(), geography, households, first, months, plan.seed)
    block = province.block(0, province.course())
    block.state.serial = block.state.serial + plan.number * APART
    life: list[Life] = []

    def written(feed: str, rows: pa.Table) -> None:
        life[0].written(feed, rows)

    life.append(
        Life(plan, province, Observer(province, block, written, Faults(province, prompt=prompt)), practice, add)
    )
    return life[0]


def untouched(seed: int, *, households: int, per_county: int, first: int, months: int) -> np.ndarray:
    """New hardships of a province of the seed that nobody visits: months × households.

    Onsets of households on assistance are no new hardships: departments know them, and no list holds them.
    """
    province = Province(values(), places(0, households, per_county), households, first, months, seed)
    block = province.block(0, province.course())
    found, assisted = [], block.state.assisted.copy()
    for month in block.months(first, first + months - 1):
        found.append(month.onset & ~assisted)
        assisted = month.assisted
    return np.array(found)


def largest() -> int:
    """The most households of one small province: it is a single block."""
    return BLOCK


def places(number: int, households: int, per_county: int) -> Geography:
    """A small province's own prefecture: a few counties, by region as in the whole, each of a street and a town.

    Codes of prefectures and below begin with 99, which no province has.
    """
    known = read_geography()
    wanted = _by_region(values(), max(1, round(households / per_county)))
    models = [
        place
        for region, count in zip(REGIONS, wanted, strict=True)
        for place in [county for county in known.counties if county.region == region][:count]
    ]
    prefecture = f"99{number:02d}00"
    upper = [place for place in known.upper if place.level == "province"]
    upper.append(
        Place(prefecture, f"模拟第{number + 1}片", f"Simulated area {number + 1}", "prefecture", upper[0].code, "prd")
    )
    towns = []
    for order, model in enumerate(models, 1):
        code = f"{prefecture[:4]}{order:02d}"
        upper.append(Place(code, f"模拟县{order}", f"Simulated county {order}", "county", prefecture, model.region))
        towns += [
            Place(f"{code}901", f"模拟{order}街道", f"Simulated street {order}", "town", code),
            Place(f"{code}902", f"模拟{order}镇", f"Simulated town {order}", "town", code),
        ]
    return Geography(tuple(upper), tuple(towns), invented=True)


def together(geographies: list[Geography]) -> Geography:
    """All small provinces' places, for the area file."""
    upper = dict.fromkeys(place for geography in geographies for place in geography.upper)
    return Geography(tuple(upper), tuple(town for geography in geographies for town in geography.towns), invented=True)


def _by_region(all_values: Values, counties: int) -> list[int]:
    """Counties of each region in proportion to its people, by largest remainders.

    >>> _by_region(values(), 4)
    [2, 1, 1, 0]
    """
    shares = np.array(all_values.people.region_share) * counties
    found = np.floor(shares).astype(int)
    order = np.argsort(-(shares - found), kind="stable")
    found[order[: counties - found.sum()]] += 1
    return [int(count) for count in found]
