"""What the administration announces and no household reports: lines by county, dated standards, facts of areas."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from features.calendar import parse_period, period_end, period_start
from features.province.geography import REGIONS, Geography
from features.province.world import Province

Add = Callable[[str, pa.Table], None]


def write_standards(province: Province, geography: Geography, add: Add) -> None:
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
    add("lines", pa.Table.from_pylist(lines))
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
    add("standards", pa.Table.from_pylist(standards))
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
    add("area_facts", pa.Table.from_pylist([dict(zip(names, fact, strict=True)) for fact in facts]))
