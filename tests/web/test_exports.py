"""Large files in the background: progress, one's own only, interrupted by a restart, gone after a day, written down."""

from __future__ import annotations

import io
import json
import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from sqlalchemy import select

from serving.casework.tables import AuditRow
from serving.web import exporting, exports
from serving.web.office import Office
from tests.casework.desks import Clock, household
from tests.web.offices import Browser, signed_in
from tests.web.published import publish

FILE = re.compile(r'href="(/exports/[0-9a-f]{32}/file)"')


@pytest.fixture
def week(office: Office) -> Office:
    publish(office)
    return office


def waited(who: Browser, text: str, times: int = 1) -> str:
    """The page once it says so."""
    for _ in range(600):
        page = str(who.get("/exports").text)
        if page.count(text) >= times:
            return page
        time.sleep(0.05)
    raise AssertionError(page)


def ask(who: Browser, **fields: Any) -> Any:
    return who.post("/exports", "/help", week="2026-03-01", **fields)


@pytest.mark.parametrize(("account", "rows"), [("c1", 9), ("s1", 9)])
def test_a_list_is_made_and_fetched(week: Office, account: str, rows: int) -> None:
    who = signed_in(week, account)
    assert "还没有生成过文件" in who.get("/exports").text
    assert ask(who, format="xlsx").status_code == 303
    address = FILE.search(waited(who, "可以下载"))
    assert address is not None
    answer = who.get(address[1])
    assert "attachment" in answer.headers["content-disposition"]
    assert load_workbook(io.BytesIO(answer.content)).worksheets[0].max_row == 4 + rows
    with week.desk.database.reading() as session:
        lines = list(session.scalars(select(AuditRow).where(AuditRow.kind == "export").order_by(AuditRow.seq)))
    assert [line.account for line in lines] == [account, account]
    assert len({json.loads(line.detail)["sha256"] for line in lines}) == 1


def test_csv_begins_with_its_mark(week: Office) -> None:
    who = signed_in(week, "c1")
    ask(who, format="csv")
    address = FILE.search(waited(who, "可以下载"))
    assert address is not None
    content = who.get(address[1]).content
    assert content.startswith(b"\xef\xbb\xbf")
    assert household(0) in content.decode("utf-8-sig")


def test_files_are_their_owners(week: Office) -> None:
    who = signed_in(week, "c1")
    ask(who, format="csv")
    address = FILE.search(waited(who, "可以下载"))
    assert address is not None
    other = signed_in(week, "s1")
    assert "还没有生成过文件" in other.get("/exports").text
    for place in (address[1], f"/exports/{'0' * 32}/file", "/exports/..%2f..%2fkeys/file"):
        answer = other.get(place)
        assert answer.status_code == 404 and "csv" not in answer.text
    for account in ("v1", "t1", "d1"):
        assert signed_in(week, account).get("/exports").status_code == 403


def test_one_at_a_time_with_its_progress(week: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    going = threading.Event()
    write = exporting.write_xlsx

    def slowly(made: Any, path: Path, language: str, *, blind: bool, progress: Any) -> None:
        progress(4)
        going.wait(10)
        write(made, path, language, blind=blind, progress=progress)

    monkeypatch.setattr(exporting, "write_xlsx", slowly)
    who = signed_in(week, "c1")
    ask(who, format="xlsx")
    page = waited(who, "4 / 9")
    assert "刷新进度" in page and '<progress value="4" max="9"' in page
    again = ask(who, format="csv")
    assert again.status_code == 422 and "正在生成" in again.text
    going.set()
    waited(who, "可以下载")


def test_a_restart_interrupts_and_the_file_goes_after_a_day(week: Office, clock: Clock) -> None:
    who = signed_in(week, "c1")
    ask(who, format="csv")
    waited(who, "可以下载")
    kept = next(week.settings.home.rglob("exports/*.json"))
    plain = json.loads(kept.read_bytes())
    lost = kept.with_name(f"{'a' * 32}.json")
    lost.write_text(json.dumps({**plain, "key": "a" * 32, "state": "running"}))
    assert "服务重启时中断" in who.get("/exports").text
    assert ask(who, format="csv").status_code == 303
    waited(who, "可以下载", 2)
    clock.on(hours=25)
    who = signed_in(week, "c1")
    assert "已过期，文件已删除" in who.get("/exports").text
    assert not list(week.settings.home.rglob("exports/*.csv"))
    assert who.get(f"/exports/{plain['key']}/file").status_code == 404
    clock.on(days=9)
    signed_in(week, "c1").get("/exports")
    assert not list(week.settings.home.rglob("exports/*"))


@pytest.mark.parametrize("format_", ["xlsx", "csv"])
def test_a_long_list_is_written_by_a_process_of_its_own_and_is_the_same(
    week: Office, monkeypatch: pytest.MonkeyPatch, format_: str
) -> None:
    who = signed_in(week, "c1")
    contents = []
    for times, most in ((1, exports.LONG_BYTES), (2, 0)):
        monkeypatch.setattr(exports, "LONG_BYTES", most)
        ask(who, format=format_)
        address = FILE.search(waited(who, "可以下载", times))
        assert address is not None
        contents.append(who.get(address[1]).content)
    assert contents[0] == contents[1] != b""
    monkeypatch.setattr(exporting.sys, "executable", "/bin/false")
    ask(who, format=format_)
    waited(who, "没有成功")


def test_what_fails_says_so(week: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> bytes:
        raise OSError

    monkeypatch.setattr(exporting, "to_csv", broken)
    who = signed_in(week, "c1")
    ask(who, format="csv")
    waited(who, "没有成功")
    assert ask(who, format="exe").status_code == 422
    assert who.post("/exports", "/help", week="2020-01-01", format="csv").status_code == 404
