"""Departments' records of a household in words: codes, amounts and periods as a visitor reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from features.feeds.contracts import vocabularies
from features.strict import Words
from serving.casework.chain import Link

_GROUPS: Mapping[str, str] = {
    "kind": "event.kind", "category": "category", "programme": "programme", "action": "assistance.action",
}  # fmt: skip
_PLAIN = ("period", "policy_clause")


def told(detail: Mapping[str, Any], minor_units: int) -> Words | None:
    """A record in words; nothing where it has no words. The store keeps amounts in the currency's smallest units."""
    found: list[Words] = []
    for key, value in detail.items():
        group = vocabularies().get(_GROUPS.get(key, ""), {})
        if str(value) in group:
            found.append(group[str(value)])
        elif key == "amount" and isinstance(value, int | float):
            amount = f"{value / minor_units:,.0f}"
            found.append(Words(zh=f"{amount} 元", en=f"{amount} yuan"))
        elif key in _PLAIN:
            found.append(Words(zh=str(value), en=str(value)))
    if not found:
        return None
    return Words(zh=" ".join(one.zh for one in found), en=" ".join(one.en for one in found))


def recorded(chain: Sequence[Link], minor_units: int) -> tuple[tuple[Link, Words], ...]:
    """What departments recorded, newest first."""
    lines = ((link, told(link.detail, minor_units)) for link in reversed(chain) if link.source == "store")
    return tuple((link, text) for link, text in lines if text is not None)
