"""Sentences from templates: numbers with their units, reasons, the gist, gaps. Never from a language model.

General words stand in `models/words/{zh,en}.toml`; an indicator's own sentences come with the bundle.
"""

from __future__ import annotations

import functools
import math
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import resources
from typing import Any

from features.project import Currency
from models.reasons import Explanation, Reason
from models.schema import IndicatorEntry

LANGUAGES = ("zh", "en")
_HALF_WIDTH_AFTER_CJK = re.compile(r"[\u4e00-\u9fff][,:;()](?!\d)")
UNKNOWN = {"zh": "（无数据）", "en": "(no data)"}


@functools.cache
def words(language: str) -> Mapping[str, Mapping[str, str]]:
    """The general words of a language, by section."""
    text = (resources.files("models") / "words" / f"{language}.toml").read_text(encoding="utf-8")
    found: Mapping[str, Mapping[str, str]] = tomllib.loads(text)
    return found


def missing_words() -> list[str]:
    """Keys that one language has and another lacks."""
    keys = {
        language: {f"{section}.{key}" for section, entries in words(language).items() for key in entries}
        for language in LANGUAGES
    }
    return sorted(keys["zh"] ^ keys["en"])


def half_width_marks(text: str) -> list[str]:
    """ASCII punctuation straight after a Chinese character: a slip.

    >>> half_width_marks("收入下降,支出上升")
    ['降,']
    """
    return _HALF_WIDTH_AFTER_CJK.findall(text)


@dataclass(frozen=True)
class Voice:
    """How numbers and names are said in one language and one project's currency."""

    language: str
    currency: Currency

    def text(self, section: str, key: str, **fields: Any) -> str:
        """A general sentence."""
        return words(self.language)[section][key].format(**fields)

    def number(self, value: float, decimals: int = 0) -> str:
        """Digits in groups of three: 27,130.

        >>> Voice("zh", Currency()).number(27130.4)
        '27,130'
        """
        shown = f"{value:,.{decimals}f}"
        return shown.rstrip("0").rstrip(".") if decimals and "." in shown else shown

    def money(self, minor: float) -> str:
        """An amount of smallest units in the project's currency."""
        major = self.number(minor / self.currency.minor_units, 0)
        return self.text("unit", "money", value=major, currency=self.currency.name.of(self.language))

    def day(self, day: date) -> str:
        """A day as people say it."""
        return f"{day.year}年{day.month}月{day.day}日" if self.language == "zh" else day.isoformat()

    def value(self, unit: str, value: float | None) -> str:
        """A value in its unit; missing is said, not shown as zero."""
        if value is None or math.isnan(value):
            return UNKNOWN[self.language]
        return _FORMATS.get(unit, _plain)(self, float(value))


def _plain(voice: Voice, value: float) -> str:
    return voice.number(value, 0 if abs(value) >= 100 else 2)


def _yuan(voice: Voice, value: float) -> str:
    name = voice.currency.name.of(voice.language)
    return voice.text("unit", "money", value=voice.number(value), currency=name)


def _unit(key: str, decimals: int = 0) -> Callable[[Voice, float], str]:
    return lambda voice, value: voice.text("unit", key, value=voice.number(value, decimals))


def _log_ratio(voice: Voice, value: float) -> str:
    return voice.text("unit", "times", value=voice.number(math.exp(min(value, 20.0)), 2))


_FORMATS: Mapping[str, Callable[[Voice, float], str]] = {
    "money": Voice.money,
    "yuan": _yuan,
    "share": lambda voice, value: voice.text("unit", "share", value=voice.number(100 * value)),
    "rank": lambda voice, value: voice.text("unit", "rank", below=round(10 * value)),
    "flag": lambda voice, value: voice.text("unit", "yes" if value >= 0.5 else "no"),
    "yesno": lambda voice, value: voice.text("unit", "yes" if value >= 0.5 else "no"),
    "answer": lambda voice, value: (
        voice.text("unit", "yes" if value == 1 else "no") if value in (1, 2) else _plain(voice, value)
    ),
    "ratio": lambda voice, value: voice.number(value, 2),
    "log_ratio": _log_ratio,
    "months": _unit("months"),
    "quarters": _unit("quarters"),
    "days": _unit("days"),
    "persons": _unit("persons", 1),
    "events": _unit("count", 1),
    "count": _unit("count", 1),
}


def sentence(voice: Voice, entry: IndicatorEntry, reason: Reason) -> str:
    """A reason as a full sentence with the household's own numbers."""
    template = (entry.up if reason.raises else entry.down)[voice.language]
    fields = {
        "value": voice.value(entry.unit, reason.value),
        "usual": voice.value(entry.unit, reason.usual),
        "previous": voice.value(entry.unit, reason.previous),
        "line": voice.value(entry.unit, reason.line),
        "peers": voice.value(entry.unit, reason.peers[0] if reason.peers else None),
        "date": reason.date or UNKNOWN[voice.language],
    }
    return template.format(**fields)


def beside(voice: Voice, entry: IndicatorEntry, reason: Reason) -> list[str]:
    """What stands beside a reason: the usual level, the peers, the source, the record."""
    found = []
    if reason.usual is not None and "{usual}" not in entry.up[voice.language]:
        found.append(voice.text("text", "usual", value=voice.value(entry.unit, reason.usual)))
    if reason.peers is not None:
        low, high = (voice.value(entry.unit, edge) for edge in reason.peers[1:])
        median = voice.value(entry.unit, reason.peers[0])
        found.append(voice.text("text", "peers", median=median, low=low, high=high))
    found.append(voice.text("text", "source", department=entry.owners[voice.language]))
    found += [
        voice.text("text", "record", file=record["file"], line=record["line"], date=record["date"])
        for record in reason.records[:1]
    ]
    return found


def gist(voice: Voice, sentences: Sequence[str]) -> str:
    """One sentence for the household, from its first reasons."""
    shown = [text.rstrip("。.") for text in sentences[:3]]
    reasons = voice.text("text", "join").join(shown) if shown else voice.text("text", "no_reason")
    return voice.text("text", "gist", reasons=reasons)


def per_100(voice: Voice, probability: float, low: float, high: float) -> str:
    """`Of 100 households like this, about 32 (range 25–39)`."""
    number = voice.text("text", "per_100", n=round(100 * probability))
    between = voice.text("text", "range", low=round(100 * low), high=round(100 * high))
    return f"{number}（{between}）" if voice.language == "zh" else f"{number} ({between})"


def explained(voice: Voice, explanation: Explanation) -> str:
    """How much of the evidence the shown reasons carry."""
    share = round(100 * explanation.explained)
    return voice.text("text", "explained", count=len(explanation.reasons), share=share)


def gaps(voice: Voice, states: Mapping[str, int], feeds: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Sentences for feeds that are late (1) or absent (2); a current feed needs none."""
    for feed, state in sorted(states.items()):
        if state in (1, 2):
            name = feeds.get(feed, {}).get(voice.language, feed)
            yield voice.text("gap", "late" if state == 1 else "absent", feed=name)
