"""Agriculture: farm income and area by the quarter, farms that stop, and migrants who come home without work."""

from __future__ import annotations

import numpy as np

from features.province.departments.desk import Desk, closes_quarter, quarter
from features.province.living import Month
from features.province.roll import first_day
from features.province.state import ADULTS

FALLOW, LET = "撂荒", "流转"


class Agriculture:
    """A damaged farm works less land; some stop altogether after a storm, or when no adult is left to work it.

    Attributes:
        idle: index of the month in which a stopped farm works again, by household; 0 where it never stopped.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.rng = desk.dice("farms")
        self.income = np.zeros(desk.n)
        self.idle = np.zeros(desk.n, dtype=np.int64)

    def month(self, month: Month) -> None:
        """Income and area come by the quarter, what stopped and who came home by the month."""
        desk = self.desk
        self.income += month.farm
        self._stops(month)
        if closes_quarter(month.index):
            self._quarter(month)
        home = desk.chance(desk.state.migrant & month.lost_informal.any(axis=1), desk.values.return_seen)
        desk.event("returns", "FX", "登记编号", ("", ""), home, ("返乡日期", "登记日期"))

    def _quarter(self, month: Month) -> None:
        desk, v = self.desk, self.desk.values.farms
        rows = np.flatnonzero(desk.state.farms)
        area = np.where(desk.state.farm_damaged[rows] > 0, v.damaged_mu, v.least_mu + desk.state.serial[rows] % 5)
        desk.put(
            "farms",
            {
                "户号": desk.roll.household(rows),
                "所属季度": quarter(month.index, len(rows)),
                "种养收入_元": self.income[rows].round(0),
                "种养面积_亩": np.where(self.idle[rows] > month.index, 0, area),
                "上报日期": np.full(len(rows), first_day(month.index + 1) + 19),
            },
        )
        self.income[:] = 0

    def _stops(self, month: Month) -> None:
        """Land that is given up after a storm, or let to others by those who are too old."""
        desk, v = self.desk, self.desk.values.farm_stops
        works = desk.state.farms & (self.idle <= month.index)
        alone = works & ~desk.state.alive[:, ADULTS].any(axis=1)
        drawn = self.rng.random(desk.n)
        fallow, let = works & month.hit & (drawn < v.after_storm), alone & ~month.hit & (drawn < v.without_adults)
        self.idle = np.where(fallow | let, month.index + v.months, self.idle)
        for flags, kind in ((fallow, FALLOW), (let, LET)):
            rows = np.flatnonzero(flags)
            day = first_day(month.index) + self.rng.integers(0, 28, len(rows))
            desk.put(
                "farm_stops",
                {
                    "登记编号": desk.numbers("NT", len(rows)),
                    "户号": desk.roll.household(rows),
                    "原因": np.full(len(rows), kind),
                    "停种日期": day,
                    "登记日期": day + self.rng.integers(10, 60, len(rows)),
                },
            )
