"""Pensions: paid every month, and stopped when a pensioner dies or has not shown in time that he lives."""

from __future__ import annotations

import numpy as np

from features.province.departments.desk import Desk, Tell, period
from features.province.living import Month
from features.province.roll import first_day
from features.province.state import ELDERS

OFFICES = 5
"""Offices report on days of their own, so many in a row."""
DIED, UNPROVEN = "死亡", "未认证"


class Pensions:
    """What is paid to each elder; a suspended pension is paid afterwards at once, so that the household loses nothing.

    Attributes:
        until: index of the first month that is paid again, by elder; 0 where nothing is suspended.
        owed: what was not paid meanwhile.
    """

    def __init__(self, desk: Desk, tell: Tell) -> None:
        self.desk, self.tell = desk, tell
        self.rng = desk.dice("pensions")
        self.until = np.zeros((desk.n, ELDERS.stop - ELDERS.start), dtype=np.int64)
        self.owed = np.zeros(self.until.shape)

    def month(self, month: Month) -> None:
        """Known in the second week of the next month; stops within weeks."""
        desk, v = self.desk, self.desk.values.pensions
        alive = desk.state.alive[:, ELDERS]
        drawn = self.rng.random(alive.shape) < v.suspended
        suspended = alive & drawn & (self.until <= month.index)
        self.until = np.where(suspended, month.index + v.months, self.until)
        due = (month.pension / np.maximum(desk.state.elders, 1))[:, None] + self.owed
        paid = np.where(self.until > month.index, 0.0, due)
        self.owed = np.where(alive, due - paid, 0.0)
        self._stops(month.died[:, ELDERS], DIED)
        self._stops(suspended, UNPROVEN)
        rows, slots = np.nonzero(alive)
        columns = {
            "证件号": desk.roll.person(rows, slots + ELDERS.start),
            "发放月份": period(month.index, len(rows)),
            "金额_元": paid[rows, slots].round(2),
            "上报日期": first_day(month.index + 1) + 7 + desk.state.county[rows] % OFFICES,
        }
        columns, _ = desk.mistaken("pensions", columns, ("金额_元",), rows, month.index, self.tell)
        desk.put("pensions", columns, rows)

    def _stops(self, whose: np.ndarray, reason: str) -> None:
        desk = self.desk
        rows, slots = np.nonzero(whose)
        day = desk.roll.day[rows]
        desk.put(
            "pension_stops",
            {
                "停发编号": desk.numbers("YL", len(rows)),
                "证件号": desk.roll.person(rows, slots + ELDERS.start),
                "停发原因": np.full(len(rows), reason),
                "停发日期": day,
                "录入日期": day + self.rng.integers(3, 30, len(rows)),
            },
        )
