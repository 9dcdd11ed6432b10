"""A case: what is known of one household's need and of who looks after it. Frozen; only a step makes the next one."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import Field

from features.strict import Strict
from serving.casework.actor import Actor
from serving.casework.classification import Form

State = Literal[
    "alert",
    "assigned",
    "visited",
    "classified",
    "referred",
    "received",
    "answered",
    "effect_check",
    "watching",
    "closed",
]
STATES: tuple[State, ...] = State.__args__  # type: ignore[attr-defined]
VISITING: tuple[State, ...] = ("alert", "assigned", "visited")
"""Nothing is known yet of this round: the visit comes first."""
FINAL_CODES = frozenset({"F1", "F2", "F4", "F5", "F7", "F9"})
"""Answers that end a referral. F0, F3, F6 and F10 leave it open, F8 moves it."""
HELP_CODES = frozenset({"F1", "F3", "F5"})
"""Answers that say that help was given."""
MECHANISM = "county_mechanism"
"""The county's co-ordination mechanism for hard urgent cases (policy (13))."""

Origin = Literal["list", "discovery", "self_report"]


class Owner(Strict):
    """Who has to do the next thing: one account, or, without one, the office of a role in an area."""

    role: str
    area: str
    account: str = ""


class Visit(Strict):
    """One try to meet a household."""

    on: date
    by: Actor
    method: str
    met: tuple[str, ...] = ()
    round: int


class Record(Strict):
    """A classification as it was handed in; nothing changes it afterwards.

    Attributes:
        kind: `first` is the label of its round; `amended` answers a supervisor's return; `opinion` is somebody's
            second view, also after the score was seen.
        score_shown: whether who hands it in had seen the household's score before.
    """

    kind: Literal["first", "amended", "opinion"]
    round: int
    at: datetime
    by: Actor
    form: Form
    score_shown: bool


class Answer(Strict):
    """What a department said, with the code of D2; F10 is the clock's.

    Attributes:
        desk: how often the referral had been passed on when this was said.
    """

    code: str
    desk: int = 0
    at: datetime
    by: Actor
    kind: str = ""
    amount_fen: int | None = Field(None, ge=0)
    start: date | None = None
    end: date | None = None
    reasons: tuple[str, ...] = ()
    note: str = ""


class Referral(Strict):
    """A need on a department's desk.

    Attributes:
        department: whose desk it is on now.
        passes: how often it was passed on; at most as often as the rules say, then the county mechanism decides.
        binding: the mechanism has said whose it is: it is not passed on again.
        correction: asked for by itself because a visitor found the department's data wrong; help does not wait for it.
    """

    referral_id: str
    need: str
    department: str
    told: tuple[str, ...] = ()
    round: int
    sent_at: datetime
    by: Actor
    urgent: bool = False
    binding: bool = False
    correction: bool = False
    passes: int = 0
    desks: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()
    withdrawn: str = ""

    @property
    def open(self) -> bool:
        """Whether a final answer is still owed."""
        return not self.withdrawn and not any(answer.code in FINAL_CODES for answer in self.answers)

    @property
    def received(self) -> bool:
        """Whether the desk that it lies on has said that it is there."""
        return any(answer.code != "F10" and answer.desk == self.passes for answer in self.answers)

    @property
    def helped(self) -> bool:
        """Whether help was given."""
        return any(answer.code in HELP_CODES for answer in self.answers)


class SmallSum(Strict):
    """Money given first, papers after (policy (17))."""

    amount_fen: int = Field(gt=0)
    on: date
    by: Actor
    referral_id: str


class Effect(Strict):
    """How the household is after the help."""

    on: date
    by: Actor
    result: Literal["improved", "unchanged", "worse", "unreachable"]
    note: str = ""


class Closing(Strict):
    """Why a case ended."""

    on: date
    by: Actor
    reason: str
    note: str = ""


class Case(Strict):
    """One household's case.

    Attributes:
        area_code: the household's own area, the smallest that is known.
        since: when the present state began.
        round: counts visits that were asked for anew: a re-visit, or a reopened case.
        version: counts changes; who writes says which version was seen.
    """

    case_id: str
    household_id: str
    area_code: str
    state: State
    since: datetime
    owner: Owner | None
    origin: Origin
    opened_on: date
    round: int = 1
    visit_by: date | None = None
    returned: str = ""
    draft: dict[str, Any] | None = None
    visits: tuple[Visit, ...] = ()
    records: tuple[Record, ...] = ()
    referrals: tuple[Referral, ...] = ()
    small_sums: tuple[SmallSum, ...] = ()
    effects: tuple[Effect, ...] = ()
    watch_until: date | None = None
    effect_check_on: date | None = None
    closed: Closing | None = None
    said: tuple[str, ...] = ()
    version: int = 0

    @property
    def first(self) -> Record | None:
        """The label of this round."""
        return next((one for one in self.records if one.round == self.round and one.kind == "first"), None)

    @property
    def standing(self) -> Record | None:
        """What holds for this round: the newest record that is no second opinion."""
        found = [one for one in self.records if one.round == self.round and one.kind != "opinion"]
        return found[-1] if found else None

    @property
    def open_referrals(self) -> tuple[Referral, ...]:
        """Referrals that are owed an answer, of whatever round."""
        return tuple(one for one in self.referrals if one.open)

    def referral(self, referral_id: str) -> Referral | None:
        """The referral of this id."""
        return next((one for one in self.referrals if one.referral_id == referral_id), None)

    @property
    def in_need(self) -> bool:
        """Hardship or risk was confirmed in this round."""
        standing = self.standing
        return standing is not None and standing.form.validity in ("V1", "V2")


class Event(Strict):
    """One thing that happened, for the household's chain: what, when, who, and codes. No names, no free text."""

    kind: str
    at: datetime
    by: Actor
    detail: dict[str, Any] = Field(default_factory=dict)
