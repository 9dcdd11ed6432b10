"""Who the households of a block are to departments: numbers, names, and the members' register with its changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from features.province import persons
from features.province.geography import Geography
from features.province.living import Month, stages
from features.province.state import ADULTS, CHILDREN, ELDERS, FORMAL, NO_JOB, SLOTS, Flags, Integers
from features.province.values import Values
from features.province.world import Block

NONE, FLEXIBLE, INSURED, JOBLESS, RETIRED, PUPIL, INFANT = range(7)
WORK = pa.array(["家务", "灵活就业", "单位就业", "失业登记", "退休", "在校", "学龄前"])
RELATION = pa.array(["本人或配偶"] * 3 + ["父母"] * 2 + ["子女"] * 3)
STAGE = pa.array(["幼儿园", "义务教育", "高中", "高等教育", None])
ILLNESS = pa.array(["无", "重病"])
KEPT_YEARS = (200, 4000)
"""Days before the first month since when members have been in the register."""


def first_day(index: Any) -> Any:
    """First day of a month, or of each of several months."""
    return (np.datetime64("1970-01", "M") + (index - 1970 * 12)).astype("datetime64[D]")


def month_days(index: int) -> int:
    """How many days a month has."""
    return int((first_day(index + 1) - first_day(index)).astype(int))


class Roll:
    """Numbers of a block's households and members, and what the register says of each member.

    Attributes:
        day: the day of the month on which something happened in each household, alike for all who tell of it.
    """

    def __init__(
        self, block: Block, geography: Geography, first: int, lags: Mapping[str, Sequence[float]],
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        state = block.state
        self.lags = lags
        self.state = state
        n = len(state)
        self.places = pa.array([village.code for village in geography.villages])
        towns = {town.code: town.name_zh for town in geography.towns}
        self.place_names = pa.array([towns[village.parent] + village.name_zh for village in geography.villages])
        start, after = geography.first_village[block.town], geography.first_village[block.town + 1]
        self.village: Integers = start + persons.mixed(state.serial * 3 + 7) % (after - start)
        self.code = pa.array([f"HJ{int(number):08d}" for number in state.serial])
        self.opening = first_day(first)
        self.day = np.full(n, self.opening)
        self.number = np.full((n, SLOTS), -1)
        self.numbers = pa.array([], pa.string())
        self.names = pa.array([], pa.string())
        self.joined = np.full((n, SLOTS), self.opening, dtype="datetime64[D]")
        self.told = np.full((n, SLOTS), self.opening - 5000, dtype="datetime64[D]")
        self.born_on = (np.datetime64("1970-01", "M") + (state.birth - 1970 * 12)).astype(
            "datetime64[D]"
        ) + persons.mixed(state.serial[:, None] * SLOTS + np.arange(SLOTS)) % 28
        self.enter(state.alive)
        kept = self.opening - rng.integers(*KEPT_YEARS, (n, SLOTS))
        self.joined = np.maximum(kept, self.born_on)
        self.work = self.register(first)
        self.stage = stages(state, block.course.values, first)
        self.grade = state.disability.copy()
        self.ill = self.illness()

    def enter(self, new: Flags) -> None:
        """Give numbers and names to persons."""
        rows, slots = np.nonzero(new)
        kind = np.where(slots < ELDERS.start, 3, np.where(slots < CHILDREN.start, 2, 3))
        place = np.where(slots < ELDERS.start, slots, np.where(slots < CHILDREN.start, slots - 3, slots - 5))
        serial = self.state.serial[rows]
        made = persons.identity_numbers(serial * kind + place, self.born_on[rows, slots], self.state.male[rows, slots])
        self.number[rows, slots] = len(self.numbers) + np.arange(len(rows))
        self.numbers = pa.concat_arrays([self.numbers, made])
        self.names = pa.concat_arrays(
            [self.names, persons.names((serial * SLOTS + slots) * 7 + self.state.generation[rows, slots])]
        )

    def person(self, rows: Integers, slots: Integers) -> pa.Array:
        """Identity numbers."""
        return self.numbers.take(pa.array(self.number[rows, slots]))

    def name(self, rows: Integers, slots: Integers) -> pa.Array:
        """Names."""
        return self.names.take(pa.array(self.number[rows, slots]))

    def household(self, rows: Integers) -> pa.Array:
        """Household numbers."""
        return self.code.take(pa.array(rows))

    def place(self, rows: Integers) -> pa.Array:
        """Codes of the villages in which households live now."""
        return self.places.take(pa.array(self.village[rows]))

    def place_name(self, rows: Integers) -> pa.Array:
        """Names of town and village."""
        return self.place_names.take(pa.array(self.village[rows]))

    def register(self, index: int, registered: Flags | None = None) -> Integers:
        """What the register says that each member does; informal work that is lost is not noticed by anybody."""
        state = self.state
        found = np.full((len(state), SLOTS), NONE)
        adults = np.where(state.job == NO_JOB, NONE, np.where(state.job == FORMAL, INSURED, FLEXIBLE))
        if registered is not None:
            known = self.work[:, ADULTS]
            adults = np.where(registered, JOBLESS, adults)
            adults = np.where((known == JOBLESS) & (adults == FLEXIBLE) & (state.searching > 0), JOBLESS, adults)
        found[:, ADULTS] = adults
        found[:, ELDERS] = RETIRED
        age = (index - state.birth[:, CHILDREN]) // 12
        found[:, CHILDREN] = np.where(age >= 6, PUPIL, INFANT)
        return found

    def illness(self) -> Integers:
        """Whether a member is known to be seriously ill."""
        found = np.zeros((len(self.state), SLOTS), dtype=np.int64)
        ill = np.flatnonzero(self.state.serious >= 0)
        found[ill, self.state.serious[ill]] = 1
        return found

    def table(
        self, rows: Integers, slots: Integers, known: np.ndarray, left: np.ndarray | None = None,
        reason: list[str | None] | None = None,
    ) -> pa.Table:  # fmt: skip
        """Rows of the members' register, as it stands."""
        stage = np.full((len(self.state), SLOTS), -1)
        stage[:, CHILDREN] = self.stage
        grade = self.grade[rows, slots]
        born = self.born_on[rows, slots].astype("datetime64[M]")
        return pa.table(
            {
                "户号": self.household(rows),
                "公民身份号码": self.person(rows, slots),
                "姓名": self.name(rows, slots),
                "与户主关系": RELATION.take(pa.array(slots)),
                "性别": pa.array(np.where(self.state.male[rows, slots], "男", "女")),
                "出生年月": pa.array(born.astype(str)),
                "从业状况": WORK.take(pa.array(self.work[rows, slots])),
                "学段": STAGE.take(pa.array(np.where(stage[rows, slots] < 0, 4, stage[rows, slots]))),
                "残疾等级": pa.array(grade, mask=grade == 0),
                "病情": ILLNESS.take(pa.array(self.ill[rows, slots])),
                "入户日期": pa.array(self.joined[rows, slots]),
                "离户日期": pa.array(left, pa.date32()) if left is not None else pa.nulls(len(rows), pa.date32()),
                "离户原因": pa.array(reason, pa.string()) if reason is not None else pa.nulls(len(rows), pa.string()),
                "更新日期": pa.array(known, pa.date32()),
            }
        )

    def _telling(self, rows: Integers, slots: Integers, known: np.ndarray) -> np.ndarray:
        """Days on which the register tells of a member: what happened later is told later."""
        found: np.ndarray = np.maximum(known, self.told[rows, slots] + 1)
        self.told[rows, slots] = found
        return found

    def opening_rows(self, rng: np.random.Generator) -> pa.Table:
        """All members before the first month."""
        rows, slots = np.nonzero(self.state.alive)
        known = np.maximum(self.opening - rng.integers(5, 90, len(rows)), self.joined[rows, slots])
        return self.table(rows, slots, self._telling(rows, slots, known))

    def follow(self, month: Month, values: Values, rng: np.random.Generator) -> list[pa.Table]:
        """What the register learns of a month: who left, who came, and whose state changed."""
        self.day = first_day(month.index) + rng.integers(0, month_days(month.index), len(self.state))
        found: list[pa.Table] = []
        left = month.died | month.moved
        rows, slots = np.nonzero(left)
        if len(rows):
            why = np.where(month.died[rows, slots], "死亡", np.where(slots < ELDERS.start, "分户", "迁出"))
            day = self.day[rows]
            known = self._telling(rows, slots, known_on(rng, self.lags["left"], day))
            found.append(self.table(rows, slots, known, day, why.tolist()))
        self._new(month, found, rng)
        work = self.register(month.index, month.registered)
        stage = stages(self.state, values, month.index)
        ill, grade = self.illness(), self.state.disability
        wide = np.full((len(self.state), SLOTS), -1)
        wide[:, CHILDREN] = stage
        before = np.full_like(wide, -1)
        before[:, CHILDREN] = self.stage
        changed = (work != self.work) | (wide != before) | (ill != self.ill) | (grade != self.grade)
        changed &= self.state.alive & ~month.born
        rows, slots = np.nonzero(changed)
        if len(rows):
            day = self.day[rows]
            known = self._telling(rows, slots, known_on(rng, self.lags["changed"], day))
            found.append(self.table(rows, slots, known, day))
            # the old state is closed as it was told; the new one is a row of its own
            self.work, self.stage, self.ill, self.grade = work, stage, ill, grade.copy()
            self.joined[rows, slots] = day
            found.append(self.table(rows, slots, known))
        self.work, self.stage, self.ill, self.grade = work, stage, ill, grade.copy()
        return found

    def _new(self, month: Month, found: list[pa.Table], rng: np.random.Generator) -> None:
        rows, slots = np.nonzero(month.born)
        if len(rows):
            self.born_on[rows, slots] = self.day[rows]
            self.enter(month.born)
            self.joined[rows, slots] = self.born_on[rows, slots]
            self.work[rows, slots], self.ill[rows, slots], self.grade[rows, slots] = INFANT, 0, 0
            known = self._telling(rows, slots, known_on(rng, self.lags["born"], self.day[rows]))
            found.append(self.table(rows, slots, known))


def known_on(rng: np.random.Generator, months: Sequence[float], day: np.ndarray) -> np.ndarray:
    """Days on which a department knows: a day of the same month after the event, or any day so many months later.

    `months` are the shares that are known by the end of the event's month, of the next, and so on, as D4.3 has them.
    """
    later = rng.choice(len(months), len(day), p=months)
    month = day.astype("datetime64[M]") + later
    first = np.where(later == 0, day + 1, month.astype("datetime64[D]"))
    left = np.maximum(((month + 1).astype("datetime64[D]") - first).astype(np.int64), 1)
    found: np.ndarray = first + rng.integers(0, left)
    return found
