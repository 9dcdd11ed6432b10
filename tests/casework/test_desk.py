"""The service layer on both databases: reach, one transaction, conflicts, pages, what each role may see."""

from __future__ import annotations

import json
import threading
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text

from features.errors import GateError, NothingToDo, UsageError
from serving.casework import actions as a
from serving.casework import cases, lists
from serving.casework.actor import Actor
from serving.casework.alerts import discover, open_week, sealed_kinds
from serving.casework.database import Database
from serving.casework.desk import Desk, Line
from serving.casework.keeping import lines
from serving.casework.outcomes import _parts
from serving.casework.refusals import AccessError, ConflictError, FormError
from serving.casework.tables import CaseRow, FindingRow, OutgoingRow, PlaceRow, SealedRow, SignalRow
from tests.casework.desks import OTHER_TOWN, OTHER_VILLAGE, Clock, household, listed, make_desk, opened
from tests.casework.made import (
    CLOCK,
    COUNTY,
    COUNTY_AREA,
    DAY,
    PROVINCE,
    SUPERVISOR,
    TOWN,
    VILLAGE,
    VILLAGE_AREA,
    answer,
    form,
)
from tests.casework.made import (
    desk as at_desk,
)

OTHER = Actor(account="t2", role="town", area=OTHER_TOWN)
AUDITOR = Actor(account="u1", role="auditor", area=PROVINCE)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(database: Database, tmp_path, clock: Clock) -> Desk:
    return make_desk(database, tmp_path, clock)


def audit_kinds(desk: Desk) -> list[str]:
    with desk.database.reading() as session:
        return [line.kind for line in lines(session)]


def test_a_list_becomes_cases_once(desk: Desk) -> None:
    assert [case.state for case in opened(desk)] == ["alert"] * 3
    with pytest.raises(NothingToDo):
        open_week(desk, listed())
    assert desk.counts(COUNTY, date(2026, 3, 1)) == {"alert": 3}
    assert desk.keeper.verify(desk.database).ok
    with pytest.raises(GateError):
        open_week(desk, listed(run_id="run2", published=False))


def test_a_dry_run_writes_nothing_and_says_the_same(desk: Desk) -> None:
    plan = open_week(desk, listed(), dry_run=True)
    with desk.database.reading() as session:
        assert session.query(CaseRow).count() == 0
    assert open_week(desk, listed()) == plan


def test_an_interrupted_week_is_gone_on_with(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from serving.casework import alerts

    monkeypatch.setattr(alerts, "AT_ONCE", 2)
    real, calls = cases.save, []

    def failing(*args, **kwargs):
        calls.append(1)
        if len(calls) == 4:
            raise RuntimeError("killed")
        return real(*args, **kwargs)

    monkeypatch.setattr(cases, "save", failing)
    with pytest.raises(RuntimeError):
        open_week(desk, listed(5))
    monkeypatch.setattr(cases, "save", real)
    open_week(desk, listed(5))
    assert desk.counts(COUNTY, date(2026, 3, 1)) == {"alert": 5}
    with desk.database.reading() as session:
        assert (
            session.query(CaseRow).count() == session.query(SignalRow).count() == session.query(SealedRow).count() == 5
        )
    assert desk.keeper.verify(desk.database).ok


def test_a_new_alert_joins_the_open_case_and_a_fresh_closing_cools(desk: Desk, clock: Clock) -> None:
    one, two, _ = opened(desk)
    desk.act(a.Assign(by=TOWN, to=VILLAGE), one.case_id, 0)
    desk.act(a.Classify(by=VILLAGE, form=form("V3")), one.case_id, 1)
    desk.act(a.Close(by=TOWN, reason="no_need"), one.case_id, 2)
    clock.on(days=7)
    made = open_week(desk, listed(run_id="run2", as_of=date(2026, 3, 8)))
    assert (made.opened, made.merged, made.cooling) == (0, 2, 1)
    risen = open_week(desk, listed(1, run_id="run3", as_of=date(2026, 3, 15), changes={one.household_id: "up"}))
    assert risen.opened == 1
    later = open_week(desk, listed(1, run_id="run4", as_of=date(2026, 3, 22)))
    assert later.merged == 1
    assert [event.kind for event in desk.view(TOWN, two.case_id).events] == ["opened", "signalled"]


def test_case_event_audit_and_outgoing_are_written_together(desk: Desk) -> None:
    case = opened(desk, 1)[0]
    made = desk.act(a.Assign(by=TOWN, to=VILLAGE), case.case_id, 0)
    assert (made.state, made.version) == ("assigned", 1)
    with desk.database.reading() as session:
        assert cases.read(session, case.case_id) == made
        [line] = [line for line in lines(session) if line.kind == "decision"]
        bodies = [json.loads(body) for body in session.scalars(select(OutgoingRow.body))]
    assert json.loads(line.detail) == {
        "case": case.case_id, "version": 1, "action": "assign", "state": "assigned", "events": [{"kind": "assigned", "to": "v1"}]
    }  # fmt: skip
    assert {body["type"] for body in bodies} == {cases.CHANGED}
    assert not {"level", "probability", "reasons", "validity"} & set(str(bodies).replace("'", " ").split())
    assert desk.keeper.verify(desk.database).ok


def test_when_the_audit_line_cannot_be_written_nothing_is(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    case = opened(desk, 1)[0]

    def broken(*_args, **_kwargs):
        raise RuntimeError("disk full")

    monkeypatch.setattr(desk.keeper, "write", broken)
    with pytest.raises(RuntimeError):
        desk.act(a.Assign(by=TOWN, to=VILLAGE), case.case_id, 0)
    monkeypatch.undo()
    assert desk.view(TOWN, case.case_id).case == case
    assert desk.counts(TOWN, date(2026, 3, 1)) == {"alert": 1}


def test_who_was_slower_gets_the_newer_record(desk: Desk) -> None:
    case = opened(desk, 1)[0]
    desk.act(a.Assign(by=TOWN, to=VILLAGE), case.case_id, 0)
    with pytest.raises(ConflictError) as conflict:
        desk.act(a.Assign(by=COUNTY, to=COUNTY), case.case_id, 0)
    assert conflict.value.newer.owner.account == "v1"
    assert (conflict.value.seen, conflict.value.now) == (0, 1)
    assert "没有丢失" in conflict.value.repair("zh")


def test_two_at_the_same_moment_one_wins(desk: Desk) -> None:
    case = opened(desk, 1)[0]
    barrier, ends = threading.Barrier(4), []

    def go(number: int) -> None:
        barrier.wait()
        try:
            desk.act(a.Assign(by=TOWN, to=VILLAGE.model_copy(update={"account": f"v{number}"})), case.case_id, 0)
            ends.append("won")
        except ConflictError:
            ends.append("conflict")

    threads = [threading.Thread(target=go, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == ["conflict"] * 3 + ["won"]
    assert desk.view(TOWN, case.case_id).case.version == 1
    assert desk.keeper.verify(desk.database).ok


def test_the_clocks_reminder_is_no_conflict_but_a_draft_of_somebody_is(desk: Desk, clock: Clock) -> None:
    case = opened(desk, 1)[0]
    desk.act(a.Assign(by=TOWN, to=VILLAGE), case.case_id, 0)
    clock.on(days=6)
    assert desk.act(a.Tick(by=CLOCK), case.case_id, 1).version == 2
    assert desk.act(a.RecordVisit(by=VILLAGE, on=DAY, method="home"), case.case_id, 1).version == 3
    desk.act(a.SaveDraft(by=VILLAGE, form={"note": "x"}), case.case_id, 3)
    with pytest.raises(ConflictError):
        desk.act(a.SaveDraft(by=TOWN, form={"note": "y"}), case.case_id, 3)


def test_roles_and_areas_are_held_and_attempts_written_down(desk: Desk) -> None:
    case = opened(desk, 1)[0]
    stranger = Actor(account="x", role="county", area="441803")
    for by in (OTHER, stranger, Actor(account="an", role="analyst", area=PROVINCE), at_desk("tax")):
        with pytest.raises(AccessError):
            desk.view(by, case.case_id)
        with pytest.raises(AccessError):
            desk.act(a.Assign(by=by, to=VILLAGE), case.case_id, 0)
    assert audit_kinds(desk).count("refused") == 8
    with pytest.raises(AccessError):
        desk.page(OTHER, area=COUNTY_AREA)
    with pytest.raises(AccessError):
        desk.counts(OTHER, date(2026, 3, 1), COUNTY_AREA)
    with pytest.raises(UsageError):
        desk.view(TOWN, "nonsense")


def test_a_blind_role_sees_no_score_before_the_record(desk: Desk) -> None:
    case = opened(desk, 1)[0]
    desk.act(a.Assign(by=TOWN, to=VILLAGE), case.case_id, 0)
    blind = desk.view(VILLAGE, case.case_id)
    assert blind.signals is None
    shown = str(blind)
    assert not any(word in shown for word in ("probability", "per_100", "red", "audit", "stratum", "selection"))
    assert desk.view(TOWN, case.case_id).signals[0]["level"] == "red"
    made = desk.act(a.Classify(by=VILLAGE, form=form("V3")), case.case_id, 1)
    assert not made.first.score_shown
    assert desk.view(VILLAGE, case.case_id).signals is not None
    second = desk.act(a.AddOpinion(by=VILLAGE, form=form("V3", reasons={"own_payment": "true"})), case.case_id, 2)
    assert second.records[-1].score_shown and not second.first.score_shown


def test_nothing_that_staff_read_tells_audit_rows_apart(desk: Desk) -> None:
    made = opened(desk, 6)
    audit = {household(2), household(5)}
    views = {case.household_id: desk.view(TOWN, case.case_id) for case in made}
    keys = {one: (set(view.case.model_dump()), set(view.signals[0]), len(view.due)) for one, view in views.items()}
    assert len({str(key) for key in keys.values()}) == 1
    assert "audit" not in str(views) and "selection" not in str(views)
    days = {view.case.visit_by for one, view in views.items() if one not in audit}
    assert {views[one].case.visit_by for one in audit} <= days
    with desk.database.reading() as session:
        for table in (CaseRow, PlaceRow, SignalRow):
            for row in session.scalars(select(table)):
                assert "audit" not in str({**row.__dict__}), table
        assert "audit" not in str([(e.detail) for e in session.execute(text("SELECT detail FROM casework_event"))])
    assert {one for one, kind, _ in sealed_kinds(desk, AUDITOR, "run1") if kind == "audit"} == audit
    with pytest.raises(AccessError):
        sealed_kinds(desk, COUNTY, "run1")
    assert "unsealed" in audit_kinds(desk)


def test_staff_who_saw_the_reasons_say_of_each_whether_it_is_true(desk: Desk) -> None:
    case = opened(desk, 1)[0]
    desk.act(a.Assign(by=TOWN, to=TOWN), case.case_id, 0)
    with pytest.raises(FormError) as refused:
        desk.act(a.Classify(by=TOWN, form=form("V3")), case.case_id, 1)
    assert set(refused.value.by_field()) == {"reasons"}
    made = desk.act(a.Classify(by=TOWN, form=form("V3", reasons={"own_payment": "false"})), case.case_id, 1)
    [correction] = made.open_referrals
    assert (correction.need, correction.department, correction.correction) == ("N22", "medical_security", True)
    assert made.first.score_shown


def test_a_department_sees_its_own_referrals_and_no_visit(desk: Desk, clock: Clock) -> None:
    case = opened(desk, 1)[0]
    desk.act(a.Assign(by=TOWN, to=VILLAGE), case.case_id, 0)
    desk.act(a.Classify(by=VILLAGE, form=form("V1", note="家中情况")), case.case_id, 1)
    desk.act(a.Refer(by=TOWN, referral_id="r1", need="N04"), case.case_id, 2)
    desk.act(a.Refer(by=TOWN, referral_id="r2", need="N06"), case.case_id, 3)
    medical = at_desk("medical_security")
    view = desk.view(medical, case.case_id)
    assert [one.referral_id for one in view.case.referrals] == ["r1"]
    assert (view.case.records, view.case.visits, view.signals, view.events) == ((), (), None, ())
    assert "家中情况" not in str(view)
    [row] = desk.inbox(medical).rows
    assert (row.referral_id, row.code, row.open) == ("r1", "", True)
    desk.act(answer("F1"), case.case_id, 4)
    assert desk.inbox(medical).rows == ()
    assert [one.code for one in desk.inbox(medical, answered=True).rows] == ["F1"]
    with pytest.raises(AccessError):
        desk.inbox(TOWN)
    assert desk.inbox(medical.model_copy(update={"area": "441803"}), answered=True).rows == ()


def everything(fetch) -> list[Line]:
    found, after = [], None
    while True:
        page = fetch(after)
        found += page.rows
        after = page.next
        if after is None:
            return found


def test_pages_go_through_everything_once_in_order_at_any_size(desk: Desk) -> None:
    made = [*opened(desk, 7), *opened(desk, 4, area=OTHER_VILLAGE, first=100, run_id="run2")]
    for case in made[:3]:
        desk.act(a.Assign(by=TOWN, to=VILLAGE), case.case_id, 0)
    for limit in (1, 3, 50):
        found = everything(lambda after, limit=limit: desk.page(COUNTY, after=after, limit=limit))
        assert sorted(line.case_id for line in found) == sorted(case.case_id for case in made)
        assert [(line.due_at, line.case_id) for line in found] == sorted((line.due_at, line.case_id) for line in found)
    assert {line.area_code for line in desk.page(OTHER).rows} == {OTHER_VILLAGE}
    assert len(desk.page(COUNTY, state="assigned").rows) == 3
    assert len(everything(lambda after: desk.tasks(VILLAGE, after=after, limit=1))) == 3
    assert desk.page(COUNTY, week=date(2026, 3, 8)).rows == ()
    with pytest.raises(UsageError):
        desk.page(COUNTY, after="!!")


def test_a_page_is_a_range_of_the_covering_index(desk: Desk) -> None:
    if not desk.database.sqlite:
        pytest.skip("PostgreSQL's plan depends on statistics; SQLite's says what the index can do")
    opened(desk, 2)
    with desk.database.reading() as session:
        plan = session.execute(
            text(
                "EXPLAIN QUERY PLAN SELECT case_id FROM casework_place WHERE area_code = 'x' AND due_at >= 'm' "
                "AND NOT (due_at = 'm' AND case_id <= 'c') ORDER BY due_at, case_id LIMIT 50"
            )
        ).all()
    assert ["SEARCH casework_place USING COVERING INDEX casework_place_due (area_code=? AND due_at>?)"] == [
        row[3] for row in plan
    ]


def test_open_needs_are_counted_from_the_visit_to_the_answer_and_by_a_new_schema_alike(desk: Desk) -> None:
    made = opened(desk, 3)
    for case in made:
        desk.act(a.Assign(by=TOWN, to=VILLAGE), case.case_id, 0)
        desk.act(a.Classify(by=VILLAGE, form=form("V1")), case.case_id, 1)
    desk.act(a.Refer(by=TOWN, referral_id="r1", need="N04"), made[0].case_id, 2)
    desk.act(a.Refer(by=TOWN, referral_id="r2", need="N10"), made[0].case_id, 3)
    counted = {"N04": 3, "N10": 1}
    assert lists.needs(desk, VILLAGE) == lists.needs(desk, COUNTY) == lists.needs(desk, SUPERVISOR) == counted
    assert lists.needs(desk, COUNTY, OTHER_TOWN) == {}
    desk.act(answer("F1"), made[0].case_id, 4)
    counted["N04"] = 2
    assert lists.needs(desk, COUNTY) == counted
    desk.database.migrate("down", "0006")
    desk.database.migrate()
    assert lists.needs(desk, COUNTY) == lists.needs(desk, SUPERVISOR) == counted
    with desk.database.writing() as session:
        assert cases.recount(session) == 0
        session.execute(text("UPDATE casework_need SET cases = 7"))
        assert cases.recount(session) > 0
    assert lists.needs(desk, COUNTY) == counted


def test_what_one_visit_found_stays_open_until_each_is_met_and_a_closed_case_may_wait(desk: Desk) -> None:
    case = opened(desk, 1)[0]
    desk.act(a.Assign(by=TOWN, to=VILLAGE), case.case_id, 0)
    desk.act(a.Classify(by=VILLAGE, form=form("V1", needs=("N04", "N10"))), case.case_id, 1)
    desk.act(a.Refer(by=TOWN, referral_id="r1", need="N04"), case.case_id, 2)
    assert lists.needs(desk, COUNTY) == {"N04": 1, "N10": 1}, "what is not sent yet is not forgotten"
    desk.act(answer("F1"), case.case_id, 3)
    assert lists.needs(desk, COUNTY) == {"N10": 1}
    other = opened(desk, 1, first=50, run_id="run2")[0]
    desk.act(a.Assign(by=TOWN, to=TOWN), other.case_id, 0)
    made = desk.act(a.Classify(by=TOWN, form=form("V3", reasons={"own_payment": "false"})), other.case_id, 1)
    assert [one.need for one in made.open_referrals] == ["N22"]
    made = desk.act(a.Close(by=TOWN, reason="no_need"), other.case_id, made.version)
    assert made.state == "closed" and lists.needs(desk, COUNTY) == {"N10": 1, "N22": 1}
    with desk.database.writing() as session:
        assert cases.recount(session) == 0
    desk.database.migrate("down", "0006")
    desk.database.migrate()
    assert lists.needs(desk, COUNTY) == {"N10": 1, "N22": 1}


def test_counts_are_kept_with_every_change_at_every_level(desk: Desk) -> None:
    made = [*opened(desk, 4), *opened(desk, 2, area=OTHER_VILLAGE, first=100, run_id="run2")]
    desk.act(a.Assign(by=TOWN, to=VILLAGE), made[0].case_id, 0)
    week = date(2026, 3, 1)
    assert desk.counts(SUPERVISOR, week) == {"alert": 5, "assigned": 1}
    assert desk.counts(COUNTY, week, OTHER_TOWN) == {"alert": 2}
    assert desk.counts(TOWN, week, VILLAGE_AREA) == {"alert": 3, "assigned": 1}
    with desk.database.writing() as session:
        assert cases.recount(session) == 0
        session.execute(text("UPDATE casework_count SET cases = 9"))
        assert cases.recount(session) > 0
    assert desk.counts(SUPERVISOR, week) == {"alert": 5, "assigned": 1}


def test_a_found_household_needs_no_list(desk: Desk) -> None:
    case = discover(desk, VILLAGE, household(9), VILLAGE_AREA, "discovery")
    assert (case.state, case.origin, case.owner.role) == ("alert", "discovery", "town")
    with pytest.raises(UsageError, match="open case"):
        discover(desk, TOWN, household(9), VILLAGE_AREA, "self_report")
    with pytest.raises(AccessError):
        discover(desk, OTHER, household(8), VILLAGE_AREA, "discovery")


def test_only_first_records_wait_for_the_store_one_for_each_round(desk: Desk, clock: Clock) -> None:
    case = opened(desk, 1)[0]
    desk.act(a.Assign(by=TOWN, to=VILLAGE), case.case_id, 0)
    desk.act(a.Classify(by=VILLAGE, form=form("V9")), case.case_id, 1)
    desk.act(a.ReturnRecord(by=TOWN, reason="请说明"), case.case_id, 2)
    desk.act(a.Classify(by=VILLAGE, form=form("V3")), case.case_id, 3)
    clock.on(days=14)
    desk.act(a.Revisit(by=TOWN, on=DAY + timedelta(days=14)), case.case_id, 4)
    desk.act(a.Classify(by=VILLAGE, form=form("V1", visited_on=DAY + timedelta(days=14))), case.case_id, 5)
    with desk.database.reading() as session:
        rows = list(session.scalars(select(FindingRow).order_by(FindingRow.finding_id)))
    assert [(row.finding_id[-2:], row.body["validity"]) for row in rows] == [("-1", "V9"), ("-2", "V1")]
    assert {label: len(part) for label, part in _parts(rows).items()} == {"run1": 1, "run1-2": 1}


def test_one_connection_is_enough_for_whatever_is_done(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.casework.database.KEPT", 1)
    monkeypatch.setattr("serving.casework.database.MOST_OPEN", 1)
    monkeypatch.setattr("serving.casework.amendments.FRESH_SECONDS", -1.0)  # the rules are asked for every time
    database = Database(url, serving=True)
    database.migrate()
    desk = make_desk(database, tmp_path)
    [case] = opened(desk, 1)
    case = desk.act(a.Assign(by=TOWN, to=VILLAGE), case.case_id, 0)
    case = desk.act(a.Classify(by=VILLAGE, form=form("V1")), case.case_id, case.version)
    desk.act(a.Refer(by=TOWN, referral_id="r1", need="N04"), case.case_id, case.version)
    assert desk.view(TOWN, case.case_id).case.state == "referred"
    database.engine.dispose()
