"""Weekly lists: tabs, filters, pages, giving visits, what a blind town sees."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest

from serving.casework import staffing
from serving.web.office import Office
from tests.casework.desks import OTHER_TOWN, household, listed, opened
from tests.casework.made import COUNTY, TOWN_AREA, VILLAGE
from tests.web.offices import signed_in
from tests.web.shown import rich

WEEK = date(2026, 3, 1)
CODE = re.compile(r'/households/([0-9a-f]{24})"')


def codes(answer: Any) -> list[str]:
    return list(dict.fromkeys(CODE.findall(answer.text)))


@pytest.fixture
def week(office: Office) -> Office:
    rich(office.desk, 45)
    staffing.put_worker(office.desk, COUNTY, VILLAGE, 30)
    return office


def test_there_is_no_list_yet(office: Office) -> None:
    who = signed_in(office, "c1")
    assert "尚未生成清单" in who.get("/weeks").text
    assert "尚未生成清单" in who.get("/weeks/current").text
    assert who.get("/weeks/2026-03-01").status_code == 404
    assert who.get("/weeks/nonsense").status_code == 404


def test_pages_show_every_household_once(week: Office) -> None:
    who = signed_in(week, "c1")
    for order in ("", "?order=score"):
        seen, address = [], f"/weeks/current{order}"
        while address:
            answer = who.get(address)
            assert answer.status_code == 200
            seen += codes(answer)
            onward = re.search(r'rel="next" href="([^"]+)"', answer.text)
            address = onward[1].replace("&amp;", "&") if onward else ""
        assert len(seen) == len(set(seen)) == 45


def test_filters_narrow_and_say_when_nothing_is_left(week: Office) -> None:
    who = signed_in(week, "c1")
    assert len(codes(who.get("/weeks/current?level=red"))) == 15
    assert len(codes(who.get("/weeks/current?level=yellow&change=up"))) == 0
    assert "没有符合条件的家庭" in who.get("/weeks/current?level=yellow&change=up").text
    assert codes(who.get(f"/weeks/current?search={household(7)}")) == [household(7)]
    assert len(codes(who.get("/weeks/current?reason=income"))) == 15
    assert len(codes(who.get("/weeks/current?tab=closed"))) == 0
    assert who.get("/weeks/current?after=nonsense").status_code == 422
    assert who.get(f"/weeks/current?area={OTHER_TOWN}").status_code == 200
    assert who.get("/weeks/current?area=441803").status_code == 403


def test_visits_are_given_and_what_others_changed_is_left_alone(week: Office) -> None:
    who = signed_in(week, "c1")
    page = who.get("/weeks/2026-03-01").text
    chosen = re.findall(r'name="case" value="([^"]+)"', page)[:3]
    answer = who.post("/weeks/2026-03-01/assign", "/weeks/2026-03-01", case=chosen, to="v1")
    assert answer.headers["location"].endswith("given=3&conflicts=0")
    assert "已分派 3 户" in who.get(answer.headers["location"]).text
    again = who.post("/weeks/2026-03-01/assign", "/weeks/2026-03-01", case=chosen, to="v1")
    assert again.headers["location"].endswith("given=0&conflicts=3")
    assert len(codes(who.get("/weeks/current?tab=assigned&worker=v1"))) == 3
    proposed = who.post("/weeks/2026-03-01/assign", "/weeks/2026-03-01", to="proposal")
    assert "given=20" in proposed.headers["location"] or "given=27" in proposed.headers["location"]


def test_a_supervisor_looks_and_gives_nothing(week: Office) -> None:
    who = signed_in(week, "s1")
    assert 'name="case"' not in who.get("/weeks/current").text
    assert who.post("/weeks/2026-03-01/assign", case=["a:0"], to="v1").status_code == 403


def test_villages_have_no_list_by_week(week: Office) -> None:
    assert signed_in(week, "v1").get("/weeks/current").status_code == 403


def test_a_town_that_visits_first_sees_no_score(week: Office) -> None:
    week.project.listing.presentation[TOWN_AREA] = "blind"
    try:
        page = signed_in(week, "t1").get("/weeks/current?level=red&order=score")
        assert len(codes(page)) == 20
        main = page.text.split("<main")[1].split("</main>")[0]
        for leak in ("级别", "每百户", "支出骤增", "level ", "较上次", "高"):
            assert leak not in main, leak
    finally:
        week.project.listing.presentation.clear()


def test_only_published_and_opened_lists_count(office: Office) -> None:
    opened(office.desk, 2)
    assert listed().published
    page = signed_in(office, "t1").get("/weeks").text
    assert "2026年3月1日" in page
