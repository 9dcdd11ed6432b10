"""The four lists: who sees what, entering and ending a line, and meeting a need from a household's page."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest

from features.strict import Words
from serving.casework import actions as a
from serving.casework import lists
from serving.casework.keeping import lines
from serving.web import accounts
from serving.web.office import Office
from tests.casework.desks import OTHER_TOWN, household
from tests.casework.made import COUNTY, COUNTY_AREA, DAY, TOWN, TOWN_AREA, VILLAGE, form
from tests.web.offices import PASSWORD, signed_in
from tests.web.shown import case_of, rich

TITLE = Words(zh="大病慈善金", en="fund for serious illness")
NEW = {
    "kind": "volunteer", "zh": "周末陪诊队", "en": "weekend escorts to hospital", "needs": ["N04", "N13"],
    "remaining": "5", "valid_from": "2026-03-02", "valid_until": "2026-03-31",
}  # fmt: skip


def main_of(answer: Any) -> str:
    return html.unescape(answer.text.split("<main")[1].split("</main>")[0])


def at(number: int = 0) -> str:
    return f"/households/{household(number)}"


def told(office: Office) -> list[dict[str, Any]]:
    with office.desk.database.reading() as session:
        return [json.loads(one.detail) for one in lines(session) if one.kind == "resource"]


@pytest.fixture
def found(office: Office) -> Office:
    """A case that needs N04, one that waits, and what could meet it."""
    rich(office.desk, 3)
    for number in (0, 1):
        office.desk.act(a.Assign(by=TOWN, to=VILLAGE), case_of(office, number).case_id, 0)
    office.desk.act(a.Classify(by=VILLAGE, form=form()), case_of(office).case_id, 1)
    return office


def fund(office: Office, remaining: int | None = 2, **more: Any) -> str:
    return lists.add(office.desk, COUNTY, "charity", TITLE, ("N04",), remaining=remaining, valid_from=DAY, **more)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_four_lists_of_an_area_for_whoever_may_see_them(found: Office, language: str) -> None:
    fund(found)
    lists.add(found.desk, TOWN, "service", Words(zh="助餐点", en="canteen"), ("N13",), valid_from=DAY)
    for account, enters in (("v1", False), ("t1", True), ("c1", True), ("s1", False)):
        who = signed_in(found, account)
        who.post("/preferences", language=language)
        page = main_of(who.get("/resources"))
        for words in ("助餐点", "大病慈善金") if language == "zh" else ("canteen", "fund for serious illness"):
            assert words in page, (account, words)
        for words in ("需求清单", "政策清单", "医保部门") if language == "zh" else ("Policies",):
            assert words in page, (account, words)
        assert re.search(r'data-label="(户数|Households)">1<', page), account
        assert ('href="/resources/new"' in page) is enters, account
        assert household(0) not in page
        if language == "en":
            left = re.sub(r"<[^>]+>|（[^）]*）|[一-鿿]+办〔", "\n", page)
            assert not re.search(r"[一-鿿]", left), re.findall(r".*[一-鿿].*", left)
    town, county = (main_of(signed_in(found, one).get("/resources")) for one in ("t1", "c1"))
    assert town.count('href="/resources/') == 2 and county.count('href="/resources/') == 3, "only one's own are changed"
    assert signed_in(found, "d1").get("/resources").status_code == 403
    assert "/resources" in signed_in(found, "c1").get("/weeks").text.split("<main")[0]


def test_what_is_empty_is_said_in_words(office: Office) -> None:
    page = main_of(signed_in(office, "t1").get("/resources"))
    for words in ("现在没有待满足的需求", "还没有登记服务", "还没有登记资源"):
        assert words in page
    assert main_of(signed_in(office, "t1").get("/resources/new")).count(" checked") == 0


def test_more_lines_than_a_page_holds_are_turned(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"资源{number:02}号" for number in range(5)]
    for name in names:
        lists.add(office.desk, TOWN, "fund", Words(zh=name, en=name), ("N04",), valid_from=DAY)
    whole = lists.entered
    monkeypatch.setattr(lists, "entered", lambda *by, **more: whole(*by, **more, limit=2))
    who, path, seen = signed_in(office, "t1"), "/resources", []
    for _ in range(3):
        page = main_of(who.get(path))
        seen += re.findall("资源0.号", page)
        following = re.search(r'rel="next" href="([^"#]+)', page)
        path = following[1] if following else ""
    assert sorted(seen) == names and path == ""
    assert who.get("/resources?after=nonsense").status_code == 422


def test_a_line_is_entered_for_ones_own_area(office: Office) -> None:
    who = signed_in(office, "t1")
    answer = who.post("/resources/new", "/resources/new", **NEW)
    assert (answer.status_code, answer.headers["location"]) == (303, "/resources?done=entered")
    page = main_of(who.get(answer.headers["location"]))
    assert "已登记" in page and "周末陪诊队" in page and "志愿者" in page and "2026年3月31日" in page
    [line] = lists.entered(office.desk, TOWN).rows
    assert (line.area_code, line.needs, line.remaining) == (TOWN.area, ("N04", "N13"), 5)
    assert who.post("/resources/new", **{**NEW, "en": "", "remaining": "", "valid_until": ""}).status_code == 303
    [other] = [one for one in lists.entered(office.desk, TOWN).rows if one.resource_id != line.resource_id]
    assert (other.title.en, other.remaining, other.valid_until) == ("周末陪诊队", None, None)
    assert [one["kind"] for one in told(office)] == ["volunteer", "volunteer"]
    assert who.client.post("/resources/new", data=NEW, follow_redirects=False).status_code == 403, (
        "from no page of ours"
    )


def test_a_county_enters_a_line_for_one_of_its_towns_only(office: Office) -> None:
    made = signed_in(office, "c1")
    assert f'<option value="{TOWN_AREA}">' in made.get("/resources/new").text
    assert made.post("/resources/new", **NEW, area=TOWN_AREA).status_code == 303
    assert (
        "周末陪诊队" in made.get("/resources").text and "周末陪诊队" in signed_in(office, "t1").get("/resources").text
    )
    for elsewhere in ("441803", "440000", "nowhere"):
        refused = made.post("/resources/new", **{**NEW, "zh": "外地"}, area=elsewhere)
        assert refused.status_code == 422 and 'href="#f-area"' in refused.text
    assert "外地" not in made.get("/resources").text


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"kind": ""}, "kind"), ({"kind": "gold"}, "kind"), ({"zh": ""}, "zh"), ({"zh": "长" * 61}, "zh"),
        ({"zh": "联系 13800138000"}, "zh"), ({"en": "11010519491231002X"}, "en"), ({"needs": []}, "needs"),
        ({"needs": ["N99"]}, "needs"), ({"remaining": "0"}, "remaining"), ({"remaining": "many"}, "remaining"),
        ({"remaining": "9" * 400}, "remaining"), ({"valid_from": ""}, "valid_from"),
        ({"valid_from": "2026-13-01"}, "valid_from"), ({"valid_until": "2026-03-01"}, "valid_until"),
        ({"valid_from": "2026-05-01"}, "valid_until"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_by_field_and_kept(office: Office, changed: dict[str, Any], field: str) -> None:
    sent = {**NEW, **changed}
    answer = signed_in(office, "c1").post("/resources/new", **sent)
    page = main_of(answer)
    assert answer.status_code == 422 and re.findall(r'href="#f-(\w+)"', page) == [field]
    for name in ("zh", "en", "remaining"):
        assert f'value="{sent[name]}"' in page, name
    assert page.count(" checked") == len([one for one in sent["needs"] if one != "N99"]) + (sent["kind"] == "volunteer")
    assert lists.entered(office.desk, COUNTY).rows == ()


def test_a_line_is_changed_in_two_steps_and_not_over_anothers(found: Office) -> None:
    which = fund(found)
    who, path = signed_in(found, "c1"), f"/resources/{which}"
    assert "大病慈善金" in main_of(who.get(path))
    fields = {"remaining": "7", "valid_until": "2026-04-30", "version": "0"}
    wrong = who.post(path, **{**fields, "remaining": "-1", "valid_until": "2026-03-01"})
    assert wrong.status_code == 422
    assert re.findall(r'href="#f-(\w+)"', main_of(wrong)) == ["remaining", "valid_until"]
    assert 'value="-1"' in main_of(wrong)
    seen = main_of(who.post(path, **fields))
    assert "<strong>7</strong>" in seen and "2026-04-30" in seen and "还没有保存" in seen
    assert lists.entry(found.desk, COUNTY, which).remaining == 2
    lists.match(found.desk, TOWN, case_of(found).case_id, 2, which, "N04")  # somebody takes one in between
    slower = who.post(path, do="confirm", **fields)
    assert slower.status_code == 409 and "他人刚刚改过" in slower.text
    assert 'value="7"' in slower.text and "<dd>1</dd>" in slower.text
    assert who.post(path, do="confirm", **{**fields, "version": "1"}).headers["location"] == "/resources?done=changed"
    line = lists.entry(found.desk, COUNTY, which)
    assert (line.remaining, str(line.valid_until)) == (7, "2026-04-30")
    assert told(found)[-1]["before"] == {"remaining": 1, "valid_until": None}
    assert "没有任何改动" in main_of(who.post(path, **{**fields, "version": "2"}))


def test_a_line_is_withdrawn_and_what_was_met_from_it_stays(found: Office) -> None:
    which = fund(found)
    lists.match(found.desk, TOWN, case_of(found).case_id, 2, which, "N04")
    who, path = signed_in(found, "c1"), f"/resources/{which}/withdraw"
    assert "撤下后立即停用" in main_of(who.post(path, version="1"))
    assert who.post(path, do="confirm", version="0").status_code == 409
    assert "大病慈善金" in main_of(who.get("/resources"))
    answer = who.post(path, do="confirm", version="1")
    assert answer.headers["location"] == "/resources?done=withdrawn"
    page = main_of(who.get("/resources?done=withdrawn"))
    assert "已撤下" in page and "大病慈善金" not in page
    assert "已停用" in main_of(who.get(f"/resources/{which}"))
    page = main_of(signed_in(found, "t1").get(at()))
    assert "资源" in page and "大病慈善金" in page.split('id="chain"')[1], "the chain still tells it"
    assert 'name="resource_id"' not in page


def test_a_line_of_another_area_is_as_good_as_none(office: Office) -> None:
    accounts.create(office.desk, "t2", name="邻镇", role="town", area=OTHER_TOWN, password=PASSWORD)
    own = lists.add(office.desk, TOWN, "fund", TITLE, ("N04",), valid_from=DAY)
    above = fund(office)
    neighbour, county = signed_in(office, "t2"), signed_in(office, "c1")
    assert own not in neighbour.get("/resources").text
    assert "大病慈善金" in neighbour.get("/resources").text, "the county's is offered to the town"
    for which in (own, above, "none"):
        for path in ("", "/withdraw"):
            answer = neighbour.post(
                f"/resources/{which}{path}", do="confirm", version="0", remaining="", valid_until=""
            )
            assert answer.status_code == 403
        assert neighbour.get(f"/resources/{which}").status_code == 403
    assert county.get(f"/resources/{own}").status_code == 200, "what lies inside is reached"
    assert lists.entry(office.desk, COUNTY, own).version == lists.entry(office.desk, COUNTY, above).version == 0


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_need_is_met_from_the_households_page_and_told_in_its_chain(found: Office, language: str) -> None:
    which = fund(found, 1)
    who = signed_in(found, "v1")
    who.post("/preferences", language=language)
    offered = main_of(who.get(at())).split('id="offers"')[1].split("</section>")[0]
    assert f'name="resource_id" value="{which}"' in offered and ("剩余 1" if language == "zh" else "1 left") in offered
    version = re.search(r'name="version" value="(\d+)"', offered)
    assert version is not None
    answer = who.post(f"{at()}/matches", at(), resource_id=which, need="N04", version=version[1])
    assert (answer.status_code, answer.headers["location"]) == (303, f"{at()}?done=matched")
    page = main_of(who.get(answer.headers["location"]))
    chain = re.sub(r"<[^>]+>", "", page.split('id="chain"')[1].split("<li>")[1])
    expected = (
        ("已对接资源", "慈善资源", "大病慈善金") if language == "zh" else ("matched with", "charity offer", TITLE.en)
    )
    for words in expected:
        assert words in chain, chain
    assert which not in page, "used up, and told by its name"
    assert ("已对接" if language == "zh" else "matched") in page.split('id="offers"')[1].split("</section>")[0]
    assert lists.entry(found.desk, COUNTY, which).remaining == 0


def test_who_was_slower_or_too_late_is_told_and_nothing_is_matched(found: Office) -> None:
    which, who = fund(found, 1), signed_in(found, "t1")
    fields = {"resource_id": which, "need": "N04"}
    answer = who.post(f"{at()}/matches", at(), version="1", **fields)
    assert answer.status_code == 409 and "他人刚刚提交" in answer.text and which in answer.text
    for wrong in ({"need": "N19"}, {"need": ""}, {"resource_id": "none"}):
        answer = who.post(f"{at()}/matches", at(), version="2", **{**fields, **wrong})
        assert answer.status_code == 422 and "没有办理成功" in answer.text and "选择其他资源" in answer.text
    lists.change(found.desk, COUNTY, which, 0, remaining=0, valid_until=None)
    answer = who.post(f"{at()}/matches", at(), version="2", **fields)
    assert answer.status_code == 422 and "已用完" in answer.text
    assert case_of(found).version == 2


def test_nothing_is_offered_without_a_need_nor_asked_for(found: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    fund(found)
    for account, seen in (("v1", True), ("t1", True), ("c1", True), ("s1", False)):
        assert ('id="offers"' in signed_in(found, account).get(at()).text) is seen, account
    lists.add(found.desk, COUNTY, "fund", TITLE, ("N19",), valid_from=DAY, area=COUNTY_AREA)
    who = signed_in(found, "t1")
    asked: list[object] = []
    monkeypatch.setattr(lists, "_resource", asked.append)
    assert 'id="offers"' not in who.get(at(1)).text and asked == []


def test_a_need_that_nothing_meets_is_said_in_words(found: Office) -> None:
    assert "现在没有登记可用的服务或资源" in main_of(signed_in(found, "t1").get(at()))
