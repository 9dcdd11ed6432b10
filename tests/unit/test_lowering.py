"""What would lower a household's risk: only what help can change, only downwards, best first."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from serving.aid import possible, read_aid
from serving.casework.routing import read_routing
from serving.lowering import lowerings


@dataclass(frozen=True)
class Column:
    id: str
    topic: str
    unit: str
    direction: int
    changeable: bool = True


COLUMNS = (
    Column("bill", "expense:medical", "money", 1), Column("bill_share", "expense:medical", "ratio", 1),
    Column("gap", "category", "flag", 1), Column("income", "income", "ratio", -1),
    Column("age", "context", "years", 1, changeable=False),
)  # fmt: skip


def bundle() -> Any:
    """Margins that grow with bills, gaps and age and fall with income."""
    weights = np.array([0.001, 0.0, 1.0, -2.0, 5.0])
    return SimpleNamespace(
        schema=SimpleNamespace(entries=COLUMNS),
        booster=SimpleNamespace(margins=lambda rows: np.nan_to_num(rows) @ weights - 2),
        probabilities=lambda margin: 1 / (1 + np.exp(-margin)),
    )


def told(rows: list[list[float]], usual: dict[str, list[float]]) -> list[Any]:
    matrix = np.array(rows)
    chance = bundle().probabilities(bundle().booster.margins(matrix))
    return lowerings(bundle(), matrix, chance, {name: np.array(values) for name, values in usual.items()})


def test_usual_again_or_a_gap_closed_and_nothing_else() -> None:
    (found,) = told([[3000.0, 0.9, 1.0, 0.8, 0.0]], {"bill": [200.0], "bill_share": [0.1], "income": [1.5]})
    assert [one.indicator for one in found] == ["bill", "income", "gap"]
    assert [(one.now, one.then) for one in found] == [(3000.0, 200.0), (0.8, 1.5), (1.0, 0.0)]
    assert [one.probability for one in found] == sorted(one.probability for one in found)


def test_better_than_usual_stays_and_what_is_missing_stays_missing() -> None:
    rows = [[100.0, 0.1, 0.0, 2.0, 0.0], [np.nan, np.nan, np.nan, np.nan, 0.0]]
    usual = {"bill": [200.0, 200.0], "bill_share": [0.2, 0.2], "income": [1.5, 1.5]}
    assert told(rows, usual) == [(), ()]


def test_what_changes_less_than_one_household_in_a_hundred_is_not_told() -> None:
    assert told([[201.0, 0.1, 0.0, 2.0, 0.0]], {"bill": [200.0]}) == [()]


def test_every_pointer_leads_to_a_need_of_the_routing_table_and_to_known_indicators() -> None:
    from features.indicators.registry import indicators_of
    from features.project import load_project
    from features.province.simulation import PROJECT

    known = {indicator.id for indicator in indicators_of(load_project(PROJECT))}
    table = read_aid()
    assert table.needs.keys() <= read_routing().needs.keys()
    for need, pointer in table.needs.items():
        assert pointer.signs.keys() <= known, need
        assert pointer.verify.zh and pointer.verify.en
    assert possible(table, {"elder_alone": 1.0, "verified_income_to_need": 0.9})[0].need == "N01"
    assert possible(table, {"elder_alone": float("nan")}) == ()
