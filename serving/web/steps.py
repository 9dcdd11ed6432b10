"""An edit in two steps: what was typed, then what it changes, then the change; nothing is kept before the second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import Request
from starlette.responses import HTMLResponse

from serving.casework.classification import Mistake
from serving.web.showing import show
from serving.web.visitor import Posted, Staff

Typed = Mapping[str, str | tuple[str, ...]]


@dataclass(frozen=True)
class Difference:
    """One line of what changes, in the visitor's words."""

    label: str
    before: str
    after: str


@dataclass(frozen=True)
class Planned:
    """A change that somebody is about to make.

    Attributes:
        heading: what it is about.
        action: address that it is sent to, the same as that of the form.
        back: where somebody goes who does not want it.
        said: a sentence on what follows from it.
    """

    heading: str
    action: str
    back: str
    lines: Sequence[Difference]
    typed: Typed
    said: str = ""


def confirmed(form: Posted) -> bool:
    """Whether the form comes from the second step."""
    return form.one("do", 20) == "confirm"


def differences(who: Staff, lines: Sequence[tuple[tuple[str, str], str, str]]) -> tuple[Difference, ...]:
    """Lines whose text changes; empty texts show as a dash."""
    return tuple(
        Difference(who.say(*label), before or "—", after or "—") for label, before, after in lines if before != after
    )


def show_change(request: Request, planned: Planned) -> HTMLResponse:
    """The page between a form and its effect."""
    hidden = [
        (name, value)
        for name, values in planned.typed.items()
        for value in ((values,) if isinstance(values, str) else values)
    ]
    return show(request, "change.html", planned=planned, hidden=hidden)


def by_field(who: Staff, mistakes: Sequence[Mistake]) -> dict[str, list[str]]:
    """Mistakes in the visitor's words, by field."""
    found: dict[str, list[str]] = {}
    for one in mistakes:
        found.setdefault(one.field, []).append(who.word(one.words))
    return found
