"""Income plunge: how much comes in, beside the peers, the line, and the household's own past."""

from __future__ import annotations

from features.indicators import definition as d
from features.indicators.definition import Expression, When
from features.indicators.drafts import by_id, draft, series
from features.indicators.indicator import Indicator

SOURCES = {
    "wage": ("工资收入", "wages"),
    "business": ("经营收入", "business income"),
    "farm": ("种养收入", "farm income"),
    "property": ("财产收入", "property income"),
    "pension": ("养老金", "pension"),
    "remittance": ("汇款收入", "remittances"),
    "transfer": ("转移收入", "transfers"),
}
SERIES = by_id(
    [
        series("income", "家庭总收入", "household income", "income", "amount", "sum", {"source": "total"}),
        *[
            series(f"income_{source}", zh, en, "income", "amount", "sum", {"source": source})
            for source, (zh, en) in SOURCES.items()
        ],
        series(
            "declared_income", "申报收入", "declared income", "reading", "value", "last", {"kind": "declared_income"}
        ),
        series("turnover", "申报经营额", "declared turnover", "reading", "value", "sum", {"kind": "declared_turnover"}),
        series("power", "用电量", "power use", "reading", "value", "sum", {"kind": "power_kwh"}),
        series(
            "contribution_base",
            "缴费基数",
            "contribution base",
            "reading",
            "value",
            "sum",
            {"kind": "contribution_base"},
        ),
        series("insured", "参保人数", "insured earners", "reading", "value", "count", {"kind": "contribution_base"}),
    ]
)
AREA = (d.Attribute("area"),)


def need() -> Expression:
    """What the household needs in a month: the local line for the first member, three quarters for each further one."""
    further = d.Difference(d.Members(), d.Constant(1.0))
    return d.Product((d.Line(), d.Sum((d.Constant(1.0), d.Product((d.Constant(0.75), further))))))


def indicators() -> list[Indicator]:
    """The family's generic indicators."""
    income = SERIES["income"]
    now, before = d.Last(income, 3), d.Last(income, 12, 3)
    found = [
        draft("income_now", ("近期家庭收入", "household income, newest"), "income", now, unit="money", direction=-1,
              up=("最近一期收入为{value}", "the newest income is {value}"),
              down=("最近一期收入为{value}", "the newest income is {value}"), changeable=True),
        draft("income_to_need", ("收入与需求之比", "income against need"), "income", d.ToLine(now, need()),
              unit="ratio", direction=-1,
              up=("收入只有基本需求的{value}倍", "income is {value} times the basic need"),
              down=("收入是基本需求的{value}倍", "income is {value} times the basic need"), changeable=True),
        draft("income_rank", ("收入在本地的位次", "place of income in the area"), "income", d.Rank(now, AREA),
              unit="share", direction=-1,
              up=("收入在本地排位靠后（{value}）", "income is low among local peers ({value})"),
              down=("收入在本地排位靠前（{value}）", "income is high among local peers ({value})")),
        draft("income_change", ("收入与自身平时之比", "income against the household's usual"), "income",
              d.ToUsual(income, 3, 12, "log_ratio", 2), unit="log_ratio", direction=-1,
              up=("近三期收入低于平时（平时{usual}）", "income of three periods is below the usual {usual}"),
              down=("近三期收入不低于平时（平时{usual}）", "income of three periods is not below the usual {usual}"),
              changeable=True),
        draft("income_step", ("收入的最新变化", "newest change of income"), "income", d.LogRatio(d.Last(income, 6), d.Previous(income, 6)),
              unit="log_ratio", direction=-1,
              up=("收入由{previous}变为{value}", "income went from {previous} to {value}"),
              down=("收入由{previous}变为{value}", "income went from {previous} to {value}")),
        draft("income_before", ("先前的收入", "income before"), "income", before, unit="money", direction=-1),
        draft("income_mean_year", ("一年平均收入", "mean income of a year"), "income", d.Mean(income, 12), unit="money", direction=-1),
        draft("income_slope", ("收入趋势", "trend of income"), "income", d.Slope(income, 12, 3), unit="money", direction=-1),
        draft("income_volatility", ("收入波动", "volatility of income"), "income", d.Volatility(income, 12, 3), unit="share", direction=1,
              up=("一年内收入起伏大（{value}）", "income varied much within a year ({value})"),
              down=("一年内收入平稳（{value}）", "income was steady within a year ({value})")),
        draft("income_months_low", ("低收入的期数", "periods of low income"), "income",
              d.Difference(d.Reported(income, 12), d.Count(income, When(above=0.0), 12)), unit="periods", direction=1,
              up=("一年中有{value}期没有收入", "{value} periods of a year without income"),
              down=("一年中有{value}期没有收入", "{value} periods of a year without income")),
    ]  # fmt: skip
    return found + _signals()


def _signals() -> list[Indicator]:
    """Signals that stand for income where income itself is seldom seen."""
    return [
        draft("declared_income_to_need", ("申报收入与需求之比", "declared income against need"), "income",
              d.ToLine(d.Last(SERIES["declared_income"], 12), need()), unit="ratio", direction=-1,
              up=("申报收入是基本需求的{value}倍（{date}申报）", "declared income is {value} times the need (declared {date})"),
              down=("申报收入是基本需求的{value}倍（{date}申报）", "declared income is {value} times the need (declared {date})")),
        draft("turnover_change", ("申报经营额变化", "change of declared turnover"), "income",
              d.ToUsual(SERIES["turnover"], 3, 9, "log_ratio"), unit="log_ratio", direction=-1),
        draft("power_change", ("用电活跃度变化", "change of power use"), "income",
              d.ToUsual(SERIES["power"], 3, 12, "log_ratio", 2), unit="log_ratio", direction=-1,
              up=("近三期用电低于平时（平时{usual}）", "power use of three periods is below the usual {usual}"),
              down=("近三期用电不低于平时（平时{usual}）", "power use of three periods is not below the usual {usual}")),
        draft("power_rank", ("用电量在本地的位次", "place of power use in the area"), "income",
              d.Rank(d.Mean(SERIES["power"], 3), AREA), unit="share", direction=-1),
        draft("insured_change", ("参保人数变化", "change of insured earners"), "income",
              d.Difference(d.Last(SERIES["insured"], 2), d.Last(SERIES["insured"], 4, 3)), unit="persons", direction=-1,
              up=("参保人数由{previous}变为{value}", "insured earners went from {previous} to {value}"),
              down=("参保人数没有减少", "the number of insured earners did not fall")),
        draft("contribution_base_change", ("缴费基数变化", "change of the contribution base"), "income",
              d.ToUsual(SERIES["contribution_base"], 2, 6, "log_ratio"), unit="log_ratio", direction=-1),
        draft("contribution_gap", ("社保断缴期数", "gap in contributions"), "income",
              d.Since(SERIES["contribution_base"], 6, When(above=0.0)), unit="periods", direction=1),
        draft("unemployed_since", ("失业登记距今天数", "days since registered as unemployed"), "income",
              d.Events("event", 183, (("kind", ("unemployment_registered",)),), what="since"), unit="days", direction=-1),
        draft("unemployment_benefit_ends", ("失业金即将到期", "unemployment benefit about to end"), "income",
              d.Events("event", 1, (("kind", ("unemployment_benefit_end",)),), 92, "any"), unit="flag", direction=1),
        draft("business_closed", ("经营主体注销", "business closed"), "income",
              d.Events("event", 365, (("kind", ("business_closed",)),), what="any"), unit="flag", direction=1),
        draft("farm_loss", ("农业中断或受灾", "farm stopped or lost"), "income",
              d.Events("event", 365, (("kind", ("disaster_loss", "farm_stopped")),), what="count"), unit="events", direction=1),
        draft("migrant_returned", ("务工返乡", "migrant returned"), "income",
              d.Events("event", 92, (("kind", ("migrant_returned",)),), what="any"), unit="flag", direction=1),
        draft("pension_stopped", ("养老金或补贴停发", "pension or allowance stopped"), "income",
              d.Events("event", 92, (("kind", ("pension_stopped",)),), what="any"), unit="flag", direction=1),
    ]  # fmt: skip
