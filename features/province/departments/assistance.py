"""Assistance and visits: verification, admissions and payments, student aid, and what visitors find."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from features.province.departments.coordination import Coordination
from features.province.departments.desk import Desk, drawn, period
from features.province.living import SENIOR, Month
from features.province.roll import first_day
from features.province.state import CHILDREN, Integers

MARCH, SEPTEMBER, OCTOBER = 2, 8, 9
SCORES = (0, 4)


class Verification:
    """Verification of economic status: a dated snapshot for some households, lower and noisier than the truth."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def month(self, month: Month) -> None:
        """Some are asked at random, and everybody who comes to assistance."""
        desk, v = self.desk, self.desk.values.declared
        asked = np.flatnonzero((desk.rng.random(desk.n) < v.refreshed) | month.began)
        size = len(asked)
        day = desk.day(month.index, size)
        noise = v.noise * desk.block.course.declared_noise(month.index)
        income = month.flow[asked] * v.level * np.exp(desk.rng.normal(0, noise, size))
        shown = np.maximum(month.savings[asked], 0) * v.revealed * np.exp(desk.rng.normal(0, v.savings_noise, size))
        desk.put(
            "verification",
            {
                "户号": desk.roll.household(asked),
                "申报月份": period(month.index, size),
                "家庭月收入_元": income.round(0),
                "存款档次": np.digitize(shown / month.need[asked], v.bands),
                "授权书编号": desk.numbers("SQ", size),
                "核对日期": day + desk.rng.integers(1, 11, size),
            },
            asked,
        )


class CivilAffairs:
    """Admissions to assistance, their ends as a later version of the same row, and monthly payments."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.since = np.full(desk.n, np.datetime64("NaT", "D"))

    def opening(self) -> None:
        """Who was assisted before the first month."""
        desk = self.desk
        held = np.flatnonzero(desk.state.assisted)
        self.since[held] = desk.roll.opening - desk.rng.integers(20, 300, len(held))
        desk.onset_month[held] = desk.province.first - 1
        self._admit(held, self.since[held])

    def month(self, month: Month) -> None:
        """Who came and who left, and what was paid."""
        desk = self.desk
        began = np.flatnonzero(month.began)
        recent = month.index - desk.onset_month <= desk.values.admitted_for_onset_months
        desk.onset_month = np.where(month.began & ~recent & ~month.hardship, -1, desk.onset_month)
        self.since[began] = desk.day(month.index, len(began))
        self._admit(began, self.since[began])
        ended = np.flatnonzero(month.ended & ~np.isnat(self.since))
        end = first_day(month.index + 1)
        stop = np.full(len(ended), end)
        self._admit(ended, self.since[ended], stop, stop + desk.rng.integers(1, 12, len(ended)))
        rows = np.flatnonzero(month.paid > 1)
        day = np.full(len(rows), end - 6)
        desk.put(
            "payments",
            {
                "户号": desk.roll.household(rows),
                "项目": np.full(len(rows), "低保金"),
                "发放月份": period(month.index, len(rows)),
                "金额_元": month.paid[rows].round(0),
                "发放日期": day,
                "上报日期": day + 10,
            },
        )

    def _admit(self, rows: Integers, day: np.ndarray, ended: np.ndarray | None = None, known: Any = None) -> None:
        desk = self.desk
        hardship = desk.onset_month[rows] >= 0
        known = day + desk.rng.integers(1, 12, len(rows)) if known is None else known
        desk.put(
            "classes",
            {
                "户号": desk.roll.household(rows),
                "救助类别": np.full(len(rows), "低保"),
                "是否困难": np.where(hardship, "是", "否"),
                "困难发生日": onset_day(desk.onset_month[rows], hardship, day),
                "纳入日期": day,
                "到期日期": day + 365,
                "停发日期": pa.array(ended, pa.date32()) if ended is not None else pa.nulls(len(rows), pa.date32()),
                "经办日期": known,
            },
        )


def onset_day(month: Integers, known: np.ndarray, told: np.ndarray) -> np.ndarray:
    """Last day of the month of the onset, where one is known and not later than it is told; else the day of telling."""
    found: np.ndarray = np.where(known, np.minimum(first_day(np.maximum(month, 0) + 1) - 1, told), told)
    return found


class Education:
    """In September, who enters senior high school or college; each term, aid to pupils on assistance."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def month(self, month: Month) -> None:
        """Aid is paid in the second month of a term."""
        if month.index % 12 == SEPTEMBER:
            self._entries(month)
        if month.index % 12 in (MARCH, OCTOBER):
            self._aid(month)

    def _entries(self, month: Month) -> None:
        desk, stage = self.desk, self.desk.roll.stage
        age = (month.index - desk.state.birth[:, CHILDREN]) // 12
        first = np.array(desk.province.values.school.ages)
        rows, slots = np.nonzero((stage >= SENIOR) & (age == first[np.maximum(stage, 0)]))
        if not len(rows):
            return
        desk.put(
            "school_entries",
            {
                "学籍号": desk.numbers("XJ", len(rows)),
                "证件号": desk.roll.person(rows, slots + CHILDREN.start),
                "学段": np.where(stage[rows, slots] == SENIOR, "高中", "高等教育"),
                "入学日期": np.full(len(rows), first_day(month.index)),
                "录入日期": first_day(month.index) + desk.rng.integers(10, 45, len(rows)),
            },
        )

    def _aid(self, month: Month) -> None:
        desk, v = self.desk, self.desk.values.student_aid
        rows = np.flatnonzero(month.assisted & (desk.roll.stage >= 0).any(axis=1))
        rows = rows[desk.rng.random(len(rows)) < v.share]
        day = desk.day(month.index, len(rows))
        desk.put(
            "student_aid",
            {
                "户号": desk.roll.household(rows),
                "资助金额_元": np.full(len(rows), v.amount),
                "发放日期": day,
                "录入日期": day + desk.rng.integers(5, 30, len(rows)),
            },
        )


class Villages:
    """Visits and what they found; a share is drawn at random, more where need is visible."""

    def __init__(self, desk: Desk, coordination: Coordination) -> None:
        self.desk, self.coordination = desk, coordination

    def month(self, month: Month) -> None:
        """A visitor sees savings and help from kin in part, and errs a little about the month of an onset."""
        desk, v = self.desk, self.desk.values.visits
        chance = np.where(month.hardship & ~month.assisted, v.visible, v.base)
        rows = np.flatnonzero(desk.rng.random(desk.n) < chance)
        size = len(rows)
        day = desk.day(month.index, size)
        verdict = self._verdict(month, rows)
        onset = desk.onset_month[rows] + desk.rng.choice(len(v.onset_error), size, p=v.onset_error) - 1
        told = onset_day(onset, desk.onset_month[rows] >= 0, day)
        comfort = month.savings[rows] / month.need[rows] / 3 + 2 * desk.state.kin[rows]
        score = np.clip(np.rint(comfort + desk.rng.normal(0, v.score_noise, size)), *SCORES).astype(np.int64)
        desk.put(
            "visits",
            {
                "走访编号": desk.numbers("ZF", size),
                "户号": desk.roll.household(rows),
                "走访日期": day,
                "核实结论": verdict,
                "困难发生日": pa.array(told, pa.date32(), mask=verdict != "V1"),
                "走访评分": score,
                "数据矛盾": np.where(verdict == "V4", "是", "否"),
                "抽中概率": chance[rows].round(3),
                "录入日期": day + desk.rng.integers(0, 9, size),
            },
        )
        self.coordination.visited(month, rows, day, verdict)

    def _verdict(self, month: Month, rows: Integers) -> np.ndarray:
        """The code that a visitor chooses (V1 … V9)."""
        v = self.desk.values.visits.verdicts
        uniform = self.desk.rng.random(len(rows))
        thin = month.savings[rows] < v.thin_below * month.need[rows]
        found: np.ndarray = np.select(
            [month.hardship[rows] & month.assisted[rows], month.hardship[rows], thin],
            [drawn(v.helped, uniform), drawn(v.alone, uniform), drawn(v.thin, uniform)],
            drawn(v.others, uniform),
        )
        return found
