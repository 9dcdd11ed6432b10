"""The workflow as a pure function: `step(case, action, rules, at)` gives the next case and what happened.

    alert → assigned → visited → classified → referred → received → answered → effect check → closed

Beside this way: a record is returned and amended, a visit repeated, a household watched until a day, a small sum given
first (policy (17)), a case handed over or reopened. A department may pass a referral on twice; after that the county's
co-ordination mechanism decides whose it is (policy (13)). A case that is not closed has an owner who can act, and a
confirmed hardship cannot be closed before somebody has answered for it. Nothing here knows a database.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from features.strict import Words
from serving.casework import actions as a
from serving.casework.actor import Actor
from serving.casework.case import (
    FINAL_CODES,
    MECHANISM,
    Answer,
    Case,
    Closing,
    Effect,
    Event,
    Owner,
    Record,
    Referral,
    SmallSum,
    State,
    Visit,
)
from serving.casework.classification import check
from serving.casework.deadlines import Due, Rules, due, later
from serving.casework.refusals import ActionDetailError, ActionError, FormError
from serving.casework.routing import CORRECTION, MECHANISM_NEED, PASSED_ON, URGENT
from serving.casework.words import joined, word

Happened = tuple[Case, tuple[Event, ...]]


def allowed(case: Case, role: str) -> tuple[str, ...]:
    """Codes of what a role may do to a case as it is."""
    found = [action for action in a.WHEN[case.state] if role in a.WHO[action]]
    if not case.open_referrals:
        found = [action for action in found if action not in ("withdraw", "answer")]
    elif role == "county" and not any(one.department == MECHANISM for one in case.open_referrals):
        found = [action for action in found if action != "answer"]
    if not closing_reasons(case):
        found = [action for action in found if action != "close"]
    return tuple(found)


def closing_reasons(case: Case) -> tuple[str, ...]:
    """Reasons for which a case may be closed as it is; none while help is owed.

    Confirmed hardship ends with help that worked, with answers, or with a household that is no more there. Corrections
    of a department's data are followed up without keeping the case open.
    """
    standing = case.standing
    if standing is None or any(not one.correction for one in case.open_referrals):
        return ()
    codes = {
        answer.code
        for referral in case.referrals
        if referral.round == case.round and not referral.withdrawn
        for answer in referral.answers
        if answer.code in FINAL_CODES
    }
    gone = ("moved", "deceased")
    if case.in_need:
        by_answer = {"F4": "already_helped", "F7": "declined"}
        found = [reason for code, reason in by_answer.items() if code in codes]
        if codes and codes <= {"F2"}:
            found.append("not_eligible")
        if case.effects and case.effects[-1].result == "improved":
            found.append("improved")
        return (*found, *gone)
    by_validity = {
        "V3": ("no_need",), "V5": ("already_helped",), "V6": ("no_need",), "V7": gone, "V8": ("declined",), "V9": gone,
        "V4": tuple(reason for code, reason in (("F9", "corrected"), ("F2", "no_need")) if code in codes),
    }  # fmt: skip
    return by_validity[standing.form.validity or "V9"]


def step(case: Case, action: a.Action, rules: Rules, at: datetime) -> Happened:
    """Do it.

    Args:
        case: as it is.
        action: what is wanted, and by whom.
        rules: routing and deadlines.
        at: now.

    Returns:
        The next case and what happened, in order; the same case and nothing where time brought nothing.

    Raises:
        ActionError: not in this state, or not by this role; says what may be done.
        ActionDetailError: allowed, but something in it cannot be.
        FormError: the form has mistakes, each by field.
    """
    may = allowed(case, action.by.role)
    if action.kind not in may:
        raise ActionError(action.kind, case.state, may)
    made, events = _STEPS[action.kind](case, action, rules, at)
    if made == case:
        return case, ()
    return made.model_copy(update={"version": case.version + 1}), events


# --- who and when ---------------------------------------------------------------------------------------------------


def opened(case: Case, by: Actor, run_id: str) -> Event:
    """The event of a new case."""
    return Event(kind="opened", at=case.since, by=by, detail={"run_id": run_id, "origin": case.origin})


def _event(kind: str, action: a.Action, at: datetime, /, **detail: Any) -> Event:
    return Event(kind=kind, at=at, by=action.by, detail={key: value for key, value in detail.items() if value != ""})


def _office(case: Case) -> Owner:
    """The office that decides: who has the case there already, or anybody of the town."""
    owner = case.owner
    if owner is not None and owner.role in ("town", "county"):
        return owner
    return Owner(role="town", area=case.area_code)


def _owned(to: Actor) -> Owner:
    if to.role not in a.WHO["visit"]:
        raise ActionDetailError("case_owner_unfit")
    return Owner(role=to.role, area=to.area, account=to.account)


def _is_its_visitor(case: Case, by: Actor) -> None:
    """A village visitor works on what was given to that account; offices may always step in."""
    if by.role == "village" and (case.owner is None or case.owner.account != by.account):
        raise ActionDetailError("case_not_yours")


def _to(case: Case, state: State, at: datetime, /, **changes: Any) -> Case:
    since = at if state != case.state else case.since
    return case.model_copy(update={"state": state, "since": since, **changes})


def _settle(case: Case, rules: Rules, at: datetime, /, **changes: Any) -> Case:
    """The state that a classified case is in, as its referrals stand."""
    case = case.model_copy(update=changes)
    if case.standing is None:
        return case  # the visit comes first, whatever was given before it
    mine = [one for one in case.referrals if one.round == case.round and not (one.correction or one.withdrawn)]
    owed = [one for one in case.open_referrals if not one.correction]  # of earlier rounds as well
    office = _office(case)
    if owed:
        return _to(case, "received" if all(one.received for one in owed) else "referred", at, owner=office)
    if any(one.helped for one in mine):
        on = rules.day(later(at, rules.deadlines.effect_check_after, rules).at)
        return _to(case, "effect_check", at, owner=office, effect_check_on=on)
    return _to(case, "answered" if mine else "classified", at, owner=office)


# --- visits and records ---------------------------------------------------------------------------------------------


def _assign(case: Case, action: a.Assign, rules: Rules, at: datetime) -> Happened:
    if action.visit_by is not None and action.visit_by < rules.day(at):
        raise ActionDetailError("case_day_past")
    changes = {"owner": _owned(action.to), "visit_by": action.visit_by or case.visit_by}
    return _to(case, "assigned", at, **changes), (_event("assigned", action, at, to=action.to.account),)


def _hand_over(case: Case, action: a.HandOver, rules: Rules, at: datetime) -> Happened:
    del rules
    owner = _owned(action.to)
    if owner.role == "village" and case.state not in ("assigned", "visited", "effect_check"):
        raise ActionDetailError("case_owner_unfit")
    state: State = "assigned" if case.state == "alert" else case.state
    return _to(case, state, at, owner=owner), (_event("handed_over", action, at, to=action.to.account),)


def _save_draft(case: Case, action: a.SaveDraft, rules: Rules, at: datetime) -> Happened:
    del rules, at
    _is_its_visitor(case, action.by)
    return case.model_copy(update={"draft": action.form}), ()


def _visit(case: Case, action: a.RecordVisit, rules: Rules, at: datetime) -> Happened:
    _is_its_visitor(case, action.by)
    if not case.opened_on <= action.on <= rules.day(at):
        raise ActionDetailError("case_visit_day", first=case.opened_on, last=rules.day(at))
    visit = Visit(on=action.on, by=action.by, method=action.method, met=action.met, round=case.round)
    event = _event("visited", action, at, on=str(action.on), method=action.method)
    return _to(case, "visited", at, visits=(*case.visits, visit)), (event,)


def _classify(case: Case, action: a.Classify, rules: Rules, at: datetime) -> Happened:
    _is_its_visitor(case, action.by)
    form = action.form
    mistakes = _mistakes(case, form, action.listed_reasons, rules, at)
    if mistakes:
        raise FormError(mistakes)
    first = case.first is None
    record = Record(
        kind="first" if first else "amended", round=case.round, at=at, by=action.by, form=form,
        score_shown=action.score_shown,
    )  # fmt: skip
    events = [_event("classified" if first else "amended", action, at, round=case.round, validity=form.validity)]
    visits = case.visits
    if not any(visit.round == case.round and visit.on == form.visited_on for visit in visits):
        assert form.visited_on is not None
        assert form.method is not None
        visits = (*visits, Visit(on=form.visited_on, by=action.by, method=form.method, met=form.met, round=case.round))
        events.insert(0, _event("visited", action, at, on=str(form.visited_on), method=form.method))
    # a correction holds the case up only where the data error is all there is
    aside = form.validity != "V4"
    referrals = tuple(_as_correction(one, case, aside=aside) for one in case.referrals)
    for department in action.sources:
        if any(one.need == CORRECTION and one.department == department and one.open for one in referrals):
            continue
        referral = Referral(
            referral_id=f"{case.case_id}-{case.version}-{CORRECTION}-{department}", need=CORRECTION,
            department=department, round=case.round, sent_at=at, by=action.by, correction=aside,
        )  # fmt: skip
        referrals = (*referrals, referral)
        detail = {"referral": referral.referral_id, "need": CORRECTION, "department": department}
        events.append(_event("referred", action, at, **detail))
    changes = {"records": (*case.records, record), "visits": visits, "referrals": referrals, "draft": None}
    return _settle(case, rules, at, **changes, returned=""), tuple(events)


def _as_correction(one: Referral, case: Case, *, aside: bool) -> Referral:
    """A correction as this record needs it; one that is still owed from an earlier round is waited for as well."""
    if one.need != CORRECTION or not (one.open or one.round == case.round):
        return one
    round_ = one.round if aside else case.round
    return one.model_copy(update={"correction": aside, "round": round_})


def _add_opinion(case: Case, action: a.AddOpinion, rules: Rules, at: datetime) -> Happened:
    mistakes = _mistakes(case, action.form, action.listed_reasons, rules, at)
    if mistakes:
        raise FormError(mistakes)
    record = Record(
        kind="opinion", round=case.round, at=at, by=action.by, form=action.form, score_shown=action.score_shown
    )
    event = _event("opinion", action, at, round=case.round, validity=action.form.validity)
    return case.model_copy(update={"records": (*case.records, record)}), (event,)


def _mistakes(case: Case, form: Any, listed: tuple[str, ...], rules: Rules, at: datetime) -> Any:
    return check(
        form, listed_reasons=listed, needs=tuple(rules.routing.needs), not_before=case.opened_on, today=rules.day(at)
    )


def _return_record(case: Case, action: a.ReturnRecord, rules: Rules, at: datetime) -> Happened:
    del rules
    standing = case.standing
    assert standing is not None
    changed = _to(case, "assigned", at, returned=action.reason, owner=_owned(standing.by))
    return changed, (_event("returned", action, at, round=case.round, to=standing.by.account),)


def _revisit(case: Case, action: a.Revisit, rules: Rules, at: datetime) -> Happened:
    if action.on < rules.day(at):
        raise ActionDetailError("case_day_past")
    made = case.visits[-1].by if case.visits else None
    to = action.to or made
    changes = {"round": case.round + 1, "visit_by": action.on, "watch_until": None, "returned": "", "draft": None}
    event = _event("revisit_set", action, at, on=str(action.on), to=to.account if to else "")
    if to is None:
        return _to(case, "alert", at, **changes, owner=_office(case)), (event,)
    return _to(case, "assigned", at, **changes, owner=_owned(to)), (event,)


# --- referrals ------------------------------------------------------------------------------------------------------


def _refer(case: Case, action: a.Refer, rules: Rules, at: datetime) -> Happened:
    referral = _new_referral(case, action, rules, at)
    event = _event(
        "raised_to_county" if referral.department == MECHANISM else "referred", action, at,
        referral=referral.referral_id, need=referral.need, department=referral.department,
    )  # fmt: skip
    return _settle(case, rules, at, referrals=(*case.referrals, referral), watch_until=None), (event,)


def _new_referral(case: Case, action: a.Refer, rules: Rules, at: datetime) -> Referral:
    routing = rules.routing
    if action.need not in routing.needs:
        raise ActionDetailError("case_need_unknown", known=", ".join(routing.needs))
    try:
        department = routing.lead(action.need, action.department)
    except ValueError as error:
        raise ActionDetailError("case_department_unnamed", known=joined_departments(rules)) from error
    wrong_data = case.standing is not None and case.standing.form.validity == "V4"
    same = [one for one in case.open_referrals if (one.need, one.department) == (action.need, department)]
    if same or case.referral(action.referral_id) is not None:
        raise ActionDetailError("case_referred_already", need=word("need", action.need))
    return Referral(
        referral_id=action.referral_id,
        need=action.need,
        department=department,
        told=tuple(routing.needs[action.need].co),
        round=case.round,
        sent_at=at,
        by=action.by,
        urgent=action.urgent,
        correction=action.need == CORRECTION and not wrong_data,
    )


def joined_departments(rules: Rules) -> Words:
    """The departments of the routing table as one text."""
    known = rules.routing.departments.values()
    return Words(zh="、".join(one.zh for one in known), en=", ".join(one.en for one in known))


def _withdraw(case: Case, action: a.Withdraw, rules: Rules, at: datetime) -> Happened:
    referral = _open_referral(case, action.referral_id)
    if any(small.referral_id == referral.referral_id for small in case.small_sums):
        raise ActionDetailError("case_papers_owed")
    changed = _with(case, referral.model_copy(update={"withdrawn": action.reason}))
    event = _event("withdrawn", action, at, referral=referral.referral_id)
    return _settle(changed, rules, at), (event,)


def _open_referral(case: Case, referral_id: str) -> Referral:
    referral = case.referral(referral_id)
    if referral is None or not referral.open:
        raise ActionDetailError("case_referral_not_open")
    return referral


def _with(case: Case, referral: Referral) -> Case:
    changed = tuple(referral if one.referral_id == referral.referral_id else one for one in case.referrals)
    return case.model_copy(update={"referrals": changed})


def _answer(case: Case, action: a.AnswerReferral, rules: Rules, at: datetime) -> Happened:
    referral = _open_referral(case, action.referral_id)
    desk = MECHANISM if action.by.role == "county" else action.by.department
    if desk != referral.department:
        raise ActionDetailError("case_other_desk")
    codes = rules.routing.answers(referral.need, binding=referral.binding, passes=referral.passes)
    if action.code not in codes:
        raise ActionDetailError("case_code_unfit", may=joined("feedback", codes))
    _complete(action)
    answer = Answer(
        code=action.code, desk=referral.passes, at=at, by=action.by, kind=action.help, amount_fen=action.amount_fen,
        start=action.start, end=action.end, reasons=action.reasons, note=action.note,
    )  # fmt: skip
    answered = referral.model_copy(update={"answers": (*referral.answers, answer)})
    detail = {"referral": referral.referral_id, "need": referral.need, "department": desk, "code": action.code}
    events = [_event("answered", action, at, **detail, amount_fen=action.amount_fen or "")]
    if action.code == PASSED_ON:
        answered = _passed_on(answered, action, rules, at)
        raised = answered.department == MECHANISM
        to = {"referral": referral.referral_id, "department": answered.department}
        events.append(_event("raised_to_county" if raised else "passed_on", action, at, **to))
    if case.state == "closed":
        return _with(case, answered), tuple(events)
    return _settle(_with(case, answered), rules, at), tuple(events)


def _complete(action: a.AnswerReferral) -> None:
    """What an answer has to bring along."""
    if action.code in ("F1", "F5") and not action.help:
        raise ActionDetailError("case_answer_without_help")
    if action.code in ("F2", "F5") and not action.reasons:
        raise ActionDetailError("case_answer_without_reason")
    if action.start is not None and action.end is not None and action.end < action.start:
        raise ActionDetailError("case_answer_days")


def _passed_on(referral: Referral, action: a.AnswerReferral, rules: Rules, at: datetime) -> Referral:
    """The referral on its next desk; after the last pass it is the county mechanism's, whose word is binding."""
    to = action.next_department
    deciding = referral.department == MECHANISM
    if not deciding and (referral.passes >= rules.routing.most_passes or to == MECHANISM):
        to, need = MECHANISM, MECHANISM_NEED
    else:
        need = referral.need
        seen = () if deciding else referral.desks
        if to not in rules.routing.departments or to in (referral.department, *seen):
            raise ActionDetailError("case_next_unnamed", known=joined_departments(rules))
    return referral.model_copy(
        update={
            "department": to, "need": need, "passes": referral.passes + 1, "sent_at": at, "binding": deciding,
            "desks": (*referral.desks, referral.department),
        }
    )  # fmt: skip


def _small_sum(case: Case, action: a.GiveSmallSum, rules: Rules, at: datetime) -> Happened:
    if action.on > rules.day(at):
        raise ActionDetailError("case_visit_day", first=case.opened_on, last=rules.day(at))
    if case.referral(action.referral_id) is not None:
        raise ActionDetailError("case_referred_already", need=word("need", URGENT))
    desk = rules.routing.lead(URGENT)
    given = Answer(code="F3", at=at, by=action.by, kind="small_sum", amount_fen=action.amount_fen, start=action.on)
    papers = Referral(
        referral_id=action.referral_id, need=URGENT, department=desk, told=tuple(rules.routing.needs[URGENT].co),
        round=case.round, sent_at=at, by=action.by, urgent=True, answers=(given,),
    )  # fmt: skip
    small = SmallSum(amount_fen=action.amount_fen, on=action.on, by=action.by, referral_id=papers.referral_id)
    changes = {"referrals": (*case.referrals, papers), "small_sums": (*case.small_sums, small)}
    event = _event("small_sum_given", action, at, referral=papers.referral_id, amount_fen=action.amount_fen)
    return _settle(case, rules, at, **changes, watch_until=None), (event,)


# --- after the answers ----------------------------------------------------------------------------------------------


def _watch(case: Case, action: a.Watch, rules: Rules, at: datetime) -> Happened:
    if action.until <= rules.day(at):
        raise ActionDetailError("case_day_past")
    if any(not one.correction for one in case.open_referrals):
        raise ActionDetailError("case_answers_owed")
    made = _to(case, "watching", at, watch_until=action.until, owner=_office(case))
    return made, (_event("watching", action, at, until=str(action.until)),)


def _check_effect(case: Case, action: a.CheckEffect, rules: Rules, at: datetime) -> Happened:
    if action.on > rules.day(at):
        raise ActionDetailError("case_visit_day", first=case.opened_on, last=rules.day(at))
    effect = Effect(on=action.on, by=action.by, result=action.result, note=action.note)
    checked = case.model_copy(update={"effects": (*case.effects, effect)})
    event = _event("effect_checked", action, at, result=action.result)
    if action.result == "unreachable":
        again = rules.day(later(at, rules.deadlines.effect_again_after, rules).at)
        return checked.model_copy(update={"effect_check_on": again}), (event,)
    if action.result == "improved":
        closing = Closing(on=rules.day(at), by=action.by, reason="improved")
        made = _to(checked, "closed", at, owner=None, closed=closing, effect_check_on=None)
        return made, (event, _event("closed", action, at, reason="improved"))
    return _to(checked, "answered", at, owner=_office(case), effect_check_on=None), (event,)


def _close(case: Case, action: a.Close, rules: Rules, at: datetime) -> Happened:
    reasons = closing_reasons(case)
    if action.reason not in reasons:
        raise ActionDetailError("case_closing_unfit", may=joined("closing", reasons))
    closing = Closing(on=rules.day(at), by=action.by, reason=action.reason, note=action.note)
    made = _to(case, "closed", at, owner=None, closed=closing, watch_until=None, effect_check_on=None)
    return made, (_event("closed", action, at, reason=action.reason),)


def _reopen(case: Case, action: a.Reopen, rules: Rules, at: datetime) -> Happened:
    del rules
    return _again(case, at), (_event("reopened", action, at),)


def _again(case: Case, at: datetime) -> Case:
    """A new round, on the town's desk."""
    changes = {"round": case.round + 1, "visit_by": None, "watch_until": None, "effect_check_on": None, "closed": None}
    return _to(case, "alert", at, **changes, owner=Owner(role="town", area=case.area_code), returned="", draft=None)


# --- time -----------------------------------------------------------------------------------------------------------


def _signal(case: Case, action: a.Signal, rules: Rules, at: datetime) -> Happened:
    """A household on the watch list comes back to the desk; any other case has it already."""
    del rules
    event = _event("signalled", action, at, run_id=action.run_id)
    if case.state == "watching":
        return _again(case, at), (event,)
    return case.model_copy(update={"said": (*case.said, f"signal:{action.run_id}")}), (event,)


def _tick(case: Case, action: a.Tick, rules: Rules, at: datetime) -> Happened:
    """Remind of what is near, note what is overdue (F10 on a referral), escalate what stays so; each once."""
    if case.state == "watching" and case.watch_until is not None and rules.day(at) > case.watch_until:
        return _again(case, at), (_event("watch_ended", action, at, until=str(case.watch_until)),)
    events: list[Event] = []
    waiting = due(case, at, rules)
    keys = {one.key for one in waiting}
    said = [entry for entry in case.said if entry.startswith("signal:") or entry.rpartition("=")[0] in keys]
    for one in waiting:
        for kind in _sayings(one):
            entry = f"{one.key}={kind}"
            if entry in said:
                continue
            said.append(entry)
            detail = {"step": one.step, "referral": one.referral_id, "department": one.department, "due": str(one.at)}
            events.append(_event(kind, action, at, **detail))
            if kind == "overdue" and one.step in ("answer", "papers"):
                case = _overdue(case, one, action, at)
    if not events:
        return case, ()
    return case.model_copy(update={"said": tuple(said)}), tuple(events)


def _sayings(one: Due) -> tuple[str, ...]:
    return {"ahead": (), "soon": ("reminded",), "overdue": ("overdue",), "escalate": ("overdue", "escalated")}[
        one.status
    ]


def _overdue(case: Case, one: Due, action: a.Tick, at: datetime) -> Case:
    referral = case.referral(one.referral_id)
    assert referral is not None
    answer = Answer(code="F10", desk=referral.passes, at=at, by=action.by)
    return _with(case, referral.model_copy(update={"answers": (*referral.answers, answer)}))


_STEPS: dict[str, Callable[[Case, Any, Rules, datetime], Happened]] = {
    "assign": _assign,
    "hand_over": _hand_over,
    "save_draft": _save_draft,
    "visit": _visit,
    "classify": _classify,
    "add_opinion": _add_opinion,
    "return_record": _return_record,
    "revisit": _revisit,
    "refer": _refer,
    "withdraw": _withdraw,
    "answer": _answer,
    "small_sum": _small_sum,
    "watch": _watch,
    "check_effect": _check_effect,
    "close": _close,
    "reopen": _reopen,
    "tick": _tick,
    "signal": _signal,
}
