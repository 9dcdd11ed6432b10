"""Work: contributions and unemployment; turnover and closed businesses."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from features.province.departments.desk import Desk, closes_quarter, period, quarter
from features.province.living import Month
from features.province.roll import first_day
from features.province.state import ADULTS, EMPLOYERS_PER_COUNTY, FORMAL, INFORMAL

OFFICES = 6
"""Offices report on days of their own, so many in a row."""


class HumanResources:
    """Contributions of everybody who was ever insured through an employer, and the unemployed who register.

    Attributes:
        employed: months × (insured, left) × employers; added up over blocks by the caller.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.ever_insured = desk.state.job == FORMAL
        size = len(desk.geography.counties) * EMPLOYERS_PER_COUNTY
        self.employed = np.zeros((desk.province.months, 2, size), dtype=np.int64)

    def month(self, month: Month) -> None:
        """Who stopped contributing is reported so, month after month."""
        self._contributions(month)
        self._unemployment(month)

    def _contributions(self, month: Month) -> None:
        desk = self.desk
        insured = month.job == FORMAL
        self.ever_insured |= insured
        at, employer = month.index - desk.province.first, desk.state.employer
        np.add.at(self.employed[at, 0], employer[insured], 1)
        np.add.at(self.employed[at, 1], employer[month.lost], 1)
        rows, slots = np.nonzero(self.ever_insured & desk.state.alive[:, ADULTS])
        now = insured[rows, slots]
        wage = np.maximum(month.wage[rows, slots].round(-1), desk.values.least_base)
        number = employer_numbers(np.arange(self.employed.shape[2]))
        desk.put(
            "contributions",
            {
                "证件号": desk.roll.person(rows, slots),
                "单位编号": number.take(pa.array(employer[rows, slots], mask=~now)),
                "缴费月份": period(month.index, len(rows)),
                "缴费基数_分": np.where(now, wage * 100, 0).astype(np.int64),
                "参保状态": now.astype(np.int64),
                "上报日期": first_day(month.index + 1) + 11 + desk.state.county[rows] % OFFICES,
            },
            rows,
        )

    def _unemployment(self, month: Month) -> None:
        desk = self.desk
        rows, slots = np.nonzero(month.registered)
        day = desk.day(month.index, len(rows))
        desk.put(
            "unemployment",
            {
                "登记编号": desk.numbers("SY", len(rows)),
                "证件号": desk.roll.person(rows, slots),
                "登记日期": day,
                "待遇截止日期": day + 30 * desk.province.values.work.benefit.months,
                "录入日期": desk.known("unemployment", day),
            },
        )


def employer_numbers(employers: np.ndarray) -> pa.Array:
    """Numbers by which departments know employers."""
    return pa.array([f"QY{employer:06d}" for employer in employers])


class Businesses:
    """Small businesses, run by the first adult of some households: turnover by the quarter, and closures."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.owner = (desk.state.serial % desk.values.business.one_in == 0) & (desk.state.job[:, 0] == INFORMAL)
        self.open = self.owner.copy()
        self.turnover = np.zeros(desk.n)

    def month(self, month: Month) -> None:
        """A business closes when its owner loses his work."""
        desk = self.desk
        self.turnover += np.where(self.open, month.wage[:, 0], 0.0)
        closed = np.flatnonzero(self.open & month.lost_informal[:, 0] & desk.state.alive[:, 0])
        day = desk.day(month.index, len(closed))
        desk.put(
            "businesses",
            {
                "注册号": desk.numbers("GS", len(closed)),
                "经营者证件号": desk.roll.person(closed, np.zeros_like(closed)),
                "注销日期": day,
                "公告日期": desk.known("businesses", day),
            },
        )
        self.open[closed] = False
        if closes_quarter(month.index):
            rows = np.flatnonzero(self.owner & desk.state.alive[:, 0])
            desk.put(
                "turnover",
                {
                    "纳税人证件号": desk.roll.person(rows, np.zeros_like(rows)),
                    "所属季度": quarter(month.index, len(rows)),
                    "申报经营额_元": (self.turnover[rows] * desk.values.business.turnover).round(0),
                    "申报日期": np.full(len(rows), first_day(month.index + 1) + 14),
                },
            )
            self.turnover[:] = 0
