"""Documents: both languages whole, nothing that could run, the same bytes, and no sign of who was drawn at random."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from openpyxl import load_workbook

from models.wording import half_width_marks
from reports import charts, evaluation, household
from reports.documents import catalogue, say
from reports.weekly_list import ANSWERS, choices, columns, facts, guarded, ordered, to_csv, to_json, write_xlsx
from tests.invented import EXPLANATION, HEADING, weekly_list

LANGUAGES = ("zh", "en")
EVALUATION = {
    "task": "onset", "version": "3", "rows": 12000, "base_rate": 0.031, "immature": 40, "households": 4000,
    "models": {
        "lightgbm": {"auc": 0.84, "auc_interval": [0.83, 0.85], "average_precision": 0.2, "precision_at_5pct": 0.21,
                     "precision_at_5pct_interval": [0.19, 0.23], "recall_at_5pct": 0.34, "brier": 0.027},
        "rules": {"auc": 0.61, "auc_interval": [0.6, 0.62], "calibration_slope": None, "precision_at_5pct": 0.05},
    },
    "differences": {"rules": {"auc": 0.23, "auc_interval": [0.21, 0.25]}},
    "slices": {"distance": {"near": {"rows": 900, "base_rate": 0.1, "expected_rate": 0.11, "recall_on_list": 0.5}}},
    "fairness": {"feeds": {"all": {"rows": 12000, "positives": 370, "recall": 0.34, "recall_interval": [0.3, 0.4]}}},
    "by_day": {"lightgbm": {"listed": 600, "precision": 0.2, "recall": 0.33}},
    "capacity": {"default": 5, "areas": 6, "models": {"lightgbm": {"precision": 0.3, "recall": 0.1}}},
}  # fmt: skip


def test_every_text_stands_in_both_languages_with_the_same_fields():
    for key, texts in catalogue().items():
        assert set(texts) == {"zh", "en"}, key
        fields = [set(re.findall(r"{(\w+)", text)) for text in texts.values()]
        assert fields[0] == fields[1], key
        assert half_width_marks(texts["zh"]) == [], key


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_says_everything_and_runs_nothing(language):
    page = household.to_html(EXPLANATION, language)
    for text in (*EXPLANATION.reasons, *EXPLANATION.relief):
        assert text.sentence.of(language) in html.unescape(page)
    for word in (">32<", say("disclaimer", language), "medical-2026-11.csv", say("status_late", language)):
        assert word in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert page.count("aria-label=") == page.count("<svg")
    shown = html.unescape(page)
    order = [shown.index(f">{say(key, language)}") for key in ("alert", "changes_title", "reasons_title", "data_title")]
    assert order == sorted(order)
    for forbidden in ("SHAP", "log-odds", "对数几率", "准确率", "嫌疑", "异常户", "判定"):
        assert forbidden not in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_text_has_the_same_numbers(language):
    text = household.to_text(EXPLANATION, language)
    for word in (" 32 ", "25–39", "41,206", "27,130", "4182", say("disclaimer", language)):
        assert word in text


def test_what_is_not_known_is_not_said_as_low():
    unknown = replace(
        EXPLANATION, level="insufficient", probability=None, low=None, high=None, rank=None, reasons=(), explained=None
    )
    for language in LANGUAGES:
        for text in (household.to_html(unknown, language), household.to_text(unknown, language)):
            assert say("insufficient", language) in text
            assert say("per_100_before", language) not in text
    assert household.to_plain(unknown)["per_100"] is None


def test_stale_data_are_said_everywhere():
    heading = replace(HEADING, stale=True)
    assert "用电量、存款核对" in household.to_html(replace(EXPLANATION, heading=heading))
    assert "用电量、存款核对" in household.to_text(replace(EXPLANATION, heading=heading))
    assert json.loads(to_json(replace(weekly_list(), heading=heading)))["stale"] is True


def test_the_workbook(tmp_path):
    made = weekly_list(12)
    write_xlsx(made, tmp_path / "one.xlsx")
    write_xlsx(made, tmp_path / "two.xlsx")
    assert (tmp_path / "one.xlsx").read_bytes() == (tmp_path / "two.xlsx").read_bytes()
    book = load_workbook(tmp_path / "one.xlsx")
    assert book.sheetnames == ["清单", "说明", "选项"]
    assert book["选项"].sheet_state == "hidden"
    sheet = book["清单"]
    keys = [cell.value for cell in sheet[3]]
    assert keys[0] == f"run:{HEADING.run_id}"
    assert keys[1:] == columns(made)[1:]
    assert sheet.row_dimensions[3].hidden
    assert sheet.column_dimensions["A"].hidden
    assert sheet.freeze_panes == "D5"
    assert sheet.auto_filter.ref == f"A4:O{4 + 12}"
    assert sheet.protection.sheet
    assert sheet.print_title_rows == "$4:$4"
    assert (sheet.page_setup.orientation, sheet.page_setup.paperSize) == ("landscape", 9)
    for key in ANSWERS:
        assert not sheet.cell(5, keys.index(key) + 1).protection.locked
    assert sheet.cell(5, keys.index("situation") + 1).protection.locked
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)
    lists = [rule for rule in sheet.data_validations.dataValidation if rule.type == "list"]
    assert len(lists) == 4
    assert all(rule.formula1.startswith("'选项'!") or rule.formula1.startswith("选项!") for rule in lists)
    notes = " ".join(str(cell.value) for row in book["说明"].iter_rows() for cell in row if cell.value)
    for word in (HEADING.run_id, HEADING.version, str(HEADING.as_of), "提醒，不是认定", "用电量", "V9", "0 / 3 / 21"):
        assert word in notes


def test_the_blind_form_tells_nothing_of_the_score(tmp_path):
    made = weekly_list(40)
    write_xlsx(made, tmp_path / "blind.xlsx", blind=True)
    book = load_workbook(tmp_path / "blind.xlsx")
    keys = [cell.value for cell in book["清单"][3]]
    assert not {"level", "change"} & set(keys)
    cells = [
        str(cell.value) for name in ("清单", "说明") for row in book[name].iter_rows() for cell in row if cell.value
    ]
    for word in ("■", "较高", "↑", "每 100 户", "排第", "影响很大"):
        assert not [cell for cell in cells if word in cell], word
    households = [row[keys.index("household")].value for row in book["清单"].iter_rows(min_row=5)]
    assert households == [row.household_id for row in sorted(made.rows, key=lambda r: (r.area_code, r.household_id))]
    fills = {cell.fill.fgColor.rgb for row in book["清单"].iter_rows(min_row=5, max_col=6) for cell in row}
    assert len(fills) == 1


def test_long_lists_are_streamed(tmp_path):
    write_xlsx(weekly_list(1600), tmp_path / "long.xlsx", "en")
    assert load_workbook(tmp_path / "long.xlsx", read_only=True)["List"].max_row == 1604


def test_csv_and_json_carry_run_version_and_day():
    made = weekly_list()
    content = to_csv(made)
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert len(rows) == 9
    assert all(row[-3:] == [HEADING.run_id, HEADING.version, str(HEADING.as_of)] for row in rows[1:])
    assert not [cell for row in rows[1:] for cell in row if cell.startswith(("=", "+", "-", "@"))]
    plain = json.loads(to_json(made))
    assert (plain["run_id"], plain["version"], plain["as_of"]) == (HEADING.run_id, HEADING.version, str(HEADING.as_of))
    assert guarded("-1") == "'-1"


def test_neither_order_nor_level_tells_a_row_below_the_levels():
    made = weekly_list(40)
    low = [row for row in made.rows if row.level in ("yellow", "none")]
    shown = {facts(row, 1, "zh")["level"] for row in low}
    assert shown == {"■□□ 关注"}
    placed = [row.household_id for row in ordered(made.rows) if row.area_code == "A1" and row in low]
    assert placed == sorted(placed)


def test_choices_are_the_codes_of_the_visit_form():
    offered = choices(weekly_list().departments, "zh")
    assert offered.codes["validity"] == tuple(f"V{n}" for n in range(1, 10))
    assert all(len(offered.codes[key]) == len(offered.shown[key]) for key in offered.codes)


def test_charts_say_their_numbers_and_keep_their_bounds():
    drawn = charts.hundred_squares(32, 25, 39, "32 of 100 <&>", level="red")
    assert drawn.count("<rect") == 100 + 7
    assert "32 of 100 &lt;&amp;&gt;" in drawn
    assert charts.hundred_squares(0, 0, 0, "none") != charts.hundred_squares(1, 0, 2, "one")
    assert "nan" not in charts.bars([None, None], "nothing")
    assert "nan" not in charts.bars([-3, 0, 5.0], "signs", usual=-1) + charts.peer_strip(1, 1, 1, 1, "equal")
    assert charts.sparkline([], "empty").endswith("</svg>")
    assert "NaN" not in charts.trend([("11-01", 0.9)], {"red": 0.25, "orange": 0.12, "yellow": 0.05}, dict.fromkeys(
        ("red", "orange", "yellow"), "x"), "one")  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_evaluation_page(language, tmp_path):
    from features.project import load_project

    project = load_project(Path(__file__).resolve().parents[2] / "examples" / "sample" / "project.yaml")
    evaluation.write_html(EVALUATION, project, tmp_path / "e.html", language=language)
    page = (tmp_path / "e.html").read_text(encoding="utf-8")
    for word in ("0.840 (0.830–0.850)", "12,000", say("model_rules", language), "near", "34.0%", "66.0%"):
        assert word in page
    assert "<script" not in page
