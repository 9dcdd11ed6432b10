"""From the hidden world to departments' files: what `zhouji simulate` and the demo write.

    world, block by block ──► what departments notice ──► their files, in two deliveries each

Beside the files stand the project file and the area file, so that the folder is a deployment that can be taken in.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from features.calendar import parse_period, period_end, period_start
from features.province import deliveries
from features.province.deliveries import LAST_MONTH, Deliveries, received_on
from features.province.departments.work import employer_numbers
from features.province.faults import Faults
from features.province.geography import REGIONS, Geography, read_geography
from features.province.habits import HABITS, at_once
from features.province.observation import Observer
from features.province.truth import Truth
from features.province.values import values
from features.province.world import Province

PROJECT = Path(__file__).with_name("project.yaml")
BUCKET_HOUSEHOLDS, MOST_BUCKETS = 5_000, 96
HISTORY_MONTHS = 2
"""The last months come in a second delivery."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Simulated:
    """What was written.

    Attributes:
        project: the project file of the deployment.
        files: deliveries in the order of their arrival.
    """

    project: Path
    files: list[Path]
    province: Province
    geography: Geography


def simulate(
    folder: Path,
    *,
    households: int,
    months: int,
    seed: int = 7,
    scenario: str = "S0",
    data: Path | None = None,
    last: int = LAST_MONTH,
    prompt: bool = False,
    truth: Path | None = None,
    progress: Progress | None = None,
) -> Simulated:
    """Write the deliveries of a simulated province, its project file and its area file.

    Args:
        folder: where `project.yaml`, `areas.csv` and `deliveries/` are written.
        households: how many there are.
        months: how many months departments report on.
        seed: the same gives the same bytes.
        scenario: a name of `values.yaml`.
        data: a folder that may hold the real towns.
        last: index of the last month; the last files arrive on the Sunday after the first week of the next.
        prompt: every department knows at once what it would else have known later. World and facts are the same; what
            differs between the two is what reporting lag costs.
        truth: a folder for what no department knows (`truth.py`); none is written by default.
        progress: told about each block.
    """
    geography = read_geography(data)
    province = Province(values(), geography, households, last - months + 1, months, seed, scenario)
    hidden = Truth(truth, folder / "deliveries") if truth is not None else None
    folder.mkdir(parents=True, exist_ok=True)
    geography.write(folder / "areas.csv")
    _write_project(folder / PROJECT.name, households)
    known_by = received_on(last)
    cut = period_end("month", last - HISTORY_MONTHS)
    out = Deliveries(folder / "deliveries", HABITS, cut, known_by, households)
    faults = Faults(province, prompt=prompt)
    _standards(province, geography, out)
    course = province.course()
    employed = None
    report = progress or (lambda *_: None)
    for number in range(province.blocks):
        report("simulate", number, province.blocks)
        gathered = Gathered(out, faults, number)
        observer = Observer(province, province.block(number, course), gathered, faults)
        observer.opening()
        if hidden is not None:
            hidden.opening(observer.desk)
        for month in observer.block.months(province.first, province.last):
            observer.month(month)
            if hidden is not None:
                hidden.month(observer.desk, month)
        gathered.flush()
        employed = observer.employed if employed is None else employed + observer.employed
    report("simulate", province.blocks, province.blocks)
    if hidden is not None:
        hidden.close()
    if employed is not None:
        _employers(province, employed, out, prompt=prompt)
    return Simulated(folder / PROJECT.name, out.close(), province, geography)


def _write_project(path: Path, households: int) -> None:
    """The project file, with as many buckets as the province asks for: memory is bounded by one.

    A large province sends Parquet alone, and its feeds say so.
    """
    buckets = min(max(2, -(-households // BUCKET_HOUSEHOLDS)), MOST_BUCKETS)
    text = PROJECT.read_text(encoding="utf-8")
    if households > deliveries.PARQUET_FROM:
        text = re.sub(r"source: \{format: [^}]*\}", "source: {format: parquet}", text)
    path.write_text(text.replace("buckets: 4", f"buckets: {buckets}", 1), encoding="utf-8")


class Gathered:
    """Holds a block's tables of each feed, so that a file grows by a block at once."""

    def __init__(self, out: Deliveries, faults: Faults, block: int) -> None:
        self.out, self.faults, self.block = out, faults, block
        self.tables: dict[str, list[pa.Table]] = {}

    def __call__(self, feed: str, rows: pa.Table) -> None:
        """Hold some rows of a feed."""
        self.tables.setdefault(feed, []).append(rows)

    def flush(self) -> None:
        """Write what is held."""
        for feed, tables in self.tables.items():
            rows = told(feed, pa.concat_tables(tables, promote_options="permissive"), prompt=self.faults.prompt)
            self.out.add(feed, self.faults.sent(feed, rows, HABITS[feed], self.block))
        self.tables = {}


def told(feed: str, rows: pa.Table, *, prompt: bool) -> pa.Table:
    """Rows with the day on which their department knows; a prompt one knows at once."""
    return at_once(rows, HABITS[feed]) if prompt else rows


def _standards(province: Province, geography: Geography, out: Deliveries) -> None:
    """Lines by county, dated standards of the province, and facts of areas."""
    v, opening = province.values, period_start("month", province.first)
    lines = []
    for year in range(opening.year, period_start("month", province.last).year + 1):
        for county, region in zip(geography.counties, geography.region_of_county, strict=True):
            for residence, base in (("城镇", v.need.urban[region]), ("农村", v.need.rural[region])):
                start = date(year, 1, 1)
                lines.append(
                    {
                        "行政区划": county.code,
                        "城乡": residence,
                        "低保标准_元": float(base),
                        "边缘倍数": 1.5,
                        "刚性支出比例": 0.6,
                        "生效日期": start,
                        "公布日期": min(start, opening) - timedelta(days=20),
                    }
                )
    out.add("lines", pa.Table.from_pylist(lines))
    early = opening - timedelta(days=400)
    stages = ("幼儿园", "义务教育", "高中", "高等教育")
    rows = [("学费", stage, cost * v.school.scale, early) for stage, cost in zip(stages, v.school.term, strict=True)]
    rows += [("高额自付线", "", 26_000.0, early), ("低收入高额自付线", "", 10_000.0, early)]
    rows += [
        ("生活补贴", "", v.observation.allowances.living, early),
        ("护理补贴", "", v.observation.allowances.care, early),
    ]
    for year in range(opening.year - 1, opening.year + province.months // 12 + 3):
        rows += [("开学", "", 0.0, date(year, 3, 1)), ("开学", "", 0.0, date(year, 9, 1))]
    standards = [
        {
            "标准编号": f"BZ{number:04d}",
            "标准类别": kind,
            "学段": stage or None,
            "金额_元": float(amount),
            "生效日期": since,
            "公布日期": min(since, opening) - timedelta(days=120),
        }
        for number, (kind, stage, amount, since) in enumerate(rows)
    ]
    out.add("standards", pa.Table.from_pylist(standards))
    facts = []
    for year in range(opening.year - 1, period_start("month", province.last).year + 1):
        told = date(year, 1, 20)
        facts += [
            (place.code, "片区", float(REGIONS.index(place.region) + 1), f"{year}-01", told)
            for place in geography.upper
            if place.level == "prefecture"
        ]
        for county, region in zip(geography.counties, geography.region_of_county, strict=True):
            hazard = float(np.rint(2 * v.disasters.region[region]))
            facts.append((county.code, "灾害等级", hazard, f"{year}-01", told))
    prices = v.observation.prices
    highest = parse_period(prices.highest).index
    for index in range(province.first - 3, province.last + 1):
        told = period_end("month", index) + timedelta(days=10)
        price = prices.mean + prices.swing * float(np.cos(2 * np.pi * (index - highest) / prices.months))
        facts.append(("440000", "价格指数", round(price, 1), f"{index // 12}-{index % 12 + 1:02d}", told))
    names = ("行政区划", "指标", "数值", "月份", "发布日期")
    out.add("area_facts", pa.Table.from_pylist([dict(zip(names, fact, strict=True)) for fact in facts]))


def _employers(province: Province, employed: np.ndarray, out: Deliveries, *, prompt: bool) -> None:
    """How many each employer insured, and how many left it, month by month."""
    for at in range(province.months):
        index = province.first + at
        there = np.flatnonzero(employed[at, 0] + employed[at, 1])
        end = period_end("month", index)
        rows = pa.table(
            {
                "单位编号": employer_numbers(there),
                "月份": [f"{index // 12}-{index % 12 + 1:02d}"] * len(there),
                "参保人数": employed[at, 0, there],
                "减员人数": employed[at, 1, there],
                "上报日期": pa.array([end + timedelta(days=15)] * len(there), pa.date32()),
            }
        )
        out.add("employers", told("employers", rows, prompt=prompt))
