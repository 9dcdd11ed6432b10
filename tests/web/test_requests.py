"""What a household asks for is entered, answered by who may, and its identity is forgotten where that was asked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from features.identity import open_vault
from serving.casework import actions as a
from serving.casework import cases, requests
from serving.casework.words import word
from serving.web.office import Office
from tests.casework.desks import household
from tests.casework.made import COUNTY, TOWN, VILLAGE, answer, form
from tests.web.offices import Browser, signed_in
from tests.web.shown import rich


@pytest.fixture
def full(office: Office) -> Office:
    """A household whose need was answered: a notice is owed, and nothing else is open."""
    rich(office.desk, 3)
    with office.desk.database.reading() as session:
        case = cases.newest_case(session, household(0))
    assert case is not None
    for action in (a.Assign(by=TOWN, to=VILLAGE), a.Classify(by=VILLAGE, form=form("V1")),
                   a.Refer(by=TOWN, referral_id="r1", need="N04"), answer("F2")):  # fmt: skip
        case = office.desk.act(action, case.case_id, case.version)
    return office


PLACE = f"/households/{household(0)}/requests"


def entered(made: Browser, **fields: object) -> Any:
    return made.post(PLACE, PLACE, **fields)


def open_one(office: Office, kind: str) -> requests.Request:
    [found] = [one for one in requests.waiting(office.desk, COUNTY).rows if one.kind == kind]
    return found


def test_a_notice_is_owed_given_and_gone(full: Office) -> None:
    made = signed_in(full, "t1")
    assert "告知家庭" in made.get("/requests").text
    place = f"/requests/{open_one(full, 'notice').request_id}"
    assert word("feedback", "F2").zh in made.get(place).text  # what the department said, in words
    assert made.post(place, place).status_code == 422
    done = made.post(place, place, state="done")
    assert (done.status_code, done.headers["location"]) == (303, "/requests?done=done")
    assert "没有待办理的请求" in made.get("/requests").text
    again = made.post(place, "/requests", state="done")
    assert again.status_code == 422 and "已经答复" in again.text
    assert "已完成" in made.get(PLACE).text


def test_an_objection_keeps_what_was_typed_and_is_decided_by_somebody_else(full: Office) -> None:
    made, county = signed_in(full, "t1"), signed_in(full, "c1")
    wrong = entered(made, kind="objection", about="电话 13812345678 不对")
    assert wrong.status_code == 422 and "不要写身份证号或手机号" in wrong.text and "电话 13812345678 不对" in wrong.text
    assert entered(made, kind="", about="x").status_code == 422
    assert entered(made, kind="notice", about="x").status_code == 422  # nobody enters what is owed by itself
    assert entered(made, kind="objection", about="对三月的答复有异议").status_code == 303
    place = f"/requests/{open_one(full, 'objection').request_id}"
    assert "由另一位" in made.get(place).text
    assert made.post(place, "/requests", state="granted").status_code == 403
    assert "对三月的答复有异议" in county.get(place).text
    bare = county.post(place, place, state="refused")
    assert bare.status_code == 422 and "至少选一条理由" in bare.text
    assert county.post(place, place, state="refused", reasons="no_such").status_code == 422
    assert county.post(place, place, state="refused", reasons="record_stands").status_code == 303
    assert "原记录与事实相符" in made.get(PLACE).text


def test_a_verification_rests_on_a_paper_and_ends(full: Office) -> None:
    made, today = signed_in(full, "t1"), full.desk.rules.day(full.desk.now())
    bare = entered(made, kind="verification")
    assert bare.status_code == 422 and bare.text.count('class="mistake"') == 4
    paper = {"number": "A-1", "persons": "2", "scope": ["savings", "cars"], "kind": "verification"}
    for wrong in ({"signed_on": str(today + timedelta(days=1))}, {"signed_on": "first of may"},
                  {"signed_on": str(today), "persons": "0"}):  # fmt: skip
        assert entered(made, **{**paper, **wrong}).status_code == 422
    assert entered(made, **paper, signed_on=str(today)).status_code == 303
    place = f"/requests/{open_one(full, 'verification').request_id}"
    assert "A-1" in made.get(place).text and 'value="houses"' not in made.get(place).text
    report = {"state": "done", "report": "R-1", "dated": str(today), "scope": "savings"}
    assert made.post(place, place, **{**report, "dated": ""}).status_code == 422
    beyond = made.post(place, place, **{**report, "scope": ["savings", "houses"]})
    assert beyond.status_code == 422 and "超出授权" in beyond.text
    late = made.post(place, place, **report, expires_on=str(today + timedelta(days=9_000)))
    assert late.status_code == 422
    assert made.post(place, place, **report).status_code == 303
    assert "有效至" in made.get(PLACE).text


def test_an_erasure_takes_the_identity_once_the_case_is_closed(full: Office) -> None:
    made, county, vault = signed_in(full, "v1"), signed_in(full, "c1"), open_vault(full.project, full.settings)
    vault.put([(household(0), "household", {"name": "甲"})])
    assert entered(made, kind="erasure").status_code == 303
    assert made.get("/requests").status_code == 403  # who visits enters, and does not decide
    place = f"/requests/{open_one(full, 'erasure').request_id}"
    early = county.post(place, place, state="granted")
    assert early.status_code == 422 and "正在办理的个案" in early.text and vault.reveal(household(0))
    with full.desk.database.reading() as session:
        case = cases.newest_case(session, household(0))
    assert case is not None
    full.desk.act(a.Close(by=TOWN, reason="not_eligible"), case.case_id, case.version)
    assert county.post(place, place, state="granted").status_code == 303
    assert vault.reveal(household(0)) == {}
    assert requests.unfinished_erasures(full.desk) == ()


def test_pages_of_what_waits_go_on_where_they_ended(full: Office) -> None:
    with full.desk.database.reading() as session:
        case = cases.newest_case(session, household(0))
    assert case is not None
    for number in range(4):
        requests.ask(full.desk, TOWN, "correction", case.case_id, str(number))
    found, after = [], None
    while True:
        page = requests.waiting(full.desk, TOWN, after=after, limit=2)
        found += [one.request_id for one in page.rows]
        if page.next is None:
            break
        after = page.next
    assert len(found) == len(set(found)) == 5
