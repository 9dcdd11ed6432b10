"""From a form as browsers send it to the record's form, with what could not be read; nothing that was typed is lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from features.strict import Words
from serving.casework.amending import mistake
from serving.casework.classification import Form, Mistake
from serving.web.visitor import Posted

DAYS = ("visited_on", "onset", "recheck_on", "watch_until")
WORDS = ("method", "validity", "savings", "kin", "disposition")
LISTS = ("met", "causes", "evidence", "needs")
NUMBERS = ("minutes", "depth")
NO_NUMBER = Words(zh="请写一个整数。", en="Write a whole number.")


@dataclass(frozen=True)
class Filled:
    """A form that was sent: as typed, as read, and what could not be read."""

    typed: Mapping[str, Any]
    form: Form
    mistakes: tuple[Mistake, ...]


def read_day(text: str, name: str, wrong: list[Mistake]) -> date | None:
    """A day as a field carries it; none where it is empty, or where it cannot be read, which is then said."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        wrong.append(mistake(name, "day_unreadable"))
        return None


def filled(sent: Posted) -> Filled:
    """Read a form."""
    typed: dict[str, Any] = {name: sent.one(name) for name in (*DAYS, *WORDS, *NUMBERS, "note")}
    typed |= {name: sent.many(name) for name in LISTS}
    typed["reasons"] = sent.starting("reason_")
    values: dict[str, Any] = {name: typed[name] or None for name in WORDS}
    values |= {name: typed[name] for name in (*LISTS, "reasons", "note")}
    mistakes: list[Mistake] = []
    for name in DAYS:
        values[name] = read_day(typed[name], name, mistakes)
    for name in NUMBERS:
        text = typed[name]
        if text and not (text.isascii() and text.isdigit() and len(text) < 6):
            mistakes.append(Mistake(field=name, code="no_number", words=NO_NUMBER))
        else:
            values[name] = int(text) if text else None
    return Filled(typed, Form(**values), tuple(mistakes))


def typed_of(draft: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """What stands in the fields before anything is typed: a draft of one's own, or nothing at all.

    >>> typed_of(None)["validity"], typed_of({"validity": "V1"})["validity"]
    ('', 'V1')
    """
    empty: dict[str, Any] = dict.fromkeys((*DAYS, *WORDS, *NUMBERS, "note"), "")
    empty |= dict.fromkeys(LISTS, ())
    empty["reasons"] = {}
    kept = {name: value for name, value in (draft or {}).items() if name in empty and value is not None}
    return {**empty, **{name: str(value) if name in NUMBERS else value for name, value in kept.items()}}
