"""From what an administrator typed to the content of an amendment, or to what is wrong with it, by field and row."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, get_args

from serving.casework.amendments import Kind
from serving.casework.classification import Mistake
from serving.casework.deadlines import Rules
from serving.casework.routing import CHOSEN, Unit
from serving.casework.words import word

Typed = Mapping[str, str | Sequence[str]]
LONGEST_TEXT, LONGEST_CLAUSE, MOST_AMOUNT = 500, 60, 1000
_BREAK = re.compile(r"[\s,，、;；]+")


def read(kind: Kind, key: str, typed: Typed, rules: Rules) -> tuple[dict[str, Any], tuple[Mistake, ...]]:
    """The content of an amendment, and all that is wrong with it; the content is of use only where nothing is."""
    if kind == "need":
        return _need(typed, rules)
    if kind == "text":
        return _text(typed)
    wrong: list[Mistake] = []
    body = {name: _days(name, typed, int(key), wrong) for name in (("off", "worked") if kind == "year" else ("off",))}
    if not body["off"] and not wrong:
        wrong.append(mistake("off", "missing"))
    both = sorted(set(body["off"]) & set(body.get("worked", ())))
    wrong += [mistake("worked", "day_in_both", day=day) for day in both]
    plain = [day for day in body.get("worked", ()) if date.fromisoformat(day).isoweekday() < 6]
    wrong += [mistake("worked", "day_no_weekend", day=day) for day in plain]
    return body, tuple(wrong)


def _one(typed: Typed, name: str) -> str:
    value = typed.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def _need(typed: Typed, rules: Rules) -> tuple[dict[str, Any], tuple[Mistake, ...]]:
    known, wrong = rules.routing.departments, []
    lead, clause, amount, unit = (_one(typed, name) for name in ("lead", "clause", "amount", "unit"))
    co = [one for one in typed.get("co", ()) if one]
    if lead not in known and lead != CHOSEN:
        wrong.append(mistake("lead", "unknown_code"))
    if any(one not in known for one in co):
        wrong.append(mistake("co", "unknown_code"))
    elif lead in co:
        wrong.append(mistake("co", "lead_among_co"))
    if not clause:
        wrong.append(mistake("clause", "missing"))
    elif len(clause) > LONGEST_CLAUSE:
        wrong.append(mistake("clause", "note_long", most=LONGEST_CLAUSE))
    if unit not in get_args(Unit):
        wrong.append(mistake("unit", "unknown_code"))
    whole = amount.isascii() and amount.isdigit() and 0 < int(amount[:6]) <= MOST_AMOUNT and len(amount) <= 4
    if not whole:
        wrong.append(mistake("amount", "amount_range", most=MOST_AMOUNT))
    body = {"lead": lead, "co": co, "clause": clause, "amount": int(amount) if whole else 0, "unit": unit}
    return body, tuple(wrong)


def _text(typed: Typed) -> tuple[dict[str, Any], tuple[Mistake, ...]]:
    body = {name: _one(typed, name) for name in ("zh", "en")}
    wrong = [mistake(name, "missing") for name, text in body.items() if not text]
    wrong += [mistake(name, "note_long", most=LONGEST_TEXT) for name, text in body.items() if len(text) > LONGEST_TEXT]
    return body, tuple(wrong)


def _days(name: str, typed: Typed, year: int, wrong: list[Mistake]) -> list[str]:
    """Days of a year, in order; each that is none is named with its place."""
    found: list[str] = []
    for place, text in enumerate((part for part in _BREAK.split(_one(typed, name)) if part), 1):
        try:
            day = date.fromisoformat(text)
        except ValueError:
            wrong.append(mistake(name, "day_row_unreadable", row=place, text=text[:20]))
            continue
        if day.year != year:
            wrong.append(mistake(name, "day_row_year", row=place, day=day, year=year))
        elif str(day) in found:
            wrong.append(mistake(name, "day_row_twice", row=place, day=day))
        else:
            found.append(str(day))
    return sorted(found)


def mistake(field: str, code: str, /, **fields: object) -> Mistake:
    """One mistake of a field, in both languages."""
    return Mistake(field=field, code=code, words=word("mistake", code, **fields))
