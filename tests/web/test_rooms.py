"""Referrals, overview, audit, and what holds for every page."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from features.settings import Settings
from serving.casework import actions as a
from serving.casework.desk import open_desk
from serving.web.office import Office
from tests.casework.desks import OTHER_VILLAGE, Listed, household
from tests.casework.made import COUNTY_AREA, PROVINCE, TOWN, VILLAGE, form
from tests.web.carded import known
from tests.web.offices import browser, signed_in
from tests.web.shown import case_of, rich

PLACES = {
    "v1": ("/tasks", "/help", "/help/how-scores-work", "/resources"),
    "t1": ("/weeks", "/weeks/current", "/tasks", "/resources", "/resources/new"),
    "c1": ("/weeks", "/weeks/current", "/tasks", "/referrals", "/overview", "/feedback", "/quality"),
    "s1": ("/weeks/current", "/overview", "/feedback", "/quality", "/models", "/audit"),
    "d1": ("/referrals", "/referrals?answered=1", "/referrals/r1"), "u1": ("/audit",),
    "a1": ("/models", "/models/1", "/models/1/cases/" + household(0), "/quality", "/about"),
}  # fmt: skip


@pytest.fixture
def full(office: Office) -> Office:
    rich(office.desk, 14)
    for number in (0, 1):
        office.desk.act(a.Assign(by=TOWN, to=VILLAGE), case_of(office, number).case_id, 0)
        office.desk.act(a.Classify(by=VILLAGE, form=form("V1")), case_of(office, number).case_id, 1)
    office.desk.act(a.Refer(by=TOWN, referral_id="r1", need="N04"), case_of(office, 0).case_id, 2)
    known(office)
    return office


def main_of(answer: Any) -> str:
    return answer.text.split("<main")[1].split("</main>")[0]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_speaks_its_language_and_carries_nothing_inline(full: Office, language: str) -> None:
    for account, paths in PLACES.items():
        who = signed_in(full, account)
        who.post("/preferences", language=language)
        for path in (
            *paths,
            *([f"/households/{household(0)}", f"/households/{household(5)}"] if account in "v1t1c1s1" else []),
        ):
            answer = who.get(path)
            assert answer.status_code == 200, (account, path, main_of(answer)[:400])
            text = answer.text
            assert not re.search(r"\sstyle=|<style|\son\w+=|<script(?! type=\"module\" src=\"/static)", text), path
            assert len(re.findall(r"<h1[ >]", text)) == 1, path
            assert len(text.encode()) < 150_000, path
            if language == "zh":
                words = re.sub(r"<[^>]+>", "\n", text)
                assert re.findall(r"[\u4e00-\u9fff][,:;()?!]", words) == [], path
            else:
                seen = re.sub(
                    r"林小梅|谢文斌|周敏|何督导|医保专员|审计员|分析员|中文|周济[^<\n]*",
                    "",
                    re.sub(r"<[^>]+>", "\n", text),
                )
                left = [
                    line for line in re.findall(r".*[\u4e00-\u9fff].*", seen) if "救助" not in line and "（" not in line
                ]
                assert left == [], (path, left[:3])


def test_a_department_answers_and_sees_nothing_else(full: Office) -> None:
    who = signed_in(full, "d1")
    inbox = main_of(who.get("/referrals"))
    assert "/referrals/r1" in inbox
    page = main_of(who.get(f"/households/{household(0)}"))
    assert "27,130" not in page and "核查记录" not in page
    assert who.get(f"/households/{household(1)}").status_code == 403
    version = str(case_of(full, 0).version)
    wrong = who.post("/referrals/r1/answers", "/referrals/r1", version=version, code="F1", amount="2000")
    assert wrong.status_code == 422 and 'value="2000"' in wrong.text
    right = who.post(
        "/referrals/r1/answers", "/referrals/r1", version=version, code="F1", help="医疗救助", amount="2,000"
    )
    assert right.status_code == 303, main_of(right)
    assert case_of(full, 0).state == "effect_check"
    assert "/referrals/r1" in main_of(who.get("/referrals?answered=1"))


def test_small_cells_are_not_shown(full: Office) -> None:
    from serving.casework.alerts import open_week

    rows = {household(100 + n): (OTHER_VILLAGE, "risk", "red") for n in range(4)}
    open_week(full.desk, Listed(run_id="run2", rows=rows))  # type: ignore[arg-type]
    who = signed_in(full, "c1")
    page = main_of(who.get("/overview"))
    assert page.count("不显示</span>") == 2  # the small one, and the one that the sum would tell
    assert "不足 10 户" in page
    assert signed_in(full, "s1").get(f"/overview/{COUNTY_AREA}").status_code == 200
    assert who.get(f"/overview/{PROVINCE}").status_code == 403
    assert who.get("/overview/000").status_code == 403


def test_the_log_shows_looks_and_only_auditors_learn_of_random_rows(full: Office) -> None:
    signed_in(full, "c1").get(f"/households/{household(0)}")
    page = main_of(signed_in(full, "u1").get(f"/audit?kind=view&subject={household(0)}"))
    assert "周敏" in page and "随机抽查" in page
    assert "随机抽查" not in main_of(signed_in(full, "s1").get("/audit"))
    for account in ("v1", "t1", "c1", "d1"):
        assert signed_in(full, account).get("/audit").status_code == 403


def test_a_late_clock_is_said_on_every_page_and_a_right_one_on_none(office: Office) -> None:
    late = dataclasses.replace(office, settings=dataclasses.replace(office.settings, clock_shift=90))
    for path in ("/login", "/help"):
        assert "试用：网页的时钟" in browser(late).get(path).text
        assert "试用：" not in browser(office).get(path).text
    desk = open_desk(office.project, Settings(home=office.settings.home, clock_shift=3_600))
    assert timedelta(minutes=59) < datetime.now(UTC) - desk.now() < timedelta(minutes=61)
