"""The simulated province taken in as departments send it: nothing is lost, what is wrong is seen, and all is measured."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.divisions import area_tree
from features.engines.duckdb import engine
from features.errors import UsageError
from features.indicators.registry import indicators_of
from features.ingestion import ingest
from features.panel import build
from features.project import Project, load_project
from features.province.deliveries import DELIVERED_ON, feed_of, source_of
from features.province.simulation import simulate
from features.province.truth import HOUSEHOLDS, MONTHS
from features.province.values import values
from features.settings import Home, Settings
from features.store import Receipt, Store

DAYS = [DELIVERED_ON - timedelta(weeks=weeks) for weeks in (38, 12)]
"""In winter, after the school year has begun, and in the season of cyclones."""
CONSTANT = {
    "child_unsupported_12m": "the last adult of a household with children dies in one of some thousand a year",
}
"""Indicators that may have one value in a small province, and why."""


@dataclass(frozen=True)
class TakenIn:
    folder: Path
    settings: Settings
    project: Project
    receipts: list[Receipt]
    frame: pd.DataFrame
    indicators: list[str]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> TakenIn:
    folder = tmp_path_factory.mktemp("observed")
    made = simulate(folder / "simulated", households=900, months=20, seed=5, truth=folder / "truth")
    settings = Settings(home=folder / "home", threads=2, memory_limit="1GB")
    project = load_project(made.project)
    receipts = [
        ingest(source_of(file), project, settings, feed=feed_of(file), received_on=DELIVERED_ON) for file in made.files
    ]
    home = Home(settings.home)
    with engine(settings, home) as opened:
        built = build(project, Store(home, project), DAYS, engine=opened)
        return TakenIn(folder, settings, project, receipts, built.read(DAYS), list(built.indicators))


def test_every_indicator_takes_more_than_one_value(world):
    constant = {name for name in world.indicators if world.frame[name].nunique(dropna=False) < 2}
    assert len(world.indicators) > 63
    assert constant <= set(CONSTANT)


def test_every_row_has_a_fate_and_few_are_quarantined(world):
    for receipt in world.receipts:
        assert receipt.accepted + receipt.already_known + receipt.quarantined == receipt.delivered
    delivered = sum(receipt.delivered for receipt in world.receipts)
    quarantined = sum(receipt.quarantined for receipt in world.receipts)
    assert 0 < quarantined < 0.005 * delivered
    assert sum(receipt.already_known for receipt in world.receipts) > 0


def test_what_was_provisional_or_in_a_wrong_unit_is_corrected(world):
    corrected = {receipt.feed for receipt in world.receipts if receipt.corrections}
    assert {"medical", "losses", "referrals", "classes"} <= corrected


def test_new_codes_are_read_as_the_old_ones(world):
    late = next(r for r in world.receipts if r.feed == "medical" and r.file.startswith("medical-since"))
    assert late.quarantined < 0.01 * late.delivered


def test_counties_that_send_nothing_are_absent_and_the_others_not(world):
    tree = area_tree(world.project)
    county = world.frame["area_code"].map(lambda code: tree.at_level(code, "county"))
    for feed, codes in (("medical", values().faults.silent.medical), ("power", values().faults.silent.power)):
        named = [code for silence in world.project.feeds[feed].not_from for code in silence.areas]
        assert named == codes, "the project file says what the world does"
        silent = county.isin(codes)
        assert silent.any()
        assert (world.frame.loc[silent, f"feed__{feed}"] == 2).all()
        assert (world.frame.loc[~silent, f"feed__{feed}"] == 2).mean() < 0.05


def test_some_households_move_and_all_live_in_villages(world):
    assert world.frame["area_code"].str.len().eq(12).all()
    homes = world.frame.groupby("household_id")["area_code"].nunique()
    assert 0 < (homes > 1).mean() < 0.1


def files(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.suffix != ".sqlite"
    }


def test_the_hidden_truth_changes_nothing_that_anybody_can_see(tmp_path):
    """Shuffled or deleted, deliveries and panel are the same bytes."""
    truth = tmp_path / "truth"
    made, plain = (simulate(tmp_path / name, households=150, months=6, seed=5, truth=folder)
                   for name, folder in (("with", truth), ("without", None)))  # fmt: skip
    assert files(made.project.parent) == files(plain.project.parent)
    settings = Settings(home=tmp_path / "home", threads=2, memory_limit="1GB")
    project, home = load_project(made.project), Home(settings.home)
    for file in made.files:
        if feed_of(file) in ("households", "members", "medical", "lines"):
            ingest(source_of(file), project, settings, feed=feed_of(file), received_on=DELIVERED_ON)

    def panel(name: str) -> dict[str, str]:
        with engine(settings, home) as opened:
            few = indicators_of(project)[:3]
            build(project, Store(home, project), DAYS, engine=opened, indicators=few, folder=tmp_path / name)
        return files(tmp_path / name)

    before = panel("before")
    months = pq.read_table(truth / MONTHS)
    shuffled = np.random.default_rng(1).permutation(months.num_rows)
    pq.write_table(months.take(pa.array(shuffled)), truth / MONTHS)
    (truth / HOUSEHOLDS).unlink()
    assert panel("after") == before


def test_the_truth_is_of_every_household_and_month_and_never_among_deliveries(tmp_path):
    simulate(tmp_path / "s", households=200, months=6, seed=5, truth=tmp_path / "truth")
    months = pq.read_table(tmp_path / "truth" / MONTHS).to_pandas()
    assert len(months) == 200 * 6
    assert months.groupby("month")["household"].nunique().eq(200).all()
    assert pq.read_metadata(tmp_path / "truth" / HOUSEHOLDS).num_rows == 200
    with pytest.raises(UsageError, match="truth"):
        simulate(tmp_path / "t", households=200, months=6, truth=tmp_path / "t" / "deliveries" / "truth")
