"""Amended rules: from their day on, checked field by field, one editor at a time, in the log with before and after."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from serving.casework import actions as a
from serving.casework import amending
from serving.casework import amendments as am
from serving.casework.actor import Actor
from serving.casework.amendments import Ground
from serving.casework.deadlines import later, next_due
from serving.casework.desk import Desk
from serving.casework.keeping import lines
from serving.casework.refusals import AccessError, ConflictError, FormError
from serving.casework.reminding import remind
from serving.casework.routing import Duration
from serving.casework.tables import CaseRow, ReferralRow
from tests.casework.desks import Clock, make_desk, opened
from tests.casework.made import COUNTY_AREA, DAY, PROVINCE, TOWN, form

ADMIN = Actor(account="x1", role="admin", area=PROVINCE)
GROUND = Ground(DAY, "某县府办〔2026〕3号", "本县分工调整")
NEED = {"lead": "health", "co": ["civil_affairs"], "clause": "（16）", "amount": 7, "unit": "working_day"}


def test_a_need_goes_elsewhere_from_its_day_on_and_back_again(desk: Desk, clock: Clock) -> None:
    before = desk.rules.routing.needs["N04"]
    am.amend(desk, ADMIN, "need", "N04", dict(NEED), Ground(DAY + timedelta(days=3), "文件", "原因"), 0)
    assert desk.rules.routing.needs["N04"] == before
    clock.on(days=3)
    now = desk.rules.routing.needs["N04"]
    assert (now.lead, now.co, now.clause, now.answer.amount) == ("health", ["civil_affairs"], "（16）", 7)
    assert now.answer.source == "文件" and now.feedback == before.feedback
    am.amend(desk, ADMIN, "need", "N04", None, Ground(DAY + timedelta(days=3), "文件", "恢复"), 1)
    assert desk.rules.routing.needs["N04"] == before
    assert desk.book.own.routing.needs["N04"] == before


def test_a_year_that_is_entered_is_no_longer_provisional_and_local_days_count(desk: Desk) -> None:
    rules, days = desk.rules, Duration(amount=3, unit="working_day", source="x", mark="P")
    start = rules.end(date(2098, 12, 31))
    assert later(start, days, rules).provisional
    body, wrong = amending.read("year", "2099", {"off": "2099-01-01，2099-01-02", "worked": "2099-01-04"}, rules)
    assert wrong == ()
    am.amend(desk, ADMIN, "year", "2099", body, GROUND, 0)
    reckoned = later(start, days, desk.rules)  # Thursday and Friday are off, Sunday the 4th is worked
    assert (reckoned.provisional, desk.rules.day(reckoned.at)) == (False, date(2099, 1, 6))
    am.amend(desk, ADMIN, "local", "2099", {"off": ["2099-01-05"]}, GROUND, 0)
    assert desk.rules.day(later(start, days, desk.rules).at) == date(2099, 1, 7)


def test_the_clocks_round_reckons_deadlines_by_rules_that_have_changed(desk: Desk) -> None:
    case = opened(desk, 2)[0]
    assert remind(desk).moved == 0
    local = {"off": [str(DAY + timedelta(days=n)) for n in range(1, 5)]}
    am.amend(desk, ADMIN, "local", str(DAY.year), local, GROUND, 0)
    later_by = next(one.at for one in desk.view(TOWN, case.case_id).due)
    assert desk.page(TOWN).rows[0].due_at < later_by, "until the round, lists go by what they were reckoned by"
    assert remind(desk, dry_run=True).moved == 2
    assert remind(desk).moved == 2
    assert {row.due_at for row in desk.page(TOWN).rows if row.case_id == case.case_id} == {later_by}
    assert remind(desk).moved == 0
    assert desk.keeper.verify(desk.database).ok


def test_a_closed_case_that_waits_for_a_correction_is_reckoned_as_well(desk: Desk) -> None:
    case = opened(desk, 1)[0]
    desk.act(a.Assign(by=TOWN, to=TOWN), case.case_id, 0)
    made = desk.act(a.Classify(by=TOWN, form=form("V3", reasons={"own_payment": "false"})), case.case_id, 1)
    made = desk.act(a.Close(by=TOWN, reason="no_need"), case.case_id, made.version)
    assert made.state == "closed" and made.open_referrals
    remind(desk)
    local = {"off": [str(DAY + timedelta(days=n)) for n in range(1, 12)]}
    am.amend(desk, ADMIN, "local", str(DAY.year), local, GROUND, 0)
    assert remind(desk).moved == 1
    with desk.database.reading() as session:
        kept = session.scalars(select(ReferralRow.due_at)).one()
        row = session.get_one(CaseRow, case.case_id)
    assert kept == row.due_at == next_due(made, desk.rules)


def test_wrong_entries_are_named_by_field_and_row(desk: Desk) -> None:
    def codes(kind: am.Kind, key: str, typed: amending.Typed) -> list[tuple[str, str]]:
        return [(one.field, one.code) for one in amending.read(kind, key, typed, desk.rules)[1]]

    sound = {"lead": "health", "co": ("police",), "clause": "（16）", "amount": "7", "unit": "day"}
    assert codes("need", "N04", sound) == []
    wrong = {"lead": "nobody", "co": ("nobody",), "clause": "", "amount": "-1", "unit": "week"}
    assert {field for field, _ in codes("need", "N04", wrong)} == set(wrong)
    assert codes("need", "N04", {**sound, "co": ("health",)}) == [("co", "lead_among_co")]
    year = {"off": "2099-01-01 2099-13-01 2098-01-01 2099-01-01", "worked": "2099-01-05 2099-01-04"}
    found = amending.read("year", "2099", year, desk.rules)[1]
    assert [(one.field, one.code) for one in found] == [
        ("off", "day_row_unreadable"), ("off", "day_row_year"), ("off", "day_row_twice"), ("worked", "day_no_weekend"),
    ]  # fmt: skip
    assert "第 2 个“2099-13-01”" in found[0].words.zh
    assert codes("year", "2099", {"off": "2099-01-04", "worked": "2099-01-04"}) == [("worked", "day_in_both")]
    assert codes("local", "2099", {"off": ""}) == [("off", "missing")]
    assert codes("text", "contact", {"zh": "", "en": "x" * 501}) == [("zh", "missing"), ("en", "note_long")]


def test_one_editor_at_a_time_with_a_ground_and_of_the_whole_only(desk: Desk) -> None:
    am.amend(desk, ADMIN, "text", "contact", {"zh": "电话 12345", "en": "call 12345"}, GROUND, 0)
    assert desk.text("contact").zh == "电话 12345"
    with pytest.raises(ConflictError):
        am.amend(desk, ADMIN, "text", "contact", {"zh": "又", "en": "again"}, GROUND, 0)
    for ground in (Ground(DAY - timedelta(days=1), "a", "b"), Ground(DAY, "", "b"), Ground(DAY, "a", "")):
        with pytest.raises(FormError):
            am.amend(desk, ADMIN, "text", "contact", {"zh": "又", "en": "again"}, ground, 1)
    for by in (
        Actor(account="x2", role="admin", area=COUNTY_AREA),
        Actor(account="s", role="supervisor", area=PROVINCE),
    ):
        with pytest.raises(AccessError):
            am.amend(desk, by, "text", "contact", {"zh": "又", "en": "again"}, GROUND, 1)
    with desk.database.reading() as session:
        told = [line for line in lines(session) if line.kind == "amendment"]
    assert [line.subject for line in told] == ["text:contact"]
    assert json.loads(told[0].detail)["after"] == {"en": "call 12345", "zh": "电话 12345"}
    assert json.loads(told[0].detail)["before"] is None


def test_another_process_sees_it_soon_and_an_outgrown_one_does_nothing(
    desk: Desk, tmp_path: Path, clock: Clock
) -> None:
    other = make_desk(desk.database, tmp_path, clock)
    before = other.rules
    am.amend(desk, ADMIN, "need", "N04", {**NEED, "lead": "gone"}, GROUND, 0)
    assert desk.rules.routing.needs["N04"] == before.routing.needs["N04"]
    am.amend(desk, ADMIN, "need", "N05", dict(NEED), GROUND, 0)
    other.book._held = (other.book._held[0] - am.FRESH_SECONDS - 1, *other.book._held[1:])
    assert other.rules.routing.needs["N05"].lead == "health"
