"""What goes wrong between a department and its file: each kind as the values say, and the world is none the wiser."""

from __future__ import annotations

from dataclasses import fields
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from features.calendar import period_index
from features.province.faults import Faults
from features.province.geography import read_geography
from features.province.habits import HABITS
from features.province.observation import Observer
from features.province.values import Values, values
from features.province.world import Province

FIRST = period_index("month", date(2026, 1, 1))


def province(households: int = 1_500, months: int = 9, **faults: dict[str, object]) -> Province:
    shape = values().model_dump(mode="json")
    for part, what in faults.items():
        shape["faults"][part].update(what)
    return Province(Values.model_validate(shape), read_geography(), households, FIRST, months, 4)


def observed(world: Province, *, prompt: bool = False):
    """Months as they were, and what departments wrote down, by feed."""
    found: dict[str, list[pa.Table]] = {}
    observer = Observer(
        world,
        world.block(0, world.course()),
        lambda feed, rows: found.setdefault(feed, []).append(rows),
        Faults(world, prompt=prompt),
    )
    observer.opening()
    months = []
    for month in observer.block.months(world.first, world.last):
        observer.month(month)
        months.append(month)
    return months, {feed: pa.concat_tables(tables, promote_options="permissive") for feed, tables in found.items()}


@pytest.fixture(scope="module")
def usual():
    return observed(province())


def versions(rows: pa.Table, *key: str) -> pa.Table:
    """Rows whose key has several versions, in the order of their key and of what was known when."""
    frame = rows.to_pandas()
    return frame[frame.duplicated(list(key), keep=False)]


def test_looking_on_changes_nothing(usual):
    """The hidden truth is the same with and without departments, and whatever goes wrong in them."""
    world = province()
    alone = list(world.block(0, world.course()).months(world.first, world.last))
    worse = observed(province(moves={"share": 0.1}, units={"shares": {"medical": 0.5, "pensions": 0.5}}))[0]
    for months in (usual[0], worse):
        for left, right in zip(alone, months, strict=True):
            assert all(np.array_equal(getattr(left, f.name), getattr(right, f.name)) for f in fields(left))


def test_what_falls_into_an_outage_comes_in_one_go_when_it_has_ended():
    faults = Faults(province(outages={"shares": {"power": 0.3}}))
    days = np.arange(np.datetime64("2026-03-01"), np.datetime64("2026-04-01"))
    out = faults.outages["power"][period_index("month", date(2026, 3, 1)) - faults.start]
    county = int(np.flatnonzero(out)[0])
    late = faults.received("power", days, np.full(len(days), county))
    assert len(set(late.tolist())) == 1
    assert late[0] > np.datetime64("2026-04-01")
    calm = np.full(len(days), int(np.flatnonzero(~out)[0]))
    assert np.array_equal(faults.received("power", days, calm), days)
    assert np.array_equal(faults.received("visits", days, np.full(len(days), county)), days), "other feeds come"
    at_once = Faults(province(outages={"shares": {"power": 0.3}}), prompt=True)
    assert np.array_equal(at_once.received("power", days, np.full(len(days), county)), days)


def test_provisional_amounts_are_settled_months_later(usual):
    again = versions(usual[1]["medical"], "结算单号").sort_values(["结算单号", "入库日期"])
    assert 0.02 < len(again) / 2 / (usual[1]["medical"]["就诊类别"].to_pandas() == "住院").sum() < 0.12
    first, last = again.groupby("结算单号").first(), again.groupby("结算单号").last()
    assert (first["个人自付"] != last["个人自付"]).mean() > 0.9
    total = last["个人自付"] + last["统筹支付"] + last["医疗救助"]
    assert np.allclose(total, last["费用总额"], atol=0.02)
    waited = (last["入库日期"] - first["入库日期"]).map(lambda gap: gap.days)
    assert waited.between(30, 85).all()


def test_wrong_units_are_a_hundred_times_too_large_and_some_are_corrected():
    _, rows = observed(province(units={"shares": {"medical": 0.0, "pensions": 0.3}}))
    again = versions(rows["pensions"], "证件号", "发放月份").sort_values(["证件号", "发放月份", "上报日期"])
    grouped = again.groupby(["证件号", "发放月份"])["金额_元"]
    paid = grouped.last() > 0
    assert paid.sum() > 50
    assert np.allclose(grouped.first()[paid] / grouped.last()[paid], 100)
    issues = rows["data_issues"].to_pandas()
    assert (issues["问题类别"] == "单位错误").any()
    never = rows["pensions"].to_pandas().drop_duplicates(["证件号", "发放月份"], keep="last")
    assert (never["金额_元"] > 20_000).any(), "others stay wrong"


def test_some_rows_are_sent_twice_and_some_cannot_be_read(usual):
    faults = Faults(province(repeats={"share": 0.05}, unreadable={"share": 0.05}))
    visits = usual[1]["visits"]
    sent = faults.sent("visits", visits, HABITS["visits"], 0)
    assert 1.02 < sent.num_rows / visits.num_rows < 1.09
    assert 0.02 < pc.mean(pc.equal(sent["走访日期"], "2026-13-05").cast(pa.float64())).as_py() < 0.09
    assert sent.equals(faults.sent("visits", visits, HABITS["visits"], 0))
    assert not sent.equals(faults.sent("visits", visits, HABITS["visits"], 1))
    assert faults.sent("turnover", usual[1]["turnover"], HABITS["turnover"], 0).equals(usual[1]["turnover"])


def test_codes_change_on_their_day(usual):
    faults = Faults(province(unreadable={"share": 0.0}))
    sent = faults.sent("medical", usual[1]["medical"], HABITS["medical"], 0).to_pandas()
    new = sent["入库日期"] >= date(2026, 7, 1)
    assert set(sent.loc[new, "就诊类别"]) == {"11", "14", "21"}
    assert set(sent.loc[~new, "就诊类别"]) == {"住院", "门特", "门诊"}


def test_households_move_within_their_county_and_persons_are_listed_twice(usual):
    _, rows = usual
    again = versions(rows["households"], "户号").sort_values(["户号", "入住日期"])
    moved = again.groupby("户号")["行政区划"].agg(["first", "last"])
    assert 5 < len(moved) < 60
    assert (moved["first"].str[:6] == moved["last"].str[:6]).all()
    arrivals = rows["register"].to_pandas()
    assert (arrivals["事项"] == "迁入").sum() >= len(moved)
    members = rows["members"].to_pandas().groupby("公民身份号码")["户号"].nunique()
    assert 0.001 < (members > 1).mean() < 0.006


def test_what_offices_do_not_depend_on_is_the_number_of_households():
    one, two = Faults(province(500)), Faults(province(20_000))
    assert all(np.array_equal(one.outages[feed], two.outages[feed]) for feed in one.outages)
    assert all(np.array_equal(one.units[feed], two.units[feed]) for feed in one.units)
