"""A household's page: the form, its mistakes, conflicts, what who visits first may see, next steps."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest

from serving.casework import actions as a
from serving.casework.case import Case
from serving.web.office import Office
from tests.casework.desks import household
from tests.casework.made import TOWN, VILLAGE, form
from tests.web.offices import signed_in
from tests.web.shown import case_of, rich

GOOD = {
    "visited_on": "2026-03-02", "method": "home", "met": ["head"], "minutes": "40", "validity": "V1", "causes": ["C1"],
    "depth": "2", "evidence": ["bills"], "disposition": "D3", "needs": ["N04"], "do": "submit",
}  # fmt: skip
LEAKS = (
    "每 100 户", "每百户", "高风险", "级别", "排第", "影响很大", "影响较大", "把握范围", "较上次", "rank", "hundred",
    "为什么提醒", "提醒的依据", "27,130", 'class="level', "新增</span>", "随机抽中", "概率", "Of 100", "level_",
)  # fmt: skip


def assign(office: Office, number: int) -> Case:
    return office.desk.act(a.Assign(by=TOWN, to=VILLAGE), case_of(office, number).case_id, 0)


@pytest.fixture
def desk(office: Office) -> Office:
    rich(office.desk, 18)
    for number in (0, 1, 8):
        assign(office, number)
    return office


def address(number: int) -> str:
    return f"/households/{household(number)}"


def main_of(answer: Any) -> str:
    return answer.text.split("<main")[1].split("</main>")[0]


def shape(answer: Any) -> str:
    """A page without what tells households apart."""
    text = re.sub(r'<nav class="row beside".*?</nav>', "", main_of(answer))  # a place by deadline, drawn alike for both
    text = re.sub(r"[0-9a-f]{24}|[0-9a-f]{4}-[0-9a-f]{4}", "·", text)
    return re.sub(r"form_token\" value=\"[^\"]+|\d+月\d+日", "·", text)


def test_nothing_is_chosen_beforehand(desk: Office) -> None:
    for who in ("v1", "t1"):
        page = main_of(signed_in(desk, who).get(address(0)))
        assert "提交分类" in page
        assert " checked" not in page


@pytest.mark.parametrize("language", ["zh", "en"])
def test_who_visits_first_sees_no_score_and_random_rows_look_alike(desk: Office, language: str) -> None:
    who = signed_in(desk, "v1")
    who.post("/preferences", language=language)
    by_risk, by_chance = who.get(address(0)), who.get(address(8))
    for page in (by_risk, by_chance):
        assert page.status_code == 200
        assert [leak for leak in LEAKS if leak in main_of(page)] == []
    assert shape(by_risk) == shape(by_chance)
    assert who.get("/tasks").text.count("/households/") == 3
    assert [leak for leak in LEAKS if leak in main_of(who.get("/tasks"))] == []


def test_the_score_appears_once_the_record_is_in(desk: Office) -> None:
    who = signed_in(desk, "v1")
    answer = who.post(f"{address(0)}/classifications", address(0), version=str(case_of(desk, 0).version), **GOOD)
    assert answer.status_code == 303, main_of(answer)
    page = who.get(answer.headers["location"])
    assert "像这样的家庭，每 100 户约有" in page.text and "27,130" in page.text
    assert case_of(desk, 0).first is not None and not case_of(desk, 0).first.score_shown
    assert "补充第二意见" in page.text


def test_all_mistakes_stand_on_top_and_input_is_kept(desk: Office) -> None:
    who = signed_in(desk, "v1")
    wrong = {**GOOD, "visited_on": "2. März", "causes": [], "minutes": "viel", "note": "说明 <b>"}
    answer = who.post(f"{address(0)}/classifications", address(0), version="1", **wrong)
    assert answer.status_code == 422
    page = main_of(answer)
    summary = page.split('id="summary"')[1].split("</ul>")[0]
    for field in ("visited_on", "causes", "minutes"):
        assert f'href="#f-{field}"' in summary and f'id="f-{field}"' in page
    assert 'value="V1" checked' in page and 'value="bills" checked' in page
    assert "说明 &lt;b&gt;" in page and 'value="viel"' in page
    assert case_of(desk, 0).first is None


def test_identity_numbers_do_not_enter_notes(desk: Office) -> None:
    who = signed_in(desk, "v1")
    answer = who.post(f"{address(0)}/classifications", address(0), version="1", **{**GOOD, "note": "电话 13800138000"})
    assert answer.status_code == 422 and "不要写身份证号或手机号" in answer.text


def test_a_draft_is_kept_and_is_no_record(desk: Office) -> None:
    who = signed_in(desk, "v1")
    answer = who.post(f"{address(0)}/classifications", address(0), version="1", do="draft", validity="V3", minutes="15")
    assert answer.status_code == 303
    page = main_of(who.get(answer.headers["location"]))
    assert 'value="V3" checked' in page and 'value="15"' in page
    assert case_of(desk, 0).first is None


def test_who_was_slower_sees_both_and_loses_nothing(desk: Office) -> None:
    who = signed_in(desk, "v1")
    desk.desk.act(a.Classify(by=VILLAGE, form=form("V3")), case_of(desk, 0).case_id, 1)
    answer = who.post(f"{address(0)}/classifications", address(0), version="1", **{**GOOD, "note": "我看到的情况"})
    assert answer.status_code == 409
    page = main_of(answer)
    assert "他人刚刚提交" in page and "我看到的情况" in page
    version = case_of(desk, 0).version
    assert f'name="version" value="{version}"' in page


def test_a_small_sum_waits_for_nothing(desk: Office) -> None:
    who = signed_in(desk, "v1")
    answer = who.post(f"{address(0)}/actions", address(0), do="small_sum", version="1", amount="1,200", on="2026-03-02")
    assert answer.status_code == 303, main_of(answer)
    assert case_of(desk, 0).small_sums[0].amount_fen == 120_000
    answer = who.post(f"{address(1)}/actions", address(1), do="small_sum", version="1", amount="viel", on="2026-03-02")
    assert answer.status_code == 422 and "写法不对" in answer.text


def test_another_area_is_refused_written_down_and_told_how_to_ask(desk: Office) -> None:
    from serving.web import accounts
    from tests.casework.desks import OTHER_TOWN
    from tests.web.offices import PASSWORD

    accounts.create(desk.desk, "t2", name="外镇", role="town", area=OTHER_TOWN, password=PASSWORD)
    answer = signed_in(desk, "t2").get(address(0))
    assert answer.status_code == 403 and "申请" in answer.text and "27,130" not in answer.text
    assert signed_in(desk, "t1").get("/households/ffffffffffffffffffffffff").status_code == 403


def test_a_town_refers_and_closes_as_the_case_allows(desk: Office) -> None:
    desk.desk.act(a.Classify(by=VILLAGE, form=form("V3")), case_of(desk, 0).case_id, 1)
    desk.desk.act(a.Classify(by=VILLAGE, form=form("V1")), case_of(desk, 1).case_id, 1)
    who = signed_in(desk, "t1")
    page = main_of(who.get(address(0)))
    assert 'id="do-close"' in page and 'value="no_need"' in page
    version = str(case_of(desk, 0).version)
    assert (
        who.post(f"{address(0)}/actions", address(0), do="close", version=version, reason="no_need").status_code == 303
    )
    assert case_of(desk, 0).state == "closed"
    assert 'id="do-close"' not in main_of(who.get(address(1))) or 'value="moved"' in main_of(who.get(address(1)))
    version = str(case_of(desk, 1).version)
    sent = who.post(f"{address(1)}/actions", address(1), do="refer", version=version, need="N04")
    assert sent.status_code == 303, main_of(sent)
    assert case_of(desk, 1).state == "referred"
    again = who.post(f"{address(1)}/actions", address(1), do="refer", version=str(case_of(desk, 1).version), need="N04")
    assert again.status_code == 422 and "没有办理成功" in again.text


def test_days_are_days(desk: Office) -> None:
    assert date(2026, 3, 1).isoformat() in signed_in(desk, "c1").get("/weeks").text


def test_the_page_tells_all_in_order_and_folds_the_old(desk: Office) -> None:
    page = main_of(signed_in(desk, "t1").get(address(0)))
    places = [
        page.index(f'id="{part}"') for part in ("alert", "changed", "why", "aid", "lowering", "data", "peers", "chain")
    ]
    assert places == sorted(places)
    for words in ("可能符合，待核实", "政策条款", "推算，不是承诺", "居民用电", "高于约 9 成", "1,200 元", "下一户"):
        assert words in page, words
    assert "符合条件，可以享受" not in page


def test_a_household_that_no_run_explains_still_shows_its_facts(office: Office) -> None:
    rich(office.desk, 3)
    silent = Office(office.desk, office.weeks, office.settings, lambda household, run: None, office.recorded)
    page = main_of(signed_in(silent, "t1").get(address(0)))
    assert "每 100 户" in page and "一户一条救助链" in page and 'id="aid"' not in page


def test_records_name_their_source_rows_and_keep_quiet_about_selection(desk: Office) -> None:
    from serving.recorded import SourceRecord

    rows = [
        SourceRecord(
            date(2026, 2, 18), "expense", {"kind": "medical", "amount": 2713000}, frozenset({"amount"}),
            date(2026, 2, 20), "2026-02-21", "medical-000003-ab", "settlements.csv", 17,
        ),
        SourceRecord(
            date(2026, 2, 1), "outcome", {"kind": "hardship", "source": "audit", "selection_probability": 0.01},
            frozenset(), date(2026, 2, 2), "2026-02-03", "visits-000001-cd", "visits.csv", 2,
        ),
    ]  # fmt: skip
    feed = "visits"
    telling = Office(desk.desk, desk.weeks, desk.settings, desk.told, lambda household, feed: rows)
    who = signed_in(telling, "v1")
    index = main_of(who.get(f"{address(0)}/records"))
    assert f"/records/{feed}" in index
    page = main_of(who.get(f"{address(0)}/records/{feed}"))
    assert (
        "27,130 元" in page
        and "settlements.csv" in page
        and "第 17 行" in page
        and "audit" not in page
        and "0.01" not in page
    )
    assert who.get(f"{address(0)}/records/nothing").status_code == 404
    assert signed_in(telling, "s1").get(f"{address(0)}/records/{feed}").status_code == 403
