"""Some people at the pages at once, on SQLite; the long run with two hundred is a drill."""

from __future__ import annotations

import asyncio

from serving.web.office import Office
from tests.drill import staff
from tests.web.shots import running


def test_ten_people_lose_nothing_and_see_who_was_faster(office: Office) -> None:
    ids, tokens = staff.prepare(office, 10, 3)
    with running(office) as address:
        seen = asyncio.run(staff.work([address], ids, tokens, 5, 1))
    staff.holds(office, ids, seen)
    assert seen.accepted
    assert seen.conflicts  # ten people and three cases
