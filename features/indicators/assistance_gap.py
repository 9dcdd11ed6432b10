"""Assistance gap: help that is due and not given, late, or about to end."""

from __future__ import annotations

from features.indicators import definition as d
from features.indicators.definition import Expression, When
from features.indicators.drafts import (
    at_least_zero,
    both,
    by_id,
    coded,
    has_status,
    helped,
    known_or,
    none_of,
    series,
)
from features.indicators.income import to_need
from features.indicators.indicator import Indicator
from features.indicators.population import GRADES

SERIES = by_id(
    [series("medical_insured", "医保参保人数", "insured for illness", "reading", "value", "sum", {"kind": "medical_insured"})]
)  # fmt: skip
GIVEN = ("granted", "paid")
AT_SCHOOL = ("college", "compulsory", "kindergarten", "senior")
ALLOWANCES = ("disability_care", "disability_living")
MONTH_DAYS = 365.25 / 12


def indicators() -> list[Indicator]:
    """The family's generic indicators."""
    return [*_coverage(), *_entitlements(), *_status(), *_chain()]


def _coverage() -> list[Indicator]:
    below = d.Test(d.Difference(to_need(), d.Line("edge_multiplier")), When(below=0.0))
    unaided = d.Events(
        "expense", 183, (("covered_assistance", (0,)), ("kind", ("medical",))), what="total", measure="amount"
    )
    uninsured = at_least_zero(d.Difference(d.Members(), d.Last(SERIES["medical_insured"], 12)))
    return [
        coded("G01", "civil_affairs", "eligible_not_covered", ("应纳未纳", "maybe eligible, not covered"),
              both(below, none_of(has_status())), "flag", 1, changeable=True,
              up=("核对收入低于低保边缘线而未纳入救助", "verified income is below the edge of the allowance, and no class is held"),
              down=("未发现应纳未纳", "no sign of being eligible and not covered")),
        coded("G02", "medical_security", "medical_aid_unused_6m", ("医疗救助未享受", "medical aid not used"),
              d.Product((has_status(), known_or(unaided))), "money", 1, changeable=True,
              up=("近半年有{value}自付未享受医疗救助", "{value} of own payments in half a year had no medical aid"),
              down=("近半年医疗救助已享受或无需享受", "medical aid was used or not needed in half a year")),
        coded("G03", "medical_security", "insurance_subsidy_missing", ("资助参保缺失", "contribution subsidy missing"),
              d.Product((has_status(), uninsured)), "persons", 1, changeable=True,
              up=("可享受资助参保，仍有{value}未参保", "entitled to subsidised insurance, and {value} not insured"),
              down=("家庭成员已参保或不在资助范围", "members are insured or not entitled to the subsidy")),
    ]  # fmt: skip


def _entitlements() -> list[Indicator]:
    pupils = d.Test(d.Members((("education_stage", AT_SCHOOL),)), When(at_least=1.0))
    no_aid = none_of(helped(183, "education", actions=GIVEN))
    paid = helped(92, *ALLOWANCES, actions=("paid",), total=True)
    short = at_least_zero(d.Difference(d.Product((d.Constant(3.0), _entitled())), known_or(paid)))
    return [
        coded("G04", "education", "student_aid_missing", ("教育资助缺失", "student aid missing"),
              both(has_status(), pupils, no_aid), "flag", 1, changeable=True,
              up=("有在校学生且符合条件，近半年未见教育资助", "a pupil is eligible, and no student aid is on record for half a year"),
              down=("教育资助已落实或不在范围", "student aid was given or is not due")),
        coded("G05", "disabled_federation civil_affairs", "disability_allowances_missing", ("两项补贴缺失", "disability allowances missing"),
              short, "money", 1, changeable=True, basis="国发〔2015〕52号 困难残疾人生活补贴和重度残疾人护理补贴",
              up=("近三个月残疾人两项补贴少发{value}", "{value} of disability allowances are missing for three months"),
              down=("残疾人两项补贴已发放或不在范围", "disability allowances were paid or are not due")),
    ]  # fmt: skip


def _entitled() -> Expression:
    """Disability allowances of a month: living for each disabled member of a listed household, care for severe grades."""
    living, care = d.Schedule("disability_living"), d.Schedule("disability_care")
    disabled = d.Members((("disability_grade", GRADES),))
    severe = d.Sum(
        tuple(
            d.Product(
                (
                    d.Members((("disability_grade", (grade,)),)),
                    # the milder the grade, the higher its number: entitled up to the grade that the project states
                    d.Test(d.Difference(d.Given("care_allowance_grade"), d.Constant(float(grade))), When(at_least=0.0)),
                )
            )
            for grade in GRADES
        )
    )
    return d.Sum((d.Product((has_status(), disabled, living)), d.Product((severe, care))))


def _status() -> list[Indicator]:
    stated = d.Holding("category", what="left", end="expires_on")
    held = d.Holding("category", (("category", ("rigid_expenditure",)),), what="held")
    left = d.FirstOf((stated, d.Difference(d.Given("rigid_status_days"), held)))
    lapsing = d.Test(d.Difference(left, d.Given("status_lapse_days")), When(at_most=0.0))
    recent = at_least_zero(
        d.Difference(d.Constant(1.0), d.Ratio(d.Holding("category", what="ended"), d.Constant(365.0)))
    )
    since = d.Ratio(d.Holding("category", what="ended"), d.Constant(MONTH_DAYS))
    below = at_least_zero(d.Difference(d.Line("edge_multiplier"), to_need()))
    fallen = d.Where(
        both(d.Test(known_or(recent), When(above=0.0)), none_of(has_status())),
        d.Product((recent, below)),
        d.Constant(0.0),
    )
    return [
        coded("G06", "civil_affairs", "status_lapsing", ("到期未复核", "status lapsing"), both(known_or(lapsing), has_status()), "flag", 1,
              changeable=True, up=("救助资格即将到期，尚未复核", "a status is about to lapse without a review"),
              down=("没有即将到期的救助资格", "no status is about to lapse")),
        coded("G07", "civil_affairs", "months_since_assistance", ("退出救助月数", "months since assistance"),
              d.Where(has_status(), d.Constant(0.0), since), "months", 0,
              up=("{value}前退出救助 | 正在享受救助", "assistance ended {value} ago | assistance goes on"),
              down=("{value}前退出救助 | 正在享受救助", "assistance ended {value} ago | assistance goes on")),
        coded("G07", "civil_affairs", "exit_then_fall", ("退出后回落", "exit, then fall"), fallen, "points", 1,
              up=("一年内退出救助后收入又低于低保边缘线", "income is below the edge of the allowance within a year of leaving"),
              down=("近一年没有退出后回落", "no fall after leaving assistance within a year")),
    ]  # fmt: skip


def _chain() -> list[Indicator]:
    overdue = d.Holding("referral", what="longest", start="due_on", end="answered_on")
    confirmed = d.Events("outcome", 365, (("kind", ("hardship",)),), what="any", date="finding_date")
    no_help = none_of(helped(365, actions=GIVEN))
    return [
        coded("G08", "all", "referral_overdue_days", ("转办超期未反馈", "referral overdue"), known_or(overdue), "days", 1,
              changeable=True, up=("转办事项超期{value}未反馈", "a referral is {value} past its deadline without an answer"),
              down=("没有超期的转办事项", "no referral is overdue")),
        coded("G09", "all", "assistance_chain_empty", ("救助链空白", "empty assistance chain"), both(confirmed, no_help), "flag", 1,
              changeable=True, up=("近一年已确认困难，尚无任何救助记录", "hardship was confirmed within a year, and no help is on record"),
              down=("救助链完整或近一年未确认困难", "help is on record, or no hardship was confirmed")),
    ]  # fmt: skip
