"""Who is behind a household's code: told to whoever has the case in hand, with a reason, in the log, and seldom."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from datetime import timedelta
from importlib import resources

from pydantic import Field
from sqlalchemy import func, select

from features.strict import Sourced, read_table
from serving.casework import cases
from serving.casework.actor import Actor
from serving.casework.amending import mistake
from serving.casework.case import MECHANISM, Case
from serving.casework.classification import IDENTITY, Mistake
from serving.casework.desk import Desk
from serving.casework.refusals import AccessError, FormError
from serving.casework.tables import AuditRow

HIDDEN = "■"
"""In the log, in place of what the vault told, where somebody wrote it into the reason."""


class Revealing(Sourced):
    """How often one account may look, and for what."""

    most: int = Field(gt=0)
    within_minutes: int = Field(gt=0)
    reasons: list[str] = Field(min_length=1)
    shortest_words: int
    longest_words: int


@functools.cache
def revealing() -> Revealing:
    """The rules as they stand in `revealing.yaml`."""
    own = resources.files("serving.casework") / "revealing.yaml"
    return read_table(own.read_text(encoding="utf-8"), own.name, Revealing)


def in_hand(desk: Desk, by: Actor, case: Case) -> bool:
    """Whether the open case is the actor's to work on.

    A village's visitor has the visits that were given to it, a town all open cases of its area, a county those that lie
    with its own people or before its mechanism. Nobody else has any.
    """
    if case.state == "closed" or case.owner is None or not desk.reaches(by, case.area_code):
        return False
    if by.role == "town":
        return True
    mine = case.owner.account == by.account
    if by.role == "county":
        return mine or case.owner.role == "county" or any(one.department == MECHANISM for one in case.open_referrals)
    return by.role == "village" and mine


def check_reason(reason: str, words: str) -> tuple[Mistake, ...]:
    """What is wrong with a reason; it is written down, so no number of anybody may stand in it."""
    rules = revealing()
    found = [] if reason in rules.reasons else [mistake("reason", "unknown_code" if reason else "missing")]
    if len(words) < rules.shortest_words:
        found.append(mistake("words", "words_short", least=rules.shortest_words))
    elif len(words) > rules.longest_words:
        found.append(mistake("words", "note_long", most=rules.longest_words))
    if IDENTITY.search(words):
        found.append(mistake("words", "note_identity"))
    return tuple(found)


def reveal(
    desk: Desk, by: Actor, case_id: str, reason: str, words: str, read: Callable[[str], Mapping[str, str]]
) -> dict[str, str]:
    """A household's identity from the vault. It is told only once the look stands in the log.

    Args:
        desk: the service layer.
        by: who wants to know.
        case_id: of which household.
        reason: code of the purpose.
        words: why, in the actor's own words; what the vault tells is struck out of them before they are kept.
        read: the vault's way to tell.

    Raises:
        AccessError: the case is not in the actor's hands, or the account looked too often; written down.
        FormError: the reason does not do.
    """
    with desk.database.reading() as session:
        case = cases.read(session, case_id)
    if case is None:
        raise AccessError("case_outside")
    if not in_hand(desk, by, case):
        raise desk.refuse(by, "case_outside", case.household_id)
    if wrong := check_reason(reason, words):
        raise FormError(wrong)
    rules = revealing()
    found = dict(read(case.household_id))
    for value in sorted((value for value in found.values() if value), key=len, reverse=True):
        words = words.replace(value, HIDDEN)
    with desk.writing(by) as (session, told):
        since = desk.now() - timedelta(minutes=rules.within_minutes)
        looks = select(func.count()).where(
            AuditRow.account == by.account, AuditRow.kind == "reveal", AuditRow.at > since
        )
        often = int(session.scalar(looks) or 0) >= rules.most
        if not often:
            detail = {"case": case_id, "reason": reason, "words": words, "found": bool(found)}
            told.append(("reveal", case.household_id, detail))
    if often:
        desk.note(by, "refused", case.household_id, code="reveal_often")
        raise AccessError("reveal_often", most=rules.most, minutes=rules.within_minutes)
    return found
