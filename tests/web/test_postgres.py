"""The pages over PostgreSQL: lists, filters, a record, an answer, figures, conflicts; as over SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from serving.casework import actions as a
from serving.casework import cases, staffing
from serving.casework.database import Database
from serving.web.office import Office
from tests.casework.conftest import fresh_database
from tests.casework.desks import Clock, household
from tests.casework.made import COUNTY, TOWN, VILLAGE, form
from tests.web.offices import make_office, signed_in
from tests.web.shown import rich
from tests.web.test_households import GOOD, address, main_of


@pytest.fixture
def office(postgres: str, tmp_path: Path, clock: Clock) -> Iterator[Office]:
    with fresh_database(make_url(postgres)) as url:
        database = Database(url)
        database.migrate()
        made = make_office(database, tmp_path, clock)
        rich(made.desk, 30)
        staffing.put_worker(made.desk, COUNTY, VILLAGE, 30)
        yield made
        database.engine.dispose()


def test_a_case_from_the_list_to_the_answer(office: Office) -> None:
    county, visitor, department = (signed_in(office, who) for who in ("c1", "v1", "d1"))
    for query in ("", "?order=score", "?level=red", "?reason=income", "?change=up", f"?search={household(7)[:8]}"):
        answer = county.get(f"/weeks/current{query}")
        assert answer.status_code == 200 and "/households/" in main_of(answer), query
    with office.desk.database.reading() as session:
        case = cases.newest_case(session, household(0))
    assert case is not None
    answer = county.post("/weeks/2026-03-01/assign", "/weeks/current", case=f"{case.case_id}:0", to="v1")
    assert "given=1" in answer.headers["location"]
    assert household(0) in visitor.get("/tasks").text
    answer = visitor.post(f"{address(0)}/classifications", address(0), version="1", **GOOD)
    assert answer.status_code == 303, main_of(answer)
    slow = visitor.post(f"{address(0)}/classifications", address(0), version="1", **GOOD)
    assert slow.status_code in (409, 422)
    office.desk.act(a.Refer(by=TOWN, referral_id="r1", need="N04"), case.case_id, 2)
    sent = {"version": "3", "code": "F1", "help": "门诊医疗救助", "amount": "1200", "start": "2026-03-03"}
    answer = department.post("/referrals/r1/answers", "/referrals/r1", **sent)
    assert answer.status_code == 303, main_of(answer)
    for who, path in (("c1", address(0)), ("s1", "/overview"), ("u1", "/audit"), ("d1", "/referrals?answered=1")):
        assert signed_in(office, who).get(path).status_code == 200, path


def test_a_second_record_is_a_conflict(office: Office) -> None:
    with office.desk.database.reading() as session:
        case = cases.newest_case(session, household(1))
    assert case is not None
    office.desk.act(a.Assign(by=TOWN, to=VILLAGE), case.case_id, 0)
    office.desk.act(a.Classify(by=VILLAGE, form=form("V3")), case.case_id, 1)
    answer = signed_in(office, "v1").post(f"{address(1)}/classifications", address(1), version="1", **GOOD)
    assert answer.status_code == 409 and "他人刚刚提交" in main_of(answer)
