"""The simulated province's files: whose numbers they bear, what they hold, and that the same seed gives the same bytes."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from features.calendar import period_index
from features.errors import DataError
from features.ingestion import ingest
from features.project import load_project
from features.province import deliveries, persons, world
from features.province.deliveries import DELIVERED_ON, LONGEST_SHEET, Deliveries, feed_of, source_of
from features.province.geography import REGIONS, read_geography
from features.province.habits import HABITS, Habit, happened_on
from features.province.people import check_character
from features.province.simulation import simulate
from features.province.values import values
from features.settings import Settings

PROVINCES = {"11", "12", "13", "14", "15", *map(str, range(21, 24)), *map(str, range(31, 38)), *map(str, range(41, 47)),
             *map(str, range(50, 55)), *map(str, range(61, 66)), "71", "81", "82"}  # fmt: skip


PROVISIONAL = ("medical", "losses")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("province"), households=400, months=18, seed=3)


@pytest.fixture(scope="module")
def prompt(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("prompt"), households=400, months=18, seed=3, prompt=True)


def digests(folder: Path) -> dict[str, str]:
    """Of everything but databases, whose bytes are SQLite's own."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.suffix != ".sqlite")
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(made, tmp_path):
    again = simulate(tmp_path / "again", households=400, months=18, seed=3)
    other = simulate(tmp_path / "other", households=400, months=18, seed=4)
    here = digests(made.project.parent)
    assert digests(again.project.parent) == here
    assert digests(other.project.parent) != here


def test_blocks_are_lived_alone(monkeypatch):
    """A household's months do not depend on how many blocks there are, nor on which is lived first."""
    monkeypatch.setattr(world, "BLOCK", 300)
    first = period_index("month", date(2026, 1, 1))
    province = world.Province(values(), read_geography(), 900, first, 6, 1)
    course = province.course()
    alone = [month.flow for month in province.block(2, course).months(first, first + 5)]
    for number in (1, 0):
        list(province.block(number, course).months(first, first + 5))
    again = [month.flow for month in province.block(2, course).months(first, first + 5)]
    assert all(np.array_equal(a, b) for a, b in zip(alone, again, strict=True))


def test_no_identity_number_can_be_anybodys(made):
    numbers = set()
    for file in made.files:
        if file.suffix not in (".csv", ".parquet"):
            continue
        text = file.read_bytes()
        encoding = "gb18030" if HABITS[feed_of(file)].container == "gb18030" else "utf-8"
        table = (
            pq.read_table(file)
            if file.suffix == ".parquet"
            else pa.csv.read_csv(
                pa.BufferReader(text.decode(encoding).encode()), convert_options=all_text(text, encoding)
            )
        )
        for name in table.column_names:
            if name.endswith(("证件号", "号码", "身份证号")):
                numbers |= {number for number in table[name].to_pylist() if number}
    assert len(numbers) > 800
    for number in numbers:
        assert len(number) == 18
        assert not (number[:2] in PROVINCES and number[17] == check_character(number))


def delivered(files: list[Path], feed: str) -> pa.Table:
    """Both files of a feed that is sent as CSV or Parquet, as text."""
    found = []
    for file in files:
        if feed_of(file) != feed:
            continue
        if file.suffix == ".parquet":
            table = pq.read_table(file)
            found.append(pa.table([column.cast(pa.string()) for column in table.columns], table.column_names))
            continue
        encoding = "gb18030" if HABITS[feed].container == "gb18030" else "utf-8"
        content = file.read_bytes()
        text = pa.BufferReader(content.decode(encoding).encode())
        found.append(pa.csv.read_csv(text, convert_options=all_text(content, encoding)))
    return pa.concat_tables(found)


@pytest.mark.parametrize("feed", ["medical", "contributions", "members", "losses", "turnover", "visits", "power"])
def test_prompt_departments_tell_the_same_and_know_it_on_the_day(made, prompt, feed):
    known = HABITS[feed].known
    late, early = (delivered(one.files, feed) for one in (made, prompt))
    facts = [name for name in late.column_names if name != known]
    assert facts == [name for name in early.column_names if name != known]
    if feed in PROVISIONAL:  # what was first told otherwise is told only as it is, in the codes of an earlier day
        facts = facts[:2]
    told = [set(zip(*(table[name].to_pylist() for name in facts), strict=True)) for table in (late, early)]
    assert told[0] <= told[1], "what a late department knows, a prompt one knows too"
    if feed in PROVISIONAL:
        twice = [len(table) - len(pc.unique(table[facts[0]])) for table in (late, early)]
        assert twice[0] > twice[1], "provisional versions are not sent"
    days = pa.table({name: dated(early[name]) for name in early.column_names})
    assert pc.all(pc.less_equal(days[known], happened_on(days, HABITS[feed]))).as_py()


def dated(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Days as days, where all that is filled are days."""
    try:
        return column.cast(pa.date32())
    except pa.ArrowInvalid:
        return column


def all_text(content: bytes, encoding: str) -> pa.csv.ConvertOptions:
    header = content.decode(encoding).splitlines()[0].replace('"', "").split(",")
    return pa.csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=True)


def test_persons_of_one_birthday_have_numbers_of_their_own():
    order = np.arange(20_000)
    numbers = persons.identity_numbers(order, np.full(20_000, np.datetime64("1980-05-06")), order % 2 == 0)
    assert len(pc.unique(numbers)) == 20_000
    assert all(phone.startswith("2") for phone in persons.phones(order[:50]).to_pylist())


def test_feeds_and_habits_are_the_project_s(made):
    project = load_project(made.project)
    assert set(HABITS) == set(project.feeds)
    assert {feed_of(file) for file in made.files} <= set(HABITS)
    for feed, habit in HABITS.items():
        assert habit.known in project.feeds[feed].profile.columns
        assert project.feeds[feed].profile.knowledge.column == habit.known


def test_geography_without_the_file_of_towns_is_invented_and_says_so(tmp_path):
    geography = read_geography()
    assert geography.invented
    assert len(geography.counties) == 124
    assert sum(place.level == "prefecture" for place in geography.upper) == 21
    assert {county.region for county in geography.counties} == set(REGIONS)
    assert {"441900", "442000"} <= {county.code for county in geography.counties}
    (tmp_path / "divisions").mkdir()
    (tmp_path / "divisions" / "gd_towns.csv").write_text(
        "code9,name_zh,county_code\n440103001,沙面街道,440103\n", encoding="utf-8"
    )
    real = read_geography(tmp_path)
    assert not real.invented
    assert [town.code for town in real.towns] == ["440103001"]
    (tmp_path / "divisions" / "gd_towns.csv").write_text(
        "code9,name_zh,county_code\n110101001,东华门街道,110101\n", encoding="utf-8"
    )
    with pytest.raises(DataError, match="110101"):
        read_geography(tmp_path)


def rows(size: int, known: date) -> pa.Table:
    return pa.table({"号": [f"甲{n}" for n in range(size)], "日": pa.array([known] * size, pa.date32())})


def test_what_was_not_known_in_time_is_not_sent_and_a_long_sheet_becomes_csv(tmp_path):
    habits = {
        "short": Habit("日", "日", "xlsx"),
        "long": Habit("日", "日", "xlsx"),
        "old": Habit("日", "日", "gb18030"),
    }
    out = Deliveries(tmp_path, habits, DELIVERED_ON - timedelta(days=30), DELIVERED_ON, 400)
    out.add("short", rows(5, DELIVERED_ON))
    out.add("short", rows(7, DELIVERED_ON + timedelta(days=1)))
    out.add("long", rows(LONGEST_SHEET, DELIVERED_ON))
    out.add("long", rows(1, DELIVERED_ON))
    out.add("old", rows(3, DELIVERED_ON - timedelta(days=60)))
    files = [file.name for file in out.close()]
    assert files == ["old-history.csv", "short-since.xlsx", "long-since.csv"]
    assert (tmp_path / "old-history.csv").read_text(encoding="gb18030").count("甲") == 3
    assert len((tmp_path / "long-since.csv").read_text(encoding="utf-8").splitlines()) == LONGEST_SHEET + 2


def test_a_large_province_s_parquet_is_taken_in_under_the_project_that_comes_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr(deliveries, "PARQUET_FROM", 100)
    large = simulate(tmp_path / "large", households=300, months=14, seed=3)
    assert {file.suffix for file in large.files} == {".parquet"}
    project, settings = load_project(large.project), Settings(home=tmp_path / "home")
    for file in large.files:
        if feed_of(file) in ("lines", "households", "members", "medical", "businesses"):
            receipt = ingest(source_of(file), project, settings, feed=feed_of(file), received_on=DELIVERED_ON)
            assert receipt.accepted > 0.98 * receipt.delivered, receipt
