"""Random walks: somebody does something allowed, time passes; whatever happens, somebody can go on."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from serving.casework import actions as a
from serving.casework.actor import Actor
from serving.casework.case import Case
from serving.casework.classification import Form, vocabulary
from serving.casework.refusals import ActionDetailError
from serving.casework.workflow import allowed, closing_reasons, step
from tests.casework.made import CLOCK, COUNTY, MONDAY, RULES, SUPERVISOR, TOWN, VILLAGE, alert, desk

PEOPLE = (VILLAGE, TOWN, COUNTY, SUPERVISOR, Actor(account="v2", role="village", area=VILLAGE.area))


def some_form(luck: random.Random, at: datetime, case: Case) -> Form:
    """A form without mistakes."""
    words, today = vocabulary(), RULES.day(at)
    validity = luck.choice(list(words.validity))
    rule = words.validity[validity]
    disposition = luck.choice(rule.dispositions)
    unmet = validity in ("V7", "V8")
    choose = words.disposition[disposition].choose_needs
    watch = words.disposition[disposition].watch
    return Form(
        visited_on=luck.choice([today, max(case.opened_on, today - timedelta(days=1))]),
        method=luck.choice(["home", "phone"]), met=("nobody",) if unmet else (luck.choice(["head", "spouse", "kin"]),),
        minutes=luck.randint(1, 90), validity=validity,
        causes=() if unmet else tuple(luck.sample(["C1", "C4", "C12"], luck.randint(1, 3))),
        depth=luck.randint(1, 4) if rule.depth else None, evidence=("seen",) if rule.evidence else (),
        disposition=disposition, needs=(luck.choice(["N04", "N06", "N09"]),) if choose else (),
        recheck_on=today + timedelta(days=7) if validity == "V9" else None,
        watch_until=today + timedelta(days=30) if watch else None, note="已了解情况",
    )  # fmt: skip


def some_action(luck: random.Random, case: Case, kind: str, by: Actor, at: datetime, number: int) -> a.Action:
    """An action of this kind; most of them can be done."""
    today = RULES.day(at)
    departments = list(RULES.routing.departments)
    made = {
        "assign": lambda: a.Assign(by=by, to=luck.choice(PEOPLE[:3])),
        "hand_over": lambda: a.HandOver(by=by, to=luck.choice(PEOPLE[:3])),
        "save_draft": lambda: a.SaveDraft(by=by, form={"note": str(number)}),
        "visit": lambda: a.RecordVisit(by=by, on=today, method="home"),
        "classify": lambda: a.Classify(by=by, form=some_form(luck, at, case), sources=tuple(luck.sample(["tax", "police"], luck.randint(0, 1)))),
        "add_opinion": lambda: a.AddOpinion(by=by, form=some_form(luck, at, case), score_shown=True),
        "return_record": lambda: a.ReturnRecord(by=by, reason="请补充票据"),
        "revisit": lambda: a.Revisit(by=by, on=today + timedelta(days=3)),
        "refer": lambda: a.Refer(by=by, referral_id=f"r{number}", need=luck.choice(list(RULES.routing.needs)), department=luck.choice(departments)),
        "withdraw": lambda: a.Withdraw(by=by, referral_id=luck.choice(case.open_referrals).referral_id, reason="转错部门"),
        "small_sum": lambda: a.GiveSmallSum(by=by, referral_id=f"s{number}", amount_fen=50_000, on=today),
        "watch": lambda: a.Watch(by=by, until=today + timedelta(days=luck.randint(1, 60))),
        "check_effect": lambda: a.CheckEffect(by=by, on=today, result=luck.choice(["improved", "unchanged", "worse", "unreachable"])),
        "close": lambda: a.Close(by=by, reason=luck.choice(closing_reasons(case))),
        "reopen": lambda: a.Reopen(by=by, reason="情况有变化"),
        "tick": lambda: a.Tick(by=by),
        "signal": lambda: a.Signal(by=by, run_id=f"run{number}"),
    }  # fmt: skip
    if kind == "answer":
        return some_answer(luck, case)
    return made[kind]()


def some_answer(luck: random.Random, case: Case) -> a.Action:
    """What the desk that has it may say."""
    one = luck.choice(case.open_referrals)
    code = luck.choice(RULES.routing.answers(one.need, binding=one.binding, passes=one.passes))
    by = COUNTY if one.department == "county_mechanism" else desk(one.department)
    return a.AnswerReferral(
        by=by, referral_id=one.referral_id, code=code, help="救助", reasons=("说明",), amount_fen=10_000,
        next_department=luck.choice(list(RULES.routing.departments)),
    )  # fmt: skip


def holds(before: Case, case: Case) -> None:
    """What is true of every case."""
    if case.state == "closed":
        assert case.owner is None
        assert case.closed is not None
        assert allowed(case, "town")
        assert all(one.correction for one in case.open_referrals)
    else:
        assert case.owner is not None
        mine = [
            kind
            for kind in allowed(case, case.owner.role)
            if kind not in ("hand_over", "small_sum", "withdraw", "answer")
        ]
        waits = case.state in ("referred", "received")
        assert mine, f"{case.owner.role} has nothing to do in {case.state}"
        if waits:
            assert any(not one.correction for one in case.open_referrals)
    assert case.records[: len(before.records)] == before.records
    for one in case.referrals:
        assert one.department in RULES.routing.departments
        assert one.passes <= RULES.routing.most_passes + 2
    firsts = [record.round for record in case.records if record.kind == "first"]
    assert len(firsts) == len(set(firsts))


def walk(seed: int, steps: int = 40) -> tuple[Case, int, set[str]]:
    """A walk; returns where it ended, how much was done, and which states were seen."""
    luck = random.Random(seed)
    case, at, done, seen = alert(), MONDAY, 0, set[str]()
    for number in range(steps):
        at += timedelta(hours=luck.choice([1, 20, 24, 72, 24 * 20]))
        actors = [*PEOPLE, CLOCK, *(desk(one.department) for one in case.open_referrals)]
        choices = [(by, kind) for by in actors for kind in allowed(case, by.role)]
        by, kind = luck.choice(choices)
        before = case
        try:
            case, events = step(case, some_action(luck, case, kind, by, at, number), RULES, at)
        except ActionDetailError:
            continue
        assert (case.version, bool(events) or kind == "save_draft") == (before.version + 1, True) or (
            case is before and not events
        )
        done += case is not before
        seen.add(case.state)
        holds(before, case)
    return case, done, seen


def finish(case: Case, at: datetime, seed: int) -> Case:
    """Whoever owns the case and its desks work it off; it has to end."""
    luck = random.Random(seed)
    for number in range(60):
        at += timedelta(days=2)
        if case.state == "closed":
            return case
        if case.state == "alert":
            action: a.Action = a.Assign(by=TOWN, to=VILLAGE)
        elif case.state in ("assigned", "visited"):
            assert case.owner is not None
            by = Actor(account=case.owner.account, role=case.owner.role, area=case.owner.area)
            action = a.Classify(by=by, form=some_form(luck, at, case))
        elif any(not one.correction for one in case.open_referrals):
            one = next(one for one in case.open_referrals if not one.correction)
            codes = RULES.routing.answers(one.need, binding=one.binding, passes=one.passes)
            final = next(code for code in codes if code in ("F1", "F9", "F2"))
            by = COUNTY if one.department == "county_mechanism" else desk(one.department)
            action = a.AnswerReferral(by=by, referral_id=one.referral_id, code=final, help="救助", reasons=("说明",))
        elif closing_reasons(case) and case.state != "effect_check" and closing_reasons(case) != ("moved", "deceased"):
            action = a.Close(by=TOWN, reason=closing_reasons(case)[0])
        elif case.state == "effect_check":
            action = a.CheckEffect(by=TOWN, on=RULES.day(at), result="improved")
        elif case.in_need or case.standing is None or case.standing.form.validity == "V4":
            need = "N22" if not case.in_need else "N04"
            action = a.Refer(by=TOWN, referral_id=f"f{number}", need=need, department="tax")
        else:
            action = a.Revisit(by=TOWN, on=RULES.day(at))
        case, _ = step(case, action, RULES, at)
    raise AssertionError(f"no end: {case.state}")
