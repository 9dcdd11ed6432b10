"""Generic indicators before a project takes them: its departments own them, its rules say why they may be used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from features.indicators import definition as d
from features.indicators.definition import Expression, Filter, Series
from features.indicators.indicator import Family, Indicator, Text

PURPOSES: dict[Family, Text] = {
    "expense": Text("监测家庭支出骤增", "to notice a sudden rise of a household's expenses"),
    "income": Text("监测家庭收入骤减", "to notice a sudden fall of a household's income"),
    "population": Text("监测家庭人口变化", "to notice changes in who lives in a household"),
    "assistance_gap": Text("发现应助未助", "to find help that is due and not given"),
    "vulnerability": Text("了解家庭抵御风险的能力", "to know how well a household can bear a shock"),
    "data_quality": Text("判断数据是否够新、够全", "to tell whether the data are recent and complete enough"),
    "context": Text("区分季节和地区的常态", "to tell what is normal for the season and the area"),
}
FAMILY_OF: dict[str, Family] = {
    "E": "expense",
    "I": "income",
    "P": "population",
    "G": "assistance_gap",
    "V": "vulnerability",
    "Q": "data_quality",
    "C": "context",
    "U": "expense",
}
POLICY = "粤府办〔2024〕12号"
VISITS = f"{POLICY}（10）主动走访发现"
VERIFICATION = f"{POLICY}（12）家庭经济状况核对"
BASES: dict[Family, str] = {
    "expense": f"{POLICY}（11）支出骤增",
    "income": f"{POLICY}（11）收入骤减",
    "population": f"{POLICY}（11）人口变化",
    "assistance_gap": f"{POLICY}（13）应救未救",
    "vulnerability": f"{POLICY}（8）低收入人口动态监测",
    "data_quality": f"{POLICY}（9）数据质量由部门负责",
    "context": f"{POLICY}（11）监测指标体系",
}
WORKING = ("employed", "farm", "formal", "informal")
"""Words of `member.work_state` for those who earn."""


def draft(
    identifier: str,
    name: tuple[str, str],
    family: Family,
    definition: Expression,
    *,
    unit: str,
    direction: Literal[-1, 0, 1],
    up: tuple[str, str] | None = None,
    down: tuple[str, str] | None = None,
    changeable: bool = False,
    code: str | None = None,
    bodies: str = "",
    legal_basis: str = "",
) -> Indicator:
    """An indicator before a project takes it; sentences that are not given are made from its name.

    `bodies` are the departments that own the signal, with blanks between; the project decides where there are none, and
    says why the indicator may be used where `legal_basis` is empty.
    """
    zh, en = name
    return Indicator(
        id=identifier,
        name=Text(zh, en),
        family=family,
        owner="",
        purpose=PURPOSES[family],
        legal_basis=legal_basis,
        definition=definition,
        unit=unit,
        direction=direction,
        up=Text(*(up or (f"{zh}为{{value}}", f"{en} is {{value}}"))),
        down=Text(*(down or (f"{zh}为{{value}}", f"{en} is {{value}}"))),
        changeable=changeable,
        code=code,
        bodies=tuple(bodies.split()),
    )


def coded(
    code: str,
    bodies: str,
    identifier: str,
    name: tuple[str, str],
    definition: Expression,
    unit: str,
    direction: Literal[-1, 0, 1],
    *,
    up: tuple[str, str],
    down: tuple[str, str],
    family: Family | None = None,
    basis: str = "",
    changeable: bool = False,
) -> Indicator:
    """An indicator of the indicator table; its code tells the family, and the family the clause."""
    of = family or FAMILY_OF[code[0]]
    return draft(
        identifier,
        name,
        of,
        definition,
        unit=unit,
        direction=direction,
        up=up,
        down=down,
        changeable=changeable,
        code=code,
        bodies=bodies,
        legal_basis=basis or BASES[of],
    )


def series(
    identifier: str,
    zh: str,
    en: str,
    table: str,
    measure: str | None,
    aggregate: Literal["sum", "count", "minimum", "maximum", "mean", "last"],
    where: dict[str, str | tuple[str, ...]] | None = None,
) -> Series:
    """A series with its names."""
    return Series(identifier, table, measure, _filter(where or {}), aggregate, zh=zh, en=en)


def _filter(where: dict[str, str | tuple[str, ...]]) -> Filter:
    return tuple(sorted((column, (value,) if isinstance(value, str) else value) for column, value in where.items()))


def by_id(found: Iterable[Series]) -> dict[str, Series]:
    """Series by id."""
    return {one.id: one for one in found}


# --- what several families ask ------------------------------------------------------------------------------------


def happened(
    days: int, *kinds: str, what: Literal["any", "count", "total", "since"] = "any", measure: str | None = None
) -> d.Events:
    """Records of `event` of these kinds in the last so many days."""
    return d.Events("event", days, (("kind", kinds),), what=what, measure=measure)


def helped(days: int, *programmes: str, actions: tuple[str, ...], total: bool = False) -> d.Events:
    """Steps of assistance in the last so many days: their number, or their money. No programme named means any."""
    where: Filter = (("action", actions), *((("programme", programmes),) if programmes else ()))
    if total:
        return d.Events("assistance", days, where, what="total", measure="amount", date="action_date")
    return d.Events("assistance", days, where, date="action_date")


def earners(days_ago: int = 0) -> d.Members:
    """Members who work."""
    return d.Members((("work_state", WORKING),), days_ago=days_ago)


def has_status() -> Expression:
    """Whether the household holds a class of the low-income population on the day."""
    return d.Holding("category", what="any")


def known_or(of: Expression, otherwise: float = 0.0) -> Expression:
    """The value, or a number where it is missing; only where silence means none."""
    return d.FirstOf((of, d.Constant(otherwise)))


def at_least_zero(of: Expression) -> Expression:
    """The value, or zero where it is below."""
    return d.Highest((d.Constant(0.0), of))


def both(*tests: Expression) -> Expression:
    """1 where every test is 1, 0 where one is 0, missing where one is missing."""
    return d.Product(tests)


def none_of(of: Expression) -> Expression:
    """1 where the value is zero."""
    return d.Test(of, d.When(equals=0.0))


def zero_where_reported(of: Expression, bills: Series, by: tuple[Expression, ...] = ()) -> Expression:
    """The value; zero where it is missing though the feed spoke about the area within the last 12 periods.

    A feed of bills says nothing about a household without one. Where it reports the neighbours, that is zero; where it
    reports nobody, it is not known (data contract, rule 10).
    """
    speaks = d.Test(d.PeerMinimum(d.Late(bills, 12), by), d.When(below=12.0))
    return d.FirstOf((of, d.Where(speaks, d.Constant(0.0))))
