"""Context: what is normal for the season and the area, so that a signal is not mistaken for the calendar."""

from __future__ import annotations

from typing import Literal

from features.indicators import definition as d
from features.indicators.definition import Expression, Series, When
from features.indicators.drafts import coded, earners
from features.indicators.indicator import Indicator
from features.indicators.vulnerability import ELDER, confirmed, typhoon_months

SERIES: dict[str, Series] = {}
COUNTY = (d.Attribute("area:county"),)
ADULT = 18
"""Age from which a person is an adult: 民法典 art. 17."""
DISABLED = (1, 2, 3, 4)
"""Grades of disability: GB/T 26341."""
USUAL_HOUSEHOLDS = 200.0
"""Households with which a small county's rate is drawn to the whole; its numbers alone say little."""


def indicators() -> list[Indicator]:
    """The family's generic indicators."""
    return [*_seasons(), *_places(), *_sizes(), *_groups()]


def _season(
    code: str, identifier: str, zh: str, en: str, definition: Expression, unit: str, bodies: str = "civil_affairs"
) -> Indicator:
    return coded(code, bodies, identifier, (zh, en), definition, unit, 0,
                 up=(f"按时节比较：{zh}为{{value}}", f"compared by season: {en} is {{value}}"),
                 down=(f"按时节比较：{zh}为{{value}}", f"compared by season: {en} is {{value}}"))  # fmt: skip


def _place(
    code: str, identifier: str, zh: str, en: str, definition: Expression, unit: str, direction: Literal[-1, 0, 1] = 0
) -> Indicator:
    return coded(code, "civil_affairs", identifier, (zh, en), definition, unit, direction,
                 up=(f"按地区比较：{zh}为{{value}}", f"compared by place: {en} is {{value}}"),
                 down=(f"按地区比较：{zh}为{{value}}", f"compared by place: {en} is {{value}}"))  # fmt: skip


def _seasons() -> list[Indicator]:
    weeks_to_term = d.Ratio(d.Schedule("school_term", what="next"), d.Constant(7.0))
    return [
        _season("C01", "season_sine", "季节（正弦）", "season (sine)", d.Season("sine"), "number"),
        _season("C01", "season_cosine", "季节（余弦）", "season (cosine)", d.Season("cosine"), "number"),
        _season("C02", "spring_festival_weeks", "距春节周数", "weeks from the Spring Festival", d.Season("spring_festival"), "weeks"),
        _season("C03", "school_term_weeks", "距下次开学周数", "weeks to the next school term", weeks_to_term, "weeks", "education"),
        _season("C04", "typhoon_season", "台风季", "typhoon season", typhoon_months(1.0), "flag", "emergency"),
    ]  # fmt: skip


def _sizes() -> list[Indicator]:
    people = d.Members()
    return [
        coded("C10", "police", "household_size", ("家庭人口", "household size"), people, "persons", 0,
              up=("按家庭人口比较：共{value}", "compared by household size: {value}"),
              down=("按家庭人口比较：共{value}", "compared by household size: {value}")),
        coded("C11", "police human_resources", "dependants", ("不工作的成员", "members who do not work"),
              d.Difference(people, earners()), "persons", 0,
              up=("按家庭结构比较：{value}不工作", "compared by make-up: {value} do not work"),
              down=("按家庭结构比较：{value}不工作", "compared by make-up: {value} do not work")),
    ]  # fmt: skip


def _groups() -> list[Indicator]:
    """Who is in a household: what an evaluation compares groups by. A model may do without them."""

    def has(
        code: str, bodies: str, identifier: str, zh: str, en: str, people: d.Members, without: tuple[str, str]
    ) -> Indicator:
        return coded(code, bodies, identifier, (zh, en), d.Test(people, When(at_least=1.0)), "flag", 0,
                     up=(f"按家庭成员比较：{zh}", f"compared by members: {en}"),
                     down=(f"按家庭成员比较：{without[0]}", f"compared by members: {without[1]}"))  # fmt: skip

    disabled = d.Members((("disability_grade", DISABLED),))
    return [
        has("C12", "police", "elder_in_household", "家有六十岁以上老人", "an elder in the household", d.Members(at_least=ELDER),
            ("家中没有六十岁以上老人", "no elder in the household")),
        has("C13", "police", "child_in_household", "家有未满十八岁子女", "a child in the household",
            d.Members(younger_than=ADULT), ("家中没有未满十八岁子女", "no child in the household")),
        has("C14", "disabled_federation", "disabled_in_household", "家有持证残疾人", "a disabled member", disabled,
            ("家中没有持证残疾人", "no disabled member")),
    ]  # fmt: skip


def _places() -> list[Indicator]:
    county = d.PeerMean(confirmed(365), COUNTY, leave_out=True, smooth=USUAL_HOUSEHOLDS)
    supplement = d.Test(d.Difference(d.AreaReading("cpi", 3), d.Given("cpi_supplement_index")), When(at_least=0.0))
    return [
        _place("C05", "county_onset_rate_12m", "全县近一年每千户确认困难户数", "confirmed hardship of 1,000 households of the county in a year",
               d.Product((d.Constant(1000.0), county)), "per_thousand"),
        _place("C06", "urban", "城镇家庭", "urban household", d.Attribute("residence", ("urban",)), "flag"),
        _place("C07", "region", "区域（1 珠三角，2 粤东，3 粤西，4 粤北）", "region (1 delta, 2 east, 3 west, 4 north)",
               d.AreaReading("region", 24), "class"),
        _place("C08", "line_level", "当地低保标准", "local assistance line", d.Line(), "money"),
        _place("C09", "price_supplement", "价格临时补贴启动", "price-linked supplement in force", supplement, "flag"),
    ]  # fmt: skip
