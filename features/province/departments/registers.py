"""Registers: households and dwellings, births and deaths, civil affairs, disabilities, disaster losses, power."""

from __future__ import annotations

import numpy as np

from features.province import persons
from features.province.departments.desk import Desk, closes_quarter, period
from features.province.living import Month
from features.province.roll import first_day, known_on
from features.province.state import ADULTS, Integers

GRADES = np.array(["A", "B", "C", "D"])


class Police:
    """Households, their members, and births, deaths and moves."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.rng = desk.dice("police")

    def opening(self) -> None:
        """The register as it stood before the first month; a few persons are listed by another household as well."""
        desk, roll = self.desk, self.desk.roll
        rows = np.arange(desk.n)
        since = roll.joined[rows, np.argmax(desk.state.alive, axis=1)]
        self._households(rows, since, np.maximum(roll.opening - desk.rng.integers(5, 90, desk.n), since))
        desk.add("members", roll.opening_rows(desk.rng))
        twice = desk.state.alive & (self.rng.random(desk.state.alive.shape) < desk.faults.values.listed_twice.share)
        persons_twice, slots = np.nonzero(twice)
        order = np.argsort(desk.state.county, kind="stable")  # who comes next lives in the same county, as a rule
        following = np.empty_like(order)
        following[order] = np.roll(order, -1)
        known = np.full(len(slots), roll.opening - 3)
        table = roll.table(persons_twice, slots, known)
        if len(slots):
            other = roll.household(following[persons_twice])
            desk.add("members", table.set_column(table.column_names.index("户号"), "户号", other))

    def members(self, month: Month) -> None:
        """What the register of members learns of a month."""
        for table in self.desk.roll.follow(month, self.desk.province.values, self.desk.rng):
            self.desk.add("members", table)

    def month(self, month: Month) -> None:
        """Deaths, births, who moved away, and households that moved within their county."""
        gone = (month.moved & ~month.died).any(axis=1) & ~month.split
        for kind, flags in (("死亡", month.died.any(axis=1)), ("出生", month.born.any(axis=1)), ("迁出", gone)):
            self.desk.event(
                "register",
                "HK",
                "事项编号",
                ("事项", kind),
                np.flatnonzero(flags),
                ("发生日期", "登记日期"),
            )
        self._moves(month)

    def _moves(self, month: Month) -> None:
        desk, roll, v = self.desk, self.desk.roll, self.desk.faults.values.moves
        rows = np.flatnonzero(self.rng.random(desk.n) < v.share)
        first, after = desk.geography.villages_of_county[desk.state.county[rows]].T
        roll.village[rows] = self.rng.integers(first, after)
        day = first_day(month.index) + self.rng.integers(0, 28, len(rows))
        known = known_on(self.rng, v.lag, day)
        self._households(rows, day, known)
        desk.put(
            "register",
            {
                "事项编号": desk.numbers("HK", len(rows)),
                "事项": np.full(len(rows), "迁入"),
                "户号": roll.household(rows),
                "发生日期": day,
                "登记日期": known,
            },
        )

    def _households(self, rows: Integers, since: np.ndarray, known: np.ndarray) -> None:
        """Where households live from a day on, and who is the first of their members."""
        desk, roll, state = self.desk, self.desk.roll, self.desk.state
        head = np.argmax(state.alive[rows], axis=1)
        desk.put(
            "households",
            {
                "户号": roll.household(rows),
                "行政区划": roll.place(rows),
                "城乡": np.where(state.urban[rows], 1, 2),
                "户籍类型": np.where(state.migrant[rows], 2, 1),
                "户主姓名": roll.name(rows, head),
                "户主证件号": roll.person(rows, head),
                "联系电话": persons.phones(state.serial[rows] * 3 + 1),
                "住址": persons.addresses(roll.place_name(rows), state.serial[rows] * 5 + 2),
                "入住日期": since,
                "登记日期": known,
            },
        )


class CivilRegisters:
    """Funerals, divorces, children without support or in difficulty."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def month(self, month: Month) -> None:
        """Few of the children in difficulty are registered."""
        desk = self.desk
        died = month.died.any(axis=1)
        rows = np.flatnonzero(died)
        desk.event(
            "funerals", "BZ", "办理编号", ("", ""), rows, ("办理日期", "录入日期"),
            费用_元=month.funeral[rows].round(0),
        )  # fmt: skip
        with_children = desk.state.children > 0
        orphaned = died & with_children & (desk.state.alive[:, ADULTS].sum(axis=1) == 0)
        needy = desk.chance(month.hardship & with_children, desk.values.needy_child)
        for kind, chosen in (
            ("离婚登记", np.flatnonzero(month.split)),
            ("事实无人抚养", np.flatnonzero(orphaned)),
            ("困境儿童", needy),
        ):
            desk.event("civil_registers", "MZ", "事项编号", ("事项", kind), chosen, ("发生日期", "录入日期"))


class DisabledFederation:
    """Certificates of disability, and what rehabilitation costs the household."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def month(self, month: Month) -> None:
        """Certificates take one to four months; rehabilitation is billed by the quarter."""
        desk = self.desk
        rows, slots = np.nonzero(month.disabled)
        day = desk.day(month.index, len(rows))
        desk.put(
            "disability",
            {
                "证号": desk.numbers("CJ", len(rows)),
                "证件号": desk.roll.person(rows, slots),
                "评定类别": np.full(len(rows), "新评定"),
                "等级": month.disabled[rows, slots],
                "评定日期": day,
                "录入日期": desk.known("disability", day),
            },
        )
        if closes_quarter(month.index):
            rows = np.flatnonzero(month.care > 0)
            day = desk.day(month.index, len(rows))
            desk.put(
                "rehabilitation",
                {
                    "服务编号": desk.numbers("KF", len(rows)),
                    "证件号": desk.roll.person(rows, np.argmax(desk.state.disability[rows] > 0, axis=1)),
                    "个人负担_元": (month.care[rows] * 3).round(2),
                    "服务日期": day,
                    "录入日期": desk.known("rehabilitation", day),
                },
            )


class Disasters:
    """Losses, three in ten never registered, and inspections of dwellings."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.rng = desk.dice("disasters")
        self.housing = desk.state.housing.copy()

    def opening(self) -> None:
        """Every dwelling was inspected once."""
        self._inspect(np.arange(self.desk.n), self.desk.roll.opening - self.desk.rng.integers(30, 700, self.desk.n))

    def month(self, month: Month) -> None:
        """A dwelling that was damaged is inspected again."""
        desk, v = self.desk, self.desk.values
        told = desk.rng.random(desk.n) < 1 - v.disaster_missed
        crop = v.crop_loss.months * np.maximum(month.farm, v.crop_loss.least)
        damaged = month.damaged & told
        for kind, flags, amount in (
            ("农作物", month.hit & desk.state.farms & told, crop),
            ("住房", damaged, month.repair),
        ):
            rows = np.flatnonzero(flags)
            day = desk.day(month.index, len(rows))
            columns = {
                "灾情编号": desk.numbers("ZQ", len(rows)),
                "户号": desk.roll.household(rows),
                "损失类别": np.full(len(rows), kind),
                "估损_万元": (amount[rows] / 10_000).round(4),
                "受灾日期": day,
                "登记日期": desk.known("losses", day),
            }
            estimate = self.rng.lognormal(0, desk.faults.values.provisional_losses.spread, len(rows))
            first = {"估损_万元": (amount[rows] * estimate / 10_000).round(4)}
            early = self.rng.random(len(rows)) < desk.faults.values.provisional_losses.share
            desk.put_provisional("losses", columns, first, rows, early, desk.faults.values.provisional_losses, self.rng)
        rows = np.flatnonzero(damaged)
        self.housing[rows] = np.minimum(self.housing[rows] + 1, len(GRADES) - 1)
        self._inspect(rows, first_day(month.index + 1) + desk.rng.integers(0, 25, len(rows)))

    def _inspect(self, rows: Integers, day: np.ndarray) -> None:
        desk = self.desk
        desk.put(
            "dwellings",
            {
                "户号": desk.roll.household(rows),
                "行政区划": desk.roll.place(rows),
                "城乡": np.where(desk.state.urban[rows], "城镇", "农村"),
                "鉴定等级": GRADES[self.housing[rows]],
                "鉴定日期": day,
                "录入日期": day + desk.rng.integers(3, 28, len(rows)),
            },
        )


class PowerCompany:
    """Monthly use and arrears; some counties send none."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.without = desk.silent(desk.faults.values.silent.power)

    def month(self, month: Month) -> None:
        """Meters are read from afar on the first; D4.3 has no lag here, and a file still takes some days."""
        desk = self.desk
        rows = np.flatnonzero(~self.without & ~desk.out("power", month.index))
        desk.put(
            "power",
            {
                "户号": desk.roll.household(rows),
                "用电年月": period(month.index, len(rows)),
                "电量_千瓦时": month.power[rows].round(1),
                "欠费": np.where(month.arrears[rows], "是", "否"),
                "上报日期": first_day(month.index + 1) + desk.rng.integers(0, 4, len(rows)),
            },
            rows,
        )
