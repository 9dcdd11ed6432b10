"""The workflow: the way through, every way beside it, and what is refused."""

from __future__ import annotations

import typing
from datetime import date, timedelta

import pytest

from serving.casework import actions as a
from serving.casework.actor import Actor
from serving.casework.case import STATES
from serving.casework.classification import Form
from serving.casework.refusals import ActionDetailError, ActionError, FormError
from serving.casework.words import catalogue
from serving.casework.workflow import _STEPS, allowed, closing_reasons, step
from tests.casework.made import (
    CLOCK,
    COUNTY,
    DAY,
    MONDAY,
    RULES,
    SUPERVISOR,
    TOWN,
    VILLAGE,
    alert,
    answer,
    classified,
    desk,
    form,
    referred,
    through,
)
from tests.casework.walks import finish, walk


def kinds(case, action, at=MONDAY):
    return [event.kind for event in step(case, action, RULES, at)[1]]


def test_the_whole_way() -> None:
    case = alert()
    seen = [case.state]
    for action, days in (
        (a.Assign(by=TOWN, to=VILLAGE), 0),
        (a.RecordVisit(by=VILLAGE, on=DAY, method="home", met=("head",)), 0),
        (a.Classify(by=VILLAGE, form=form()), 0),
        (a.Refer(by=TOWN, referral_id="r1", need="N04"), 1),
        (answer("F0"), 2),
        (answer("F1"), 9),
        (a.CheckEffect(by=VILLAGE, on=DAY + timedelta(days=100), result="improved"), 100),
    ):
        case, _ = step(case, action, RULES, MONDAY + timedelta(days=days))
        seen.append(case.state)
    assert seen == ["alert", "assigned", "visited", "classified", "referred", "received", "effect_check", "closed"]
    assert case.version == 7
    assert case.closed is not None and case.closed.reason == "improved"


def test_every_state_action_and_event_has_its_words_and_its_step() -> None:
    assert set(catalogue()["state"]) == set(STATES) == set(a.WHEN)
    assert set(catalogue()["action"]) == set(a.WHO) == set(_STEPS)
    assert {kind for may in a.WHEN.values() for kind in may} == set(a.WHO)
    for group, codes in catalogue().items():
        for key, said in codes.items():
            assert said.zh and said.en, (group, key)
            assert not (set(said.zh) & set(",;:?!")), (group, key, said.zh)


def test_what_is_refused_says_what_may_be_done() -> None:
    with pytest.raises(ActionError) as refused:
        step(alert(), a.Refer(by=TOWN, referral_id="r", need="N04"), RULES, MONDAY)
    assert refused.value.may == ("assign", "hand_over", "small_sum")
    assert "分派走访人员" in refused.value.repair("zh") and "assign a visitor" in refused.value.repair("en")
    assert "待分派" in refused.value.sentence("zh")
    with pytest.raises(ActionError):
        step(alert(), a.Assign(by=VILLAGE, to=VILLAGE), RULES, MONDAY)
    for role in ("analyst", "auditor", "admin"):
        assert allowed(alert(), role) == ()


def test_a_village_visitor_works_on_its_own_visits_only() -> None:
    case = through(alert(), a.Assign(by=TOWN, to=VILLAGE))
    other = Actor(account="v2", role="village", area=VILLAGE.area)
    with pytest.raises(ActionDetailError, match="not assigned to you"):
        step(case, a.Classify(by=other, form=form()), RULES, MONDAY)
    assert through(case, a.HandOver(by=TOWN, to=other), a.Classify(by=other, form=form())).state == "classified"


def test_a_draft_is_kept_and_is_nobodys_decision() -> None:
    case = through(alert(), a.Assign(by=TOWN, to=VILLAGE))
    drafted, events = step(case, a.SaveDraft(by=VILLAGE, form={"note": "未完"}), RULES, MONDAY)
    assert (drafted.draft, events, drafted.state) == ({"note": "未完"}, (), "assigned")
    assert through(drafted, a.Classify(by=VILLAGE, form=form())).draft is None


def test_the_first_record_stays_when_it_is_returned_and_amended() -> None:
    case = classified("V3")
    first = case.first
    returned = through(case, a.ReturnRecord(by=SUPERVISOR, reason="没有核对票据"))
    assert (returned.state, returned.owner.account, returned.returned) == ("assigned", "v1", "没有核对票据")
    amended = through(returned, a.Classify(by=VILLAGE, form=form("V1")))
    assert amended.first == first and amended.first.form.validity == "V3"
    assert amended.standing.form.validity == "V1"
    assert [record.kind for record in amended.records] == ["first", "amended"]
    opinion = through(amended, a.AddOpinion(by=VILLAGE, form=form("V2"), score_shown=True))
    assert opinion.standing == amended.standing
    assert opinion.records[-1].kind == "opinion" and opinion.records[-1].score_shown


def test_a_wrong_form_brings_every_mistake() -> None:
    with pytest.raises(FormError) as refused:
        step(through(alert(), a.Assign(by=TOWN, to=VILLAGE)), a.Classify(by=VILLAGE, form=Form()), RULES, MONDAY)
    assert set(refused.value.by_field()) == {"visited_on", "method", "validity", "disposition"}


def test_a_revisit_is_a_round_of_its_own() -> None:
    again = through(classified("V9"), a.Revisit(by=TOWN, on=date(2026, 3, 16)))
    assert (again.state, again.round, again.owner.account, again.visit_by) == ("assigned", 2, "v1", date(2026, 3, 16))
    assert again.first is None
    found = through(
        again, a.Classify(by=VILLAGE, form=form("V1", visited_on=date(2026, 3, 16))), at=MONDAY + timedelta(days=14)
    )
    assert [record.kind for record in found.records] == ["first", "first"]
    with pytest.raises(ActionDetailError):
        step(classified("V9"), a.Revisit(by=TOWN, on=date(2026, 2, 1)), RULES, MONDAY)


def test_two_passes_and_then_the_county_mechanism_whose_word_is_binding() -> None:
    case = referred()
    case = through(case, answer("F8", next_department="health"))
    assert (case.state, case.referral("r1").department, case.referral("r1").passes) == ("referred", "health", 1)
    with pytest.raises(ActionDetailError, match="not one that had it before"):
        step(case, answer("F8", "health", next_department="medical_security"), RULES, MONDAY)
    case = through(case, answer("F8", "health", next_department="civil_affairs"))
    assert kinds(case, answer("F8", "civil_affairs", next_department="tax")) == ["answered", "raised_to_county"]
    case = through(case, answer("F8", "civil_affairs", next_department="tax"))
    one = case.referral("r1")
    assert (one.department, one.need, one.binding) == ("county_mechanism", "N21", False)
    with pytest.raises(ActionDetailError, match="not on your desk"):
        step(case, answer("F1", "tax"), RULES, MONDAY)
    case = through(case, answer("F8", "county_mechanism", next_department="medical_security"))
    assert case.referral("r1").binding
    with pytest.raises(ActionDetailError, match="does not fit"):
        step(case, answer("F8", next_department="health"), RULES, MONDAY)
    assert through(case, answer("F1")).state == "effect_check"


def test_a_department_may_go_to_the_county_at_once() -> None:
    case = through(referred(), answer("F8", next_department="county_mechanism"))
    assert case.referral("r1").need == "N21"
    assert "answer" in allowed(case, "county") and "answer" not in allowed(referred(), "county")


def test_a_small_sum_comes_first_and_its_papers_after() -> None:
    given = through(alert(), a.GiveSmallSum(by=VILLAGE, referral_id="s1", amount_fen=80_000, on=DAY))
    assert given.state == "alert"
    assert given.referral("s1").helped and given.referral("s1").open
    with pytest.raises(ActionDetailError, match="Money was given first"):
        step(given, a.Withdraw(by=TOWN, referral_id="s1", reason="x"), RULES, MONDAY)
    seen = through(
        given, a.Assign(by=TOWN, to=VILLAGE), a.Classify(by=VILLAGE, form=form("V1", disposition="D1", needs=()))
    )
    assert seen.state == "received"
    assert through(seen, answer("F1", "civil_affairs", "s1")).state == "effect_check"


def test_confirmed_hardship_is_not_closed_away() -> None:
    case = classified("V1")
    assert closing_reasons(case) == ("moved", "deceased")
    with pytest.raises(ActionDetailError):
        step(case, a.Close(by=TOWN, reason="no_need"), RULES, MONDAY)
    assert "close" not in allowed(referred(), "town")
    refused = through(referred(), answer("F2"))
    assert refused.state == "answered" and closing_reasons(refused) == ("not_eligible", "moved", "deceased")
    assert through(refused, a.Close(by=TOWN, reason="not_eligible")).owner is None
    worse = through(through(referred(), answer("F1")), a.CheckEffect(by=TOWN, on=DAY, result="worse"))
    assert worse.state == "answered" and closing_reasons(worse) == ("moved", "deceased")


@pytest.mark.parametrize(
    ("validity", "reason"),
    [("V3", "no_need"), ("V5", "already_helped"), ("V6", "no_need"), ("V7", "moved"), ("V8", "declined")],
)
def test_what_was_found_says_how_it_may_end(validity: str, reason: str) -> None:
    closed = through(classified(validity), a.Close(by=TOWN, reason=reason))
    assert closed.state == "closed"
    again = through(closed, a.Reopen(by=SUPERVISOR, reason="邻居反映情况有变"))
    assert (again.state, again.round, again.closed, again.owner.role) == ("alert", 2, None, "town")


def test_false_factors_go_to_their_source_and_hold_nothing_up() -> None:
    case = through(alert(), a.Assign(by=TOWN, to=VILLAGE))
    action = a.Classify(
        by=VILLAGE,
        form=form("V3", reasons={"own_payment": "false"}),
        listed_reasons=("own_payment",),
        sources=("medical_security",),
    )
    assert kinds(case, action) == ["visited", "classified", "referred"]
    case = through(case, action)
    assert case.state == "classified" and case.open_referrals[0].correction
    closed = through(case, a.Close(by=TOWN, reason="no_need"))
    done = through(closed, answer("F9", referral_id=closed.open_referrals[0].referral_id))
    assert done.state == "closed" and done.open_referrals == ()


def test_a_data_error_ends_when_it_is_corrected_at_its_source() -> None:
    case = classified("V4")
    assert "close" not in allowed(case, "town")
    with pytest.raises(ActionDetailError, match="wants its department named"):
        step(case, a.Refer(by=TOWN, referral_id="r1", need="N22"), RULES, MONDAY)
    case = through(case, a.Refer(by=TOWN, referral_id="r1", need="N22", department="tax"), answer("F9", "tax"))
    assert closing_reasons(case) == ("corrected",)


def test_the_watch_list_comes_back_on_its_day_or_with_a_new_alert() -> None:
    watching = through(classified("V2"), a.Watch(by=TOWN, until=date(2026, 3, 20)))
    assert step(watching, a.Tick(by=CLOCK), RULES, MONDAY + timedelta(days=1))[1] == ()
    back, events = step(watching, a.Tick(by=CLOCK), RULES, MONDAY + timedelta(days=20))
    assert ([event.kind for event in events], back.state, back.round) == (["watch_ended"], "alert", 2)
    assert through(watching, a.Signal(by=CLOCK, run_id="x")).state == "alert"
    assert through(classified("V2"), a.Signal(by=CLOCK, run_id="x")).state == "classified"


def test_time_says_each_thing_once_and_sets_f10() -> None:
    case = referred()
    late = MONDAY + timedelta(days=25)
    said, events = step(case, a.Tick(by=CLOCK), RULES, late)
    assert [event.kind for event in events] == ["overdue", "escalated"] * 2
    assert [one.code for one in said.referral("r1").answers] == ["F10"]
    assert said.state == "referred" and said.referral("r1").open
    assert step(said, a.Tick(by=CLOCK), RULES, late) == (said, ())
    assert kinds(said, a.Tick(by=CLOCK), late + timedelta(days=10)) == []
    soon, _ = step(case, a.Tick(by=CLOCK), RULES, MONDAY + timedelta(days=2))
    assert [one.code for one in soon.referral("r1").answers] == []
    with pytest.raises(ActionDetailError, match="does not fit"):
        step(case, answer("F10"), RULES, MONDAY)


def test_an_answer_brings_along_what_the_household_has_a_right_to_know() -> None:
    case = referred()
    for wrong in (
        answer("F1", help=""),
        answer("F2", reasons=()),
        answer("F1", start=DAY, end=DAY - timedelta(days=1)),
        answer("F9"),
    ):
        with pytest.raises(ActionDetailError):
            step(case, wrong, RULES, MONDAY)
    with pytest.raises(ActionDetailError, match="not on your desk"):
        step(case, answer("F0", "health"), RULES, MONDAY)
    assert desk("health").department == "health"


def test_the_same_need_is_not_referred_twice_at_once() -> None:
    with pytest.raises(ActionDetailError, match="already"):
        step(referred(), a.Refer(by=TOWN, referral_id="r2", need="N04"), RULES, MONDAY)
    with pytest.raises(ActionDetailError):
        step(referred(), a.Refer(by=TOWN, referral_id="r2", need="N99"), RULES, MONDAY)
    both = through(referred(), a.Refer(by=TOWN, referral_id="r2", need="N06"), answer("F0"))
    assert both.state == "referred"
    assert through(both, answer("F0", "education", "r2")).state == "received"
    gone = through(referred(), a.Withdraw(by=TOWN, referral_id="r1", reason="转错部门"))
    assert gone.state == "classified"


def test_events_hold_codes_and_no_free_text() -> None:
    _, events = step(classified(), a.ReturnRecord(by=COUNTY, reason="王某某的票据"), RULES, MONDAY)
    assert "王" not in str([event.model_dump() for event in events])


def test_every_action_class_is_known() -> None:
    found = {cls.kind for cls in a.Action.__subclasses__()}
    assert found == set(a.WHO)
    assert typing.get_type_hints(step)["action"] is a.Action


def test_random_walks_reach_no_dead_end() -> None:
    seen: set[str] = set()
    done = 0
    for seed in range(500):
        case, steps, states = walk(seed)
        seen |= states
        done += steps
        assert finish(case, MONDAY + timedelta(days=900), seed).state == "closed"
    assert seen == set(STATES)
    assert done > 5_000


@pytest.mark.drill
def test_ten_thousand_random_walks() -> None:
    for seed in range(1_000, 11_000):
        case, _, _ = walk(seed)
        assert finish(case, MONDAY + timedelta(days=900), seed).state == "closed"
