"""Everything that can be done to a case, and who may do it in which state."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar, Literal

from pydantic import Field

from features.strict import Strict
from serving.casework.actor import CLOCK, Actor
from serving.casework.case import State
from serving.casework.classification import Form


class Action(Strict):
    """What somebody wants to do; `kind` is its code in the words."""

    kind: ClassVar[str] = ""
    by: Actor


class Assign(Action):
    """Give the visit to an account."""

    kind: ClassVar[str] = "assign"
    to: Actor
    visit_by: date | None = None


class HandOver(Action):
    """Give the case, as it is, to somebody else."""

    kind: ClassVar[str] = "hand_over"
    to: Actor


class SaveDraft(Action):
    """Keep a form that is not finished; a draft is no record and nobody's decision."""

    kind: ClassVar[str] = "save_draft"
    form: dict[str, Any]


class RecordVisit(Action):
    """Say that a household was visited, or that it was tried."""

    kind: ClassVar[str] = "visit"
    on: date
    method: str
    met: tuple[str, ...] = ()


class Classify(Action):
    """Hand in the classification.

    Attributes:
        listed_reasons: reasons that the list gave.
        sources: departments whose data the form says are wrong; each is asked for a correction.
        score_shown: whether who hands it in had seen the score.
        unseen: it was written down on the form without scores; who types it in may see them.
    """

    kind: ClassVar[str] = "classify"
    form: Form
    listed_reasons: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    score_shown: bool = False
    unseen: bool = False


class AddOpinion(Action):
    """Say it again, beside the record: another pair of eyes, or the same after the score was seen."""

    kind: ClassVar[str] = "add_opinion"
    form: Form
    listed_reasons: tuple[str, ...] = ()
    score_shown: bool = False
    unseen: bool = False


class ReturnRecord(Action):
    """Send a record back to who made it; the record stays as it is, what is handed in next stands beside it."""

    kind: ClassVar[str] = "return_record"
    reason: str = Field(min_length=1, max_length=500)


class Revisit(Action):
    """Visit again on a day, by the same person where nobody else is named."""

    kind: ClassVar[str] = "revisit"
    on: date
    to: Actor | None = None


class Refer(Action):
    """Put a need on a department's desk."""

    kind: ClassVar[str] = "refer"
    referral_id: str
    need: str
    department: str = ""
    urgent: bool = False


class Withdraw(Action):
    """Take a referral back."""

    kind: ClassVar[str] = "withdraw"
    referral_id: str
    reason: str = Field(min_length=1, max_length=500)


class AnswerReferral(Action):
    """What a department says."""

    kind: ClassVar[str] = "answer"
    referral_id: str
    code: str
    help: str = ""
    amount_fen: int | None = Field(None, ge=0)
    start: date | None = None
    end: date | None = None
    reasons: tuple[str, ...] = ()
    note: str = Field("", max_length=1000)
    next_department: str = ""


class GiveSmallSum(Action):
    """Help at once, papers after (policy (17)); never waits for a score, a visit or a form."""

    kind: ClassVar[str] = "small_sum"
    referral_id: str
    amount_fen: int = Field(gt=0)
    on: date


class Watch(Action):
    """Keep an eye on a household until a day."""

    kind: ClassVar[str] = "watch"
    until: date


class CheckEffect(Action):
    """Say how the household is after the help."""

    kind: ClassVar[str] = "check_effect"
    on: date
    result: Literal["improved", "unchanged", "worse", "unreachable"]
    note: str = Field("", max_length=1000)


class Close(Action):
    """End the case."""

    kind: ClassVar[str] = "close"
    reason: str
    note: str = Field("", max_length=1000)


class Reopen(Action):
    """Begin again: something was overlooked, or has changed."""

    kind: ClassVar[str] = "reopen"
    reason: str = Field(min_length=1, max_length=500)


class Tick(Action):
    """Time has passed."""

    kind: ClassVar[str] = "tick"


class Signal(Action):
    """The household stands on a new list while its case is open."""

    kind: ClassVar[str] = "signal"
    run_id: str


_VISITORS = frozenset({"village", "town", "county"})
_OFFICES = frozenset({"town", "county"})
WHO: Mapping[str, frozenset[str]] = {
    "assign": _OFFICES,
    "hand_over": _OFFICES,
    "save_draft": _VISITORS,
    "visit": _VISITORS,
    "classify": _VISITORS,
    "add_opinion": _VISITORS | {"supervisor"},
    "return_record": _OFFICES | {"supervisor"},
    "revisit": _OFFICES,
    "refer": _OFFICES,
    "withdraw": _OFFICES,
    "answer": frozenset({"department", "county"}),
    "small_sum": _VISITORS,
    "watch": _OFFICES,
    "check_effect": _VISITORS,
    "close": _OFFICES,
    "reopen": _OFFICES | {"supervisor"},
    "tick": frozenset({CLOCK}),
    "signal": frozenset({CLOCK}),
}
"""Roles of each action. Analysts, auditors and administrators act on no case."""

_ANY_TIME = ("hand_over", "small_sum", "withdraw", "answer", "tick", "signal")
_AFTER = ("add_opinion", "return_record", "refer", "revisit")
WHEN: Mapping[State, tuple[str, ...]] = {
    "alert": ("assign", *_ANY_TIME),
    "assigned": ("assign", "save_draft", "visit", "classify", *_ANY_TIME),
    "visited": ("save_draft", "visit", "classify", "revisit", *_ANY_TIME),
    "classified": (*_AFTER, "watch", "close", *_ANY_TIME),
    "referred": (*_AFTER, *_ANY_TIME),
    "received": (*_AFTER, *_ANY_TIME),
    "answered": (*_AFTER, "watch", "close", *_ANY_TIME),
    "effect_check": ("check_effect", "add_opinion", "refer", "revisit", "watch", "close", *_ANY_TIME),
    "watching": ("add_opinion", "refer", "revisit", "watch", "close", *_ANY_TIME),
    "closed": ("add_opinion", "reopen", "answer", "tick"),
}
"""Actions of each state, before what is in the case is looked at."""
