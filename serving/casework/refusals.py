"""What casework refuses, typed, each with what may be done instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from features.errors import DataError, GateError, UsageError
from features.strict import Words
from serving.casework.classification import Mistake
from serving.casework.words import joined, word


class ActionError(UsageError):
    """An action that the case's state or the actor's role does not allow; says what may be done."""

    def __init__(self, action: str, state: str, may: Sequence[str]) -> None:
        self.action, self.state, self.may = action, state, tuple(may)
        super().__init__(
            "case_action_refused", action=word("action", action), state=word("state", state), may=joined("action", may)
        )


class ActionDetailError(UsageError):
    """An allowed action with something in it that cannot be."""


class FormError(DataError):
    """A form with mistakes; all of them at once, by field."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        fields = list(dict.fromkeys(mistake.field for mistake in mistakes))
        super().__init__(
            "case_form_mistakes", count=len(self.mistakes), fields=Words(zh="、".join(fields), en=", ".join(fields))
        )

    def by_field(self) -> Mapping[str, list[Words]]:
        """Sentences by field."""
        found: dict[str, list[Words]] = {}
        for mistake in self.mistakes:
            found.setdefault(mistake.field, []).append(mistake.words)
        return found


class AccessError(GateError):
    """The actor's role or area does not reach what was asked for."""


class ConflictError(GateError):
    """Somebody else was faster; carries the newer record, so that both can be laid side by side."""

    def __init__(self, newer: Any, seen: int, now: int) -> None:
        self.newer, self.seen, self.now = newer, seen, now
        super().__init__("case_conflict", seen=seen, now=now)
