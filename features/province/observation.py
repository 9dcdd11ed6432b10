"""What departments notice of a block's months: late, in part, not always rightly, each in its own columns and codes.

Lags and shares are the domain reference's (D4.3); they stand in `observation` of `values.yaml`. Nothing of the hidden
state reaches a row but through what a department could have seen: a bill, a payment, a form, a meter, a visit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from features.province.geography import Geography
from features.province.living import Month
from features.province.roll import Roll, first_day, lag
from features.province.state import ADULTS, CHILDREN, ELDERS, EMPLOYERS_PER_COUNTY, FORMAL, INFORMAL, Flags, Integers
from features.province.world import Block, Province

GRADES = np.array(["A", "B", "C", "D"])
OWNERS = 7
"""One household in so many runs a small business, where the first adult works on his own account."""
Add = Callable[[str, pa.Table], None]


class Observer:
    """The departments that look on one block.

    Attributes:
        employed: months × employers: insured, and left since the month before; added up over blocks by the caller.
    """

    def __init__(self, province: Province, geography: Geography, block: Block, add: Add) -> None:
        self.province, self.geography, self.block = province, geography, block
        self.values = province.values.observation
        self.rng = np.random.default_rng([province.seed, block.number, 1])
        self.state = block.state
        self.n = len(self.state)
        self.add = add
        self.roll = Roll(block, geography, province.first, self.rng)
        self.serial = int(self.state.serial[0]) * 1_000
        self.ever_insured = self.state.job == FORMAL
        self.pending = np.zeros(self.n)
        self.onset_month = np.full(self.n, -1)
        self.aid_since = np.full(self.n, np.datetime64("NaT", "D"))
        self.owner = (self.state.serial % OWNERS == 0) & (self.state.job[:, 0] == INFORMAL)
        self.open = self.owner.copy()
        self.turnover = np.zeros(self.n)
        self.farm_sum = np.zeros(self.n)
        self.housing = self.state.housing.copy()
        size = len(geography.counties) * EMPLOYERS_PER_COUNTY
        self.employed = np.zeros((province.months, 2, size), dtype=np.int64)
        self.without_medical = self._silent(0, self.values.without_medical)
        self.without_power = self._silent(3, self.values.without_power)

    def _silent(self, first: int, count: int) -> Flags:
        """Households of the counties that do not send a feed: `count` of them, spread over the province."""
        size = len(self.geography.counties)
        found: Flags = np.isin(self.state.county, np.arange(first, size, max(1, size // max(count, 1)))[:count])
        return found

    def _out(self, feed: str, index: int) -> Flags:
        """Households of the region whose feed the scenario's outage keeps away in the month."""
        outage = self.block.course.scenario.outage
        struck = outage is not None and outage.feed == feed and index > self.province.last - outage.months
        return self.state.region == outage.region if struck and outage is not None else np.zeros(self.n, dtype=bool)

    # --- small tools ---

    def _numbers(self, prefix: str, size: int) -> pa.Array:
        """Running document numbers."""
        start, self.serial = self.serial, self.serial + size
        return pa.array([f"{prefix}{number:011d}" for number in range(start, start + size)])

    def _day(self, index: int, size: int) -> np.ndarray:
        return first_day(index) + self.rng.integers(0, 28, size)

    def _put(self, feed: str, columns: dict[str, Any]) -> None:
        arrays = {
            name: column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column)
            for name, column in columns.items()
        }
        table = pa.table(
            {name: a.cast(pa.date32()) if pa.types.is_timestamp(a.type) else a for name, a in arrays.items()}
        )
        if table.num_rows:
            self.add(feed, table)

    def _chance(self, flags: Flags, share: float) -> Integers:
        return np.flatnonzero(flags & (self.rng.random(self.n) < share))

    # --- before the first month ---

    def opening(self) -> None:
        """Registers as they stood before the first month."""
        roll, n, rng = self.roll, self.n, self.rng
        rows = np.arange(n)
        head = np.argmax(self.state.alive, axis=1)
        since = roll.joined[rows, head]
        known = np.maximum(roll.opening - rng.integers(5, 90, n), since)
        from features.province import persons

        self._put(
            "households",
            {
                "户号": roll.code,
                "行政区划": roll.town,
                "城乡": np.where(self.state.urban, 1, 2),
                "户籍类型": np.where(self.state.migrant, 2, 1),
                "户主姓名": roll.name(rows, head),
                "户主证件号": roll.person(rows, head),
                "联系电话": persons.phones(self.state.serial * 3 + 1),
                "住址": persons.addresses(roll.town_name, self.state.serial * 5 + 2),
                "立户日期": since,
                "登记日期": known,
            },
        )
        self.add("members", roll.opening_rows(rng))
        self._dwellings(rows, roll.opening - rng.integers(30, 700, n))
        held = np.flatnonzero(self.state.assisted)
        self.aid_since[held] = roll.opening - rng.integers(20, 300, len(held))
        self.onset_month[held] = self.province.first - 1
        self._admit(held, self.aid_since[held])

    def _dwellings(self, rows: Integers, day: np.ndarray) -> None:
        self._put(
            "dwellings",
            {
                "户号": self.roll.household(rows),
                "行政区划": self.roll.town.take(pa.array(rows)),
                "城乡": np.where(self.state.urban[rows], "城镇", "农村"),
                "鉴定等级": GRADES[self.housing[rows]],
                "鉴定日期": day,
                "录入日期": day + self.rng.integers(3, 28, len(rows)),
            },
        )

    # --- every month ---

    def month(self, month: Month) -> None:
        """Everything that is noticed of a month."""
        for table in self.roll.follow(month, self.province.values, self.rng):
            self.add("members", table)
        self.onset_month = np.where(month.onset, month.index, self.onset_month)
        self._settlements(month)
        self._contributions(month)
        self._pensions(month)
        self._meters(month)
        self._registers(month)
        self._losses(month)
        self._business(month)
        self._farms(month)
        self._declarations(month)
        self._classes(month)
        self._school(month)
        self._visits(month)

    def _settlements(self, month: Month) -> None:
        """Bills by patient, known after 0 to 3 months; some counties send none."""
        self.pending += month.outpatient
        sent = ~self.without_medical & ~self._out("medical", month.index)
        settled = sent & (self.rng.random(self.n) < self.values.outpatient_settled)
        own = self.pending
        parts = [
            (np.flatnonzero(sent & (month.admissions > 0)), "住院", month.bills[:, 0], month.inpatient),
            (np.flatnonzero(sent & (month.serious >= 0)), "门特", month.bills[:, 1], month.serious_own),
            (np.flatnonzero(settled), "门诊", own * 1.8, own),
        ]
        for rows, kind, total, paid in parts:
            slot = month.serious[rows] if kind == "门特" else month.patient[rows]
            size = len(rows)
            day = self._day(month.index, size)
            known = day + 3 + 30 * self.rng.choice(4, size, p=self.values.medical_lag) + self.rng.integers(0, 10, size)
            total_, paid_ = total[rows], paid[rows]
            aided = np.where(month.assisted[rows], (total_ - paid_) * 0.25, 0.0)
            self._put(
                "medical",
                {
                    "结算单号": self._numbers("YB", size),
                    "身份证号": self.roll.person(rows, slot),
                    "就诊类别": np.full(size, kind),
                    "就诊日期": day,
                    "费用总额": total_.round(2),
                    "统筹支付": (total_ - paid_ - aided).round(2),
                    "医疗救助": aided.round(2),
                    "个人自付": paid_.round(2),
                    "就医地": np.where(month.far[rows] & (kind == "住院"), "异地", "本地"),
                    "入库日期": known,
                },
            )
        self.pending = np.where(settled | ~sent, 0.0, self.pending)

    def _contributions(self, month: Month) -> None:
        """Contributions of everybody who was ever insured through an employer; those who stopped are reported so."""
        insured = month.job == FORMAL
        self.ever_insured |= insured
        at = month.index - self.province.first
        employer = self.state.employer
        np.add.at(self.employed[at, 0], employer[insured], 1)
        np.add.at(self.employed[at, 1], employer[month.lost], 1)
        rows, slots = np.nonzero(self.ever_insured & self.state.alive[:, ADULTS])
        now = insured[rows, slots]
        wage = np.maximum(month.wage[rows, slots].round(-1), 1500.0)
        number = pa.array([f"QY{code:06d}" for code in range(self.employed.shape[2])])
        end = first_day(month.index + 1)
        self._put(
            "contributions",
            {
                "证件号": self.roll.person(rows, slots),
                "单位编号": number.take(pa.array(employer[rows, slots], mask=~now)),
                "缴费月份": self._period(month.index, len(rows)),
                "缴费基数_分": np.where(now, wage * 100, 0).astype(np.int64),
                "参保状态": now.astype(np.int64),
                "上报日期": np.full(len(rows), end + 14),
            },
        )
        rows, slots = np.nonzero(month.registered)
        day = self._day(month.index, len(rows))
        months = self.province.values.work.benefit.months
        self._put(
            "unemployment",
            {
                "登记编号": self._numbers("SY", len(rows)),
                "证件号": self.roll.person(rows, slots),
                "登记日期": day,
                "待遇截止日期": day + 30 * months,
                "录入日期": day + lag(self.rng, (0.7, 0.3), len(rows)),
            },
        )

    def _pensions(self, month: Month) -> None:
        rows, slots = np.nonzero(self.state.alive[:, ELDERS])
        each = month.pension[rows] / np.maximum(self.state.elders[rows], 1)
        self._put(
            "pensions",
            {
                "证件号": self.roll.person(rows, slots + ELDERS.start),
                "发放月份": self._period(month.index, len(rows)),
                "金额_元": each.round(2),
                "上报日期": np.full(len(rows), first_day(month.index + 1) + 9),
            },
        )

    def _period(self, index: int, size: int) -> pa.Array:
        text = pa.array([f"{index // 12}-{index % 12 + 1:02d}"])
        return text.take(pa.array(np.zeros(size, dtype=np.int64)))

    def _quarter(self, index: int, size: int) -> pa.Array:
        return pa.array([f"{index // 12}-Q{index % 12 // 3 + 1}"]).take(pa.array(np.zeros(size, dtype=np.int64)))

    def _meters(self, month: Month) -> None:
        rows = np.flatnonzero(~self.without_power & ~self._out("power", month.index))
        end = first_day(month.index + 1)
        self._put(
            "power",
            {
                "户号": self.roll.household(rows),
                "用电年月": self._period(month.index, len(rows)),
                "电量_千瓦时": month.power[rows].round(1),
                "欠费": np.where(month.arrears[rows], "是", "否"),
                "上报日期": end + self.rng.integers(5, 11, len(rows)),
            },
        )

    def _registers(self, month: Month) -> None:
        """Deaths, births, moves; divorces and children in difficulty; certificates of disability; funerals."""
        died = month.died.any(axis=1)
        gone = (month.moved & ~month.died).any(axis=1) & ~month.split
        for kind, flags, months in (
            ("死亡", died, (0.4, 0.4, 0.2)),
            ("出生", month.born.any(axis=1), (0.4, 0.4, 0.2)),
            ("迁出", gone, (0.4, 0.4, 0.2)),
        ):
            rows = np.flatnonzero(flags)
            day = self._day(month.index, len(rows))
            self._put(
                "register",
                {
                    "事项编号": self._numbers("HK", len(rows)),
                    "事项": np.full(len(rows), kind),
                    "户号": self.roll.household(rows),
                    "发生日期": day,
                    "登记日期": day + lag(self.rng, months, len(rows)),
                },
            )
        rows = np.flatnonzero(died)
        day = self._day(month.index, len(rows))
        self._put(
            "funerals",
            {
                "办理编号": self._numbers("BZ", len(rows)),
                "户号": self.roll.household(rows),
                "费用_元": month.funeral[rows].round(0),
                "办理日期": day,
                "录入日期": day + lag(self.rng, (0.8, 0.2), len(rows)),
            },
        )
        orphaned = died & (self.state.children > 0) & (self.state.alive[:, ADULTS].sum(axis=1) == 0)
        needy = self._chance(month.hardship & (self.state.children > 0), 0.01)
        for kind, chosen in (
            ("离婚登记", np.flatnonzero(month.split)),
            ("事实无人抚养", np.flatnonzero(orphaned)),
            ("困境儿童", needy),
        ):
            day = self._day(month.index, len(chosen))
            self._put(
                "civil_registers",
                {
                    "事项编号": self._numbers("MZ", len(chosen)),
                    "事项": np.full(len(chosen), kind),
                    "户号": self.roll.household(chosen),
                    "发生日期": day,
                    "录入日期": day + lag(self.rng, (0.6, 0.3, 0.1), len(chosen)),
                },
            )
        rows, slots = np.nonzero(month.disabled)
        day = self._day(month.index, len(rows))
        self._put(
            "disability",
            {
                "证号": self._numbers("CJ", len(rows)),
                "证件号": self.roll.person(rows, slots),
                "评定类别": np.full(len(rows), "新评定"),
                "等级": month.disabled[rows, slots],
                "评定日期": day,
                "录入日期": day + lag(self.rng, (0.0, 0.4, 0.3, 0.2, 0.1), len(rows)),
            },
        )
        if month.index % 3 == 2:
            rows = np.flatnonzero(month.care > 0)
            day = self._day(month.index, len(rows))
            slot = np.argmax(self.state.disability[rows] > 0, axis=1)
            self._put(
                "rehabilitation",
                {
                    "服务编号": self._numbers("KF", len(rows)),
                    "证件号": self.roll.person(rows, slot),
                    "个人负担_元": (month.care[rows] * 3).round(2),
                    "服务日期": day,
                    "录入日期": day + lag(self.rng, (0.7, 0.3), len(rows)),
                },
            )

    def _losses(self, month: Month) -> None:
        """Disaster losses, three in ten never registered; a damaged dwelling is inspected again."""
        told = self.rng.random(self.n) < 1 - self.values.disaster_missed
        crop = month.hit & self.state.farms & told
        for kind, rows, amount in (
            ("农作物", np.flatnonzero(crop), 2.5 * np.maximum(month.farm, 200)),
            ("住房", np.flatnonzero(month.damaged & told), month.repair),
        ):
            day = self._day(month.index, len(rows))
            self._put(
                "losses",
                {
                    "灾情编号": self._numbers("ZQ", len(rows)),
                    "户号": self.roll.household(rows),
                    "损失类别": np.full(len(rows), kind),
                    "估损_万元": (amount[rows] / 10_000).round(4),
                    "受灾日期": day,
                    "登记日期": day + lag(self.rng, (0.6, 0.4), len(rows)),
                },
            )
        rows = np.flatnonzero(month.damaged & told)
        self.housing[rows] = np.minimum(self.housing[rows] + 1, 3)
        self._dwellings(rows, first_day(month.index + 1) + self.rng.integers(0, 25, len(rows)))

    def _business(self, month: Month) -> None:
        """Small businesses: turnover by the quarter, and closures."""
        self.turnover += np.where(self.open, month.wage[:, 0], 0.0)
        closed = np.flatnonzero(self.open & month.lost_informal[:, 0] & self.state.alive[:, 0])
        day = self._day(month.index, len(closed))
        zero = np.zeros(len(closed), dtype=np.int64)
        self._put(
            "businesses",
            {
                "注册号": self._numbers("GS", len(closed)),
                "经营者证件号": self.roll.person(closed, zero),
                "注销日期": day,
                "公告日期": day + lag(self.rng, (0.7, 0.3), len(closed)),
            },
        )
        self.open[closed] = False
        if month.index % 3 == 2:
            rows = np.flatnonzero(self.owner & self.state.alive[:, 0])
            self._put(
                "turnover",
                {
                    "纳税人证件号": self.roll.person(rows, np.zeros(len(rows), dtype=np.int64)),
                    "所属季度": pa.array(
                        [f"{month.index // 12}-Q{month.index % 12 // 3 + 1}"] * len(rows), pa.string()
                    ),
                    "申报经营额_元": (self.turnover[rows] * 1.6).round(0),
                    "申报日期": np.full(len(rows), first_day(month.index + 1) + 14),
                },
            )
            self.turnover[:] = 0

    def _farms(self, month: Month) -> None:
        """Farm income by the quarter, area by the year, and migrants who come home out of season."""
        self.farm_sum += month.farm
        end = first_day(month.index + 1)
        if month.index % 3 == 2:
            rows = np.flatnonzero(self.state.farms)
            self._put(
                "farms",
                {
                    "户号": self.roll.household(rows),
                    "所属季度": self._quarter(month.index, len(rows)),
                    "种养收入_元": self.farm_sum[rows].round(0),
                    "种养面积_亩": np.where(self.state.farm_damaged[rows] > 0, 1.0, 3.0 + self.state.serial[rows] % 5),
                    "上报日期": np.full(len(rows), end + 19),
                },
            )
            self.farm_sum[:] = 0
        home = self._chance(self.state.migrant & month.lost_informal.any(axis=1), self.values.return_seen)
        day = self._day(month.index, len(home))
        self._put(
            "returns",
            {
                "登记编号": self._numbers("FX", len(home)),
                "户号": self.roll.household(home),
                "返乡日期": day,
                "登记日期": day + lag(self.rng, (0.7, 0.3), len(home)),
            },
        )

    def _declarations(self, month: Month) -> None:
        """Verification of economic status: a dated snapshot for some households, lower and noisier than the truth."""
        v = self.values.declared
        noise = v.noise * self._better(month.index)
        asked = np.flatnonzero((self.rng.random(self.n) < v.refreshed) | month.began)
        size = len(asked)
        day = self._day(month.index, size)
        income = month.flow[asked] * v.level * np.exp(self.rng.normal(0, noise, size))
        shown = np.maximum(month.savings[asked], 0) * v.revealed * np.exp(self.rng.normal(0, v.savings_noise, size))
        self._put(
            "verification",
            {
                "户号": self.roll.household(asked),
                "申报月份": self._period(month.index, size),
                "家庭月收入_元": income.round(0),
                "存款档次": np.digitize(shown / month.need[asked], [0.5, 2, 6, 12]),
                "授权书编号": self._numbers("SQ", size),
                "核对日期": day + self.rng.integers(3, 25, size),
            },
        )

    def _better(self, index: int) -> float:
        change = self.block.course.scenario.verification
        if change is not None and index >= self.province.last - change.months_before_end:
            return change.noise
        return 1.0

    def _admit(self, rows: Integers, day: np.ndarray, ended: np.ndarray | None = None, known: Any = None) -> None:
        onset = first_day(0) + np.zeros(len(rows), dtype=np.int64)
        month = np.maximum(self.onset_month[rows], 0)
        onset = (np.datetime64("1970-01", "M") + (month + 1 - 1970 * 12)).astype("datetime64[D]") - 1
        hardship = self.onset_month[rows] >= 0
        onset = np.minimum(np.where(hardship, onset, day), day)
        known = day + self.rng.integers(1, 12, len(rows)) if known is None else known
        self._put(
            "classes",
            {
                "户号": self.roll.household(rows),
                "救助类别": np.full(len(rows), "低保"),
                "是否困难": np.where(hardship, "是", "否"),
                "困难发生日": onset,
                "纳入日期": day,
                "到期日期": day + 365,
                "停发日期": pa.array(ended, pa.date32()) if ended is not None else pa.nulls(len(rows), pa.date32()),
                "经办日期": known,
            },
        )

    def _classes(self, month: Month) -> None:
        """Admissions to assistance, their ends as a later version of the same row, and monthly payments."""
        began = np.flatnonzero(month.began)
        recent = month.index - self.onset_month <= 12
        self.onset_month = np.where(month.began & ~recent & ~month.hardship, -1, self.onset_month)
        self.aid_since[began] = self._day(month.index, len(began))
        self._admit(began, self.aid_since[began])
        ended = np.flatnonzero(month.ended & ~np.isnat(self.aid_since))
        end = first_day(month.index + 1)
        stop = np.full(len(ended), end)
        self._admit(ended, self.aid_since[ended], stop, stop + self.rng.integers(1, 12, len(ended)))
        rows = np.flatnonzero(month.paid > 1)
        day = np.full(len(rows), end - 6)
        self._put(
            "payments",
            {
                "户号": self.roll.household(rows),
                "项目": np.full(len(rows), "低保金"),
                "发放月份": self._period(month.index, len(rows)),
                "金额_元": month.paid[rows].round(0),
                "发放日期": day,
                "上报日期": day + 10,
            },
        )

    def _school(self, month: Month) -> None:
        """In September: who enters senior high school or college; each term: aid to pupils on assistance."""
        if month.index % 12 == 8:
            stage = self.roll.stage
            age = (month.index - self.state.birth[:, CHILDREN]) // 12
            first = np.array(self.province.values.school.ages)
            rows, slots = np.nonzero((stage >= 2) & (age == first[np.maximum(stage, 0)]))
            if len(rows):
                entered = stage[rows, slots]
                self._put(
                    "school_entries",
                    {
                        "学籍号": self._numbers("XJ", len(rows)),
                        "证件号": self.roll.person(rows, slots + CHILDREN.start),
                        "学段": np.where(entered == 2, "高中", "高等教育"),
                        "入学日期": np.full(len(rows), first_day(month.index)),
                        "录入日期": first_day(month.index) + self.rng.integers(10, 45, len(rows)),
                    },
                )
        if month.index % 12 in (2, 9):
            rows = np.flatnonzero(month.assisted & (self.roll.stage >= 0).any(axis=1))
            rows = rows[self.rng.random(len(rows)) < self.values.student_aid]
            day = self._day(month.index, len(rows))
            self._put(
                "student_aid",
                {
                    "户号": self.roll.household(rows),
                    "资助金额_元": np.full(len(rows), 750.0),
                    "发放日期": day,
                    "录入日期": day + self.rng.integers(5, 30, len(rows)),
                },
            )

    def _visits(self, month: Month) -> None:
        """Visits and what they found; a share is drawn at random, more where need is visible."""
        v = self.values.visits
        chance = np.where(month.hardship & ~month.assisted, v.visible, v.base)
        rows = self._chance(np.ones(self.n, dtype=bool), 1.0)
        rows = rows[self.rng.random(len(rows)) < chance[rows]]
        size = len(rows)
        day = self._day(month.index, size)
        verdict = self._verdict(month, rows)
        found = verdict == "V1"
        onset = np.maximum(self.onset_month[rows] + self.rng.choice([-1, 0, 1], size, p=[0.1, 0.8, 0.1]), 0)
        onset_day = (np.datetime64("1970-01", "M") + (onset + 1 - 1970 * 12)).astype("datetime64[D]") - 1
        onset_day = np.where(self.onset_month[rows] >= 0, np.minimum(onset_day, day), day)
        comfort = month.savings[rows] / month.need[rows] / 3 + 2 * self.state.kin[rows]
        score = np.clip(np.rint(comfort + self.rng.normal(0, 0.7, size)), 0, 4).astype(np.int64)
        self._put(
            "visits",
            {
                "走访编号": self._numbers("ZF", size),
                "户号": self.roll.household(rows),
                "走访日期": day,
                "核实结论": verdict,
                "困难发生日": pa.array(onset_day.astype("datetime64[D]"), pa.date32(), mask=~found),
                "走访评分": score,
                "数据矛盾": np.where(verdict == "V4", "是", "否"),
                "抽中概率": chance[rows].round(3),
                "录入日期": day + self.rng.integers(0, 9, size),
            },
        )

    def _verdict(self, month: Month, rows: Integers) -> np.ndarray:
        """The code that a visitor chooses (V1 … V9)."""
        u = self.rng.random(len(rows))
        hard, helped = month.hardship[rows], month.assisted[rows]
        thin = month.savings[rows] < 0.5 * month.need[rows]
        helped_code = np.where(u < 0.8, "V5", "V1")
        alone_code = np.where(u < 0.05, "V5", "V1")
        thin_code = np.select([u < 0.6, u < 0.9], ["V2", "V3"], "V7")
        rest = np.select([u < 0.62, u < 0.78, u < 0.84, u < 0.92, u < 0.96], ["V3", "V6", "V4", "V7", "V8"], "V9")
        return np.where(hard, np.where(helped, helped_code, alone_code), np.where(thin, thin_code, rest))
