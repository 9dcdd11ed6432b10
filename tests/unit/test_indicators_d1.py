"""The indicator table is whole: every line has indicators, both languages, the right direction, and known tables."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from features.calendar_china import spring_festival, weeks_from_spring_festival
from features.errors import ProjectError
from features.feeds.contracts import TABLES
from features.indicators import definition as d
from features.indicators.catalogue import page
from features.indicators.definition import Given, When
from features.indicators.drafts import PURPOSES
from features.indicators.indicator import PLACEHOLDERS, set_hash
from features.indicators.parameters import fill, givens
from features.indicators.parsing import parse
from features.indicators.registry import generic, indicators_of
from features.indicators.structure import canonical, definition_hash, plain, walk
from models.wording import half_width_marks
from tests import worlds
from tests.province_world import PARAMETERS, project

UP, DOWN, FLAG = 1, -1, 0
DIRECTIONS = {
    **{f"E{n:02d}": UP for n in range(1, 17)},
    **{f"I{n:02d}": UP for n in range(1, 15)},
    **{f"I{n:02d}": DOWN for n in (1, 3, 8, 9, 14)},
    **{f"P{n:02d}": UP for n in range(1, 11)},
    **{f"G{n:02d}": UP for n in range(1, 10)},
    **{f"V{n:02d}": UP for n in range(1, 10)},
    **{f"V{n:02d}": DOWN for n in (1, 8)},
    **{f"Q{n:02d}": FLAG for n in range(1, 6)},
    "Q02": UP,
    "U01": UP,
}
CONTEXT = {f"C{n:02d}" for n in range(1, 15)}
FOUND = generic()
CODED = {one.id: one for one in FOUND.values() if one.code}
STORE = {"delivery"}
"""Tables that the store writes about itself."""
BEFORE = [
    "income_now",
    "income_to_need",
    "income_rank",
    "income_change",
    "income_step",
    "income_before",
    "income_mean_year",
    "income_slope",
    "income_volatility",
    "income_months_low",
    "declared_income_to_need",
    "turnover_change",
    "power_change",
    "power_rank",
    "insured_change",
    "contribution_base_change",
    "contribution_gap",
    "unemployed_since",
    "unemployment_benefit_ends",
    "business_closed",
    "farm_loss",
    "migrant_returned",
    "pension_stopped",
]


def test_every_line_of_the_table_is_there():
    assert len(DIRECTIONS) == 63 + 1
    assert {one.code for one in CODED.values()} == set(DIRECTIONS) | CONTEXT


@pytest.mark.parametrize("code", sorted(DIRECTIONS))
def test_direction_is_that_of_the_table(code):
    directions = {one.direction for one in CODED.values() if one.code == code}
    # what stands beside a line's value, such as its age, binds nothing
    assert DIRECTIONS[code] in directions
    assert directions <= {DIRECTIONS[code], 0}


@pytest.mark.parametrize("identifier", sorted(CODED))
def test_both_languages_render(identifier):
    one = CODED[identifier]
    filled = dict.fromkeys(PLACEHOLDERS, "7")
    for text in (one.name, one.up, one.down, one.purpose):
        assert re.search(r"[\u4e00-\u9fff]", text.zh)
        assert not re.search(r"[\u4e00-\u9fff]", text.en)
        assert "{" not in text.zh.format(**filled) + text.en.format(**filled)
        assert half_width_marks(text.zh) == []
    assert one.unit
    assert one.bodies
    assert one.purpose == PURPOSES[one.family]


@pytest.mark.parametrize("identifier", sorted(FOUND))
def test_every_source_table_and_column_is_in_the_contract(identifier):
    one = FOUND[identifier]
    assert set(one.sources) <= set(TABLES) | STORE
    for node in walk(one.definition):
        if isinstance(node, d.Series | d.Events | d.Holding):
            columns = {column.name for column in TABLES[node.table].stored}
            asked = {column for column, _ in node.where} | ({node.measure} if node.measure else set())
            asked |= {node.date} if isinstance(node, d.Events) else set()
            asked |= {node.start, node.end} if isinstance(node, d.Holding) else set()
            assert asked <= columns
        if isinstance(node, d.Line):
            assert node.column in TABLES["assistance_line"].by_name


def test_what_stood_before_computes_the_same():
    # trained models keep this hash: a change here makes every bundle refuse its panel
    before = [FOUND[name] for name in BEFORE]
    assert set_hash(before) == "8a6a34a88bcfd82d0de2804eada80842555207ac90d848ba0c938c4043be39c7"


def test_no_number_of_policy_stands_in_a_definition():
    amounts = {10_000, 26_000, 1_000_000, 2_600_000, 0.6, 1.5, 60}
    for one in CODED.values():
        numbers = {node.value for node in walk(one.definition) if isinstance(node, d.Constant)}
        numbers |= {
            bound
            for node in walk(one.definition)
            if isinstance(node, d.Test)
            for bound in (node.when.above, node.when.below, node.when.at_least, node.when.at_most)
            if bound is not None
        }
        assert numbers.isdisjoint(amounts), one.id


def test_a_project_takes_all_of_them():
    taken = indicators_of(project({"use": list(CODED), "parameters": PARAMETERS}))
    assert [one.id for one in taken] == list(CODED)
    for one in taken:
        assert not any(isinstance(node, Given) for node in walk(one.definition))
        again = parse(canonical(plain(one.definition)), {})
        assert definition_hash(again) == one.hash
        assert one.legal_basis
    assert len({one.hash for one in taken}) == len(taken)


def test_of_a_family_those_without_their_parameter_are_left_out():
    without = {one.id for one in indicators_of(project({"use": ["assistance_gap"]}))}
    whole = {one.id for one in indicators_of(project({"use": ["assistance_gap"], "parameters": PARAMETERS}))}
    assert whole - without == {"disability_allowances_missing", "status_lapsing"}


def test_by_name_a_missing_parameter_is_said():
    with pytest.raises(ProjectError, match=r"parameters\.(status_lapse_days|rigid_status_days)"):
        indicators_of(project({"use": ["status_lapsing"]}))


def test_departments_own_their_signals():
    named = {
        "bureau": {"name": {"zh": "局", "en": "bureau"}},
        "civil_affairs": {"name": {"zh": "民政", "en": "civil affairs"}},
    }
    found = worlds.project(indicators={"use": ["one_earner", "elder_alone"]}, departments=named)
    assert [one.owner for one in indicators_of(found)] == ["bureau", "civil_affairs"]


def test_a_parameter_holds_from_its_day_on():
    given = givens(project({"parameters": PARAMETERS}))
    dated = given["care_allowance_grade"]
    day = (date(2020, 8, 1) - date(1, 1, 1)).days + 1
    assert dated.test == d.Test(d.Season("days"), When(at_least=float(day)))
    assert dated.then == d.Constant(1.0)
    assert dated.otherwise.then == d.Constant(2.0)
    assert fill(Given("care_allowance_grade"), given, "x") == dated


def test_a_parameter_may_be_named_in_a_declared_indicator():
    declared = {
        "id": "late",
        "name": {"zh": "期", "en": "late"},
        "family": "context",
        "definition": {"sum": ["status_lapse_days", 1]},
    }
    found = indicators_of(project({"parameters": PARAMETERS, "declare": [declared]}))
    assert found[0].definition.terms[0] == givens(project({"parameters": PARAMETERS}))["status_lapse_days"]


@pytest.mark.parametrize(
    "wrong",
    [
        60,
        [60],
        [{"value": 60}],
        [{"value": "x", "since": "2020-01-01", "source": "s"}],
        [{"value": 1, "since": "soon", "source": "s"}],
        [],
    ],
)
def test_a_wrong_parameter_is_refused_with_its_place(wrong):
    with pytest.raises(ProjectError, match=r"parameters\.status_lapse_days"):
        indicators_of(project({"parameters": {"status_lapse_days": wrong}}))


def test_distance_from_the_spring_festival():
    assert spring_festival(2024) == date(2024, 2, 10)
    assert weeks_from_spring_festival(date(2024, 2, 10)) == 0
    assert weeks_from_spring_festival(date(2025, 12, 31)) == pytest.approx(-48 / 7)
    assert all(date(year, 1, 20) < spring_festival(year) < date(year, 2, 22) for year in range(1990, 2071))
    with pytest.raises(ValueError, match="2071"):
        spring_festival(2071)


def test_the_page_is_written_from_the_register():
    committed = Path(__file__).parents[2] / "docs" / "indicators.md"
    assert committed.read_text("utf-8") == page(), "run python -m features.indicators.catalogue > docs/indicators.md"
