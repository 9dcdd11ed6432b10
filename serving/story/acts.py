"""The acts of the story, each by whom it would be in life; what a case may not do is refused here as everywhere."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from serving.casework import actions as a
from serving.casework import lists, requests
from serving.casework.actor import Actor
from serving.casework.case import MECHANISM, Case, Referral
from serving.casework.desk import FALLBACK, Desk, reason_owners
from serving.casework.routing import CORRECTION, PASSED_ON
from serving.story import people
from serving.story.courses import Step
from serving.story.forms import begun, form_of, need_of

WATCHED_DAYS, REVISITED_DAYS = 45, 5


@dataclass
class Told:
    """A case of the story: as it was left, where it is, and who visits."""

    case: Case
    county: str
    visitor: Actor
    known: bool
    row: Mapping[str, Any] = field(default_factory=dict)


def act(desk: Desk, told: Told, step: Step, luck: random.Random) -> None:
    """Do a step of a case's course at the desk's time."""
    case = told.case
    if step.what == "object":
        about = case.referrals[-1].referral_id if case.referrals else ""
        requests.ask(desk, told.visitor, "objection", case.case_id, about)
        return
    if step.what == "match":
        told.case = _match(desk, told)
        return
    told.case = desk.act(_made(desk, told, step, luck), case.case_id, case.version)


def _office(told: Told) -> Actor:
    return people.office(told.county, known=told.known)


def _match(desk: Desk, told: Told) -> Case:
    by, case = _office(told), told.case
    for need, found in lists.offers(desk, by, case.case_id).items():
        if found:
            return lists.match(desk, by, case.case_id, case.version, found[0].resource_id, need)
    return case


def _made(desk: Desk, told: Told, step: Step, luck: random.Random) -> a.Action:
    """The action of a step; only the one that is asked for is made."""
    office, visitor, today = _office(told), told.visitor, desk.rules.day(desk.now())
    sum_fen = luck.randint(5, 20) * 10_000
    ways: Mapping[str, Callable[[], a.Action]] = {
        "assign": lambda: a.Assign(by=office, to=visitor),
        "draft": lambda: a.SaveDraft(by=visitor, form=begun(today, luck)),
        "visit": lambda: a.RecordVisit(by=visitor, on=today, method="home", met=("head",)),
        "classify": lambda: a.Classify(by=visitor, form=form_of(step.how, told.row, today, luck)),
        "return": lambda: a.ReturnRecord(
            by=people.supervisor(desk), reason="请补充近三个月医疗票据，并说明亲友接济情况。"
        ),
        "revisit": lambda: a.Revisit(by=office, on=today + timedelta(days=REVISITED_DAYS)),
        "refer": lambda: a.Refer(by=office, referral_id=_next(told), need=_need(told)),
        "correct": lambda: a.Refer(by=office, referral_id=_next(told), need=CORRECTION, department=_source(desk, told)),
        "receive": lambda: _answer(desk, told, "F0", luck),
        "grant": lambda: _answer(desk, told, "F1", luck),
        "refuse": lambda: _answer(desk, told, "F2", luck),
        "pass": lambda: _answer(desk, told, PASSED_ON, luck),
        "small_sum": lambda: a.GiveSmallSum(by=visitor, referral_id=_next(told), amount_fen=sum_fen, on=today),
        "watch": lambda: a.Watch(by=office, until=today + timedelta(days=WATCHED_DAYS)),
        "check_effect": lambda: a.CheckEffect(by=visitor, on=today, result=step.how, note="已回访"),
        "close": lambda: a.Close(by=office, reason=step.how),
        "reopen": lambda: a.Reopen(by=office, reason="家中又有成员住院，情况有变化。"),
    }
    return ways[step.what]()


def _next(told: Told) -> str:
    return f"{told.case.case_id}-{len(told.case.referrals) + 1}"


def _need(told: Told) -> str:
    record = told.case.standing
    return record.form.needs[0] if record is not None and record.form.needs else need_of(told.row)


def _source(desk: Desk, told: Told) -> str:
    """The department whose data the list stood on."""
    return next(iter(reason_owners(desk.project, told.row).values()), FALLBACK)


def _answer(desk: Desk, told: Told, code: str, luck: random.Random) -> a.Action:
    """What the desk says on which the case's newest referral lies."""
    one = told.case.open_referrals[-1]
    by = people.department(one.department, told.county)
    more: Mapping[str, Mapping[str, Any]] = {
        "F1": {"help": _help(desk, one), "amount_fen": luck.randint(5, 40) * 10_000,
               "start": desk.rules.day(desk.now())},
        "F2": {"reasons": ("家庭人均收入超过规定标准",)},
        PASSED_ON: {"next_department": _other(desk, one), "note": "经研究不属于我部门职责"},
    }  # fmt: skip
    return a.AnswerReferral(by=by, referral_id=one.referral_id, code=code, **more.get(code, {}))


def _help(desk: Desk, one: Referral) -> str:
    return desk.rules.routing.needs[one.need].kinds.zh.replace("，", "、").split("、")[0]


def _other(desk: Desk, one: Referral) -> str:
    """A desk that has not had it yet, those that are told of such a need first."""
    routing = desk.rules.routing
    near = [*routing.needs[one.need].co, *routing.departments]
    return next(name for name in near if name not in (one.department, *one.desks, MECHANISM))
