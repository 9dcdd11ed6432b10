"""Medical security: settlements by patient."""

from __future__ import annotations

import numpy as np

from features.province.departments.desk import Desk, Tell
from features.province.living import Month
from features.province.roll import known_on

INPATIENT, LASTING, OUTPATIENT = "住院", "门特", "门诊"
MONEY = ("费用总额", "统筹支付", "医疗救助", "个人自付")


class Medical:
    """Bills, known after 0 to 3 months; some stays are settled later than first told, and some counties send none."""

    def __init__(self, desk: Desk, tell: Tell) -> None:
        self.desk, self.tell = desk, tell
        self.rng = desk.dice("medical")
        self.pending = np.zeros(desk.n)
        self.without = desk.silent(desk.faults.values.silent.medical)

    def month(self, month: Month) -> None:
        """Admissions, treatment that lasts, and outpatient costs, which are settled several months at once."""
        desk, v = self.desk, self.desk.values.medical
        self.pending += month.outpatient
        sent = ~self.without & ~desk.out("medical", month.index)
        settled = sent & (desk.rng.random(desk.n) < v.outpatient_settled)
        own = self.pending
        self._bills(month, sent & (month.admissions > 0), INPATIENT, month.bills[:, 0], month.inpatient)
        self._bills(month, sent & (month.serious >= 0), LASTING, month.bills[:, 1], month.serious_own)
        self._bills(month, settled, OUTPATIENT, own * v.outpatient_total, own)
        self.pending = np.where(settled | ~sent, 0.0, self.pending)

    def _bills(self, month: Month, whose: np.ndarray, kind: str, total: np.ndarray, own: np.ndarray) -> None:
        desk, lags = self.desk, self.desk.values.medical
        rows = np.flatnonzero(whose)
        slot = month.serious[rows] if kind == LASTING else month.patient[rows]
        size = len(rows)
        day = desk.day(month.index, size)
        known = known_on(desk.rng, lags.lag, day)
        total, own = total[rows], own[rows]
        aided = np.where(month.assisted[rows], (total - own) * lags.aided_of_covered, 0.0)
        columns = {
            "结算单号": desk.numbers("YB", size),
            "身份证号": desk.roll.person(rows, slot),
            "就诊类别": np.full(size, kind),
            "就诊日期": day,
            "费用总额": total.round(2),
            "统筹支付": (total - own - aided).round(2),
            "医疗救助": aided.round(2),
            "个人自付": own.round(2),
            "就医地": np.where(month.far[rows] & (kind == INPATIENT), "异地", "本地"),
            "入库日期": known,
        }
        v = desk.faults.values.provisional
        guess = np.minimum(own * self.rng.lognormal(0, v.spread, size), total - aided)
        first = {"个人自付": guess.round(2), "统筹支付": (total - guess - aided).round(2)}
        drawn = self.rng.random(size) < v.share
        columns, wrong = desk.mistaken("medical", columns, MONEY, rows, month.index, self.tell)
        early = drawn & ~wrong & (kind == INPATIENT)
        desk.put_provisional("medical", columns, first, rows, early, v, self.rng)
