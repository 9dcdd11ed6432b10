"""What a profile may say: keys, clocks, snapshots, and what is refused before any file is read."""

from __future__ import annotations

import copy
from datetime import date

import pytest

from features.errors import ProjectError
from features.feeds.contracts import TABLES, VERSION, vocabularies
from features.feeds.records import check_rules
from tests.deliveries import PROFILE, project
from tests.door import RECEIVED, door, row, small

FIVE = "who,month,x\na,2025-01,1\na,2025-01,1\nb,2025-02,1\n"


@pytest.mark.parametrize(
    ("knowledge", "day", "assumed"),
    [
        ({}, RECEIVED, False),
        ({"end_of": "month", "plus_days": 45}, date(2025, 3, 17), True),
    ],
)
def test_the_day_of_knowledge(tmp_path, knowledge, day, assumed):
    with door(tmp_path) as opened:
        opened.take("who,month,x\na,2025-01,1\n", small({"type": "integer"}, knowledge=knowledge))
        assert opened.rows("knowledge_date, knowledge_date_assumed") == [(day, assumed)]


def test_keys_and_contents(tmp_path):
    with door(tmp_path) as opened:
        opened.take(FIVE, small({"type": "integer"}))
        (first, same, other) = opened.rows("row_key, content_hash")
        assert first == same
        assert first[0] != other[0]
        assert all(len(text) == 32 for text in (*first, *other))
        opened.take("who,month,x\na,2025-01,2\n", small({"type": "integer"}))
        ((key, content),) = opened.rows("row_key, content_hash")
        assert key == first[0]
        assert content != first[1]


def test_rows_do_not_depend_on_the_order_of_lines_and_columns(tmp_path):
    with door(tmp_path) as opened:
        opened.take(FIVE, small({"type": "integer"}))
        wanted = sorted(opened.rows("row_key, content_hash"))
        opened.take("x,who,month\n1,b,2025-02\n1,a,2025-01\n1,a,2025-01\n", small({"type": "integer"}))
        assert sorted(opened.rows("row_key, content_hash")) == wanted


def test_deletions_make_no_records(tmp_path):
    with door(tmp_path) as opened:
        few = row(身份证号="990000000000000003", 是否撤销="是", 月份="", 金额="", 区划="")
        opened.take([row(是否撤销="是"), row(身份证号="990000000000000002"), few])
        assert opened.rows("retracted") == [(True,), (False,), (True,)]
        assert {line for (line,) in opened.records("expense", "line")} == {3}


def test_the_scope_of_a_snapshot(tmp_path):
    with door(tmp_path) as opened:
        opened.take(FIVE, small({"type": "integer"}, snapshot={"scope": ["month"]}))
        assert opened.rows("scope_key") == [("2025-01",), ("2025-01",), ("2025-02",)]
        opened.take(FIVE, small({"type": "integer"}, snapshot={}))
        assert opened.rows("scope_key") == [("",), ("",), ("",)]


def test_clocks_of_records(tmp_path):
    with door(tmp_path) as opened:
        opened.take([row(月份="2025-02")])
        day = date(2025, 3, 5)
        assert opened.records("expense", "period_start, period_end, subject") == [(day, day, "household")]
        assert opened.records("household", "period_end") == [(day,)]
        assert opened.records("reading", "kind, value, period_start, period_end") == [
            ("children", 0.5, date(2025, 2, 1), date(2025, 2, 28)),
            ("members", 3.0, date(2025, 2, 1), date(2025, 2, 28)),
        ]


def _wrong(change):
    profile = copy.deepcopy(PROFILE)
    change(profile)
    return profile


WRONG = {
    "rule_table_unknown": lambda p: p["records"][0].update(table="expenses"),
    "rule_column_unknown": lambda p: p["records"][0]["set"].update(amount_yuan="金额"),
    "rule_source_unknown": lambda p: p["records"][0]["set"].update(amount="金额元"),
    "rule_word_unknown": lambda p: p["records"][2]["each"]["over"].update(dogs="人数"),
    "rule_incomplete": lambda p: p["records"][0]["set"].pop("amount"),
    "column_name_taken": lambda p: p["columns"].update(Row_Key={"type": "text"}),
    "identity_used": lambda p: p["records"][0]["set"].update(place="姓名"),
    "identity_undeclared": lambda p: p["identifiers"]["person"]["vault"].update(phone="电话"),
}


@pytest.mark.parametrize("code", WRONG)
def test_a_profile_that_cannot_be_is_refused(code):
    with pytest.raises(ProjectError) as raised:
        check_rules(project(_wrong(WRONG[code])), "bills")
    assert raised.value.code == code
    assert raised.value.repair("zh")


def test_a_profile_that_keys_by_an_identity_number_is_refused():
    with pytest.raises(ProjectError):
        check_rules(project(_wrong(lambda p: p.update(key=["身份证号", "结算日期"]))), "bills")


def test_contract_tables_and_vocabularies():
    assert VERSION == 1
    words = "area area_reading assistance_line schedule household category member income expense event reading"
    assert set(TABLES) == {*words.split(), "employer_month", "assistance", "outcome", "referral"}
    for table in TABLES.values():
        for column in table.columns:
            assert column.vocabulary is None or vocabularies()[column.vocabulary], (table.name, column.name)
    assert all(name.zh and name.en for words in vocabularies().values() for name in words.values())
