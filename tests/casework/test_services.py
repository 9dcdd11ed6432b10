"""Assignment, absence, reminders, requests, the four lists, the chain, and events on their way out."""

from __future__ import annotations

import json
import random
import sqlite3
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from features.errors import UsageError
from features.strict import Words
from serving.casework import actions as a
from serving.casework import chain as chains
from serving.casework import lists, requests, staffing
from serving.casework.actor import Actor
from serving.casework.actor import clock as time_itself
from serving.casework.assignment import Wanted, Worker, propose
from serving.casework.carrying import carry
from serving.casework.database import Database
from serving.casework.desk import Desk
from serving.casework.refusals import AccessError, ConflictError
from serving.casework.reminding import remind
from serving.casework.tables import OutgoingRow
from serving.outbox import Outbox, Receiver
from tests.casework.desks import OTHER_TOWN, OTHER_VILLAGE, Clock, make_desk, opened
from tests.casework.made import COUNTY, DAY, PROVINCE, TOWN, TOWN_AREA, VILLAGE, VILLAGE_AREA, answer, form


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(database: Database, tmp_path, clock: Clock) -> Desk:
    return make_desk(database, tmp_path, clock)


def level(area: str, place: str) -> int | None:
    return len(place) - len(area) if place.startswith(area) else None


def test_a_proposal_does_not_depend_on_any_order_and_keeps_to_capacity() -> None:
    wanted = [Wanted(f"c{n}", f"t{n % 3}v{n % 5}", date(2026, 3, 1 + n % 9)) for n in range(60)]
    people = [Worker(f"w{n}", "village", f"t{n % 3}v{n % 5}", 3, n % 2, away=n == 4) for n in range(15)] + [
        Worker("town", "town", "t0", 4)
    ]
    made = propose(wanted, people, level)
    for seed in range(5):
        luck = random.Random(seed)
        assert propose(luck.sample(wanted, 60), luck.sample(people, 16), level) == made
    assert set(made.given) | set(made.left) == {one.case_id for one in wanted}
    assert all(made.loads[one.account] <= one.capacity for one in people)
    assert "w4" not in made.given.values()
    assert set(made.left.values()) == {"capacity", "all_away"}


def test_what_nobody_can_visit_is_named_with_its_reason() -> None:
    wanted = [Wanted("a", "t1v1", DAY), Wanted("b", "t2v1", DAY), Wanted("c", "t3v1", DAY)]
    people = [Worker("away", "village", "t1v1", 5, away=True), Worker("full", "village", "t2v1", 0)]
    assert propose(wanted, people, level).left == {"a": "all_away", "b": "capacity", "c": "no_worker"}


def test_who_knows_the_village_comes_before_who_has_room() -> None:
    people = [Worker("town", "town", "t1", 100), Worker("near", "village", "t1v1", 2, 1)]
    made = propose([Wanted("a", "t1v1", DAY), Wanted("b", "t1v1", DAY)], people, level)
    assert made.given == {"a": "near", "b": "town"}


def staffed(desk: Desk) -> None:
    staffing.put_worker(desk, TOWN, VILLAGE, 2)
    staffing.put_worker(desk, TOWN, TOWN, 2)


def test_proposal_confirmation_and_conflict(desk: Desk) -> None:
    made = opened(desk, 5)
    staffed(desk)
    proposal, versions = staffing.proposal(desk, TOWN)
    assert sorted(proposal.given.values()) == ["t1", "t1", "v1", "v1"] and list(proposal.left.values()) == ["capacity"]
    first = next(iter(sorted(proposal.given)))
    desk.act(a.Assign(by=COUNTY, to=COUNTY), first, 0)
    done = staffing.confirm(desk, TOWN, proposal.given, versions)
    assert len(done.given) == 3 and done.conflicts == {first: "case_conflict"}
    assert len(made) == 5
    with pytest.raises(AccessError):
        staffing.proposal(desk, Actor(account="t2", role="town", area=OTHER_TOWN), TOWN_AREA)
    with pytest.raises(UsageError):
        staffing.put_worker(desk, TOWN, Actor(account="x", role="auditor", area=TOWN_AREA), 3)


def test_everything_of_who_is_away_goes_to_others(desk: Desk) -> None:
    opened(desk, 3)
    staffing.put_worker(desk, TOWN, VILLAGE, 3)
    proposal, versions = staffing.proposal(desk, TOWN)
    staffing.confirm(desk, TOWN, proposal.given, versions)
    staffing.put_worker(desk, TOWN, VILLAGE, 3, away=(DAY, DAY + timedelta(days=9)))
    staffing.put_worker(desk, TOWN, TOWN, 2)
    done, left = staffing.cover(desk, TOWN, "v1")
    assert len(done.given) == 2 and list(left.left.values()) == ["capacity"]
    assert len(desk.tasks(TOWN).rows) == 2 and len(desk.tasks(VILLAGE).rows) == 1


def test_people_who_visit_are_paged_for_their_area_alone(desk: Desk) -> None:
    for at in range(5):
        staffing.put_worker(desk, TOWN, VILLAGE.model_copy(update={"account": f"w{at}"}), at)
    other = Actor(account="far", role="village", area=OTHER_VILLAGE)
    staffing.put_worker(desk, COUNTY, other, 3)
    first = staffing.worker_page(desk, TOWN, limit=3)
    assert [one.account for one in first.rows] == ["w0", "w1", "w2"] and first.next == "w2"
    rest = staffing.worker_page(desk, TOWN, after="w2", limit=3)
    assert [one.account for one in rest.rows] == ["w3", "w4"] and rest.next is None
    whole = Actor(account="x1", role="admin", area=PROVINCE)
    assert len(staffing.worker_page(desk, whole).rows) == 6
    gone = Actor(account="x2", role="admin", area="449999")  # an area that the tree no longer knows
    assert staffing.worker_page(desk, gone).rows == ()


def test_the_clocks_round_says_things_once_and_finds_what_is_overdue(desk: Desk, clock: Clock) -> None:
    case = opened(desk, 2)[0]
    clock.on(days=30)
    plan = remind(desk, dry_run=True)
    assert plan == remind(desk)
    assert plan.events["overdue"] == plan.events["escalated"] == 4
    assert remind(desk).cases == 0
    assert desk.view(TOWN, case.case_id).case.version == 1
    assert desk.keeper.verify(desk.database).ok


def test_the_round_says_that_a_year_is_not_published(desk: Desk, clock: Clock) -> None:
    clock.on(days=365 * 60)
    opened(desk, 1)
    assert remind(desk, dry_run=True).provisional_years


def with_answer(desk: Desk, code: str = "F1"):
    case = opened(desk, 1)[0]
    desk.act(a.Assign(by=TOWN, to=VILLAGE), case.case_id, 0)
    desk.act(a.Classify(by=VILLAGE, form=form()), case.case_id, 1)
    desk.act(a.Refer(by=TOWN, referral_id="r1", need="N04"), case.case_id, 2)
    return desk.act(answer(code), case.case_id, 3)


def test_a_final_answer_owes_the_household_a_notice(desk: Desk) -> None:
    case = with_answer(desk, "F2")
    [notice] = requests.waiting(desk, TOWN).rows
    assert (notice.kind, notice.about, notice.household_id) == ("notice", "r1:F2", case.household_id)
    assert desk.rules.day(notice.due_at) == date(2026, 3, 16)
    with pytest.raises(UsageError):
        requests.decide(desk, TOWN, notice.request_id, "refused", ("x",))
    requests.decide(desk, TOWN, notice.request_id, "done")
    assert requests.waiting(desk, TOWN).rows == ()
    with pytest.raises(UsageError, match="answered already"):
        requests.decide(desk, TOWN, notice.request_id, "done")


def test_an_objection_is_decided_by_somebody_else_with_reasons(desk: Desk) -> None:
    case = with_answer(desk, "F2")
    asked = requests.ask(desk, TOWN, "objection", case.case_id, "r1")
    with pytest.raises(AccessError):
        requests.decide(desk, TOWN, asked.request_id, "granted")
    with pytest.raises(UsageError):
        requests.decide(desk, COUNTY, asked.request_id, "refused")
    made = requests.decide(desk, COUNTY, asked.request_id, "refused", ("income_above_line",))
    assert (made.state, made.reasons) == ("refused", ("income_above_line",))


def test_a_verification_needs_an_authorisation_and_its_result_expires(desk: Desk, clock: Clock) -> None:
    case = opened(desk, 1)[0]
    paper = requests.Authorisation(number="A-1", signed_on=DAY, persons=2, scope=("savings", "cars"))
    with pytest.raises(UsageError):
        requests.ask(desk, TOWN, "verification", case.case_id)
    with pytest.raises(UsageError):
        requests.ask(
            desk,
            TOWN,
            "verification",
            case.case_id,
            authorisation=paper.model_copy(update={"signed_on": DAY + timedelta(days=1)}),
        )
    asked = requests.ask(desk, TOWN, "verification", case.case_id, authorisation=paper)
    clock.on(days=10)
    dated = DAY + timedelta(days=9)
    good = requests.Snapshot(report="R-1", dated=dated, expires_on=dated + timedelta(days=180), scope=("savings",))
    for wrong in (
        {"scope": ("savings", "houses")},
        {"expires_on": dated + timedelta(days=181)},
        {"dated": DAY - timedelta(days=1)},
        {"dated": DAY + timedelta(days=20)},
    ):
        with pytest.raises(UsageError):
            requests.decide(desk, TOWN, asked.request_id, "done", snapshot=good.model_copy(update=wrong))
    requests.decide(desk, TOWN, asked.request_id, "done", snapshot=good)
    assert requests.valid_verifications(desk, TOWN, case.case_id, dated + timedelta(days=179)) == (good,)
    assert requests.valid_verifications(desk, TOWN, case.case_id, dated + timedelta(days=180)) == ()


def test_an_identity_is_erased_after_the_case_and_not_during_it(desk: Desk) -> None:
    case = with_answer(desk, "F2")
    erased: list[str] = []

    def erase(household: str) -> bool:
        erased.append(household)
        return True

    asked = requests.ask(desk, TOWN, "erasure", case.case_id)
    with pytest.raises(UsageError, match="open case"):
        requests.decide(desk, COUNTY, asked.request_id, "granted", erase=erase)
    assert erased == []
    desk.act(a.Close(by=TOWN, reason="not_eligible"), case.case_id, case.version)
    requests.decide(desk, COUNTY, asked.request_id, "granted", erase=erase)
    assert erased == [case.household_id]
    kept = desk.rules.deadlines.identity_kept.amount
    assert requests.expired_identities(desk, DAY + timedelta(days=kept)) == ()
    assert requests.expired_identities(desk, DAY + timedelta(days=kept + 1)) == (case.household_id,)
    admin = Actor(account="x", role="admin", area="440000")
    assert requests.erase_expired(desk, admin, DAY + timedelta(days=kept + 1), erase) == 1
    assert erased == [case.household_id] * 2
    with pytest.raises(AccessError):
        requests.erase_expired(desk, TOWN, DAY, erase)


def test_an_erasure_that_breaks_in_between_is_granted_and_carried_out_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = with_answer(desk, "F2")
    desk.act(a.Close(by=TOWN, reason="not_eligible"), case.case_id, case.version)
    asked = requests.ask(desk, TOWN, "erasure", case.case_id)
    erased: list[str] = []

    def erase(household: str) -> bool:
        erased.append(household)
        return len(erased) == 1

    def unwritten(*_: object) -> None:
        raise OSError("no space")

    # nothing can be written: nothing is decided, and nothing erased
    with monkeypatch.context() as broken:
        broken.setattr(desk.keeper, "write", unwritten)
        with pytest.raises(OSError, match="no space"):
            requests.decide(desk, COUNTY, asked.request_id, "granted", erase=erase)
    assert (erased, requests.unfinished_erasures(desk)) == ([], ())
    assert [one.state for one in requests.waiting(desk, COUNTY).rows if one.kind == "erasure"] == ["open"]

    # the vault erases, and the line after it cannot be written: the request is granted, and waits to be carried out
    def erase_and_break(household: str) -> bool:
        found = erase(household)
        monkeypatch.setattr(desk.keeper, "write", unwritten)
        return found

    with pytest.raises(OSError, match="no space"):
        requests.decide(desk, COUNTY, asked.request_id, "granted", erase=erase_and_break)
    monkeypatch.undo()
    assert [one.kind for one in requests.waiting(desk, COUNTY).rows if one.kind == "erasure"] == []
    assert [one.request_id for one in requests.unfinished_erasures(desk)] == [asked.request_id]
    with pytest.raises(AccessError):
        requests.finish_erasures(desk, TOWN, erase)
    assert requests.finish_erasures(desk, time_itself(), erase) == 1
    assert requests.unfinished_erasures(desk) == () and erased == [case.household_id] * 2
    assert requests.finish_erasures(desk, time_itself(), erase) == 0


def test_what_is_past_its_time_is_erased_once(desk: Desk) -> None:
    case = with_answer(desk, "F2")
    desk.act(a.Close(by=TOWN, reason="not_eligible"), case.case_id, case.version)
    late = DAY + timedelta(days=desk.rules.deadlines.identity_kept.amount + 1)
    erased: list[str] = []
    for count in (1, 0):
        assert requests.erase_expired(desk, time_itself(), late, lambda one: not erased.append(one)) == count
    assert erased == [case.household_id]


def test_the_four_lists_and_a_match_that_enters_the_chain(desk: Desk) -> None:
    case = opened(desk, 1)[0]
    desk.act(a.Assign(by=TOWN, to=VILLAGE), case.case_id, 0)
    desk.act(a.Classify(by=VILLAGE, form=form()), case.case_id, 1)
    assert len(lists.policies(desk)) == 22
    assert lists.needs(desk, COUNTY) == {"N04": 1}
    title = Words(zh="大病慈善金", en="fund for serious illness")
    fund = lists.add(desk, COUNTY, "charity", title, ("N04", "N19"), remaining=1, valid_from=DAY)
    lists.add(desk, COUNTY, "volunteer", title, ("N13",), valid_from=DAY)
    lists.add(desk, COUNTY, "fund", title, ("N04",), valid_from=DAY + timedelta(days=1))
    lists.add(desk, COUNTY, "fund", title, ("N04",), valid_from=DAY, area=OTHER_TOWN)
    assert [one.resource_id for one in lists.offers(desk, TOWN, case.case_id)["N04"]] == [fund]
    made = lists.match(desk, TOWN, case.case_id, 2, fund, "N04")
    with pytest.raises(ConflictError):
        lists.match(desk, TOWN, case.case_id, 2, fund, "N04")
    with pytest.raises(UsageError, match="used up"):
        lists.match(desk, TOWN, case.case_id, made.version, fund, "N04")
    assert lists.offers(desk, TOWN, case.case_id)["N04"] == ()
    assert [link.kind for link in chains.chain(desk, TOWN, case.household_id)][-1] == "matched"
    with pytest.raises(UsageError):
        lists.add(desk, COUNTY, "charity", title, ("N99",), valid_from=DAY)
    with pytest.raises(AccessError):
        lists.add(desk, VILLAGE, "wish", title, ("N19",), valid_from=DAY)


def test_a_line_is_changed_and_ended_by_whoever_reaches_it(desk: Desk, clock: Clock) -> None:
    case = opened(desk, 1)[0]
    desk.act(a.Assign(by=TOWN, to=VILLAGE), case.case_id, 0)
    desk.act(a.Classify(by=VILLAGE, form=form()), case.case_id, 1)
    title = Words(zh="大病慈善金", en="fund for serious illness")
    service = lists.add(desk, TOWN, "service", title, ("N04",), valid_from=DAY, valid_until=DAY)
    fund = lists.add(desk, COUNTY, "charity", title, ("N04",), remaining=2, valid_from=DAY)
    coming = lists.add(desk, TOWN, "fund", title, ("N13",), valid_from=DAY + timedelta(days=9))
    other = lists.add(desk, COUNTY, "fund", title, ("N04",), valid_from=DAY, area=OTHER_TOWN)
    assert [one.resource_id for one in lists.entered(desk, TOWN).rows] == [service, fund, coming]
    first = lists.entered(desk, COUNTY, limit=2)
    rest = lists.entered(desk, COUNTY, after=first.next, limit=2)
    assert [one.resource_id for one in (*first.rows, *rest.rows)] == [service, fund, coming, other]
    assert rest.next is None
    for outside in (fund, other, "none"):
        with pytest.raises(AccessError):
            lists.change(desk, TOWN, outside, 0, remaining=1, valid_until=None)
        with pytest.raises(AccessError):
            lists.withdraw(desk, TOWN, outside, 0)
    with pytest.raises(AccessError):
        lists.entry(desk, VILLAGE, service)
    for unfit in ({"remaining": -1, "valid_until": None}, {"remaining": 1, "valid_until": DAY - timedelta(days=1)}):
        with pytest.raises(UsageError):
            lists.change(desk, COUNTY, fund, 0, **unfit)
    lists.change(desk, COUNTY, fund, 0, remaining=1, valid_until=DAY)
    with pytest.raises(ConflictError):
        lists.change(desk, COUNTY, fund, 0, remaining=5, valid_until=None)
    with pytest.raises(UsageError, match="used up"):
        lists.match(desk, TOWN, case.case_id, 2, coming, "N13")
    with pytest.raises(UsageError, match="used up"):
        lists.match(desk, TOWN, case.case_id, 2, fund, "N19")
    lists.withdraw(desk, COUNTY, service, 0)
    assert [one.resource_id for one in lists.offers(desk, TOWN, case.case_id)["N04"]] == [fund]
    lists.match(desk, TOWN, case.case_id, 2, fund, "N04")
    with pytest.raises(ConflictError):
        lists.withdraw(desk, COUNTY, fund, 1)
    assert lists.titles(desk, [fund, service]) == {fund: title, service: title}
    clock.on(days=1)
    assert [one.resource_id for one in lists.entered(desk, TOWN).rows] == [coming]
    with pytest.raises(UsageError):
        lists.add(desk, TOWN, "wish", Words(zh="联系 13800138000", en="x"), ("N19",), valid_from=DAY)


def test_the_chain_is_one_line_in_time_and_blind_before_the_record(desk: Desk) -> None:
    case = opened(desk, 1)[0]
    desk.act(a.Assign(by=TOWN, to=VILLAGE), case.case_id, 0)
    blind = chains.chain(desk, VILLAGE, case.household_id)
    assert [link.detail for link in blind if link.kind == "listed"] == [{}]
    desk.act(a.Classify(by=VILLAGE, form=form(note="家中详情")), case.case_id, 1)
    desk.act(a.Refer(by=TOWN, referral_id="r1", need="N04"), case.case_id, 2)
    desk.act(answer("F1"), case.case_id, 3)
    found = chains.chain(desk, VILLAGE, case.household_id)
    assert [link.kind for link in found] == [
        "listed",
        "opened",
        "assigned",
        "visited",
        "classified",
        "referred",
        "answered",
    ]
    assert found[0].detail["level"] == "red" and "家中详情" not in str(found)
    [notice] = requests.waiting(desk, TOWN).rows
    requests.decide(desk, TOWN, notice.request_id, "done")
    assert chains.chain(desk, TOWN, case.household_id)[-1].kind == "notified"
    with pytest.raises(AccessError):
        chains.chain(desk, Actor(account="v9", role="village", area=OTHER_VILLAGE), case.household_id)
    with pytest.raises(UsageError):
        chains.chain(desk, TOWN, "f" * 24)


def test_events_are_carried_once_and_tell_no_more_than_where_to_look(desk: Desk, tmp_path) -> None:
    case = opened(desk, 1)[0]
    desk.act(a.GiveSmallSum(by=VILLAGE, referral_id="s1", amount_fen=80_000, on=DAY), case.case_id, 0)
    outbox = Outbox(tmp_path / "events")
    to = [Receiver(name="platform", url="https://example.org/x", secret="s" * 32, areas=[VILLAGE_AREA[:6]])]
    with desk.database.reading() as session:
        bodies = [json.loads(body) for body in session.scalars(select(OutgoingRow.body))]
    assert carry(desk, outbox, to) == 3 == len(bodies)
    assert carry(desk, outbox, to) == 0
    assert outbox.waiting() == 3
    allowed = {"household_id", "area_code", "case_id", "referral_id", "department", "link"}
    assert all(set(body["data"]) <= allowed for body in bodies)
    with sqlite3.connect(tmp_path / "events" / "events.sqlite") as known:
        assert known.execute("SELECT count(DISTINCT id) FROM event").fetchone()[0] == 3
