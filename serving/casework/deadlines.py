"""Deadlines of a case on a day: what is due, what is soon, what is overdue. Pure; nothing is stored, the clock asks.

Working days follow the State Council's yearly arrangement, where Saturdays and Sundays are worked in exchange for long
holidays (调休). Next year's comes out in November. For a year that is not known yet, Monday to Friday are counted and
the deadline says that it is provisional: it may come too early by some days, never too late for the household. The day
that something happens on is not counted (民法典第二百零一条).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import chinese_calendar
from pydantic import Field

from features.strict import Sourced, Strict, read_table
from serving.casework.case import MECHANISM, VISITING, Case, Owner, Referral
from serving.casework.routing import URGENT, Duration, Need, Routing, read_routing

Status = Literal["ahead", "soon", "overdue", "escalate"]
LAST = time(23, 59, 59)


class Announced(Strict):
    """One year's days off and worked weekends, put in by hand."""

    off: list[date]
    worked: list[date]


class Steps(Strict):
    """Lengths of the steps."""

    assign: Duration
    visit: Duration
    classify: Duration
    amend: Duration
    act: Duration
    receive: Duration
    decide: Duration
    effect: Duration
    watch: Duration


class Deadlines(Sourced):
    """The deployment's deadlines; `local_days_off` are added to the State Council's."""

    timezone: str
    steps: Steps
    effect_check_after: Duration
    effect_again_after: Duration
    remind_before: Duration
    escalate_after: Duration
    requests: dict[str, Duration]
    verification_valid: Duration
    identity_kept: Duration
    announced: dict[int, Announced]
    local_days_off: list[date] = Field(default_factory=list)


class Rules(Strict):
    """What a step goes by: routing and deadlines."""

    routing: Routing
    deadlines: Deadlines

    @property
    def zone(self) -> ZoneInfo:
        """Where days begin and end."""
        return ZoneInfo(self.deadlines.timezone)

    def day(self, at: datetime) -> date:
        """The local day of a moment."""
        return at.astimezone(self.zone).date()

    def end(self, day: date) -> datetime:
        """The last second of a local day."""
        return datetime.combine(day, LAST, self.zone).astimezone(UTC)


class Reckoned(Strict):
    """A deadline's moment, and whether it rests on a year whose calendar is not published."""

    at: datetime
    provisional: bool = False


class Due(Strict):
    """One thing that is waited for.

    Attributes:
        key: tells it apart from every other of the case, so that it is reminded of once.
        step: code of the vocabulary `deadline`.
        owner: who has to do it; for a referral, `department` says whose desk it lies on.
    """

    key: str
    step: str
    at: datetime
    provisional: bool
    status: Status
    owner: Owner
    department: str = ""
    referral_id: str = ""


def known_year(year: int, announced: Mapping[int, Announced]) -> bool:
    """Whether a year's arrangement is published, as far as this installation knows.

    >>> known_year(2025, {}), known_year(2100, {})
    (True, False)
    """
    if year in announced:
        return True
    try:
        chinese_calendar.is_workday(date(year, 1, 1))
    except NotImplementedError:
        return False
    return True


def is_working_day(day: date, announced: Mapping[int, Announced]) -> bool:
    """Whether offices work; Monday to Friday where the year is not known.

    >>> is_working_day(date(2026, 2, 14), {}), is_working_day(date(2026, 2, 18), {})
    (True, False)
    """
    own = announced.get(day.year)
    if own is not None:
        return day in own.worked or (day not in own.off and day.isoweekday() < 6)
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        return day.isoweekday() < 6


def later(start: datetime, duration: Duration, rules: Rules) -> Reckoned:
    """The end of a duration: an exact moment for hours, the last second of a day for days."""
    if duration.unit == "hour":
        return Reckoned(at=start + timedelta(hours=duration.amount))
    first = rules.day(start)
    if duration.unit == "day":
        return Reckoned(at=rules.end(first + timedelta(days=duration.amount)))
    announced, local = rules.deadlines.announced, frozenset(rules.deadlines.local_days_off)
    day, left, provisional = first, duration.amount, False
    while left:
        day += timedelta(days=1)
        provisional = provisional or not known_year(day.year, announced)
        left -= day not in local and is_working_day(day, announced)
    return Reckoned(at=rules.end(day), provisional=provisional)


def referral_deadlines(case: Case, referral: Referral, rules: Rules) -> Iterator[tuple[str, Reckoned]]:
    """What a referral's desk owes: first help, receipt, answer. A passed-on referral starts anew on its new desk."""
    steps, need = rules.deadlines.steps, rules.routing.needs[referral.need]
    first = _first(need, urgent=referral.urgent)
    if first is not None and not referral.helped:
        yield "first_help", later(referral.sent_at, first, rules)
    if not referral.received:
        yield "receive", later(referral.sent_at, steps.receive, rules)
    start = rules.end(case.opened_on) if need.answer.starts == "alert" else referral.sent_at
    ends = later(start, need.answer, rules)
    if ends.at < referral.sent_at:  # from the alert on, and the visit took longer: the department still has some days
        ends = later(referral.sent_at, steps.receive, rules)
    yield ("papers" if referral.need == URGENT and referral.helped else "answer"), ends


def _first(need: Need, *, urgent: bool) -> Duration | None:
    return need.urgent_first if urgent and need.urgent_first is not None else need.first


def due(case: Case, now: datetime, rules: Rules) -> tuple[Due, ...]:
    """Everything that is waited for, the nearest first.

    Args:
        case: in any state; a closed one waits only for referrals that are still open.
        now: the moment that is asked about.
        rules: lengths and calendar.
    """
    found: list[Due] = []
    if case.owner is not None:
        found += [_due(key, step, moment, now, rules, case.owner) for key, step, moment in _own(case, rules)]
    for referral in case.open_referrals:
        owner = Owner(role="county" if referral.department == MECHANISM else "department", area=case.area_code)
        for step, moment in referral_deadlines(case, referral, rules):
            key = f"{referral.referral_id}:{referral.department}:{referral.passes}:{step}"
            made = _due(key, step, moment, now, rules, owner)
            found.append(
                made.model_copy(update={"department": referral.department, "referral_id": referral.referral_id})
            )
    return tuple(sorted(found, key=lambda one: (one.at, one.key)))


def _own(case: Case, rules: Rules) -> Iterator[tuple[str, str, Reckoned]]:
    """What the case's owner has to do in this state."""
    steps = rules.deadlines.steps
    key = f"{case.state}:{case.round}:{case.since.isoformat()}"
    if case.state == "alert":
        yield f"{key}:assign", "assign", later(case.since, steps.assign, rules)
    if case.state in VISITING and case.state != "visited" and not case.returned:
        day = case.visit_by
        moment = Reckoned(at=rules.end(day)) if day is not None else later(case.since, steps.visit, rules)
        yield f"{key}:visit", "visit", moment
    simple: Mapping[str, tuple[str, Duration]] = {
        "visited": ("classify", steps.classify),
        "classified": ("act", steps.act),
        "answered": ("decide", steps.decide),
    }
    if case.returned:
        yield f"{key}:amend", "amend", later(case.since, steps.amend, rules)
    elif case.state in simple:
        step, duration = simple[case.state]
        yield f"{key}:{step}", step, later(case.since, duration, rules)
    if case.state == "effect_check" and case.effect_check_on is not None:
        yield f"{key}:effect", "effect", later(rules.end(case.effect_check_on), steps.effect, rules)
    if case.state == "watching" and case.watch_until is not None:
        yield f"{key}:watch", "watch", later(rules.end(case.watch_until), steps.watch, rules)


def _due(key: str, step: str, moment: Reckoned, now: datetime, rules: Rules, owner: Owner) -> Due:
    return Due(
        key=key,
        step=step,
        at=moment.at,
        provisional=moment.provisional,
        status=_status(moment.at, now, rules),
        owner=owner,
    )


def _status(at: datetime, now: datetime, rules: Rules) -> Status:
    if now <= at:
        return "soon" if later(now, rules.deadlines.remind_before, rules).at >= at else "ahead"
    return "escalate" if now > later(at, rules.deadlines.escalate_after, rules).at else "overdue"


def escalated_before(now: datetime, rules: Rules) -> datetime:
    """The latest deadline that is escalated by now: of all that come before it, those above have to know."""
    wait = rules.deadlines.escalate_after
    if wait.unit == "hour":
        return now - timedelta(hours=wait.amount)
    day = rules.day(now)
    while later(rules.end(day), wait, rules).at >= now:
        day -= timedelta(days=1)
    return rules.end(day)


def next_due(case: Case, rules: Rules) -> datetime | None:
    """The nearest deadline; None where nothing is waited for."""
    found = due(case, case.since, rules)
    return found[0].at if found else None


def read_rules(folder: Path | None = None) -> Rules:
    """The deployment's rules: its own `routing.yaml` and `deadlines.yaml` in the project folder, or the product's.

    Raises:
        ProjectError: a file says something that cannot be.
    """
    if folder is None:
        return _product_rules()
    routing, deadlines = folder / "routing.yaml", folder / "deadlines.yaml"
    if not routing.is_file() and not deadlines.is_file():
        return _product_rules()
    return Rules(
        routing=read_routing(routing if routing.is_file() else None),
        deadlines=_read(deadlines) if deadlines.is_file() else _product_rules().deadlines,
    )


@functools.cache
def _product_rules() -> Rules:
    return Rules(routing=read_routing(), deadlines=_read(resources.files("serving.casework") / "deadlines.yaml"))


def _read(file: Traversable) -> Deadlines:
    return read_table(file.read_text(encoding="utf-8"), file.name, Deadlines)
