"""How cases go in the story: steps with the days between them. A case is cut off where the story ends."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from features.province.field import field_values


@dataclass(frozen=True)
class Step:
    """One act.

    Attributes:
        what: a name of `serving.story.acts`.
        days: working days after the act before; 0 is the same day, a little later.
        how: a validity, a reason or a result, as the act needs it.
    """

    what: str
    days: int = 0
    how: str = ""


Course = tuple[Step, ...]
_GIVEN = Step("assign")


def _visited(validity: str, days: int = 1) -> Course:
    return (_GIVEN, Step("classify", days, validity))


_REFERRED: Course = (*_visited("V1"), Step("refer", 1))
_RECEIVED: Course = (*_REFERRED, Step("receive", 1))
COURSES: Mapping[str, Course] = {
    "waiting": (),
    "assigned": (_GIVEN,),
    "draft": (_GIVEN, Step("draft")),
    "visited": (_GIVEN, Step("visit")),
    "classified": _visited("V1", 4),
    "returned": (*_visited("V1"), Step("return", 1)),
    "amended": (*_visited("V1"), Step("return", 1), Step("classify", 1, "V1"), Step("refer", 1)),
    "revisit": (*_visited("V7"), Step("revisit", 1)),
    "met_at_last": (*_visited("V7"), Step("revisit", 1), Step("classify", 3, "V1"), Step("refer", 1)),
    "referred": _REFERRED,
    "received": _RECEIVED,
    "passed_on": (*_REFERRED, Step("pass", 2), Step("receive", 2)),
    "county": (*_visited("V2"), Step("refer", 1), Step("pass", 1), Step("pass", 1), Step("pass", 1)),
    "small_sum": (_GIVEN, Step("small_sum"), Step("classify", 1, "V1"), Step("refer", 1)),
    "answered": (*_RECEIVED, Step("refuse", 3)),
    "not_eligible": (*_RECEIVED, Step("refuse", 3), Step("close", 2, "not_eligible"), Step("object", 1)),
    "helped": (*_RECEIVED, Step("match"), Step("grant", 4)),
    "improved": (*_RECEIVED, Step("grant", 2), Step("check_effect", 5, "improved")),
    "unchanged": (*_RECEIVED, Step("grant", 2), Step("check_effect", 5, "unchanged")),
    "watching": (*_visited("V6"), Step("watch", 1)),
    "no_need": (*_visited("V3"), Step("close", 1, "no_need")),
    "already_helped": (*_visited("V5"), Step("close", 1, "already_helped")),
    "data_error": (*_visited("V4"), Step("correct", 1)),
    "declined": (*_visited("V8"), Step("close", 1, "declined")),
    "undecided": _visited("V9", 2),
    "reopened": (*_visited("V3"), Step("close", 1, "no_need"), Step("reopen", 6)),
}  # fmt: skip
PLANS: Sequence[Sequence[str]] = (
    ("draft", "visited", "assigned", "waiting", "waiting"),
    ("returned", "referred", "classified", "received", "revisit", "no_need", "amended"),
    ("passed_on", "small_sum", "answered", "watching", "county", "helped", "no_need", "already_helped"),
    ("improved", "reopened", "helped", "not_eligible", "assigned", "county", "met_at_last", "data_error", "unchanged"),
)
"""Courses of the first cases of a list, by how many weeks the list is old; with them every state is there."""
_AFTER_VISIT: Mapping[str, tuple[str, ...]] = {
    "V1": ("helped", "improved", "not_eligible", "small_sum", "passed_on", "received", "amended", "unchanged"),
    "V2": ("county", "received"), "V3": ("no_need",), "V4": ("data_error",), "V5": ("already_helped",),
    "V6": ("watching",), "V7": ("met_at_last", "revisit"), "V8": ("declined",), "V9": ("undecided",),
}  # fmt: skip
_LEFT_ALONE = 0.06
"""Visits that nobody gets round to."""


def deal(place: int, weeks_old: int, row: Mapping[str, Any], luck: random.Random) -> str:
    """The course of a case: the first ones as planned, the others by chance, as the field's shares say.

    Args:
        place: among the cases of its list.
        weeks_old: 0 for the newest list.
        row: what the list said of the household; hardship is confirmed as often as its probability says.
        luck: the story's.
    """
    planned = PLANS[min(weeks_old, len(PLANS) - 1)]
    if place < len(planned):
        return planned[place]
    if weeks_old == 0 or luck.random() < _LEFT_ALONE:
        return luck.choice(("assigned", "assigned", "draft", "waiting"))
    return luck.choice(_AFTER_VISIT[_found(float(row.get("probability") or 0), luck)])


def _found(probability: float, luck: random.Random) -> str:
    """What a visit finds."""
    visits, chance = field_values().visits, luck.random()
    for validity, share in (("V7", visits.not_met), ("V8", visits.refused), ("V9", visits.undecided)):
        if chance < share:
            return validity
        chance -= share
    if luck.random() < probability:
        return "V5" if luck.random() < visits.unknown_help else "V1"
    if luck.random() < probability:
        return "V2"
    chance = luck.random()
    return "V4" if chance < visits.data_error else "V6" if chance < visits.data_error + visits.seasonal else "V3"
