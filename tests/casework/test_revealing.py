"""Identities: for whoever has the case in hand, with a reason, in the log without what was told, and seldom."""

from __future__ import annotations

import pytest

from serving.casework import actions as a
from serving.casework.actor import Actor
from serving.casework.desk import Desk
from serving.casework.keeping import lines
from serving.casework.refusals import AccessError, FormError
from serving.casework.revealing import HIDDEN, reveal, revealing
from tests.casework.desks import OTHER_TOWN, Clock, opened
from tests.casework.made import COUNTY, COUNTY_AREA, PROVINCE, SUPERVISOR, TOWN, VILLAGE, VILLAGE_AREA

SECRET = {"name": "张三", "phone": "29900000000", "address": "虚拟路 3 号"}
WORDS = "明天上午入户走访"


def told(desk: Desk) -> list:
    with desk.database.reading() as session:
        return list(lines(session))


def test_only_whoever_has_the_case_in_hand(desk: Desk) -> None:
    case = opened(desk, 1)[0]
    with pytest.raises(AccessError):
        reveal(desk, VILLAGE, case.case_id, "visit", WORDS, lambda _: SECRET)
    desk.act(a.Assign(by=TOWN, to=VILLAGE), case.case_id, 0)
    for by in (VILLAGE, TOWN):
        assert reveal(desk, by, case.case_id, "visit", WORDS, lambda _: SECRET) == SECRET
    others = [
        Actor(account="v2", role="village", area=VILLAGE_AREA), Actor(account="t2", role="town", area=OTHER_TOWN),
        COUNTY, SUPERVISOR, Actor(account="x1", role="admin", area=PROVINCE),
        Actor(account="u1", role="auditor", area=PROVINCE), Actor(account="a1", role="analyst", area=PROVINCE),
        Actor(account="d1", role="department", area=COUNTY_AREA, department="medical_security"),
    ]  # fmt: skip
    for by in others:
        with pytest.raises(AccessError):
            reveal(desk, by, case.case_id, "visit", WORDS, lambda _: SECRET)
    with pytest.raises(AccessError):
        reveal(desk, TOWN, "no such case", "visit", WORDS, lambda _: SECRET)
    assert [line.account for line in told(desk) if line.kind == "reveal"] == ["v1", "t1"]


def test_the_log_keeps_the_reason_and_nothing_that_was_told(desk: Desk) -> None:
    case = opened(desk, 1)[0]
    reveal(desk, TOWN, case.case_id, "phone", "联系张三，虚拟路 3 号", lambda _: SECRET)
    line = next(line for line in told(desk) if line.kind == "reveal")
    assert HIDDEN in line.detail and '"phone"' in line.detail
    everything = "".join(str(line.plain()) for line in told(desk))
    assert not any(value in everything for value in SECRET.values())
    for reason, words in (("", WORDS), ("curiosity", WORDS), ("visit", "看"), ("visit", "电话 13800138000 核对")):
        with pytest.raises(FormError):
            reveal(desk, TOWN, case.case_id, reason, words, lambda _: SECRET)


def test_an_account_looks_only_so_often_and_the_vault_is_not_told_from_before_the_line(
    desk: Desk, clock: Clock
) -> None:
    case = opened(desk, 1)[0]
    for _ in range(revealing().most):
        reveal(desk, TOWN, case.case_id, "visit", WORDS, lambda _: SECRET)
    with pytest.raises(AccessError) as refused:
        reveal(desk, TOWN, case.case_id, "visit", WORDS, lambda _: SECRET)
    assert refused.value.code == "reveal_often"
    clock.on(minutes=revealing().within_minutes + 1)
    assert reveal(desk, TOWN, case.case_id, "visit", WORDS, lambda _: SECRET) == SECRET


def test_what_cannot_be_written_down_is_not_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    case = opened(desk, 1)[0]

    def broken(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(desk.keeper, "write", broken)
    with pytest.raises(OSError, match="no space"):
        reveal(desk, TOWN, case.case_id, "visit", WORDS, lambda _: SECRET)
