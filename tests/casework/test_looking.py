"""A page is one look: one state, one connection, and nothing is seen before the log says so."""

from __future__ import annotations

import json
import threading

import pytest

from serving.casework import actions as a
from serving.casework import cases, chain
from serving.casework.desk import Desk
from serving.casework.keeping import lines
from serving.casework.looking import newest_row, past_of
from serving.casework.refusals import AccessError
from tests.casework.desks import OTHER_VILLAGE, household, opened
from tests.casework.made import COUNTY, TOWN, VILLAGE


def kinds(desk: Desk) -> list[tuple[str, str]]:
    with desk.database.reading() as session:
        return [(one.kind, one.account) for one in lines(session) if one.kind in ("view", "refused")]


def test_what_was_looked_at_is_written_down_together_at_the_end(desk: Desk) -> None:
    case = opened(desk, 1)[0]
    with desk.looking():
        desk.view(COUNTY, case.case_id)
        with desk.looking():  # a look inside a look is that look
            chain.chain(desk, COUNTY, case.household_id)
        assert kinds(desk) == []
    assert kinds(desk) == [("view", "c1")] * 2
    assert desk.keeper.verify(desk.database).ok


def test_a_refusal_inside_is_written_down_as_well(desk: Desk) -> None:
    other = opened(desk, 1, area=OTHER_VILLAGE)[0]
    with pytest.raises(AccessError), desk.looking():
        desk.view(TOWN, other.case_id)
    assert kinds(desk) == [("refused", "t1")]


def test_nobody_sees_what_the_log_cannot_say(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    case, shown = opened(desk, 1)[0], []

    def full(*_: object) -> None:
        raise OSError("no room for the log")

    monkeypatch.setattr(desk.keeper, "write", full)
    with pytest.raises(OSError, match="no room"):
        shown.append(_page(desk, case.case_id))
    assert shown == []


def _page(desk: Desk, case_id: str) -> str:
    with desk.looking():
        return desk.view(COUNTY, case_id).case.state


def test_inside_all_rests_on_one_state_and_nothing_is_written(desk: Desk) -> None:
    case = opened(desk, 1)[0]
    seen: list[str] = []
    with desk.looking():
        seen.append(desk.view(COUNTY, case.case_id).case.state)
        other = threading.Thread(target=desk.act, args=(a.Assign(by=TOWN, to=VILLAGE), case.case_id, 0))
        other.start()  # another thread has its own connection, and is not kept waiting
        other.join(30)
        seen.append(desk.view(COUNTY, case.case_id).case.state)
        with pytest.raises(RuntimeError, match="looks"), desk.database.writing():
            raise AssertionError("no session is given")
    seen.append(desk.view(COUNTY, case.case_id).case.state)
    assert seen == ["alert", "alert", "assigned"]


def test_a_session_reads_a_households_past_once(desk: Desk) -> None:
    opened(desk, 1)
    with desk.database.reading() as session:
        assert past_of(session, household(0)) is past_of(session, household(0))
        row = newest_row(session, household(0))
        assert row is newest_row(session, household(0)) is not None
        assert cases.newest_case(session, household(0)).case_id == row.case_id
    with desk.database.reading() as session:
        assert json.dumps(past_of(session, "nobody").__dict__) == '{"events": [], "signals": []}'
