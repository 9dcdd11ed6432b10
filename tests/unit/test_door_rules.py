"""Every rule that rejects a row: an example of each, its sentence, and its repair."""

from __future__ import annotations

import copy
import zipfile

import pytest
import xlsxwriter

from features.errors import DataError, catalogue
from features.feeds.validation import rules
from features.feeds.workbooks import MOST_SHARED_TEXT, refuse_hostile
from tests.deliveries import HEADINGS, PROFILE, _book, write_csv
from tests.door import door, row

OTHER = row(身份证号="990000000000000009", 金额="1")


def _nobody():
    profile = copy.deepcopy(PROFILE)
    for identifier in profile["identifiers"].values():
        identifier["required"] = False
    profile["columns"]["身份证号"]["required"] = profile["columns"]["户编号"]["required"] = False
    profile["columns"]["单号"] = {"type": "text", "required": True}
    profile["key"] = ["单号"]
    profile["records"] = profile["records"][:1]
    return profile


def _undated():
    profile = copy.deepcopy(PROFILE)
    profile["columns"]["结算日期"]["required"] = profile["columns"]["月份"]["required"] = False
    profile["key"] = ["person", "类别"]
    profile["records"] = profile["records"][:1]
    return profile


def _quarters():
    profile = copy.deepcopy(PROFILE)
    profile["columns"] |= {"年": {"type": "integer"}, "季": {"type": "integer"}}
    profile["derive"] = {"季度": {"period": ["年", "季"], "grain": "quarter"}}
    profile["key"] = ["person", "季度"]
    return profile


def _text(rows, headings=HEADINGS):
    return write_csv(rows, headings, newline="\n")


FAULTY = {
    "unreadable": ([row(结算日期="昨天"), OTHER], None, "结算日期"),
    "required": ([row(金额="不详"), OTHER], None, "金额"),
    "column_missing": (_text([[*row()[:6], *row()[7:]]], [*HEADINGS[:6], *HEADINGS[7:]]), None, "金额"),
    "not_allowed": ([row(类别="殡葬"), OTHER], None, "类别"),
    "word_unknown": (
        [row(类别="殡葬"), row(身份证号="990000000000000009", 类别="medical")],
        {**PROFILE, "columns": {**PROFILE["columns"], "类别": {"type": "code", "required": True}}},
        "类别",
    ),
    "area_unknown": ([row(区划="999999"), OTHER], None, "区划"),
    "out_of_range": ([row(比例="1.5"), OTHER], None, "比例"),
    "negative_amount": ([row(金额="-3"), OTHER], None, "金额"),
    "amount_absurd": ([row(金额="99999999999999"), OTHER], None, "金额"),
    "date_absurd": ([row(结算日期="1799-01-01"), OTHER], None, "结算日期"),
    "knowledge_in_future": ([row(登记日期="2026-02-01"), OTHER], None, "knowledge_date"),
    "key_conflict": ([row(), row(金额="13"), OTHER], None, ""),
    "key_missing": (
        _text([[*row(), "2025", "5"], [*OTHER, "2025", "4"]], [*HEADINGS, "年", "季"]),
        _quarters(),
        "季度",
    ),
    "nobody": (
        _text([[*row(身份证号="", 户编号=""), "1"], [*row(户编号=""), "2"]], [*HEADINGS, "单号"]),
        _nobody(),
        "household",
    ),
    "undated": ([row(结算日期="", 月份=""), row(身份证号="990000000000000009", 月份="")], _undated(), "结算日期"),
    "digits_lost": ([row(身份证号="4.41900199001010E+17"), OTHER], None, "身份证号"),
    "encoding": (_text([row(), OTHER]).encode().replace("张三".encode(), b"\xff\xfe", 1), None, ""),
    "ragged_line": (_text([row()[:7], OTHER]), None, ""),
    "nul_byte": ([row(姓名="张\x00三"), OTHER], None, ""),
    "unclosed_quote": (_text([row(), OTHER]).replace("张三", '"张三', 1), None, ""),
    "unreadable_line": (_text([row(), OTHER]).replace("张三", "张\r三", 1), None, ""),
    "line_too_long": ([row(姓名="长" * 400_000), OTHER], None, ""),
    "formula_cell": ({(1, 6): "=1+1"}, None, ""),
    "error_cell": ({(1, 6): "#N/A"}, None, ""),
}


@pytest.mark.parametrize("rule", FAULTY)
def test_a_row_that_breaks_the_rule_is_rejected_and_the_others_are_kept(rule, tmp_path):
    content, profile, column = FAULTY[rule]
    if isinstance(content, dict):
        content = _workbook(tmp_path, content)
    with door(tmp_path) as opened:
        opened.take(content, profile)
        found = opened.rejected()
        assert {(name, why) for _, name, why in found} == {(column, rule)}
        assert [line for line, *_ in found] == ([2, 3] if rule == "key_conflict" else [2])
        if rule != "column_missing":
            assert opened.rows("line") == [(4 if rule == "key_conflict" else 3,)]


def _workbook(folder, cells):
    """A workbook with formulas or error values in it."""
    import openpyxl

    path = _book(folder / "formulas", [row(), OTHER])
    book = openpyxl.load_workbook(path)
    for (at, place), value in cells.items():
        book.active.cell(at + 1, place + 1, value)
    book.save(path)
    return path


def test_every_rule_has_an_example_and_sentences_in_both_languages():
    assert set(FAULTY) == set(rules()) - {"file_unreadable"}
    for words in rules().values():
        assert all(words[part].zh and words[part].en for part in ("says", "repair"))


def test_all_reasons_of_a_row_are_told_the_faults_of_its_key_first(tmp_path):
    with door(tmp_path) as opened:
        opened.take([row(结算日期="昨天", 人数="九", 金额="-1"), OTHER])
        assert opened.rejected() == [(2, "结算日期", "unreadable")]
        (reasons,) = opened.engine.rows("SELECT reasons FROM rejected")[0]
        assert {name for name, _ in eval(reasons)} >= {"结算日期", "人数", "金额"}


def test_a_rejected_double_does_not_take_the_good_row_with_it(tmp_path):
    with door(tmp_path) as opened:
        opened.take([row(), row(金额="-1")])
        assert opened.rejected() == [(3, "金额", "negative_amount")]
        assert opened.rows("line") == [(2,)]


# --- whole files ----------------------------------------------------------------------------------------------------


def _zip(members):
    def write(folder):
        path = folder / "delivery.xlsx"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return path

    return write


def _wide(folder):
    path = folder / "delivery.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, HEADINGS)
        sheet.write_string(1, 9000, "far away")
    return path


REFUSED = {
    "delivery_empty": lambda _: b"",
    "delivery_unreadable": _zip({"readme.txt": b"no workbook"}),
    "header_unreadable": lambda _: b"\xff\xfe\xff" + "身份证号\n".encode(),
    "header_twice": lambda _: _text([[*row(), "1"]], [*HEADINGS, "金额"]),
    "header_unknown": lambda _: _text([row()], row()),
    "archive_bomb": _zip({"xl/worksheets/sheet1.xml": b"0" * 30_000_000}),
    "sheet_too_wide": _wide,
}


@pytest.mark.parametrize("code", REFUSED)
def test_a_file_that_is_no_table_of_this_feed_is_refused_as_a_whole(code, tmp_path):
    with door(tmp_path) as opened:
        with pytest.raises(DataError) as raised:
            opened.take(REFUSED[code](tmp_path))
        assert raised.value.code == code
        assert all(catalogue()[code][part] for part in ("zh", "en", "repair_zh", "repair_en"))
        assert "张三" not in raised.value.sentence("zh") + raised.value.repair("zh")


def test_unknown_columns_are_refused_where_the_profile_says_so(tmp_path):
    with door(tmp_path) as opened, pytest.raises(DataError) as raised:
        opened.take(_text([[*row(), "x"]], [*HEADINGS, "张三"]), {**PROFILE, "unknown_columns": "reject"})
    assert raised.value.code == "columns_unknown"
    assert "张三" not in str(raised.value)


def test_much_shared_text_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "delivery.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/sharedStrings.xml", "w") as file:
        for _ in range(MOST_SHARED_TEXT // 10_000_000 + 1):
            file.write(b"0" * 10_000_000)
    with door(tmp_path) as opened, pytest.raises(DataError) as raised:
        opened.take(path)
    assert raised.value.code == "archive_bomb"


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/styles.xml", "_rels/.rels"])
@pytest.mark.parametrize("head", ["", f"<!--{'x' * 100_000}-->"], ids=["at once", "far in"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_part_that_declares_entities_is_refused_whatever_reads_workbooks(part, head, encoding, tmp_path):
    path, hostile = tmp_path / "good.xlsx", tmp_path / "hostile.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        book.add_worksheet().write_row(0, 0, HEADINGS)
    refuse_hostile(path)
    with zipfile.ZipFile(path) as good, zipfile.ZipFile(hostile, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in good.namelist():
            text = good.read(name).decode()
            if name == part:
                body = text.split("?>", 1)[1]
                declared = f'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]>{body}'
                text = f'<?xml version="1.0" encoding="{encoding}"?>{head}{declared}'
            archive.writestr(name, text.encode(encoding if name == part else "utf-8"))
    with pytest.raises(DataError) as raised:
        refuse_hostile(hostile)
    assert raised.value.code == "delivery_unreadable"
