"""The generated sample: nobody is real, the same seed gives the same bytes, and the mess that tests need is there."""

from __future__ import annotations

import csv
import hashlib
import re
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from features.divisions import area_tree
from features.project import load_project
from features.province.deliveries import feed_of
from features.province.people import check_character, invent_identity
from features.province.sample import TOWNS, WITHOUT_POWER, write_sample
from features.province.sample_files import DELIVERIES
from features.province.sample_world import live_month, settle

IDENTITY_NUMBER = re.compile(r"(?<!\d)\d{17}[\dX]")
REAL_PROVINCES = {
    *("11", "12", "13", "14", "15", "21", "22", "23", "31", "32", "33", "34", "35", "36", "37", "41", "42", "43"),
    *("44", "45", "46", "50", "51", "52", "53", "54", "61", "62", "63", "64", "65", "71", "81", "82", "83", "91"),
}


def text(path: Path) -> str:
    import pyarrow.parquet as pq
    from python_calamine import CalamineWorkbook

    if path.suffix == ".parquet":
        return str(pq.read_table(path).to_pylist())
    if path.suffix == ".xlsx":
        return str(CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python())
    encoding = DELIVERIES[feed_of(path)].container
    return path.read_text(encoding=encoding)


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> list[Path]:
    return write_sample(tmp_path_factory.mktemp("sample"), households=150, months=12, seed=3)


def test_no_number_could_be_somebodys(sample):
    found = {number for path in sample for number in IDENTITY_NUMBER.findall(text(path))}
    assert len(found) > 200
    for number in found:
        assert number[:2] not in REAL_PROVINCES or check_character(number) != number[17]
        assert number.startswith("99")


def test_published_example_passes_the_check():
    assert check_character("44052418800101001") == "4"


def test_numbers_are_distinct():
    rng = np.random.default_rng(1)
    born = date(1980, 1, 1)
    numbers = {invent_identity(serial, born, male=True, rng=rng).number for serial in range(20_000)}
    assert len(numbers) == 20_000


def test_telephone_numbers_have_no_assigned_form(sample):
    households = next(path for path in sample if path.name == "households-1.csv")
    with households.open(encoding="utf-8") as file:
        phones = [row["联系电话"] for row in csv.DictReader(file)]
    assert all(re.fullmatch(r"2\d{10}", phone) for phone in phones)


def test_same_seed_same_bytes(sample, tmp_path):
    again = write_sample(tmp_path, households=150, months=12, seed=3)
    other = write_sample(tmp_path / "other", households=150, months=12, seed=4)
    digests = [[hashlib.sha256(path.read_bytes()).hexdigest() for path in paths] for paths in (sample, again, other)]
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


def test_every_feed_is_sent_and_no_other(sample, root):
    project = load_project(root / "examples" / "sample" / "project.yaml")
    assert {feed_of(path) for path in sample} == set(project.feeds)


def test_towns_are_those_of_the_project(root):
    tree = area_tree(load_project(root / "examples" / "sample" / "project.yaml"))
    assert [(town, tree.name(town)) for town in tree.of_level("town")] == list(TOWNS)


def test_one_county_sends_no_power(sample):
    rows = "".join(text(path) for path in sample if feed_of(path) == "power")
    assert f"HJ{WITHOUT_POWER}" not in rows
    assert "HJ441802" in rows


def test_hardship_is_a_minority_that_comes_and_goes():
    rng = np.random.default_rng(5)
    world = settle(3000, 6, rng)
    months = [live_month(world, number, number % 12 + 1, rng) for number in range(36)][12:]
    prevalence = np.mean([month.hardship.mean() for month in months])
    onset = np.mean([month.onset.sum() / (~month.hardship).sum() for month in months])
    assert 0.06 < prevalence < 0.16
    assert 0.006 < onset < 0.018
    assert sum(month.exit.sum() for month in months) > 0
