"""The sample: files that eight departments would send about a few towns, in their own columns, codes and encodings.

A small hidden world (`sample_world`) is lived month by month; what departments notice of it, late and not always
rightly, is written here. Some rows come twice, some are corrected later, some are wrong and belong in quarantine,
and one county sends no power data. The same seed gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from features.calendar import period_end, period_start
from features.province.deliveries import DELIVERED_ON, LAST_MONTH
from features.province.people import Identity, invent_address, invent_birthday, invent_identity
from features.province.sample_files import write_deliveries
from features.province.sample_world import FORMAL, Flags, Month, World, live_month, settle

BURN_IN_MONTHS = 12
TOWNS = (
    ("441802006", "凤城街道"),
    ("441802103", "源潭镇"),
    ("441802107", "飞来峡镇"),
    ("441821100", "石角镇"),
    ("441821102", "汤塘镇"),
    ("441821104", "高岗镇"),
)
WITHOUT_POWER = "441821"

Row = dict[str, Any]


@dataclass
class Person:
    """An invented person in a household, and the earner's place that the person fills (-1: none)."""

    household: int
    role: str
    place: int
    male: bool
    born: date
    identity: Identity
    joined: date
    employer: str = ""
    ever_formal: bool = False
    alive: bool = True
    disability: int = 0


@dataclass
class Aid:
    """An admission to assistance: the day of it, the month the hardship began, and the end when it comes."""

    household: int
    began: date
    onset: int
    told: bool = False
    ended: date | None = None


@dataclass
class Records:
    """What departments wrote down, one list of rows for each feed, and the persons they wrote about."""

    persons: list[list[Person]]
    onset_month: dict[int, int] = field(default_factory=dict)
    aid: list[Aid] = field(default_factory=list)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    serial: int = 0

    def add(self, feed: str, **row: Any) -> None:
        """Write one row."""
        self.rows.setdefault(feed, []).append(row)

    def number(self) -> int:
        """The next running number of documents."""
        self.serial += 1
        return self.serial


def write_sample(folder: Path, households: int = 2000, months: int = 30, seed: int = 7) -> list[Path]:
    """Write the sample's deliveries into `folder`, and return their paths in the order of their arrival.

    A path is named `<feed>-<number>.<container>`; the last month is October 2026, whose late reports are missing.
    Ingest them as received on `DELIVERED_ON`.
    """
    rng = np.random.default_rng(seed)
    first_month = LAST_MONTH - months + 1
    world = settle(households, len(TOWNS), rng)
    for number in range(-BURN_IN_MONTHS, 0):
        live_month(world, number, (first_month + number) % 12 + 1, rng)
    opening = period_start("month", first_month)
    records = Records(_enrol(world, opening, rng))
    _publish_lines(records, opening)
    _register(records, world, opening, rng)
    for household in np.flatnonzero(world.assisted):
        _admit(records, int(household), first_month, opening - timedelta(days=int(rng.integers(20, 300))))
    for number in range(months):
        month = live_month(world, number, (first_month + number) % 12 + 1, rng)
        _observe(records, world, month, first_month + number, rng)
    return write_deliveries(folder, records.rows, DELIVERED_ON, rng)


def code(household: int, town: int) -> str:
    """The number by which departments know a household."""
    return f"HJ{TOWNS[town][0]}{household:06d}"


def _publish_lines(records: Records, opening: date) -> None:
    """The assistance lines of both counties, raised a little every January."""
    for year in range(opening.year, LAST_MONTH // 12 + 1):
        for county in sorted({town[:6] for town, _ in TOWNS}):
            for residence, base in (("城镇", 880.0), ("农村", 700.0)):
                records.add(
                    "lines",
                    行政区划=county,
                    城乡=residence,
                    低保标准_元=round(base * 1.02 ** (year - opening.year), 0),
                    低收入倍数=1.5,
                    刚性支出占比=0.6,
                    生效日期=date(year, 1, 1),
                    公布日期=min(date(year, 1, 1), opening) - timedelta(days=20),
                )


def _enrol(world: World, opening: date, rng: np.random.Generator) -> list[list[Person]]:
    """Persons that make up the households as they stand on the opening day."""
    persons: list[list[Person]] = []
    serial = 0
    for household in range(len(world.town)):
        members = []
        for role, count, ages in (
            ("elder", world.elders, (64, 88)),
            ("adult", world.adults, (24, 58)),
            ("child", world.children, (1, 17)),
        ):
            for order in range(int(count[household])):
                born = invent_birthday(int(rng.integers(*ages)), opening, rng)
                male = bool(rng.random() < 0.5)
                members.append(
                    Person(
                        household=household,
                        role=role,
                        place=order if role == "adult" and order < 2 else -1,
                        male=male,
                        born=born,
                        identity=invent_identity(serial, born, male=male, rng=rng),
                        joined=max(born, opening - timedelta(days=int(rng.integers(200, 4000)))),
                        employer=f"QY{rng.integers(1, 60):04d}",
                    )
                )
                serial += 1
        persons.append(members)
    return persons


def _register(records: Records, world: World, opening: date, rng: np.random.Generator) -> None:
    """The register of households and of their members as it stood before the first month."""
    for household, members in enumerate(records.persons):
        town = int(world.town[household])
        head = members[0]
        known = opening - timedelta(days=int(rng.integers(5, 90)))
        records.add(
            "households",
            户编号=code(household, town),
            行政区划=TOWNS[town][0],
            城乡=1 if world.urban[household] else 2,
            户主姓名=head.identity.name,
            户主身份证号=head.identity.number,
            联系电话=head.identity.phone,
            住址=invent_address(TOWNS[town][1], rng),
            住房等级=str(rng.choice(["A", "B", "C", "D"], p=[0.5, 0.38, 0.1, 0.02])),
            立户日期=min(person.joined for person in members),
            登记日期=known,
        )
        for person in members:
            _enter_member(records, person, town, known)


def _enter_member(
    records: Records, person: Person, town: int, known: date, *, left: date | None = None, reason: str = ""
) -> None:
    working = {"adult": "在业", "elder": "退休", "child": "在校" if known.year - person.born.year >= 6 else "学龄前"}
    records.add(
        "members",
        户编号=code(person.household, town),
        身份证号=person.identity.number,
        姓名=person.identity.name,
        关系={"elder": "父母", "adult": "本人或配偶", "child": "子女"}[person.role],
        性别="男" if person.male else "女",
        出生年月=f"{person.born:%Y-%m}",
        从业状态=working[person.role],
        残疾等级=person.disability or None,
        入户日期=person.joined,
        离户日期=left,
        离户原因=reason,
        更新日期=known,
    )


def _observe(records: Records, world: World, month: Month, index: int, rng: np.random.Generator) -> None:
    """Everything that departments notice of one month."""
    _settle_bills(records, month, index, rng)
    _report_insurance(records, month, index)
    _read_meters(records, world, month, index, rng)
    _note_events(records, world, month, index, rng)
    _declare(records, world, month, index, rng)
    _assist(records, world, month, index, rng)
    _visit(records, world, month, index, rng)


def _day(index: int, rng: np.random.Generator) -> date:
    return period_start("month", index) + timedelta(days=int(rng.integers(0, 28)))


def _chosen(flags: Flags) -> list[int]:
    return [int(household) for household in np.flatnonzero(flags)]


def _someone(members: list[Person], role: str | None, rng: np.random.Generator) -> Person:
    """A living member, of the role where there is one."""
    living = [person for person in members if person.alive]
    wanted = [person for person in living if person.role == role] or living
    return wanted[int(rng.integers(len(wanted)))]


def _settle_bills(records: Records, month: Month, index: int, rng: np.random.Generator) -> None:
    """Medical settlements by person, known 0 to 3 months after the visit."""
    for household in _chosen((month.bill > 0) | (month.outpatient > 0)):
        kinds = []
        if month.bill[household] > 0:
            kind = "门特" if month.serious[household] and not month.admissions[household] else "住院"
            kinds.append((kind, float(month.bill[household]), float(month.own_payment[household])))
        if month.outpatient[household] > 0:
            own = float(month.outpatient[household])
            kinds.append(("门诊", own * 1.8, own))
        for kind, total, own in kinds:
            person = _someone(records.persons[household], "elder", rng)
            day = _day(index, rng)
            aided = round((total - own) * 0.25, 2) if month.assisted[household] else 0.0
            lag = int(rng.choice([0, 1, 2, 3], p=[0.50, 0.33, 0.12, 0.05]))
            records.add(
                "medical",
                结算单号=f"YB{records.number():08d}",
                身份证号=person.identity.number,
                就诊类别=kind,
                就诊日期=day,
                费用总额=round(total, 2),
                统筹支付=round(total - own - aided, 2),
                医疗救助=aided,
                个人自付=round(own, 2),
                就医地="异地" if month.far[household] and kind == "住院" else "本地",
                入库日期=day + timedelta(days=3 + 30 * lag + int(rng.integers(0, 10))),
            )


def _report_insurance(records: Records, month: Month, index: int) -> None:
    """Contributions of everybody who was ever insured through an employer; those who stopped are reported so."""
    known = period_end("month", index) + timedelta(days=15)
    for members in records.persons:
        for person in members:
            if person.place < 0 or not person.alive:
                continue
            insured = bool(month.job[person.household, person.place] == FORMAL)
            person.ever_formal = person.ever_formal or insured
            if person.ever_formal:
                wage = float(month.wage[person.household, person.place])
                base_yuan = max(round(wage, -1), 1500.0) if insured else 0.0
                records.add(
                    "insurance",
                    证件号=person.identity.number,
                    单位编号=person.employer if insured else None,
                    缴费月份=f"{period_start('month', index):%Y%m}",
                    缴费基数_分=int(base_yuan * 100),
                    参保状态=1 if insured else 0,
                    上报日期=known,
                )


def _read_meters(records: Records, world: World, month: Month, index: int, rng: np.random.Generator) -> None:
    """Monthly power use, known in the second week of the next month; one county does not send it."""
    arrears = (month.savings < 0) & (rng.random(len(world.town)) < 0.15)
    for household in range(len(world.town)):
        town = int(world.town[household])
        if TOWNS[town][0].startswith(WITHOUT_POWER):
            continue
        records.add(
            "power",
            户编号=code(household, town),
            用电年月=f"{period_start('month', index):%Y年%m月}",
            电量_千瓦时=round(float(month.power_kwh[household]), 1),
            欠费="是" if arrears[household] else "否",
            上报日期=period_end("month", index) + timedelta(days=int(rng.integers(6, 11))),
        )


def _note_events(records: Records, world: World, month: Month, index: int, rng: np.random.Generator) -> None:
    """Deaths, births, disability certificates, unemployment registrations and special-treatment registrations."""

    def note(kind: str, person: Person, months_late: list[float], grade: int | None = None) -> date:
        day = _day(index, rng)
        known = day + timedelta(days=4 + 30 * int(rng.choice(len(months_late), p=months_late)))
        number = f"SX{records.number():07d}"
        town = int(world.town[person.household])
        records.add("events", 事项编号=number, 事项=kind, 户编号=code(person.household, town),
                    身份证号=person.identity.number, 发生日期=day, 等级=grade, 登记日期=known)  # fmt: skip
        return known

    for household in _chosen(month.died):
        members = [person for person in records.persons[household] if person.alive]
        dead = [p for p in members if p.role == "elder"] or [p for p in members if p.role == "adult"][-1:]
        known = note("死亡", dead[0], [0.4, 0.4, 0.2])
        dead[0].alive = False
        left = period_end("month", index)
        _enter_member(records, dead[0], int(world.town[household]), max(known, left), left=left, reason="死亡")
    for household in _chosen(month.born):
        born = _day(index, rng)
        male = bool(rng.random() < 0.5)
        identity = invent_identity(500_000 + records.number(), born, male=male, rng=rng)
        child = Person(household, "child", -1, male, born, identity, born)
        records.persons[household].append(child)
        known = note("出生", child, [0.4, 0.4, 0.2])
        _enter_member(records, child, int(world.town[household]), max(known, born))
    for household in _chosen(month.disabled):
        person = _someone(records.persons[household], "adult", rng)
        person.disability = int(rng.integers(1, 5))
        note("残疾评定", person, [0.0, 0.4, 0.3, 0.2, 0.1], person.disability)
    for household in _chosen(month.lost_job & (rng.random(len(month.lost_job)) < 0.45)):
        note("失业登记", _someone(records.persons[household], "adult", rng), [0.7, 0.3])
    for household in _chosen(month.serious_started):
        note("门特登记", _someone(records.persons[household], "elder", rng), [0.5, 0.35, 0.15])


def _declare(records: Records, world: World, month: Month, index: int, rng: np.random.Generator) -> None:
    """Verification of economic status: a dated snapshot for some households, lower and noisier than the truth."""
    asked = (rng.random(len(world.town)) < 0.07) | month.assistance_began
    for household in _chosen(asked):
        day = _day(index, rng)
        income = float(month.flow[household]) * 0.88 * rng.lognormal(0, 0.28)
        shown = max(float(month.savings[household]), 0) * 0.75 * rng.lognormal(0, 0.5)
        band = int(np.digitize(shown / float(month.need[household]), [0.5, 2, 6, 12]))
        records.add(
            "declarations",
            户编号=code(household, int(world.town[household])),
            申报月份=f"{period_start('month', index):%Y-%m}",
            家庭月收入_元=round(income, 0),
            存款档次=band,
            授权书编号=f"SQ{records.number():07d}",
            核对日期=day + timedelta(days=int(rng.integers(3, 25))),
        )


def _admit(records: Records, household: int, onset: int, day: date) -> None:
    records.onset_month.setdefault(household, onset)
    records.aid.append(Aid(household, day, onset))


def _assist(records: Records, world: World, month: Month, index: int, rng: np.random.Generator) -> None:
    """Admissions to assistance, and their ends as a later version of the same row."""
    for household in _chosen(month.onset):
        records.onset_month[household] = index
    for household in _chosen(month.assistance_began):
        _admit(records, household, records.onset_month.get(household, index), _day(index, rng))
    for aid in records.aid:
        if month.assistance_ended[aid.household] and aid.ended is None:
            aid.ended = period_end("month", index)
        elif aid.told:
            continue
        aid.told = True
        records.add(
            "admissions",
            户编号=code(aid.household, int(world.town[aid.household])),
            救助类别="低保",
            困难发生日=min(period_end("month", aid.onset), aid.began),
            纳入日期=aid.began,
            月保障金额_元=round(float(world.need[aid.household]) * 0.4, 0),
            停发日期=aid.ended,
            经办日期=(aid.ended or aid.began) + timedelta(days=int(rng.integers(1, 12))),
        )


def _visit(records: Records, world: World, month: Month, index: int, rng: np.random.Generator) -> None:
    """Visits and what they found; a small share of all households is drawn at random, more where need is visible."""
    chance = np.where(month.hardship & ~month.assisted, 0.18, 0.04)
    for household in _chosen(rng.random(len(world.town)) < chance):
        day = _day(index, rng)
        verdict = _verdict(month, household, rng)
        found = verdict == "V1"
        onset = records.onset_month.get(household, index) + int(rng.choice([-1, 0, 1], p=[0.1, 0.8, 0.1]))
        comfort = float(month.savings[household] / month.need[household]) / 3 + 2 * float(world.kin_support[household])
        records.add(
            "visits",
            走访编号=f"ZF{records.number():07d}",
            户编号=code(household, int(world.town[household])),
            走访日期=day,
            核实结论=verdict,
            困难发生日=min(period_end("month", onset), day) if found else None,
            走访评分=int(np.clip(round(comfort + rng.normal(0, 0.7)), 0, 4)),
            抽中概率=round(float(chance[household]), 3),
            录入日期=day + timedelta(days=int(rng.integers(0, 9))),
        )


def _verdict(month: Month, household: int, rng: np.random.Generator) -> str:
    """The code a visitor chooses (V1 … V9)."""
    if month.hardship[household]:
        return str(rng.choice(["V5", "V1"], p=[0.8, 0.2] if month.assisted[household] else [0.05, 0.95]))
    if month.savings[household] < 0.5 * month.need[household]:
        return str(rng.choice(["V2", "V3", "V7"], p=[0.6, 0.3, 0.1]))
    return str(rng.choice(["V3", "V6", "V4", "V7", "V8", "V9"], p=[0.62, 0.16, 0.06, 0.08, 0.04, 0.04]))
