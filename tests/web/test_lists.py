"""A week's list out and back in: nothing is saved before it is confirmed, and hostile files are refused clearly."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from sqlalchemy import select

from features.errors import UsageError
from serving.casework import actions as a
from serving.casework.tables import AuditRow
from serving.commands import casework
from serving.console import Console
from serving.web.office import Office
from tests.casework.desks import Clock, household
from tests.casework.made import TOWN, TOWN_AREA, VILLAGE, form
from tests.web.offices import TOKEN, Browser, signed_in
from tests.web.published import RUN, VISIT, answered, columns, line_of, publish
from tests.web.shown import case_of

WEEK = "/weeks/2026-03-01"


@pytest.fixture
def week(office: Office, clock: Clock) -> Office:
    publish(office)
    clock.on(days=2)
    return office


def send(who: Browser, content: bytes, name: str = "list.xlsx", week: str = WEEK) -> Any:
    token = TOKEN.search(who.get("/help").text)
    assert token is not None
    return who.client.post(
        f"{week}/import", data={"form_token": token[1]}, files={"file": (name, content)}, follow_redirects=False
    )


def refused(answer: Any) -> str:
    assert answer.status_code == 422, answer.text[-2000:]
    return str(answer.text.split('id="summary"')[1].split("</div>")[0])


# --- out ------------------------------------------------------------------------------------------------------------


def test_the_list_goes_out_for_ones_own_area_with_its_codes(week: Office) -> None:
    content = signed_in(week, "c1").get(f"{WEEK}/list.xlsx").content
    sheet = load_workbook(io.BytesIO(content)).worksheets[0]
    assert sheet.max_row == 4 + 9
    assert len({sheet.cell(row, 1).value for row in range(5, 14)}) == 9
    keys = columns(content)
    assert {"level", "verdict_expense", "depth", "need_3", "watch_date"} <= set(keys)
    assert load_workbook(io.BytesIO(signed_in(week, "t1").get(f"{WEEK}/list.xlsx").content)).worksheets[0].max_row == 12
    for who in ("v1", "s1", "d1"):
        assert signed_in(week, who).get(f"{WEEK}/list.xlsx").status_code == 403
    assert signed_in(week, "c1").get("/weeks/2026-03-08/list.xlsx").status_code == 404
    with week.desk.database.reading() as session:
        lines = list(session.scalars(select(AuditRow).where(AuditRow.kind == "export")))
    assert [(line.account, line.subject) for line in lines] == [("c1", RUN), ("t1", RUN)]


def test_every_choice_of_the_record_has_a_drop_down(week: Office) -> None:
    book = load_workbook(io.BytesIO(signed_in(week, "c1").get(f"{WEEK}/list.xlsx").content))
    sheet = book.worksheets[0]
    keys = [str(cell.value) for cell in sheet[3]]
    with_list = {
        keys[one.min_col - 1] for rule in sheet.data_validations.dataValidation if rule.type == "list"
        for one in rule.sqref.ranges
    }  # fmt: skip
    wanted = {
        "method", "validity", "cause", "cause_2", "cause_3", "department", "met", "met_2", "depth", "evidence",
        "evidence_2", "evidence_3", "savings", "kin", "disposition", "need", "need_2", "need_3", "verdict_expense",
        "verdict_income", "verdict_population",
    }  # fmt: skip
    assert with_list == wanted


def test_who_visits_first_gets_no_score_and_is_asked_for_no_verdict(week: Office) -> None:
    week.project.listing.presentation[TOWN_AREA] = "blind"
    try:
        who = signed_in(week, "t1")
        content = who.get(f"{WEEK}/list.xlsx").content
        assert not [key for key in columns(content) if key in ("level", "change") or key.startswith("verdict")]
        answer = send(who, answered(content, {0: VISIT}))
        who.post(answer.headers["location"], "/help")
        assert case_of(week, 0).first.score_shown is False
    finally:
        week.project.listing.presentation.clear()


# --- and back -------------------------------------------------------------------------------------------------------


def test_nothing_is_saved_before_it_is_confirmed(week: Office) -> None:
    who = signed_in(week, "c1")
    week.desk.act(a.Assign(by=TOWN, to=VILLAGE), case_of(week, 1).case_id, 0)
    content = who.get(f"{WEEK}/list.xlsx").content
    rows = {
        0: VISIT,
        1: {**VISIT, "cause_2": "C4", "evidence_2": "现场查看", "remark": "看到票据"},
        2: {**VISIT, "validity": "大概困难"},
        3: {**VISIT, "disposition": None},
        4: {**VISIT, "row_code": "f" * 24},
        5: {**VISIT, "finding_date": "2027-01-01"},
    }  # fmt: skip
    answer = send(who, answered(content, rows))
    assert answer.status_code == 303
    page = who.get(answer.headers["location"])
    assert "还没有保存" in page.text
    lines = sorted(line_of(content, number) for number in (2, 3, 4, 5))
    for line in lines:
        assert f'<td data-label="行号">{line}' in page.text
    assert case_of(week, 0).first is None and case_of(week, 0).state == "alert"
    sheet = load_workbook(io.BytesIO(who.get(f"{answer.headers['location']}/errors.xlsx").content)).active
    assert [sheet.cell(row, 1).value for row in range(2, 6)] == lines
    assert any("不是下拉列表里的选项" in sheet.cell(row, 2).value for row in range(2, 6))
    done = who.post(answer.headers["location"], "/help")
    assert "已登记 2 户" in who.get(done.headers["location"]).text
    first = case_of(week, 1).first
    assert first is not None
    assert (first.by.account, first.form.causes, first.form.needs) == ("c1", ("C1", "C4"), ("N04",))
    assert first.form.reasons == dict.fromkeys(("income", "population"), "true")
    assert case_of(week, 0).owner.account == "c1"
    assert case_of(week, 2).first is None
    again = who.post(answer.headers["location"], "/help")
    assert again.status_code == 303 and case_of(week, 1).version == 2
    assert not list(week.settings.home.rglob("imports/*.xlsx"))


def test_a_record_that_is_there_stands_beside_the_row(week: Office) -> None:
    who = signed_in(week, "c1")
    content = who.get(f"{WEEK}/list.xlsx").content
    week.desk.act(a.Assign(by=TOWN, to=VILLAGE), case_of(week, 0).case_id, 0)
    week.desk.act(a.Classify(by=VILLAGE, form=form("V3")), case_of(week, 0).case_id, 1)
    answer = send(who, answered(content, {0: VISIT}))
    page = who.get(answer.headers["location"]).text
    assert "与系统里的记录不一致" in page
    main = page.split("<main")[1]
    assert "林小梅" in main and "情况属实，但不困难" in main and "确有困难" in main
    who.post(answer.headers["location"], "/help", opinion=household(0))
    assert [record.kind for record in case_of(week, 0).records] == ["first", "opinion"]
    assert case_of(week, 0).first.form.validity == "V3"


def test_what_changed_since_the_preview_is_left_alone(week: Office) -> None:
    who = signed_in(week, "c1")
    answer = send(who, answered(who.get(f"{WEEK}/list.xlsx").content, {0: VISIT, 1: VISIT}))
    week.desk.act(a.Assign(by=TOWN, to=VILLAGE), case_of(week, 0).case_id, 0)
    assert "上传后有变动" in who.get(answer.headers["location"]).text
    done = who.post(answer.headers["location"], "/help")
    page = who.get(done.headers["location"]).text
    assert "已登记 1 户" in page and "没有登记的户" in page
    assert case_of(week, 0).first is None and case_of(week, 1).first is not None


def test_rows_of_other_areas_are_rejected(week: Office) -> None:
    content = signed_in(week, "c1").get(f"{WEEK}/list.xlsx").content
    town = signed_in(week, "t1")
    answer = send(town, answered(content, {8: VISIT}))
    page = town.get(answer.headers["location"]).text
    assert "这一户不在您的辖区" in page and "确认导入</button>" not in page


def test_the_command_records_a_list_in_its_cases_as_the_page_does(
    week: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With an account that may; without one nothing is taken, and no field is lost on the way."""
    content = signed_in(week, "c1").get(f"{WEEK}/list.xlsx").content
    week.desk.act(a.Assign(by=TOWN, to=VILLAGE), case_of(week, 2).case_id, 0)
    week.desk.act(a.Classify(by=VILLAGE, form=form("V3")), case_of(week, 2).case_id, 1)
    file, errors = tmp_path / "back.xlsx", tmp_path / "errors.xlsx"
    rows = {0: {**VISIT, "cause_2": "C4"}, 1: {**VISIT, "validity": "大概困难"}, 2: VISIT}
    file.write_bytes(answered(content, rows))
    monkeypatch.setattr(casework, "open_desk", lambda *_: week.desk)
    monkeypatch.setattr(casework, "open_database", lambda *_: week.desk.database)
    monkeypatch.setattr(casework, "there", lambda *_: True)
    console = Console(week.settings, None, as_json=True, quiet=True, verbose=False, colour=False, agreed=False)
    console.__dict__["project"] = week.project

    def taken(account: str, *, dry_run: bool = False) -> dict[str, Any]:
        casework.list_import(console, file, account, task=None, errors=errors, dry_run=dry_run)
        assert console.exit_code == 3
        return console.answer

    assert casework.has_cases(console, file)
    for account, code in (("", "list_needs_account"), ("nobody", "account_unknown"), ("s1", "list_account_unfit")):
        with pytest.raises(UsageError) as wrong:
            casework.list_import(console, file, account, task=None, errors=None, dry_run=False)
        assert wrong.value.code == code
    planned = taken("c1", dry_run=True)
    assert planned["accepted"] == 1 and case_of(week, 0).first is None and not errors.exists()
    done = taken("c1")
    assert done["accepted"] == 1 and [one["column"] for one in done["rejected"]] == ["validity"]
    assert done["at_odds"] == [household(2)] and errors.is_file()
    first = case_of(week, 0).first
    assert first is not None and (first.by.account, first.form.causes, first.form.depth) == ("c1", ("C1", "C4"), 2)
    assert case_of(week, 2).first.form.validity == "V3"
    assert taken("c1")["accepted"] == 0, "the same file again says that it is there"


def test_an_upload_is_its_senders_and_expires(week: Office, clock: Clock) -> None:
    who = signed_in(week, "c1")
    where = send(who, answered(who.get(f"{WEEK}/list.xlsx").content, {0: VISIT})).headers["location"]
    other = signed_in(week, "t1")
    for key in (where, f"{WEEK}/import/{'0' * 32}", f"{WEEK}/import/..%2f..%2fkeys", f"{WEEK}/import/{'x' * 400}"):
        answer = other.get(key)
        assert answer.status_code == 404
        assert "filled" not in answer.text
    assert other.post(where, "/help").status_code == 404
    clock.on(hours=3)
    signed_in(week, "c1")
    assert case_of(week, 0).first is None
    again = signed_in(week, "c1")
    assert "已过期" in again.get(where).text
    send(again, again.get(f"{WEEK}/list.xlsx").content)
    assert not list(week.settings.home.rglob("imports/*.xlsx"))


# --- hostile files ----------------------------------------------------------------------------------------------------


def repacked(content: bytes, change: Callable[[str, bytes], bytes | None], **more: bytes) -> bytes:
    """A workbook with parts changed, left out (None) or added."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            part = change(name, source.read(name))
            if part is not None:
                target.writestr(name, part)
        for name, part in more.items():
            target.writestr(name.replace("__", "/").replace("_dot_", "."), part)
    return out.getvalue()


def bomb(content: bytes) -> bytes:
    return repacked(content, lambda _, part: part, xl__media__zeros_dot_bin=b"\0" * 60_000_000)


def macro(content: bytes) -> bytes:
    return repacked(content, lambda _, part: part, xl__vbaProject_dot_bin=b"macro")


def climbing(content: bytes) -> bytes:
    out = io.BytesIO(content)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("../../../keys/audit.key", b"x")
    return out.getvalue()


def entity(content: bytes) -> bytes:
    def change(name: str, part: bytes) -> bytes:
        if "sheet1" not in name:
            return part
        head = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
        return head + re.sub(rb"<\?xml[^>]*\?>", b"", part).replace(b"<t>", b"<t>&e;", 1)

    return repacked(content, change)


def broken(content: bytes) -> bytes:
    return repacked(content, lambda name, part: b"<worksheet" if "sheet1" in name else part)


@pytest.mark.parametrize(
    "spoil", [bomb, macro, climbing, entity, broken, lambda _: b"MZ no workbook", lambda content: content[:400]]
)
def test_hostile_files_are_refused_on_a_clear_page(week: Office, spoil: Callable[[bytes], bytes]) -> None:
    who = signed_in(week, "c1")
    content = answered(who.get(f"{WEEK}/list.xlsx").content, {0: VISIT})
    said = refused(send(who, spoil(content), "../../etc/<b>清单.xlsx"))
    assert "不是可读的 XLSX" in said
    assert "etc/" not in said and "<b>" not in said and str(week.settings.home) not in said
    assert not list(week.settings.home.rglob("imports/*.xlsx"))
    assert case_of(week, 0).first is None


def test_other_lists_and_empty_ones_are_refused(week: Office) -> None:
    who = signed_in(week, "c1")
    content = who.get(f"{WEEK}/list.xlsx").content
    assert "没有填写的行" in refused(send(who, content))
    assert "先选择" in refused(send(who, b""))
    other = answered(content, {0: VISIT, -1: {"row_code": "run:ffffffffffff"}})
    assert "不是 2026-03-01 的清单" in refused(send(who, other))
    assert "行码和列名" in refused(send(who, answered(content, {-1: {"validity": "x"}})))
    assert send(who, content, week="/weeks/2026-03-08").status_code == 404


def test_formulas_are_sent_back_and_text_stays_text(week: Office) -> None:
    who = signed_in(week, "c1")
    content = who.get(f"{WEEK}/list.xlsx").content
    answer = send(who, answered(content, {0: {**VISIT, "remark": '=HYPERLINK("http://x","y")'}}))
    page = who.get(answer.headers["location"]).text
    assert "里是公式" in page
    errors = load_workbook(io.BytesIO(who.get(f"{answer.headers['location']}/errors.xlsx").content)).active
    assert all(cell.data_type != "f" for row in errors.iter_rows() for cell in row)


def test_uploads_are_limited(week: Office) -> None:
    who = signed_in(week, "c1")
    assert refused(send(who, b"x" * 1_000_000))
    assert send(who, b"x" * 5_400_000).status_code == 413


def test_the_same_address_without_a_token_is_refused(week: Office) -> None:
    who = signed_in(week, "c1")
    answer = who.client.post(f"{WEEK}/import", files={"file": ("a.xlsx", b"x")}, follow_redirects=False)
    assert answer.status_code == 403
