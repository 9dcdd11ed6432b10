"""What pages ask the database for holds on both databases."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from serving.casework import actions as a
from serving.casework import staffing, steering, worklist
from serving.casework.database import Database
from serving.casework.worklist import Filters
from tests.casework.desks import OTHER_TOWN, make_desk, opened
from tests.casework.made import COUNTY, COUNTY_AREA, SUPERVISOR, TOWN, TOWN_AREA, VILLAGE, answer, form

WEEK = date(2026, 3, 1)


@pytest.fixture
def desk(database: Database, tmp_path: Path):
    made = make_desk(database, tmp_path)
    ids = [case.case_id for case in opened(made, 3)]
    staffing.put_worker(made, COUNTY, VILLAGE, 5)
    for case_id in ids[:2]:
        made.act(a.Assign(by=TOWN, to=VILLAGE), case_id, 0)
    made.act(a.Classify(by=VILLAGE, form=form("V1")), ids[0], 1)
    made.act(a.Refer(by=TOWN, referral_id="r1", need="N04"), ids[0], 2)
    made.act(answer("F1"), ids[0], 3)
    return made


def test_figures_of_areas_are_counted_together(desk) -> None:
    found = steering.figures(desk, SUPERVISOR, WEEK, [COUNTY_AREA, TOWN_AREA, OTHER_TOWN])
    for area in (COUNTY_AREA, TOWN_AREA):
        one = found[area]
        assert (one.cases, one.visited, one.confirmed, one.helped) == (3, 1, 1, 1)
    other = found[OTHER_TOWN]
    assert (other.cases, other.visited, other.confirmed, other.helped, other.overdue) == (0, 0, 0, 0, 0)
    [answers] = steering.answers(desk, COUNTY, COUNTY_AREA)
    assert (answers.department, answers.sent, answers.open, answers.late) == ("medical_security", 1, 0, 0)
    assert desk.counts(COUNTY, WEEK) == {"alert": 1, "assigned": 1, "effect_check": 1}


def test_lists_by_deadline_and_by_score_show_the_same_rows(desk) -> None:
    rows = [worklist.rows(desk, COUNTY, WEEK, Filters(order=order)).rows for order in ("due", "score")]
    assert {row.case_id for row in rows[0]} == {row.case_id for row in rows[1]}
    assert len(worklist.rows(desk, COUNTY, WEEK, Filters(level="red")).rows) == 2
    with desk.database.reading() as session:
        [worker] = staffing.workers(desk, session, WEEK, TOWN_AREA)
        assert staffing.workers(desk, session, WEEK, OTHER_TOWN) == []
    assert (worker.account, worker.load) == ("v1", 1)
    assert dict(worklist.people(desk, ["v1", "nobody"])) == {}
