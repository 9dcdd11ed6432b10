"""Data quality: whether what is known about a household is whole, recent, and free of contradictions."""

from __future__ import annotations

from features.indicators import definition as d
from features.indicators.definition import Expression, Series
from features.indicators.drafts import at_least_zero, coded, happened
from features.indicators.expenses import SERIES as EXPENSES
from features.indicators.income import SERIES as INCOME
from features.indicators.indicator import Indicator

SERIES: dict[str, Series] = {}
TEN_YEARS = 3653
REGISTERS = {"population": ("人口登记", "members", "member"), "assistance": ("救助", "assistance", "assistance")}
SIGNALS: dict[str, tuple[str, str, tuple[Expression, ...]]] = {
    "expense": ("医疗支出", "medical expenses", (EXPENSES["medical_bills"],)),
    "income": (
        "收入信号",
        "income signals",
        tuple(INCOME[name] for name in ("pension_insured", "declared_income", "turnover", "power")),
    ),
}


def indicators() -> list[Indicator]:
    """The family's generic indicators."""
    return [_missing(), *_stale(), *_contradictions()]


def _missing() -> Indicator:
    return coded("Q01", "all", "feeds_behind", ("部门数据缺报", "feeds missing"), d.Given("feeds_behind", "delivery"), "feeds", 0,
                 up=("当地有{value}个部门数据缺报或迟报", "{value} feeds are late or absent in the area"),
                 down=("当地部门数据基本齐全（缺报{value}）", "feeds of the area have arrived ({value} missing)"))  # fmt: skip


def _stale() -> list[Indicator]:
    """By what should have arrived for signals that come every period, by the newest record for registers."""
    found = [
        coded("Q02", "all", f"information_age_{family}", (f"{zh}信息滞后月数", f"months without news of {en}"),
              _least(tuple(d.Late(one, 24) for one in signals)), "months", 1,
              up=(f"{zh}信息比应报月份晚{{value}}", f"the newest news of {en} is {{value}} behind what was due"),
              down=(f"{zh}信息比应报月份晚{{value}}", f"the newest news of {en} is {{value}} behind what was due"))
        for family, (zh, en, signals) in SIGNALS.items()
    ]  # fmt: skip
    return found + [
        coded("Q02", "all", f"information_age_{family}", (f"{zh}信息距今天数", f"days without news of {en}"),
              d.Events(table, TEN_YEARS, what="since", date="knowledge_date"), "days", 1,
              up=(f"最近一条{zh}信息在{{value}}前", f"the newest record about {en} arrived {{value}} ago"),
              down=(f"最近一条{zh}信息在{{value}}前", f"the newest record about {en} arrived {{value}} ago"))
        for family, (zh, en, table) in REGISTERS.items()
    ]  # fmt: skip


def _least(terms: tuple[Expression, ...]) -> Expression:
    return terms[0] if len(terms) == 1 else d.Lowest(terms)


def _dead_and_listed() -> Expression:
    """Deaths of a year that the household's membership does not show."""
    struck_off = d.Events("member", 365, (("leave_reason", ("death",)),), date="valid_to")
    return at_least_zero(d.Difference(happened(365, "death", what="count"), struck_off))


def _contradictions() -> list[Indicator]:
    refuted = d.Events("outcome", 183, (("validity_code", ("V4",)),), what="any", date="finding_date")
    said = d.Events("event", 183, (("detail", ("contradicts_data",)), ("kind", ("visit_finding",))), what="any")
    return [
        coded("Q03", "police civil_affairs", "member_conflicts", ("身份或户成员冲突", "identity or member conflict"),
              d.Sum((d.Members(elsewhere=True), _dead_and_listed())), "persons", 0,
              up=("有{value}同时在另一户登记或已故未销", "{value} also listed in another household, or dead and still listed"),
              down=("成员登记没有冲突", "no conflict about who belongs to the household")),
        coded("Q04", "all", "data_issues_3m", ("字段越界或单位错误", "range or unit error"),
              happened(92, "data_issue", what="count"), "events", 0,
              up=("近三个月有{value}数据问题", "data about the household were found wrong {value} in three months"),
              down=("近三个月没有数据问题", "no data about the household were found wrong in three months")),
        coded("Q05", "villages", "visit_contradicts_data", ("走访与数据矛盾", "visit contradicts data"),
              d.Highest((refuted, said)), "flag", 0,
              up=("近半年走访结果与部门数据不符", "a visit within half a year contradicts the data"),
              down=("近半年走访与数据没有矛盾", "no visit within half a year contradicts the data")),
    ]  # fmt: skip
