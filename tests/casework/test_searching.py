"""A search finds all that fits and nothing else, in the list's order, whichever way it looks."""

from __future__ import annotations

import hashlib
from itertools import product
from pathlib import Path

import pytest

from serving.casework import searching, worklist
from serving.casework.alerts import open_week
from serving.casework.database import Database
from serving.casework.worklist import Filters
from tests.casework.desks import OTHER_TOWN, OTHER_VILLAGE, Listed, make_desk
from tests.casework.made import COUNTY_AREA, SUPERVISOR, TOWN, TOWN_AREA, VILLAGE_AREA
from tests.casework.test_worklist import WEEK

HOUSEHOLDS = [hashlib.sha256(str(n).encode()).hexdigest()[:24] for n in range(60)]
SHOWN = f"{HOUSEHOLDS[5][:4]}-{HOUSEHOLDS[5][4:8]}"
TEXTS = (
    "4",
    "441802",
    COUNTY_AREA,
    TOWN_AREA,
    "441802007",
    OTHER_VILLAGE,
    "a",
    "0f",
    "c4c",
    "C4C",
    "nobody",
    "%",
    "44 ",
)


@pytest.fixture
def desk(database: Database, tmp_path: Path):
    made = make_desk(database, tmp_path)
    levels = ("red", "orange", "none")
    rows = {
        one: (OTHER_VILLAGE if n % 4 == 0 else VILLAGE_AREA, "risk", levels[n % 3]) for n, one in enumerate(HOUSEHOLDS)
    }
    open_week(made, Listed(rows=rows))  # type: ignore[arg-type]
    return made


def every(desk, by, filters: Filters, limit: int) -> list[worklist.Row]:
    found, after = [], None
    while True:
        page = worklist.rows(desk, by, WEEK, filters, after=after, limit=limit)
        found += page.rows
        if page.next is None:
            return found
        after = page.next


def fits(desk, row: worklist.Row, text: str) -> bool:
    text = text.strip().lower()
    names = [area.name.zh.lower() for area in desk.tree.chain(row.area_code)]
    return row.household_id.startswith(text.replace("-", "")) or any(text in name for name in names)


@pytest.mark.parametrize("rare", [0, 2_000])
def test_both_ways_find_what_fits(desk, monkeypatch, rare: int) -> None:
    monkeypatch.setattr(searching, "RARE_CASES", rare)
    monkeypatch.setattr(searching, "AT_ONCE", 7)
    for by, text, (area, level, order) in product(
        (SUPERVISOR, TOWN), TEXTS, (("", "", "due"), (TOWN_AREA, "red", "score"), (OTHER_TOWN, "", "due"))
    ):
        if area == OTHER_TOWN and by is TOWN:
            continue
        kept = Filters(area=area, level=level, order=order)
        whole = every(desk, by, kept, 50)
        found = every(desk, by, Filters(area=area, level=level, order=order, search=text), 4)
        # what lies above one's own area says nothing about a household in it
        reached = [row for row in whole if fits(desk, row, text)] if by is SUPERVISOR else None
        if reached is not None:
            assert [row.case_id for row in found] == [row.case_id for row in reached], text
        else:
            assert {row.case_id for row in found} <= {row.case_id for row in whole}
    assert [row.household_id for row in every(desk, SUPERVISOR, Filters(search=SHOWN), 50)] == [HOUSEHOLDS[5]]
    assert {row.area_code for row in every(desk, SUPERVISOR, Filters(search=OTHER_TOWN), 50)} == {OTHER_VILLAGE}


def test_a_second_list_of_the_week_shows_a_case_once_in_its_words(desk) -> None:
    again = Listed(run_id="run2", rows={HOUSEHOLDS[0]: (OTHER_VILLAGE, "risk", "yellow")})
    open_week(desk, again)  # type: ignore[arg-type]
    rows = every(desk, SUPERVISOR, Filters(), 50)
    assert len(rows) == len({row.case_id for row in rows}) == len(HOUSEHOLDS)
    [found] = [row for row in rows if row.household_id == HOUSEHOLDS[0]]
    assert found.said is not None
    assert found.said["level"] == "yellow"
    assert [row.household_id for row in every(desk, SUPERVISOR, Filters(level="yellow"), 50)] == [HOUSEHOLDS[0]]
    later = Listed(run_id="run3", as_of=WEEK.replace(day=8), rows={HOUSEHOLDS[0]: (OTHER_VILLAGE, "risk", "red")})
    open_week(desk, later)  # type: ignore[arg-type]
    assert [row.household_id for row in every(desk, SUPERVISOR, Filters(level="yellow"), 50)] == [HOUSEHOLDS[0]]
