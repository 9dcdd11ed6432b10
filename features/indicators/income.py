"""Income plunge: how much comes in, beside the peers, the line, and the household's own past."""

from __future__ import annotations

from features.indicators import definition as d
from features.indicators.definition import Expression, When
from features.indicators.drafts import (
    VERIFICATION,
    at_least_zero,
    by_id,
    coded,
    draft,
    happened,
    helped,
    known_or,
    series,
)
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
        series(
            "pension_insured",
            "养老参保人数",
            "insured for pension",
            "reading",
            "value",
            "sum",
            {"kind": "pension_insured"},
        ),
        series("farm_area", "耕种面积", "farmed area", "reading", "value", "sum", {"kind": "farm_area"}),
    ]
)
AREA = (d.Attribute("area"),)
NEIGHBOURS = (d.Attribute("area:visits"),)
FRESH = 24
"""Months for which a verified income is still a value: verifications are repeated within two years."""


def need() -> Expression:
    """What the household needs in a month: the local line for the first member, three quarters for each further one."""
    further = d.Difference(d.Members(), d.Constant(1.0))
    return d.Product((d.Line(), d.Sum((d.Constant(1.0), d.Product((d.Constant(0.75), further))))))


def verified_income() -> Expression:
    """The household's income of a month, in smallest units, as last verified; readings are in whole units."""
    return d.Product((d.Last(SERIES["declared_income"], FRESH), d.Given("minor_units")))


def to_need() -> Expression:
    """Verified income against the need: 1 is at the line."""
    return d.Ratio(verified_income(), need())


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
              up=("近三期收入是平时的{value}", "income of three periods is {value} the usual"),
              down=("近三期收入是平时的{value}", "income of three periods is {value} the usual"),
              changeable=True),
        draft("income_step", ("收入的最新变化", "newest change of income"), "income", d.LogRatio(d.Last(income, 6), d.Previous(income, 6)),
              unit="log_ratio", direction=-1,
              up=("最近一期收入是上一期的{value}", "the newest income is {value} the one before"),
              down=("最近一期收入是上一期的{value}", "the newest income is {value} the one before")),
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
    return [*found, *_signals(), *_work(), *_business(), *_payments()]


def _signals() -> list[Indicator]:
    """Signals that stand for income where income itself is seldom seen."""
    return [
        draft("declared_income_to_need", ("申报收入与需求之比", "declared income against need"), "income",
              d.ToLine(d.Last(SERIES["declared_income"], 12), need()), unit="ratio", direction=-1,
              up=("申报收入是基本需求的{value}倍（{date}申报）", "declared income is {value} times the need (declared {date})"),
              down=("申报收入是基本需求的{value}倍（{date}申报）", "declared income is {value} times the need (declared {date})")),
        draft("turnover_change", ("申报经营额变化", "change of declared turnover"), "income",
              d.ToUsual(SERIES["turnover"], 3, 9, "log_ratio"), unit="log_ratio", direction=-1, code="I08", bodies="tax"),
        draft("power_change", ("用电活跃度变化", "change of power use"), "income",
              d.ToUsual(SERIES["power"], 3, 12, "log_ratio", 2), unit="log_ratio", direction=-1,
              up=("近三期用电是平时的{value}", "power use of three periods is {value} the usual"),
              down=("近三期用电是平时的{value}", "power use of three periods is {value} the usual"), code="I14", bodies="power_company"),
        draft("power_rank", ("用电量在本地的位次", "place of power use in the area"), "income",
              d.Rank(d.Mean(SERIES["power"], 3), AREA), unit="share", direction=-1),
        draft("insured_change", ("参保人数变化", "change of insured earners"), "income",
              d.Difference(d.Last(SERIES["insured"], 2), d.Last(SERIES["insured"], 4, 3)), unit="persons", direction=-1,
              up=("参保人数由{previous}变为{value}", "insured earners went from {previous} to {value}"),
              down=("参保人数没有减少", "the number of insured earners did not fall"), code="I01", bodies="human_resources"),
        draft("contribution_base_change", ("缴费基数变化", "change of the contribution base"), "income",
              d.ToUsual(SERIES["contribution_base"], 2, 6, "log_ratio"), unit="log_ratio", direction=-1, code="I03", bodies="human_resources"),
        draft("contribution_gap", ("社保断缴期数", "gap in contributions"), "income",
              d.Since(SERIES["contribution_base"], 6, When(above=0.0)), unit="periods", direction=1, code="I02", bodies="human_resources"),
        draft("unemployed_since", ("失业登记距今天数", "days since registered as unemployed"), "income",
              d.Events("event", 183, (("kind", ("unemployment_registered",)),), what="since"), unit="days", direction=-1),
        draft("unemployment_benefit_ends", ("失业金即将到期", "unemployment benefit about to end"), "income",
              d.Events("event", 1, (("kind", ("unemployment_benefit_end",)),), 92, "any"), unit="flag", direction=1, code="I05", bodies="human_resources"),
        draft("business_closed", ("经营主体注销", "business closed"), "income",
              d.Events("event", 365, (("kind", ("business_closed",)),), what="any"), unit="flag", direction=1, code="I07", bodies="market tax"),
        draft("farm_loss", ("农业中断或受灾", "farm stopped or lost"), "income",
              d.Events("event", 365, (("kind", ("disaster_loss", "farm_stopped")),), what="count"), unit="events", direction=1),
        draft("migrant_returned", ("务工返乡", "migrant returned"), "income",
              d.Events("event", 92, (("kind", ("migrant_returned",)),), what="any"), unit="flag", direction=1),
        draft("pension_stopped", ("养老金或补贴停发", "pension or allowance stopped"), "income",
              d.Events("event", 92, (("kind", ("pension_stopped",)),), what="any"), unit="flag", direction=1, code="I13", bodies="human_resources civil_affairs disabled_federation"),
    ]  # fmt: skip


def _work() -> list[Indicator]:
    insured, base = SERIES["pension_insured"], SERIES["contribution_base"]
    unpaid = d.Count(insured, When(equals=0.0), 6)
    paid_before = d.Test(d.Count(insured, When(above=0.0), 12), When(at_least=3.0))
    left, staff = (
        d.Events("employer_month", 92, what="total", measure=measure, date="period_end", through="employer_id")
        for measure in ("left", "insured")
    )
    made = [
        coded("I01", "human_resources", f"insured_change_{months}m",
              (f"{zh}参保人数变化", f"change of insured earners in {en}"),
              d.Difference(d.Last(insured, 2), d.Last(insured, 2, months)), "persons", -1,
              up=(f"{zh}参保人数变化{{value}}", f"the number of insured earners changed by {{value}} in {en}"),
              down=(f"{zh}参保人数没有减少", f"the number of insured earners did not fall in {en}"))
        for months, zh, en in ((3, "近三个月", "three months"), (6, "近半年", "half a year"))
    ]  # fmt: skip
    made += [
        coded("I02", "human_resources", "contribution_gap_months", ("社保断缴月数", "months without contributions"),
              d.Where(paid_before, unpaid, d.Constant(0.0)), "months", 1,
              up=("近半年社保断缴{value}", "no contributions were paid for {value} of half a year"),
              down=("近半年社保断缴{value}", "no contributions were paid for only {value} of half a year")),
        coded("I03", "human_resources", "contribution_base_change_6m", ("半年缴费基数变化", "change of the contribution base, 6 months"),
              d.ToUsual(base, 6, 6, "log_ratio", 2), "log_ratio", -1,
              up=("近半年缴费基数是此前半年的{value}", "the contribution base of half a year is {value} the one before"),
              down=("近半年缴费基数是此前半年的{value}", "the contribution base of half a year is {value} the one before")),
        coded("I04", "human_resources", "unemployment_registered_6m", ("失业登记", "unemployment registered"),
              happened(183, "unemployment_registered"), "flag", 1,
              up=("近半年有人失业登记", "a member registered as unemployed in half a year"),
              down=("近半年无人失业登记", "nobody registered as unemployed in half a year")),
        coded("I06", "human_resources market", "coworkers_leaving", ("就业单位集中停工", "mass stop at the employer"),
              d.Ratio(left, staff), "share", 1,
              up=("近三个月就业单位平均每月有{value}职工离开", "{value} of the employers' staff left in an average month of three"),
              down=("近三个月就业单位平均每月有{value}职工离开", "only {value} of the employers' staff left in an average month of three")),
    ]  # fmt: skip
    return made


def _business() -> list[Indicator]:
    income, area, power = SERIES["income_farm"], SERIES["farm_area"], SERIES["power"]
    idle = d.Product((d.Test(d.Last(area, 12), When(equals=0.0)), d.Test(d.Maximum(area, 12, 12), When(above=0.0))))
    loss = d.Events(
        "event", 183, (("detail", ("crop", "stock")), ("kind", ("disaster_loss",))), what="total", measure="amount"
    )
    earned = d.FirstOf((d.Total(income, 12), d.Product((need(), d.Constant(12.0)))))
    year_on_year = d.LogRatio(d.Mean(power, 3, least=2), d.Mean(power, 3, 12, least=2))
    return [
        coded("I09", "civil_affairs verification", "verified_income_to_need", ("核对收入对需求比", "verified income against need"),
              to_need(), "ratio", -1, basis=VERIFICATION, changeable=True,
              up=("最近一次核对（{date}），月收入只有基本需求的{value}倍", "at the last verification ({date}), income was only {value} times the need"),
              down=("最近一次核对（{date}），月收入是基本需求的{value}倍", "at the last verification ({date}), income was {value} times the need")),
        coded("I09", "civil_affairs verification", "verified_income_usual", ("历次核对收入对需求比", "verified income of all verifications against need"),
              d.Ratio(d.Product((d.Mean(SERIES["declared_income"], FRESH), d.Given("minor_units"))), need()), "ratio", -1, basis=VERIFICATION,
              up=("近两年历次核对，月收入平均只有基本需求的{value}倍", "over the verifications of two years, income was only {value} times the need"),
              down=("近两年历次核对，月收入平均是基本需求的{value}倍", "over the verifications of two years, income was {value} times the need")),
        coded("I09", "civil_affairs verification", "verified_income_age", ("核对距今月数", "months since the last verification"),
              d.Since(SERIES["declared_income"], FRESH), "months", 0, basis=VERIFICATION,
              up=("最近一次核对在{value}前", "last verified {value} ago"), down=("最近一次核对在{value}前", "last verified {value} ago")),
        coded("I10", "agriculture villages police", "migrant_returned_unseasonal", ("务工返乡（非季节）", "unexpected return of a migrant"),
              d.Events("event", 92, (("kind", ("migrant_returned",)),), what="any", except_months=(1, 2)), "flag", 1,
              up=("近三个月有人在春节以外返乡", "a migrant worker came home outside the Spring Festival season"),
              down=("近三个月没有非季节性返乡", "no unexpected return of a migrant worker")),
        coded("I11", "agriculture", "farm_stopped_12m", ("土地流转或种养中断", "farm activity stopped"),
              d.Highest((happened(365, "farm_stopped"), known_or(idle))), "flag", 1,
              up=("近一年种养中断", "farming stopped in a year"), down=("近一年种养没有中断", "farming did not stop in a year")),
        coded("I12", "emergency agriculture", "farm_loss_to_income", ("农业受灾", "crop or stock loss"),
              d.Where(d.Test(known_or(loss), When(above=0.0)), d.Ratio(loss, earned), d.Constant(0.0)), "ratio", 1,
              up=("近半年种养受灾损失是全年种养收入的{value}倍", "losses of crops or stock are {value} times a year's farm income"),
              down=("近半年种养受灾损失为全年种养收入的{value}倍", "losses of crops or stock are {value} times a year's farm income")),
        coded("I14", "power_company", "power_by_size", ("按人口折算的用电量", "power use for a household of its size"),
              d.Ratio(d.Mean(power, 12, least=3), d.Root(d.Members())), "kwh", -1, family="vulnerability",
              up=("近一年用电量按人口折算每月{value}", "power use of a month, by household size, was {value} in a year"),
              down=("近一年用电量按人口折算每月{value}", "power use of a month, by household size, was {value} in a year")),
        coded("I14", "power_company", "power_change_year", ("用电同比（扣除当地平均）", "power use against last year, less the neighbours'"),
              d.Difference(year_on_year, d.PeerMean(year_on_year, NEIGHBOURS)), "log_ratio", -1,
              up=("近三个月用电同比为当地平均的{value}", "power use against last year is {value} the neighbours'"),
              down=("近三个月用电同比为当地平均的{value}", "power use against last year is {value} the neighbours'")),
    ]  # fmt: skip


def _payments() -> list[Indicator]:
    pension = SERIES["income_pension"]
    fallen = at_least_zero(d.Difference(d.Mean(pension, 6, 3), d.Mean(pension, 3)))
    due, paid = (helped(92, actions=(action,), total=True) for action in ("due", "paid"))
    return [
        coded("I13", "human_resources civil_affairs disabled_federation", "pension_fall_to_need",
              ("养老金减少与需求之比", "fall of pensions against need"), d.Ratio(fallen, need()), "ratio", 1,
              up=("近三个月养老金每月减少额是基本需求的{value}倍", "pensions of a month fell by {value} times the need"),
              down=("近三个月养老金没有减少", "pensions did not fall in three months")),
        coded("I13", "human_resources civil_affairs disabled_federation", "payments_short_3m",
              ("应发未发金额", "payments due and not made"), at_least_zero(d.Difference(known_or(due), known_or(paid))), "money", 1,
              up=("近三个月应发未发{value}", "{value} were due in three months and not paid"),
              down=("近三个月没有应发未发", "nothing due in three months was left unpaid"), changeable=True),
    ]  # fmt: skip
