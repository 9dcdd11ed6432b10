"""The indicator record: a definition with a name, an owner, a purpose and a legal basis, and sentences for people."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from features.errors import ProjectError
from features.indicators.definition import (
    AreaReading,
    Events,
    Expression,
    FeedState,
    Given,
    Holding,
    Line,
    Members,
    Schedule,
    Series,
)
from features.indicators.structure import definition_hash, level, plain, reach, walk

Family = Literal["expense", "income", "population", "assistance_gap", "vulnerability", "data_quality", "context"]
FAMILIES: tuple[Family, ...] = (
    "expense",
    "income",
    "population",
    "assistance_gap",
    "vulnerability",
    "data_quality",
    "context",
)
RESERVED = ("household_id", "as_of", "area_code", "weight", "a")
"""Columns that every panel has."""
PLACEHOLDERS = frozenset({"value", "usual", "peers", "line", "date", "previous"})
_PLACEHOLDER = re.compile(r"\{([^{}:!]*)[^{}]*\}")


@dataclass(frozen=True)
class Text:
    """One text in both languages."""

    zh: str
    en: str

    def of(self, language: str) -> str:
        """The text in `language`, zh unless en is asked for."""
        return self.en if language == "en" else self.zh


@dataclass(frozen=True)
class Indicator:
    """What is computed for a household on an as-of day, why it may be, and how it is said.

    Attributes:
        direction: +1 where a higher value means more risk, -1 where less, 0 where neither.
        up, down: reason sentences for a contribution that raises or lowers the risk; placeholders are
            {value} {usual} {peers} {line} {date} {previous}; after ` | ` may stand the sentence for a value of nothing.
        changeable: whether help can change it; what can be changed may stand in a what-if.
        code: line of the indicator table that it comes from (docs/indicators.md), e.g. E01; several windows share one.
        bodies: departments that own the signal, the first one first; a project that has none of them lets the feed's
            department own it.
    """

    id: str
    name: Text
    family: Family
    owner: str
    purpose: Text
    legal_basis: str
    definition: Expression
    unit: str
    direction: Literal[-1, 0, 1]
    up: Text
    down: Text
    changeable: bool = False
    code: str | None = None
    bodies: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """Hash of what is computed."""
        return definition_hash(self.definition)

    @property
    def sources(self) -> tuple[str, ...]:
        """Tables that are read, in alphabetical order."""
        return tuple(sorted(set(_tables(self.definition))))

    @property
    def window(self) -> int:
        """How many periods back the definition looks, counted from the anchor; 0 where it has no such window."""
        return max((reach(node) for node in walk(self.definition)), default=0)


def _tables(definition: Expression) -> Iterable[str]:
    for node in walk(definition):
        if isinstance(node, Series | Events | Holding):
            yield node.table
            if isinstance(node, Events) and node.through:
                yield "reading"
        elif isinstance(node, Given) and node.table:
            yield node.table
        elif isinstance(node, Members):
            yield "member"
        elif isinstance(node, Line):
            yield "assistance_line"
        elif isinstance(node, Schedule):
            yield "schedule"
        elif isinstance(node, AreaReading):
            yield "area_reading"
        elif isinstance(node, FeedState):
            yield "delivery"


def validate(indicators: Iterable[Indicator], departments: Iterable[str]) -> tuple[Indicator, ...]:
    """Indicators that may be used together.

    Raises:
        ProjectError: an id stands twice, an owner is no department, a purpose, a legal basis or a sentence is
            empty, a sentence has an unknown placeholder, or a definition is no value of a day.
    """
    found: dict[str, Indicator] = {}
    owners = set(departments)
    for indicator in indicators:
        if indicator.id in found or indicator.id in RESERVED:
            raise ProjectError("indicator_twice", id=indicator.id)
        if indicator.owner not in owners:
            raise ProjectError(
                "indicator_owner_unknown", id=indicator.id, owner=indicator.owner, known=", ".join(sorted(owners))
            )
        _validate_words(indicator)
        if level(indicator.definition) == "period":
            raise ProjectError("indicator_not_of_a_day", id=indicator.id)
        found[indicator.id] = indicator
    return tuple(found.values())


def _validate_words(indicator: Indicator) -> None:
    texts = {
        "name.zh": indicator.name.zh,
        "name.en": indicator.name.en,
        "purpose.zh": indicator.purpose.zh,
        "purpose.en": indicator.purpose.en,
        "legal_basis": indicator.legal_basis,
        "up.zh": indicator.up.zh,
        "up.en": indicator.up.en,
        "down.zh": indicator.down.zh,
        "down.en": indicator.down.en,
    }
    for field, text in texts.items():
        if not text.strip():
            raise ProjectError("indicator_field_empty", id=indicator.id, field=field)
        for placeholder in _PLACEHOLDER.findall(text):
            if placeholder not in PLACEHOLDERS:
                raise ProjectError(
                    "indicator_placeholder_unknown",
                    id=indicator.id,
                    placeholder=placeholder,
                    known=", ".join(sorted(PLACEHOLDERS)),
                )


def set_hash(indicators: Iterable[Indicator]) -> str:
    """Hash of an ordered set of indicators: their ids and what they compute."""
    text = json.dumps([[indicator.id, indicator.hash] for indicator in indicators])
    return hashlib.sha256(text.encode()).hexdigest()


def definitions(indicators: Iterable[Indicator]) -> dict[str, Expression]:
    """Definitions by id, without names of derived series."""
    return {indicator.id: plain(indicator.definition) for indicator in indicators}
