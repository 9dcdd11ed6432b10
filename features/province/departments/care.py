"""Health and care: elders who come to depend on others, emergency aid, enrolment, disability allowances."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from features.province import persons
from features.province.departments.desk import Desk, period
from features.province.living import Month
from features.province.roll import first_day
from features.province.state import ADULTS, ELDERS, FORMAL, SLOTS, Flags

JANUARY = 0
LIVING, CARE = "生活补贴", "护理补贴"
THOUSAND = 1_000


class Health:
    """Care assessments follow a severe disability or a serious illness of an elder; aid follows an unpaid bill."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.rng = desk.dice("health")

    def month(self, month: Month) -> None:
        """Not everybody who depends on care is assessed, and few hospitals apply for the fund."""
        desk, v = self.desk, self.desk.values.care
        severe = (month.disabled[:, ELDERS] > 0) & (month.disabled[:, ELDERS] <= v.worst_grade)
        fell_ill = month.serious_started[:, None] & (month.serious[:, None] == np.arange(ELDERS.start, ELDERS.stop))
        drawn = self.rng.random(severe.shape)
        rows, slots = np.nonzero((severe & (drawn < v.disabled)) | (fell_ill & (drawn < v.ill)))
        day = first_day(month.index) + self.rng.integers(0, 28, len(rows))
        desk.put(
            "care_assessments",
            {
                "评估编号": desk.numbers("SN", len(rows)),
                "证件号": desk.roll.person(rows, slots + ELDERS.start),
                "评估日期": day,
                "录入日期": day + self.rng.integers(5, 40, len(rows)),
            },
        )
        self._emergencies(month)

    def _emergencies(self, month: Month) -> None:
        desk, v = self.desk, self.desk.values.emergency_aid
        unpaid = (month.admissions > 0) & (month.savings < 0) & ~month.assisted
        rows = np.flatnonzero(unpaid & (self.rng.random(desk.n) < v.share))
        day = first_day(month.index) + self.rng.integers(0, 28, len(rows))
        desk.put(
            "emergency_aid",
            {
                "申请编号": desk.numbers("JJ", len(rows)),
                "身份证号": desk.roll.person(rows, month.patient[rows]),
                "支付金额_元": (month.inpatient[rows] * v.covers).round(2),
                "救治日期": day,
                "录入日期": day + self.rng.integers(15, 60, len(rows)),
            },
        )


class Enrolment:
    """Who is insured for illness in a year: a roster of all members, made when the time to pay for it has ended."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.rng = desk.dice("enrolment")

    def opening(self) -> None:
        """The roster of the year in which the first month lies."""
        first = self.desk.province.first
        if first % 12 != JANUARY:
            self._roster(first - first % 12, self.desk.state.assisted)

    def month(self, month: Month) -> None:
        """Once a year; few of those on assistance, whose contribution is paid for them, are missing."""
        if month.index % 12 == JANUARY:
            self._roster(month.index, month.assisted)

    def _roster(self, index: int, assisted: Flags) -> None:
        desk, v = self.desk, self.desk.values.enrolment
        rows, slots = np.nonzero(desk.state.alive)
        missing = np.where(assisted[rows], v.uninsured_assisted, v.uninsured)
        through_work = np.zeros((desk.n, SLOTS), dtype=bool)
        through_work[:, ADULTS] = desk.state.job == FORMAL
        insured = through_work[rows, slots] | (self.rng.random(len(rows)) >= missing)
        known = first_day(index + 1) + self.rng.integers(5, 45, len(rows))
        if index < desk.province.first:
            known = np.minimum(known, desk.roll.opening - 1)
        desk.put(
            "enrolment",
            {
                "证件号": desk.roll.person(rows, slots),
                "参保年月": period(index, len(rows)),
                "参保状态": insured.astype(np.int64),
                "上报日期": known,
            },
        )


class Allowances:
    """The two allowances of disabled persons: what is due to those who are on the list, and what was paid.

    Some who are entitled were never put on the list, and some payments fail.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.rng = desk.dice("allowances")
        person = desk.state.serial[:, None] * SLOTS + np.arange(SLOTS)
        self.listed = persons.mixed(person) % THOUSAND >= desk.values.allowances.never_listed * THOUSAND

    def month(self, month: Month) -> None:
        """For living: disabled members of assisted households; for care: severe grades of all."""
        desk, v = self.desk, self.desk.values.allowances
        grade = np.where(desk.state.alive & self.listed, desk.state.disability, 0)
        self._pay(month, (grade > 0) & month.assisted[:, None], LIVING, v.living)
        self._pay(month, (grade > 0) & (grade <= v.care_grade), CARE, v.care)

    def _pay(self, month: Month, whose: Flags, kind: str, amount: float) -> None:
        desk = self.desk
        rows, slots = np.nonzero(whose)
        failed: Flags = self.rng.random(len(rows)) < desk.values.allowances.unpaid
        end = first_day(month.index + 1)
        desk.put(
            "allowances",
            {
                "证件号": desk.roll.person(rows, slots),
                "补贴类别": np.full(len(rows), kind),
                "所属月份": period(month.index, len(rows)),
                "应发金额_元": np.full(len(rows), amount),
                "实发金额_元": pa.array(np.full(len(rows), amount), mask=failed),
                "发放日期": np.full(len(rows), end - 8),
                "上报日期": np.full(len(rows), end + 8),
            },
        )
