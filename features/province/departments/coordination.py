"""What follows from visits: needs passed on to departments, their answers, and data that were found wrong."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from features.province.departments.desk import Desk, chosen, drawn
from features.province.living import Month
from features.province.state import Integers

CONFIRMED, FALSE = "V1", "V4"
AT_VISIT, AT_CHECK = "与走访不符", "单位错误"
NEEDS = {"N04": "医保部门", "N09": "人社部门", "N10": "应急部门", "N01": "民政部门"}


class Coordination:
    """Referrals: a row when a need is passed on, and a later version of it when the department has answered."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.rng = desk.dice("coordination")

    def visited(self, month: Month, rows: Integers, day: np.ndarray, verdict: np.ndarray) -> None:
        """Most confirmed needs are passed on; some answers come after the deadline, and some never."""
        desk, v = self.desk, self.desk.values.referrals
        wrong = (verdict == FALSE) & (self.rng.random(len(rows)) < desk.values.issues.of_visits)
        self._found(rows[wrong], day[wrong] + self.rng.integers(0, 9, int(wrong.sum())), AT_VISIT)
        sent = (verdict == CONFIRMED) & (self.rng.random(len(rows)) < v.sent)
        rows, day = rows[sent], day[sent] + self.rng.integers(1, 5, int(sent.sum()))
        size = len(rows)
        ill = month.inpatient[rows] + month.serious_own[rows] > month.need[rows]
        codes = list(NEEDS)
        need = np.select([ill, month.lost[rows].any(axis=1), month.damaged[rows]], codes[:-1], codes[-1])
        late = self.rng.random(size) < v.late
        answered = day + np.where(
            late, v.due_days + self.rng.integers(1, v.late_days, size), self.rng.integers(2, v.due_days, size)
        )
        silent = self.rng.random(size) < v.never
        columns = {
            "转办编号": desk.numbers("ZB", size),
            "户号": desk.roll.household(rows),
            "需求编码": need,
            "承办部门": pa.array([NEEDS[code] for code in need], pa.string()),
            "转出日期": day,
            "办理期限": day + v.due_days,
            "反馈结果": pa.nulls(size, pa.string()),
            "反馈日期": pa.nulls(size, pa.date32()),
            "更新日期": day,
        }
        desk.put("referrals", columns)
        answers = {
            "反馈结果": drawn(v.answers, self.rng.random(size)),
            "反馈日期": answered,
            "更新日期": answered + 1,
        }
        desk.put("referrals", chosen({**columns, **answers}, ~silent))

    def corrected(self, rows: Integers, day: np.ndarray) -> None:
        """Some of the households whose amounts were corrected are entered as a finding."""
        told = self.rng.random(len(rows)) < self.desk.values.issues.of_units
        self._found(rows[told], day[told], AT_CHECK)

    def _found(self, rows: Integers, day: np.ndarray, kind: str) -> None:
        desk = self.desk
        desk.put(
            "data_issues",
            {
                "问题编号": desk.numbers("WT", len(rows)),
                "户号": desk.roll.household(rows),
                "问题类别": np.full(len(rows), kind),
                "发现日期": day,
                "录入日期": day + self.rng.integers(1, 15, len(rows)),
            },
        )
