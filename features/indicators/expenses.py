"""Expenditure surge: what a household has to pay, beside its need, its own past, and the lines that policy draws."""

from __future__ import annotations

from functools import partial
from typing import Literal

from features.indicators import definition as d
from features.indicators.definition import Expression, When
from features.indicators.drafts import (
    at_least_zero,
    both,
    by_id,
    coded,
    happened,
    has_status,
    helped,
    known_or,
    none_of,
    series,
    zero_where_reported,
)
from features.indicators.income import need, verified_income
from features.indicators.indicator import Indicator

SERIES = by_id(
    [
        series("medical_bills", "医疗自付", "own medical payment", "expense", "amount", "sum", {"kind": "medical"}),
        series(
            "rehabilitation_bills", "康复自付", "rehabilitation cost", "expense", "amount", "sum", {"kind": "rehabilitation"}
        ),
    ]
)  # fmt: skip
PLACE = (d.Attribute("area:visits"),)
STAGES = ("college", "compulsory", "kindergarten", "senior")
MONTHS = {1: 31, 3: 92, 6: 183, 12: 365}
"""Days of windows that people speak of in months."""
SPANS = {
    1: ("近一个月", "a month"),
    3: ("近三个月", "three months"),
    6: ("近半年", "half a year"),
    12: ("近一年", "a year"),
}


def bills(days: int, what: Literal["total", "largest"] = "total", **where: str) -> Expression:
    """Own medical payments of so many days, in smallest units; zero where the feed reports, and not this household."""
    told = tuple(sorted({"kind": ("medical",), **{column: (word,) for column, word in where.items()}}.items()))
    found = d.Events("expense", days, told, what=what, measure="amount")
    return zero_where_reported(found, SERIES["medical_bills"], PLACE)


def rehabilitation(days: int) -> Expression:
    """Own part of rehabilitation bills; zero where the feed reports anybody."""
    found = d.Events("expense", days, (("kind", ("rehabilitation",)),), what="total", measure="amount")
    return zero_where_reported(found, SERIES["rehabilitation_bills"])


def school_cost(terms: Expression) -> Expression:
    """Fees of the members at school, by stage as the schedule has them, for so many terms. A stage without fee is free."""
    fees = [
        d.Product((d.Members((("education_stage", (stage,)),)), d.Schedule("school_fee", stage))) for stage in STAGES
    ]
    return d.Product((d.Sum(tuple(fees), least=1), terms))


def terms(days: int, ahead: int) -> d.Schedule:
    """How many school terms begin in these days, as published."""
    return d.Schedule("school_term", what="count", days=days, ahead=ahead)


def months_of_need(months: float) -> Expression:
    """What the household needs in so many months."""
    return d.Product((need(), d.Constant(float(months))))


def indicators() -> list[Indicator]:
    """The family's generic indicators."""
    return [*_medical(), *_surge(), *_treatment(), *_school(), *_further()]


def _medical() -> list[Indicator]:
    made = [
        coded("E01", "medical_security", f"own_payment_{months}m", (f"{zh}医疗自付", f"own medical payment of {en}"), bills(MONTHS[months]),
              "money", 1, changeable=True, up=(f"{zh}医疗自付{{value}}", f"own medical payments of {en} are {{value}}"),
              down=(f"{zh}医疗自付只有{{value}}", f"own medical payments of {en} are only {{value}}"))
        for months, (zh, en) in SPANS.items()
    ]  # fmt: skip
    made += [
        coded("E02", "medical_security civil_affairs", f"own_payment_to_need_{months}m",
              (f"{zh}自付与基本需求之比", f"own payment against need, {en}"), d.Ratio(bills(MONTHS[months]), months_of_need(months)),
              "ratio", 1, changeable=True,
              up=(f"{zh}医疗自付是同期基本需求的{{value}}倍", f"own medical payments are {{value}} times the need of {en}"),
              down=(f"{zh}医疗自付只有同期基本需求的{{value}}倍", f"own medical payments are only {{value}} times the need of {en}"))
        for months, (zh, en) in SPANS.items() if months in (3, 12)
    ]  # fmt: skip
    return made


def _surge() -> list[Indicator]:
    recent, whole = bills(92), bills(457)
    usual = d.Ratio(d.Difference(whole, recent), d.Constant(12.0))
    floor = d.Product((need(), d.Constant(0.05)))  # keeps a household that never had a bill from an endless ratio
    year, class_held = bills(365), has_status()
    low = d.Test(d.Difference(year, d.Schedule("medical_trigger_low_income")), When(above=0.0))
    others = d.Test(d.Difference(year, d.Schedule("medical_trigger")), When(above=0.0))
    make = partial(coded, bodies="medical_security")
    return [
        make("E03", identifier="own_payment_surge", name=("医疗支出突增倍数", "surge of medical costs"),
             definition=d.Ratio(d.Ratio(recent, d.Constant(3.0)), d.Sum((usual, floor))), unit="ratio", direction=1,
             up=("近三个月月均医疗自付是此前一年月均的{value}倍", "own medical payments of three months are {value} times those of the year before"),
             down=("近三个月医疗自付没有突增（{value}倍）", "own medical payments did not surge ({value} times)")),
        make("E04", identifier="high_payment_low_income", name=("低收入高额自付触发", "high own payment, low income"),
             definition=both(low, class_held), unit="flag", direction=1,
             up=("低收入家庭近一年医疗自付超过预警线", "own medical payments of a year exceed the line for low-income people"),
             down=("近一年医疗自付未超过低收入家庭预警线", "own medical payments do not exceed the line for low-income people")),
        make("E05", identifier="high_payment_others", name=("一般户高额自付触发", "high own payment, others"),
             definition=both(others, none_of(class_held)), unit="flag", direction=1,
             up=("近一年医疗自付超过一般家庭预警线", "own medical payments of a year exceed the general line"),
             down=("近一年医疗自付未超过一般家庭预警线", "own medical payments do not exceed the general line")),
    ]  # fmt: skip


def _treatment() -> list[Indicator]:
    elsewhere = d.Events(
        "expense", 183, (("kind", ("medical",)), ("place", ("elsewhere",))), what="total", measure="amount"
    )
    half_year = d.Events("expense", 183, (("kind", ("medical",)),), what="total", measure="amount")
    in_treatment = happened(92, "outpatient_special", "serious_illness")
    made = [
        coded("E06", "medical_security health", f"admissions_{months}m",
              (f"{zh}住院次数", f"hospital admissions of {en}"), happened(MONTHS[months], "hospital_admission", what="count"),
              "events", 1, up=(f"{zh}住院{{value}}", f"admitted to hospital {{value}} in {en}"),
              down=(f"{zh}住院{{value}}", f"admitted to hospital {{value}} in {en}"))
        for months, (zh, en) in SPANS.items() if months in (3, 12)
    ]  # fmt: skip
    made += [
        coded("E07", "medical_security", "largest_bill_12m", ("单次最高自付", "largest single bill"), bills(365, "largest"),
              "money", 1, up=("近一年单次最高医疗自付{value}", "the largest single own payment of a year is {value}"),
              down=("近一年单次最高医疗自付只有{value}", "the largest single own payment of a year is only {value}")),
        coded("E08", "medical_security health", "serious_illness_in_treatment",
              ("大病或门特在治", "serious illness in treatment"), in_treatment, "flag", 1,
              up=("近三个月有大病或门诊特定病种治疗", "a serious illness is in treatment"),
              down=("近三个月没有大病治疗记录", "no serious illness in treatment on record")),
        coded("E09", "medical_security", "payment_elsewhere_share", ("异地就医自付占比", "share of payments far from home"),
              d.Ratio(known_or(elsewhere), half_year), "share", 1,
              up=("近半年医疗自付的{value}在异地", "{value} of own medical payments of half a year were far from home"),
              down=("近半年医疗自付的{value}在异地", "{value} of own medical payments of half a year were far from home")),
        coded("E10", "health", "emergency_medical_aid", ("疾病应急救助记录", "emergency medical aid used"),
              helped(365, "emergency_medical", actions=("granted",)), "events", 1,
              up=("近一年使用疾病应急救助{value}", "emergency medical aid used {value} in a year"),
              down=("近一年未使用疾病应急救助", "no emergency medical aid used in a year")),
    ]  # fmt: skip
    return made


def _school() -> list[Indicator]:
    entered = d.Events("event", 183, (("detail", ("college", "senior")), ("kind", ("school_entry",))))
    return [
        coded("E11", "education", "school_cost_to_need_3m", ("教育支出压力", "school cost pressure"),
              d.Ratio(school_cost(terms(1, 92)), need()), "ratio", 1,
              up=("未来三个月预计学费是月基本需求的{value}倍", "school fees expected in three months are {value} times a month's need"),
              down=("未来三个月预计学费为月基本需求的{value}倍", "school fees expected in three months are only {value} times a month's need"),
              changeable=True),
        coded("E12", "education", "higher_school_entries_6m", ("新入高阶段就学", "new high-school or college entry"), entered,
              "persons", 1, up=("近半年有{value}升入高中或大学", "{value} entered high school or college in half a year"),
              down=("近半年无人升入高中或大学", "nobody entered high school or college in half a year")),
    ]  # fmt: skip


def _further() -> list[Indicator]:
    damage = happened(183, "dwelling_damaged", what="total", measure="amount")
    subsidy = helped(183, "dangerous_housing", "disaster", actions=("granted",), total=True)
    repair = at_least_zero(d.Difference(known_or(damage), known_or(subsidy)))
    # a year's fees are those of the terms that began in it
    rigid = d.Sum(
        (
            months_of_need(12.0),
            bills(365),
            known_or(school_cost(terms(366, 0))),
            known_or(rehabilitation(365)),
        )
    )
    share = d.Ratio(rigid, d.Product((verified_income(), d.Constant(12.0))))
    return [
        coded("E13", "disabled_federation", "rehabilitation_12m", ("残疾康复支出", "rehabilitation cost"), rehabilitation(365),
              "money", 1, up=("近一年康复自付{value}", "own part of rehabilitation bills of a year is {value}"),
              down=("近一年康复自付{value}", "own part of rehabilitation bills of a year is only {value}"), changeable=True),
        coded("E14", "housing emergency", "repair_cost_6m", ("住房修缮或重建支出", "repair or rebuilding"), repair, "money", 1,
              up=("近半年房屋受损，扣除补助后需{value}", "the dwelling was damaged; {value} remain after subsidies"),
              down=("近半年没有未补助的修缮支出", "no cost of repair beyond subsidies in half a year"), changeable=True),
        coded("E15", "civil_affairs", "rigid_share", ("刚性支出占比", "rigid-expenditure share"),
              d.Ratio(share, d.Line("rigid_share")), "ratio", 1,
              up=("近一年刚性支出占收入的比重是当地认定线的{value}倍", "rigid spending over income is {value} times the local line"),
              down=("近一年刚性支出占比为当地认定线的{value}倍", "rigid spending over income is {value} times the local line"),
              changeable=True),
        coded("E16", "civil_affairs", "funeral_3m", ("丧葬支出", "funeral cost"),
              d.Events("expense", 92, (("kind", ("funeral",)),), what="any"), "flag", 1,
              up=("近三个月有丧葬支出", "a funeral had to be paid in three months"),
              down=("近三个月没有丧葬支出", "no funeral in three months")),
        coded("U01", "power_company", "utility_arrears_6m", ("水电欠费", "utility arrears"),
              happened(183, "utility_arrears", what="count"), "events", 1,
              up=("近半年水电欠费{value}", "utility bills in arrears {value} in half a year"),
              down=("近半年没有水电欠费", "no utility bills in arrears in half a year")),
    ]  # fmt: skip
