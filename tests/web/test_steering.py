"""Figures for those who steer: nothing small on any level, week or figure, and estimates that stand still."""

from __future__ import annotations

import hashlib
import io
import json
import re
from datetime import date, timedelta
from typing import Any

import docx
import pytest
from sqlalchemy import select

from features.divisions import AreaTree
from serving.casework import actions as a
from serving.casework import cases, steering
from serving.casework.alerts import open_week
from serving.casework.boards import shown_answers
from serving.casework.steering import Answers
from serving.casework.tables import AuditRow
from serving.web.office import Office
from serving.web.pages.quality import Cell, grid
from tests.casework.desks import OTHER_VILLAGE, TREE, Clock, Listed, household
from tests.casework.made import COUNTY, COUNTY_AREA, PROVINCE, SUPERVISOR, TOWN, TOWN_AREA, VILLAGE, VILLAGE_AREA, form
from tests.web.offices import signed_in

WEEK = date(2026, 3, 1)
OTHER_COUNTY = "441803"


def main_of(answer: Any) -> str:
    return answer.text.split("<main")[1].split("</main>")[0]


def listed(office: Office, week: date, counts: dict[str, int], audit: int = 0, first: int = 0) -> list[str]:
    """A list of some households in each area, of which the first ones were drawn at random."""
    rows, at = {}, first
    for area, count in counts.items():
        for number in range(count):
            rows[household(at)] = (area, "audit" if number < audit else "risk", "red")
            at += 1
    open_week(office.desk, Listed(run_id=f"run-{week}", as_of=week, rows=rows))  # type: ignore[arg-type]
    return list(rows)


def visited(office: Office, which: str, code: str, **changes: Any) -> None:
    with office.desk.database.reading() as session:
        case = cases.newest_case(session, which)
    assert case is not None
    office.desk.act(a.Assign(by=TOWN, to=VILLAGE), case.case_id, 0)
    office.desk.act(a.Classify(by=VILLAGE, form=form(code, **changes)), case.case_id, 1)


def referred(office: Office, households: list[str]) -> None:
    """Households in hardship, each with a referral to the same department."""
    for one in households:
        visited(office, one, "V1")
        with office.desk.database.reading() as session:
            case = cases.newest_case(session, one)
        assert case is not None
        office.desk.act(a.Refer(by=TOWN, referral_id=f"r-{one}", need="N04"), case.case_id, 2)


def test_a_hidden_area_has_no_page_and_neither_have_those_below(office: Office) -> None:
    listed(office, WEEK, {VILLAGE_AREA: 14, OTHER_VILLAGE: 4})
    who = signed_in(office, "s1")
    county = main_of(who.get(f"/overview/{COUNTY_AREA}"))
    assert county.count("不显示</span></td></tr>") == 2
    for area in (TOWN_AREA, VILLAGE_AREA, OTHER_VILLAGE):
        page = main_of(who.get(f"/overview/{area}"))
        assert "这一期没有可以显示的数字" in page and "<table" not in page, area
        assert not re.search(r"<b>(14|4)</b>", page), area


def test_whoever_begins_at_an_area_sees_its_own_figures(office: Office) -> None:
    listed(office, WEEK, {VILLAGE_AREA: 14, OTHER_VILLAGE: 30})
    assert "<b>44</b>" in main_of(signed_in(office, "c1").get("/overview"))
    page = main_of(signed_in(office, "s1").get(f"/overview/{TOWN_AREA}"))
    assert "<b>14</b>" in page


def test_overdue_and_weeks_are_held_back_as_well(office: Office, clock: Clock) -> None:
    listed(office, WEEK - timedelta(weeks=1), {VILLAGE_AREA: 3, OTHER_VILLAGE: 20})
    listed(office, WEEK, {VILLAGE_AREA: 14, OTHER_VILLAGE: 30}, first=100)
    found = [household(100 + n) for n in range(10)]
    for one in found:
        visited(office, one, "V3")
    clock.on(days=30)
    page = main_of(signed_in(office, "c1").get("/overview"))
    trends = re.findall(r'aria-label="各周户数：([^"]*)"', page)
    assert trends == ["23、44", "不显示、14", "不显示、30"]
    late = re.findall(r'data-label="超期">(.*?)</td>', page)
    assert all("不显示" in one for one in late) or not any(one.isdigit() and 0 < int(one) < 10 for one in late)


def test_each_list_has_its_own_figures_and_way_down(office: Office, clock: Clock) -> None:
    before = WEEK - timedelta(weeks=1)
    listed(office, before, {VILLAGE_AREA: 12, OTHER_VILLAGE: 20})
    listed(office, WEEK, {VILLAGE_AREA: 14, OTHER_VILLAGE: 30}, first=100)
    for at in range(12):
        visited(office, household(at), "V1")
    who = signed_in(office, "c1")
    newest = main_of(who.get("/overview"))
    assert "<b>44</b>" in newest and f'href="/overview/{COUNTY_AREA}?week={before}"' in newest
    earlier = main_of(who.get(f"/overview?week={before}"))
    assert "<b>32</b>" in earlier and f'href="/overview/{COUNTY_AREA}?week={WEEK}"' in earlier
    assert f'href="/overview/{TOWN_AREA}?week={before}"' in earlier and "只在最新一期推算" in earlier
    assert "<b>12</b>" in main_of(who.get(f"/overview/{TOWN_AREA}?week={before}"))
    for wrong in ("2026-01-01", "soon"):
        assert who.get(f"/overview?week={wrong}").status_code == 404


def bulletin(who: Any, area: str, week: date | str = WEEK) -> tuple[Any, str]:
    """The answer, and every text of the Word file."""
    answer = who.get(f"/overview/{area}/bulletin.docx?week={week}")
    if answer.status_code != 200:
        return answer, ""
    opened = docx.Document(io.BytesIO(answer.content))
    cells = [cell.text for table in opened.tables for row in table.rows for cell in row.cells]
    return answer, "\n".join([*(one.text for one in opened.paragraphs), *cells])


def test_the_bulletin_says_what_the_page_shows(office: Office, clock: Clock) -> None:
    before = WEEK - timedelta(weeks=1)
    listed(office, before, {VILLAGE_AREA: 12, OTHER_VILLAGE: 20})
    named = listed(office, WEEK, {VILLAGE_AREA: 20, OTHER_VILLAGE: 24}, first=100)
    for one in named[:12]:
        visited(office, one, "V1")
    who = signed_in(office, "c1")
    page = main_of(who.get("/overview"))
    assert f'href="/overview/{COUNTY_AREA}/bulletin.docx?week={WEEK}"' in page
    answer, text = bulletin(who, COUNTY_AREA)
    assert answer.headers["content-disposition"] == f'attachment; filename="bulletin-{COUNTY_AREA}-{WEEK}.docx"'
    assert "应核查家庭44户。上一期32户。" in text and "已核查12户" in text and "核查属实率100%" in text
    share = re.search(r"<b>(100%)</b>.*?(\d+–\d+%)", page)
    assert share is not None and f"100%（{share[2]}）" in text
    assert who.get(f"/overview/{COUNTY_AREA}/bulletin.pdf?week={WEEK}").content.startswith(b"%PDF-")
    earlier = bulletin(who, COUNTY_AREA, before)[1]
    assert "应核查家庭32户。" in earlier and "上一期" not in earlier and "抽查" not in earlier
    # each one is written down with what it was
    with office.desk.database.reading() as session:
        told = [one for one in session.scalars(select(AuditRow)) if one.kind == "export"]
    assert [one.subject for one in told] == [f"bulletin {COUNTY_AREA} {day}" for day in (WEEK, WEEK, before)]
    assert [json.loads(one.detail)["file"] for one in told] == ["docx", "pdf", "docx"]
    assert json.loads(told[0].detail)["sha256"] == hashlib.sha256(answer.content).hexdigest()


def test_the_bulletin_holds_back_what_the_page_holds_back(office: Office) -> None:
    listed(office, WEEK, {VILLAGE_AREA: 14, OTHER_VILLAGE: 4})
    who = signed_in(office, "s1")
    text = bulletin(who, COUNTY_AREA)[1]
    assert re.search(r"(?m)^不显示$", text) and not re.search(r"(?m)^(14|4)$", text)
    for area in (TOWN_AREA, VILLAGE_AREA, OTHER_VILLAGE):
        answer, _ = bulletin(who, area)
        assert answer.status_code == 422 and "少于 10" in answer.text, area
    assert bulletin(who, COUNTY_AREA, "2026-01-04")[0].status_code == 422
    assert bulletin(who, COUNTY_AREA, "soon")[0].status_code == 404
    assert bulletin(signed_in(office, "c1"), PROVINCE)[0].status_code == 403
    assert bulletin(signed_in(office, "c1"), "000")[0].status_code == 403


def test_a_bulletin_says_nothing_of_few_visits_and_of_departments_elsewhere(office: Office) -> None:
    named = listed(office, WEEK, {VILLAGE_AREA: 20, OTHER_VILLAGE: 20})
    referred(office, named[:4])
    said = bulletin(signed_in(office, "c1"), COUNTY_AREA)[1]
    assert "已核查" not in said and "40户" in said
    referred(office, named[4:14])
    said = bulletin(signed_in(office, "c1"), COUNTY_AREA)[1]
    assert "已核查14户" in said and "部门办理情况" in said
    above = bulletin(signed_in(office, "s1"), COUNTY_AREA)[1]
    assert "已核查14户" in above and "部门办理情况" not in above


def test_answered_and_open_are_hidden_together() -> None:
    """What was sent less what was answered is what is open."""
    one = shown_answers([Answers("a", 60, open=5, days=(1.0,) * 55), Answers("b", 80, open=40, days=(1.0,) * 40)])[0]
    assert (one.sent, one.answered, one.open) == (60, None, None)


def test_shares_are_of_those_who_could_be_told(office: Office) -> None:
    named = listed(office, WEEK, {VILLAGE_AREA: 20})
    for at, one in enumerate(named[:16]):
        visited(office, one, ("V1", "V3", "V7", "V2")[at % 4])
    found = steering.figures(office.desk, COUNTY, WEEK, [COUNTY_AREA, TOWN_AREA])
    assert found[COUNTY_AREA].visited == 16 and found[COUNTY_AREA].told == 12 and found[COUNTY_AREA].confirmed == 8
    assert found[TOWN_AREA].cases == 20 and found[COUNTY_AREA].on_time == 16 == found[COUNTY_AREA].due


def test_the_estimate_stands_still_while_the_newest_list_is_visited(office: Office, clock: Clock) -> None:
    old = listed(office, WEEK - timedelta(weeks=2), {VILLAGE_AREA: 22}, audit=12)
    for at, one in enumerate(old[:20]):
        visited(office, one, "V1" if at in (0, 1) or at >= 12 else "V3")
    later = WEEK + timedelta(weeks=1)
    new = listed(office, later, {VILLAGE_AREA: 12}, audit=2, first=500)
    before = steering.missed(office.desk, COUNTY, later, [COUNTY_AREA])[COUNTY_AREA]
    assert before.audit_rows == 12 and before.audit_confirmed == 2
    assert before.missed == pytest.approx(20.0)  # two of probability 0.1 each
    assert before.caught == pytest.approx(10.0)  # the two risk rows that nobody met stand as the eight do
    clock.on(days=8)
    visited(office, new[0], "V1", visited_on=later + timedelta(days=1))
    assert steering.missed(office.desk, COUNTY, later, [COUNTY_AREA])[COUNTY_AREA] == before
    assert "随机抽查 12 户" in main_of(signed_in(office, "s1").get("/overview"))


def test_departments_are_shown_without_small_figures(office: Office) -> None:
    shown = shown_answers([
        Answers("few", 4, open=4), Answers("next", 12, open=2, late=1, days=(1.0,) * 10, codes={"F1": 8, "F2": 2}),
        Answers("many", 60, open=20, late=12, days=(3.0,) * 40, codes={"F1": 30, "F2": 4, "F3": 6}),
    ])  # fmt: skip
    assert [one.department for one in shown] == ["many"]
    assert shown[0].answered is None or shown[0].answered == 40
    assert shown[0].median_days == 3.0 and shown[0].codes.get("F2") is None
    listed(office, WEEK, {VILLAGE_AREA: 3})
    empty = main_of(signed_in(office, "c1").get("/feedback"))
    assert "还没有转办" in empty
    visited(office, household(0), "V1")
    with office.desk.database.reading() as session:
        case = cases.newest_case(session, household(0))
    assert case is not None
    office.desk.act(a.Refer(by=TOWN, referral_id="r1", need="N04"), case.case_id, case.version)
    few = main_of(signed_in(office, "s1").get("/feedback"))
    assert "件数太少" in few and "医保" not in few
    for account in ("v1", "t1", "d1", "u1", "a1"):
        assert signed_in(office, account).get("/feedback").status_code == 403


def test_areas_outside_are_refused(office: Office) -> None:
    listed(office, WEEK, {VILLAGE_AREA: 14})
    who = signed_in(office, "c1")
    assert who.get(f"/overview/{OTHER_COUNTY}").status_code == 403
    assert who.get(f"/overview/{PROVINCE}").status_code == 403


def test_the_grid_stands_below_the_visitors_area() -> None:
    states = [
        {"feed": "medical", "area": COUNTY_AREA, "status": "late"},
        {"feed": "medical", "area": OTHER_COUNTY, "status": "current"},
        {"feed": "medical", "area": "999999", "status": "absent"},
    ]
    tree: AreaTree = TREE
    assert grid(tree, PROVINCE, states) == (["441800"], {"medical": {"441800": Cell("late", 1, 2)}})
    columns, cells = grid(tree, "441800", states)
    assert columns == [COUNTY_AREA, OTHER_COUNTY] and not cells["medical"][OTHER_COUNTY].troubled
    assert grid(tree, COUNTY_AREA, states)[0] == [COUNTY_AREA]
    assert SUPERVISOR.area == PROVINCE
