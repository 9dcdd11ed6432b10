"""Laws of the door: every row has a fate, both CSV readers agree, money is what decimal arithmetic says."""

from __future__ import annotations

import decimal
import random
import tempfile
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from features.errors import DataError
from features.feeds.delimited import csv_rows, plain_batches, survey
from features.feeds.profiles import Source
from tests.deliveries import FAULTS, good, project, spoil, write_csv
from tests.door import door, small

SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with door(tmp_path_factory.mktemp("door")) as made:
        yield made


def judge(opened, delivery):
    """A delivery through the door: refused as a whole, or every row accounted for and none lost."""
    try:
        prepared = opened.take(delivery.path)
    except DataError:
        assert delivery.whole or delivery.rows is None or delivery.fault == "odd_parquet", delivery
        return
    assert not delivery.whole, delivery
    assert delivery.rows in (None, prepared.delivered), delivery
    identity = dict(opened.engine.rows("SELECT pseudonym, plain FROM identity_person"))
    kept = {identity[person] for (person,) in opened.records("expense", "DISTINCT person_id")}
    assert delivery.survivors <= kept, delivery
    for table in prepared.records:
        opened.records(table)


@pytest.mark.parametrize("fault", list(dict.fromkeys(FAULTS)), ids=lambda fault: fault.__name__)
def test_each_way_to_go_wrong(opened, fault, tmp_path):
    dice = random.Random(fault.__name__)
    for number in range(3):
        delivery = fault(dice, good(dice, dice.randint(2, 8)), tmp_path / f"{number}")
        delivery.fault = fault.__name__
        judge(opened, delivery)


@settings(SLOW, max_examples=200)
@given(st.integers(10_000, 10**9))
def test_delivered_is_good_and_rejected_whatever_comes(opened, seed):
    with tempfile.TemporaryDirectory() as folder:
        judge(opened, spoil(seed, Path(folder)))


cells = st.text(st.sampled_from(list('ab,"\n ;　中1.-')), max_size=5)


@settings(SLOW, max_examples=300)
@given(
    st.lists(st.lists(cells, min_size=3, max_size=3), max_size=6),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "gb18030"]),
    st.sampled_from([0, 1, 3]),
)
@example([["", "", ""], ["a", "b", "c"]], "\n", "utf-8", 0)
def test_the_fast_reader_gives_what_the_careful_one_gives_or_gives_up(rows, newline, encoding, quoting):
    profile = project(small({"type": "integer"})).feeds["bills"].profile
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        try:
            text = write_csv(rows, ["who", "month", "x"], newline, quoting)
        except Exception:  # noqa: BLE001 -- csv cannot write this one without quotes
            return
        path.write_bytes(text.encode(encoding))
        found = survey(path, "auto")
        headings, careful = csv_rows(path, Source(), profile, found)
        careful = list(careful)
        written = [[cell or None for cell in cells] for cells in rows if any(cells)]
        assert [list(cells) for _, cells in careful] == written
        if not found.plain:
            return
        try:
            fast = [row for batch in plain_batches(path, Source(), found, headings) for row in batch.to_pylist()]
        except pa.ArrowException:
            return
        if len(fast) == found.lines - 1:
            assert [(at + 2, list(row.values())) for at, row in enumerate(fast)] == [
                (line, list(cells)) for line, cells in careful
            ]


amounts = st.decimals(min_value=0, max_value=10**10, places=4, allow_nan=False)


@settings(SLOW, max_examples=25)
@given(st.lists(amounts, min_size=1, max_size=40), st.sampled_from(["fen", "jiao", "yuan", "wan"]))
def test_money_is_what_decimal_arithmetic_says(opened, numbers, unit):
    factor = {"fen": 1, "jiao": 10, "yuan": 100, "wan": 1_000_000}[unit]
    text = "who,month,x\n" + "".join(f"{at},2025-01,{number}\n" for at, number in enumerate(numbers))
    opened.take(text, small({"type": "money", "unit": unit}))
    found = dict(opened.records("income", "line - 2, amount"))
    for at, number in enumerate(numbers):
        wanted = int((Decimal(number) * factor).quantize(Decimal(1), decimal.ROUND_HALF_UP))
        assert found.get(at, wanted if wanted > 10**15 else None) == wanted
