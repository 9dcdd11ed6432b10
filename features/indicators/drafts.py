"""Generic indicators before a project takes them: its departments own them, its rules say why they may be used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

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
) -> Indicator:
    """An indicator without owner and legal basis; sentences that are not given are made from its name."""
    zh, en = name
    return Indicator(
        id=identifier,
        name=Text(zh, en),
        family=family,
        owner="",
        purpose=PURPOSES[family],
        legal_basis="",
        definition=definition,
        unit=unit,
        direction=direction,
        up=Text(*(up or (f"{zh}为{{value}}", f"{en} is {{value}}"))),
        down=Text(*(down or (f"{zh}为{{value}}", f"{en} is {{value}}"))),
        changeable=changeable,
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
