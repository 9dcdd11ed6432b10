"""Rules and texts that administrators amend: dated, with source and reason; the deployment's files stay as they are.

An amendment holds from its day on, until a later one; one without content gives the word back to the files. Nothing is
changed or removed: who amended what, when and why can be read for every day. An amendment is checked before it is kept,
field by field; one that the files have outgrown since (a department that is no longer there) has no effect.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import select

from features.errors import UsageError
from features.strict import Strict, Words
from serving.casework.actor import Actor
from serving.casework.classification import Mistake
from serving.casework.database import Database
from serving.casework.deadlines import Announced, Rules
from serving.casework.refusals import ConflictError, FormError
from serving.casework.routing import CHOSEN, Need
from serving.casework.tables import AmendmentRow
from serving.casework.words import catalogue, word

if TYPE_CHECKING:
    from serving.casework.desk import Desk

Kind = Literal["need", "year", "local", "text"]
KINDS: tuple[Kind, ...] = ("need", "year", "local", "text")
FRESH_SECONDS = 2.0
"""A process looks for amendments of other processes at most so often."""
Body = Mapping[str, Any]


class Amendment(Strict):
    """One amendment; without a body it gives the word back to the files."""

    kind: Kind
    key: str
    number: int
    since: date
    source: str
    reason: str
    account: str
    at: datetime
    body: dict[str, Any] | None = None


@dataclass(frozen=True)
class Ground:
    """From when an amendment holds, where it is from, and why it was made."""

    since: date
    source: str
    reason: str


def amendments(database: Database) -> tuple[Amendment, ...]:
    """All of them, in the order in which they were made."""
    names = list(Amendment.model_fields)
    with database.reading() as session:
        rows = session.scalars(select(AmendmentRow).order_by(AmendmentRow.at, AmendmentRow.number))
        return tuple(Amendment(**{name: getattr(row, name) for name in names}) for row in rows)


def in_force(known: Sequence[Amendment], day: date) -> Mapping[tuple[str, str], Amendment]:
    """The amendment of each rule that holds on a day: the one with the latest beginning, of several the last made."""
    found: dict[tuple[str, str], Amendment] = {}
    for one in sorted(known, key=lambda one: (one.since, one.number)):
        if one.since <= day:
            found[one.kind, one.key] = one
    return {place: one for place, one in found.items() if one.body is not None}


def amended(own: Rules, known: Sequence[Amendment], day: date) -> Rules:
    """The files' rules with what holds on a day."""
    needs, years = dict(own.routing.needs), dict(own.deadlines.announced)
    days_off = set(own.deadlines.local_days_off)
    for one in in_force(known, day).values():
        body = one.body or {}
        if one.kind == "need" and fits(own, body) and one.key in needs:
            needs[one.key] = _need(needs[one.key], body, one.source)
        elif one.kind == "year":
            years[int(one.key)] = Announced.model_validate(body)
        elif one.kind == "local":
            days_off |= {date.fromisoformat(text) for text in body["off"]}
    routing = own.routing.model_copy(update={"needs": needs})
    changed = {"announced": years, "local_days_off": sorted(days_off)}
    return Rules(routing=routing, deadlines=own.deadlines.model_copy(update=changed))


def fits(own: Rules, body: Body) -> bool:
    """Whether the departments of an amended need are still known."""
    return {body["lead"], *body["co"]} <= {*own.routing.departments, CHOSEN}


def _need(need: Need, body: Body, source: str) -> Need:
    longest = need.answer.longest
    length: dict[str, Any] = {"amount": body["amount"], "unit": body["unit"], "source": source, "mark": "S"}
    kept = longest if longest is not None and need.answer.unit == body["unit"] and longest > body["amount"] else None
    answer = need.answer.model_copy(update={**length, "longest": kept})
    changed = {"lead": body["lead"], "co": list(body["co"]), "clause": body["clause"], "answer": answer}
    return need.model_copy(update=changed)


class RuleBook:
    """The rules and texts of a process, with what administrators amended; looks again every few seconds."""

    def __init__(self, own: Rules, database: Database) -> None:
        self.own, self._database = own, database
        self._held: tuple[float, date, Rules, Mapping[str, Words]] | None = None
        self._steady = threading.local()

    @contextmanager
    def steady(self, now: datetime) -> Iterator[None]:
        """For this thread the rules stay what they are now, and the database is not asked for them.

        A transaction rests on one state of the rules; and whoever holds the lock of writers must never wait for a
        second connection, which may be in the hands of those who wait for the lock.
        """
        outer = getattr(self._steady, "held", None)
        self._steady.held = self._now(now)
        try:
            yield
        finally:
            self._steady.held = outer

    def _now(self, now: datetime) -> tuple[float, date, Rules, Mapping[str, Words]]:
        steady: tuple[float, date, Rules, Mapping[str, Words]] | None = getattr(self._steady, "held", None)
        if steady is not None:
            return steady
        day, clock = self.own.day(now), time.monotonic()
        held = self._held
        if held is None or held[1] != day or clock - held[0] > FRESH_SECONDS:
            known = amendments(self._database)
            texts = {
                one.key: Words.model_validate(one.body) for one in in_force(known, day).values() if one.kind == "text"
            }
            held = self._held = (clock, day, amended(self.own, known, day), texts)
        return held

    def rules(self, now: datetime) -> Rules:
        """The rules that hold now."""
        return self._now(now)[2]

    def text(self, key: str, now: datetime) -> Words | None:
        """An amended text; None where there is none."""
        return self._now(now)[3].get(key)

    def renew(self) -> None:
        """Look again at once."""
        self._held = None


def present(rules: Rules, kind: Kind, key: str, text: Words | None = None) -> dict[str, Any] | None:
    """What holds for a rule, in the form of an amendment's body; None where nothing does.

    Raises:
        UsageError: there is no such rule.
    """
    if kind == "need" and key in rules.routing.needs:
        need = rules.routing.needs[key]
        length = {"amount": need.answer.amount, "unit": need.answer.unit}
        return {"lead": need.lead, "co": list(need.co), "clause": need.clause, **length}
    if kind == "text" and key in catalogue()["text"]:
        return None if text is None else text.model_dump()
    if kind in ("year", "local") and key.isascii() and key.isdigit() and len(key) == 4:
        if kind == "local":
            days = [str(day) for day in rules.deadlines.local_days_off if day.year == int(key)]
            return {"off": days} if days else None
        year = rules.deadlines.announced.get(int(key))
        return None if year is None else {"off": [str(d) for d in year.off], "worked": [str(d) for d in year.worked]}
    raise UsageError("amendment_unknown")


def newest_number(known: Sequence[Amendment], kind: str, key: str) -> int:
    """The number of the last amendment of a rule; none: 0."""
    return max((one.number for one in known if (one.kind, one.key) == (kind, key)), default=0)


def amend(
    desk: Desk, by: Actor, kind: Kind, key: str, body: dict[str, Any] | None, ground: Ground, seen: int
) -> Amendment:
    """Keep an amendment; it is in the audit log with what held before and holds after.

    Args:
        desk: the service layer.
        by: an administrator of the whole deployment.
        kind: of what.
        key: which.
        body: as `amending` read it; None gives the word back to the files.
        ground: from when, where from, why.
        seen: number of the last amendment that the administrator saw.

    Raises:
        AccessError: the actor is no administrator of the whole deployment.
        FormError: the ground does not do.
        ConflictError: somebody else amended it in between.
    """
    if not may_amend(desk, by):
        raise desk.refuse(by, "amendment_outside", f"{kind}:{key}")
    wrong = check_ground(ground, desk.rules.day(desk.now()))
    if wrong:
        raise FormError(wrong)
    before = present(desk.rules, kind, key, desk.text(key) if kind == "text" else None)
    with desk.writing(by) as (session, told):
        rows = session.scalars(select(AmendmentRow).where(AmendmentRow.kind == kind, AmendmentRow.key == key))
        last = max((row.number for row in rows), default=0)
        if last != seen:
            raise ConflictError(None, seen, last)
        made = Amendment(
            kind=kind, key=key, number=last + 1, since=ground.since, source=ground.source, reason=ground.reason,
            account=by.account, at=desk.now(), body=body,
        )  # fmt: skip
        session.add(AmendmentRow(**made.model_dump()))
        detail = {"number": made.number, "since": str(made.since), "source": made.source, "reason": made.reason}
        told.append(("amendment", f"{kind}:{key}", {**detail, "before": before, "after": body}))
    desk.book.renew()
    return made


def may_amend(desk: Desk, by: Actor) -> bool:
    """Rules hold for the whole deployment: only who administers the whole may amend them."""
    return by.role == "admin" and desk.tree.is_whole(by.area)


def check_ground(ground: Ground, today: date) -> tuple[Mistake, ...]:
    """What is wrong with an amendment's ground: rules are not changed for days that have passed."""
    found = [_mistake(name, "missing") for name in ("source", "reason") if not getattr(ground, name)]
    if ground.since < today:
        found.append(_mistake("since", "amended_past"))
    return tuple(found)


def _mistake(field: str, code: str, /, **fields: object) -> Mistake:
    return Mistake(field=field, code=code, words=word("mistake", code, **fields))
