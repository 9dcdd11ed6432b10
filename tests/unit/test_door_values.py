"""What stands in a source column, and the value it becomes."""

from __future__ import annotations

import copy
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.deliveries import PROFILE
from tests.door import door, pseudonym, row, small

REJECTED = "rejected"


def values(tmp_path, column, texts, *, typed=None):
    """Value of column x for each text (or typed Parquet value); `rejected`, or None where there is no record."""
    with door(tmp_path) as opened:
        if typed is None:
            quoted = ['"' + text.replace('"', '""') + '"' for text in texts]
            content = "who,month,x\n" + "".join(f"{at},2025-01,{text}\n" for at, text in enumerate(quoted))
        else:
            content = tmp_path / "typed.parquet"
            months = ["2025-01"] * len(texts)
            table = {"who": [str(at) for at in range(len(texts))], "month": months, "x": pa.array(texts, typed)}
            pq.write_table(pa.table(table), content)
        opened.take(content, small(column))
        name = "amount" if column["type"] == "money" else "value"
        first = 2 if typed is None else 1
        found = dict(opened.records("income" if column["type"] == "money" else "reading", f"line, {name}"))
        bad = {line for line, *_ in opened.rejected()}
        return [REJECTED if at + first in bad else found.get(at + first) for at in range(len(texts))]


@pytest.mark.parametrize(
    ("unit", "text", "minor"),
    [
        ("yuan", "12.5", 1250),
        ("yuan", "1,234.56", 123456),
        ("yuan", "12,50", REJECTED),
        ("yuan", "1,2,3", REJECTED),
        ("yuan", "１２３．４５", 12345),
        ("yuan", "￥88", 8800),
        ("yuan", "88元", 8800),
        ("yuan", " 7 ", 700),
        ("yuan", "0.005", 1),
        ("yuan", "0.0049", 0),
        ("yuan", "1.005", 101),
        ("yuan", ".5", 50),
        ("yuan", "1e3", REJECTED),
        ("yuan", "", None),
        ("fen", "12", 12),
        ("fen", "12.5", 13),
        ("jiao", "1.2", 12),
        ("wan", "1.2345", 1234500),
        ("wan", "999999999999999", REJECTED),
        ("minor", "7", 7),
    ],
)
def test_money_is_exact_and_half_a_unit_goes_up(tmp_path, unit, text, minor):
    assert values(tmp_path, {"type": "money", "unit": unit}, [text]) == [minor]


def test_money_from_typed_columns_is_what_the_same_text_would_be(tmp_path):
    texts = ["1.005", "0.29", "2.675", "1234567.895"]
    column = {"type": "money", "unit": "yuan"}
    wanted = values(tmp_path, column, texts)
    assert values(tmp_path, column, [float(text) for text in texts], typed=pa.float64()) == wanted
    assert values(tmp_path, column, [Decimal(text) for text in texts], typed=pa.decimal128(18, 3)) == wanted
    assert values(tmp_path, column, [5, None], typed=pa.int16()) == [500, None]
    assert values(tmp_path, column, [float("nan"), float("inf")], typed=pa.float64()) == [None, REJECTED]


def test_refunds_pass_only_where_they_are_meant(tmp_path):
    assert values(tmp_path, {"type": "money", "negative": True}, ["-3", "－3"]) == [-300, -300]
    assert values(tmp_path, {"type": "money"}, ["-3"]) == [REJECTED]


def test_numbers(tmp_path):
    texts = ["3", "3.0", "3.5", "1e2", "１２", "0x10", "1_000", "nan", "inf", "九", "9007199254740993", ""]
    integers = [3, 3, REJECTED, 100, 12, *[REJECTED] * 6, None]
    assert values(tmp_path, {"type": "integer"}, texts) == integers
    assert values(tmp_path, {"type": "number"}, ["-0.5", "1e-3", "1e999"]) == [-0.5, 0.001, REJECTED]
    assert values(tmp_path, {"type": "number", "scale": 0.01}, ["250"]) == [2.5]
    assert values(tmp_path, {"type": "integer"}, [3.0, 3.5, None], typed=pa.float64()) == [3, REJECTED, None]


def test_no_answer_is_missing_and_no_fault(tmp_path):
    column = {"type": "integer", "missing": [9, "不详"], "minimum": 0, "maximum": 5}
    assert values(tmp_path, column, ["9", "不详", "5", "6"]) == [None, None, 5, REJECTED]
    assert values(tmp_path, column, [9, 5], typed=pa.float64()) == [None, 5]


def take_one(tmp_path, column, texts, *, typed=None, name="y"):
    """Typed values of column y, as they stand in the scratch file."""
    profile = small({"type": "integer"})
    profile["columns"][name] = column
    with door(tmp_path) as opened:
        if typed is None:
            content = f"who,month,{name}\n" + "".join(f'{at},2025-01,"{text}"\n' for at, text in enumerate(texts))
        else:
            content = tmp_path / "typed.parquet"
            months = ["2025-01"] * len(texts)
            table = {"who": [str(at) for at in range(len(texts))], "month": months, name: pa.array(texts, typed)}
            pq.write_table(pa.table(table), content)
        prepared = opened.take(content, profile)
        bad = {line for line, *_ in opened.rejected()}
        query = f"SELECT line, {name} FROM read_parquet('{prepared.typed}') ORDER BY line"
        return [REJECTED if line in bad else value for line, value in opened.engine.rows(query)]


def test_dates(tmp_path):
    day = date(2025, 3, 5)
    texts = [
        "2025-03-05",
        "2025/3/5",
        "20250305",
        "2025年3月5日",
        "2025-03-05 10:30:00",
        "２０２５－０３－０５",
        "2025.03.05",
    ]
    assert take_one(tmp_path, {"type": "date"}, texts) == [day] * len(texts)
    assert take_one(tmp_path, {"type": "date"}, ["2025-02-30", "45000", "1899-12-31"]) == [REJECTED] * 3
    assert take_one(tmp_path, {"type": "date", "format": "%d/%m/%Y"}, ["05/03/2025", "2025-03-05"]) == [day, REJECTED]
    assert take_one(tmp_path, {"type": "date", "format": "excel"}, ["45721", "45721.5", "0"]) == [day, day, REJECTED]


def test_dates_of_typed_columns(tmp_path):
    day, moment = date(2025, 3, 5), datetime(2025, 3, 5, 13, 30, 0, 250)
    assert take_one(tmp_path, {"type": "date"}, [day, None], typed=pa.date32()) == [day, None]
    assert take_one(tmp_path, {"type": "date"}, [moment], typed=pa.timestamp("us")) == [day]
    assert take_one(tmp_path, {"type": "date"}, [moment], typed=pa.timestamp("ns")) == [day]
    aware = moment.replace(tzinfo=timezone(timedelta(hours=8)))
    assert take_one(tmp_path, {"type": "date"}, [aware], typed=pa.timestamp("us", "UTC")) == [day]
    assert take_one(tmp_path, {"type": "period"}, [moment], typed=pa.timestamp("us")) == ["2025-03"]


def test_periods(tmp_path):
    texts = [
        "2025-03",
        "2025/3",
        "202503",
        "2025年3月",
        "2025-03-05",
        "2025",
        "2025年",
        "2025-Q3",
        "2025Q3",
        "2025年第3季度",
    ]
    texts += ["2020-W53", "2024-W53", "2025-13", "第三季度", "2025-Q5"]
    months = ["2025-03"] * 5
    rest = ["2025", "2025", "2025-Q3", "2025-Q3", "2025-Q3", "2020-W53", *[REJECTED] * 4]
    assert take_one(tmp_path, {"type": "period"}, texts) == [*months, *rest]
    assert take_one(tmp_path, {"type": "period", "format": "%y%m"}, ["2503"]) == ["2025-03"]
    assert take_one(tmp_path, {"type": "period", "format": "%Y年"}, ["2025年"]) == ["2025"]


def test_flags(tmp_path):
    texts = ["是", "否", "TRUE", "false", "1", "0", "Y", "无", "", "也许"]
    wanted = [True, False, True, False, True, False, True, False, None, REJECTED]
    assert take_one(tmp_path, {"type": "flag"}, texts) == wanted
    assert take_one(tmp_path, {"type": "flag"}, [True, False, None], typed=pa.bool_()) == [True, False, None]


def test_codes_are_chosen_by_the_rows_own_day_not_by_the_day_of_the_file(tmp_path):
    profile = copy.deepcopy(PROFILE)
    since = {"since": "2025-03-01", "codes": {"1": "education", "2": "medical"}}
    profile["columns"]["类别"] = {"type": "code", "recode": {"1": "medical"}, "recode_since": [since]}
    rows = [
        row(类别="1", 登记日期="2025-02-28"),
        row(类别="1", 登记日期="2025-03-01"),
        row(类别="2", 登记日期="2025-02-27"),
    ]
    with door(tmp_path) as opened:
        opened.take(rows, profile)
        assert opened.records("expense", "line, kind") == [(2, "medical"), (3, "education")]
        assert opened.rejected() == [(4, "类别", "not_allowed")]


def test_one_answer_that_later_files_split_is_folded(tmp_path):
    profile = small({"type": "integer", "parts": "x_[0-9]+", "yes": 1, "no": 2})
    with door(tmp_path) as opened:
        opened.take("who,month,x_1,x_2\na,2025-01,2,1\nb,2025-01,2,2\nc,2025-01,2,9\n", profile)
        assert opened.records("reading", "line, value") == [(2, 1.0), (3, 2.0)]


def test_aliases_and_headings_with_other_spaces_and_case(tmp_path):
    profile = small({"type": "integer", "aliases": ["Members Of House"]})
    with door(tmp_path) as opened:
        opened.take(" WHO ,Month,members of  HOUSE\na,2025-01,4\n", profile)
        assert opened.records("reading", "value") == [(4.0,)]


def test_one_person_has_one_pseudonym_however_the_number_is_typed(tmp_path):
    numbers = ["44199001x", "４４１９９００１Ｘ", " 441990 01X ", "\u3000441990\u00a001X\ufeff"]
    rows = [row(身份证号=number, 结算日期=f"2025-03-0{at + 1}") for at, number in enumerate(numbers)]
    with door(tmp_path) as opened:
        opened.take(rows)
        assert opened.records("expense", "DISTINCT person_id") == [(pseudonym("resident", "44199001X"),)]
