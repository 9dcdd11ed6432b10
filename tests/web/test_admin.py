"""Administration: every edit in two steps, one editor at a time, within one's area, in the log with before and after."""

from __future__ import annotations

import json
import re

import pytest

from serving.casework import actions as a
from serving.casework import staffing
from serving.casework.keeping import lines
from serving.web import accounts
from serving.web.office import Office
from tests.casework.desks import OTHER_VILLAGE, household, opened
from tests.casework.made import COUNTY, COUNTY_AREA, PROVINCE, TOWN, TOWN_AREA, VILLAGE, VILLAGE_AREA
from tests.web.offices import PASSWORD, Browser, browser, signed_in

POST = {"name": "陈新", "role": "village", "area": VILLAGE_AREA, "department": "", "capacity": "12", "version": "0"}


def told(office: Office, kind: str) -> list[dict]:
    with office.desk.database.reading() as session:
        return [{"subject": line.subject, **json.loads(line.detail)} for line in lines(session) if line.kind == kind]


def password_in(text: str) -> str:
    return re.search(r"<code>([^<]+)</code>", text)[1]


def enter(office: Office, account: str, password: str) -> Browser:
    made = browser(office)
    assert made.post("/login", "/login", account=account, password=password).status_code == 303
    return made


def test_a_new_account_is_shown_made_and_its_password_changed_at_first(office: Office) -> None:
    admin = signed_in(office, "x1")
    seen = admin.post("/admin/accounts/new", account="v9", **POST)
    assert seen.status_code == 200 and "还没有保存" in seen.text and "陈新" in seen.text
    assert "v9" not in {one.account for one in accounts.accounts(office.desk)}
    made = admin.post("/admin/accounts/new", account="v9", do="confirm", **POST)
    password = password_in(made.text)
    assert made.headers["cache-control"] == "no-store"
    assert password not in admin.get("/admin/accounts/v9").text
    assert password not in str(told(office, "account"))
    new = enter(office, "v9", password)
    assert new.get("/tasks").headers["location"] == "/password"
    assert new.post("/households/x/actions", "/password", do="close").headers["location"] == "/password"
    for fields in (
        {"current": "wrong", "chosen": "a long sentence", "again": "a long sentence"},
        {"current": password, "chosen": "short", "again": "short"},
        {"current": password, "chosen": "a long sentence", "again": "another sentence"},
        {"current": password, "chosen": password, "again": password},
    ):
        assert new.post("/password", "/password", **fields).status_code == 422
    other = enter(office, "v9", password)
    done = new.post("/password", "/password", current=password, chosen="a long sentence", again="a long sentence")
    assert done.status_code == 303 and new.get("/tasks").status_code == 200
    assert other.get("/tasks").headers["location"].startswith("/login"), "every other session has ended"
    assert browser(office).post("/login", "/login", account="v9", password=password).status_code == 422


def test_a_change_is_compared_confirmed_and_not_made_over_anothers(office: Office) -> None:
    admin = signed_in(office, "x1")
    town = signed_in(office, "t1")
    fields = {**POST, "role": "town", "area": TOWN_AREA, "name": "谢文斌", "capacity": "7"}
    seen = admin.post("/admin/accounts/t1", **fields)
    assert "不分派走访" in seen.text and "<strong>7</strong>" in seen.text and ">谢文斌<" not in seen.text
    assert admin.post("/admin/accounts/t1", do="confirm", **fields).status_code == 303
    again = admin.post("/admin/accounts/t1", do="confirm", **{**fields, "capacity": "9"})
    assert again.status_code == 409 and 'value="9"' in again.text and "他人刚刚改过" in again.text
    assert town.get("/tasks").status_code == 200, "a capacity ends no session"
    version = next(one.version for one in accounts.accounts(office.desk) if one.account == "t1")
    moved = {**fields, "role": "county", "area": COUNTY_AREA, "version": str(version)}
    assert admin.post("/admin/accounts/t1", do="confirm", **moved).status_code == 303
    assert town.get("/tasks").headers["location"].startswith("/login")
    change = told(office, "account")[-1]
    assert (change["before"]["role"], change["after"]["role"]) == ("town", "county")


def test_what_cannot_be_is_said_by_field_and_kept(office: Office) -> None:
    admin = signed_in(office, "x1")
    for changed, field in (
        ({"name": ""}, "name"), ({"role": "king"}, "role"), ({"area": "999"}, "area"), ({"capacity": "many"}, "capacity"),
        ({"role": "auditor"}, "capacity"), ({"role": "department", "capacity": ""}, "department"),
        ({"department": "health"}, "department"), ({"capacity": "1000"}, "capacity"),
    ):  # fmt: skip
        answer = admin.post("/admin/accounts/new", account="v9", **{**POST, **changed})
        assert answer.status_code == 422 and f'href="#f-{field}"' in answer.text, changed
    answer = admin.post("/admin/accounts/new", account="A B", do="confirm", **POST)
    assert answer.status_code == 422 and 'value="A B"' in answer.text


def test_an_administrator_of_a_part_reaches_nothing_outside(office: Office) -> None:
    accounts.create(office.desk, "x2", name="县管理员", role="admin", area=COUNTY_AREA, password=PASSWORD)
    admin = signed_in(office, "x2")
    page = admin.get("/admin/accounts").text
    assert "/admin/accounts/t1" in page and "/admin/accounts/s1" not in page
    unknown, foreign = admin.get("/admin/accounts/nobody"), admin.get("/admin/accounts/s1")
    assert (unknown.status_code, foreign.status_code) == (404, 404)
    assert unknown.text.replace("nobody", "s1") == foreign.text
    for path in ("", "/password", "/active"):
        assert admin.post(f"/admin/accounts/s1{path}", do="confirm", active="0", **POST).status_code == 404
    answer = admin.post("/admin/accounts/new", account="v9", do="confirm", **{**POST, "area": PROVINCE})
    assert answer.status_code == 422
    assert admin.get(f"/admin/areas/{PROVINCE}").status_code == admin.get("/admin/areas/999").status_code == 403
    body = {"zh": "a", "en": "b", "since": "2026-03-02", "source": "a", "reason": "b", "seen": "0"}
    assert "<form class" not in admin.get("/admin/rules/text/contact").text
    assert admin.post("/admin/rules/text/contact", do="confirm", **body).status_code == 403
    assert office.desk.text("contact") is None


def test_nobody_locks_himself_out_and_the_disabled_are_out_and_in_again(office: Office) -> None:
    admin = signed_in(office, "x1")
    version = {"version": "0"}
    assert admin.post("/admin/accounts/x1/active", active="0", do="confirm", **version).status_code == 422
    own = {**POST, "role": "auditor", "area": PROVINCE, "capacity": ""}
    assert admin.post("/admin/accounts/x1", do="confirm", **own).status_code == 422
    town = signed_in(office, "t1")
    assert "停用后不能登录" in admin.post("/admin/accounts/t1/active", active="0", **version).text
    assert town.get("/tasks").status_code == 200
    assert admin.post("/admin/accounts/t1/active", active="0", do="confirm", **version).status_code == 303
    assert town.get("/tasks").status_code == 303
    assert admin.post("/admin/accounts/t1/active", active="1", do="confirm", version="1").status_code == 303
    made = admin.post("/admin/accounts/t1/password", do="confirm", version="2")
    assert enter(office, "t1", password_in(made.text)).get("/tasks").headers["location"] == "/password"
    assert admin.post("/admin/accounts/t1/password", do="confirm", version="2").status_code == 409


def test_a_rule_is_compared_confirmed_dated_and_shown_with_its_ground(office: Office) -> None:
    admin = signed_in(office, "x1")
    fields = {
        "lead": "health", "co": "civil_affairs", "clause": "（16）", "amount": "7", "unit": "working_day",
        "since": "2026-03-02", "source": "某县府办〔2026〕3号", "reason": "本县分工调整", "seen": "0",
    }  # fmt: skip
    path = "/admin/rules/need/N04"
    wrong = admin.post(path, **{**fields, "amount": "0", "since": "2026-13-01"})
    assert wrong.status_code == 422 and 'href="#f-amount"' in wrong.text and 'href="#f-since"' in wrong.text
    seen = admin.post(path, **fields)
    assert "医保部门" in seen.text and "卫生健康部门" in seen.text and "某县府办" in seen.text
    assert office.desk.rules.routing.needs["N04"].lead == "medical_security"
    assert admin.post(path, do="confirm", **fields).headers["location"] == "/admin/routing?done=amended"
    assert office.desk.rules.routing.needs["N04"].lead == "health"
    page = admin.get(path).text
    assert "本县分工调整" in page and "管理员" in page and "3月2日" in admin.get("/admin/routing").text
    assert admin.post(path, do="confirm", **fields).status_code == 409
    back = {**fields, "withdraw": "1", "seen": "1"}
    assert "医保部门" in admin.post(path, **back).text
    assert admin.post(path, do="confirm", **back).status_code == 303
    assert office.desk.rules.routing.needs["N04"].lead == "medical_security"
    assert [one["number"] for one in told(office, "amendment")] == [1, 2]
    for path in ("/admin/rules/need/N99", "/admin/rules/king/1", "/admin/rules/year/20x6", "/admin/rules/text/none"):
        assert admin.get(path).status_code == 404, path


def test_calendar_and_texts_reach_the_pages(office: Office) -> None:
    admin = signed_in(office, "x1")
    ground = {"since": "2026-03-02", "source": "国办发明电", "reason": "年度安排", "seen": "0", "do": "confirm"}
    assert "2027" in admin.get("/admin/calendar").text
    year = {"off": "2027-01-01\r\n2027-01-02", "worked": "2027-01-03"}
    assert admin.post("/admin/rules/year/2027", **year, **ground).status_code == 303
    assert "放假 2 天" in admin.get("/admin/calendar").text
    for key, zh in (("contact", "民政股 12345"), ("help", "周三下午可到窗口"), ("door", "周六晚维护 <b>")):
        assert admin.post(f"/admin/rules/text/{key}", zh=zh, en="in English", **ground).status_code == 303
    assert "民政股 12345" in admin.get("/help").text and "周三下午可到窗口" in admin.get("/help").text
    door = browser(office).get("/login")
    assert "周六晚维护 &lt;b&gt;" in door.text and "in English" in browser(office).get("/login?lang=en").text


def test_absence_and_hand_over(office: Office) -> None:
    desk = office.desk
    staffing.put_worker(desk, COUNTY, VILLAGE, 30)
    accounts.create(desk, "v2", name="何二", role="village", area=VILLAGE_AREA, password=PASSWORD, capacity=1)
    for case in opened(desk, 2):
        desk.act(a.Assign(by=TOWN, to=VILLAGE), case.case_id, 0)
    town = signed_in(office, "t1")
    away = {"capacity": "30", "away_from": "2026-03-02", "away_until": "2026-03-06", "version": "1"}
    wrong = town.post("/workers/v1", **{**away, "away_until": "2026-03-01"})
    assert wrong.status_code == 422 and 'href="#f-away_until"' in wrong.text
    assert "2026-03-06" in town.post("/workers/v1", **away).text
    assert town.post("/workers/v1", do="confirm", **away).status_code == 303
    assert town.post("/workers/v1", do="confirm", **away).status_code == 409
    assert "离岗" in town.get("/workers").text
    seen = town.post("/workers/v1/hand-over")
    assert "接手 1 户" in seen.text and "1 户没有合适的人接手" in seen.text
    assert town.post("/workers/v1/hand-over", do="confirm").headers["location"] == "/workers?done=handed_1_1"
    assert told(office, "worker")[-1]["before"] == {"active": True, "away": [None, None], "capacity": 30}
    accounts.create(desk, "t2", name="邻镇", role="town", area=OTHER_VILLAGE[:9], password=PASSWORD)
    assert signed_in(office, "t2").get("/workers/v1").status_code == 403
    assert signed_in(office, "t2").get("/workers/nobody").status_code == 403
    assert signed_in(office, "x1").post("/workers/v1/hand-over").status_code == 403


def test_what_stayed_overdue_comes_to_those_above(office: Office, clock) -> None:
    opened(office.desk, 2)
    county = signed_in(office, "c1")
    assert "没有需要催办的事项" in county.get("/escalated").text
    clock.on(days=3)
    county = signed_in(office, "c1")
    assert "没有需要催办的事项" in county.get("/escalated").text, "overdue, and not for long"
    clock.on(days=4)
    for who in ("c1", "s1"):
        assert household(0) in signed_in(office, who).get("/escalated").text
    assert signed_in(office, "t1").get("/escalated").status_code == 403


@pytest.mark.parametrize(
    "path", ["/admin", "/admin/accounts", "/admin/areas", "/workers", "/admin/routing", "/admin/texts"]
)
def test_pages_speak_both_languages(office: Office, path: str) -> None:
    admin = signed_in(office, "x1")
    admin.post("/preferences", language="en")
    page = admin.get(path)
    assert page.status_code == 200 and 'lang="en"' in page.text
