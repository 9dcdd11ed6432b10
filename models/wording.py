"""Sentences from templates: numbers with their units, reasons, the gist, gaps. Never from a language model.

The same household gets the same words. General words stand in `models/words/{zh,en}.toml`; an indicator's own
sentences come with the bundle.
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
from models.schema import IndicatorEntry, Schema

LANGUAGES = ("zh", "en")
_HALF_WIDTH_AFTER_CJK = re.compile(r"[\u3400-\u9fff\uff01-\uff5e][,:;()]")
_PLACEHOLDER = re.compile(r"\{(\w+)[^{}]*\}")
_AMOUNT = re.compile(r"(-?[\d,.]+)\s?([^\d\s]+)")
_CJK = re.compile(r"[\u3400-\u9fff]")
_ASIDE = re.compile(r"\s?(?:（[^（）]*）|\([^()]*\))")
OR_NOTHING = " | "
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
        shown = shown.rstrip("0").rstrip(".") if decimals else shown
        return "0" if shown == "-0" else shown

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
    def shown(voice: Voice, value: float) -> str:
        number = voice.number(value, decimals)
        text = voice.text("unit", key, value=number)
        return text.removesuffix("s") if voice.language == "en" and number in ("1", "-1") else text

    return shown


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
    "kwh": _unit("kwh"),
    "events": _unit("count", 1),
}


def sentence(voice: Voice, entry: IndicatorEntry, reason: Reason) -> str:
    """A reason as a full sentence with the household's own numbers.

    What is not known is not spoken of: an aside in brackets that needs it is dropped, and a sentence that needs it
    gives way to the indicator's name with its value. A template may have two sentences with ` | ` between them: the
    second is for a value of nothing. Of a yes or no the sentence says what is so, whichever way it moves the score.
    """
    peers = reason.peers[0] if reason.peers else None
    numbers = {"value": reason.value, "usual": reason.usual, "previous": reason.previous, "line": reason.line}
    fields = {name: _known(voice, entry.unit, number) for name, number in {**numbers, "peers": peers}.items()}
    fields["date"] = reason.date
    unknown = {name for name, shown in fields.items() if shown is None}
    raises = reason.value >= 0.5 if _plainly_so(entry, reason) else reason.raises
    template, _, of_nothing = (entry.up if raises else entry.down)[voice.language].partition(OR_NOTHING)
    template = of_nothing if of_nothing and reason.value == 0 else template
    template = _ASIDE.sub(lambda aside: "" if unknown & _needs(aside[0]) else aside[0], template)
    if unknown & _needs(template):
        shown = voice.value(entry.unit, reason.value)
        return voice.text("text", "named_value", name=entry.names[voice.language], value=shown)

    def placed(found: re.Match[str]) -> str:
        after = template[found.end() :]
        shown = _placed(fields[found[1]] or "", after.lstrip())
        return _apart(template[: found.start()], shown) + shown + _apart(shown, after)

    return _PLACEHOLDER.sub(placed, template)


def _known(voice: Voice, unit: str, value: float | None) -> str | None:
    return None if value is None or math.isnan(value) else voice.value(unit, value)


def _needs(template: str) -> set[str]:
    return {found[1] for found in _PLACEHOLDER.finditer(template)}


def _plainly_so(entry: IndicatorEntry, reason: Reason) -> bool:
    """Whether it is a yes or no whose sentence for a raised risk speaks of yes."""
    return entry.unit == "flag" and entry.direction >= 0 and not math.isnan(reason.value)


def _apart(before: str, after: str) -> str:
    """The space that Chinese text sets between a character and a number.

    >>> _apart("每月", "81 千瓦时"), _apart("27,130", "元"), _apart("power use: ", "81 kWh"), _apart("每月", "不详")
    (' ', ' ', '', '')
    """
    number, letter = (after[:1], before[-1:]) if after[:1].isdigit() else (before[-1:], after[:1])
    return " " if number.isdigit() and _CJK.match(letter) else ""


def _placed(shown: str, after: str) -> str:
    """A value before the rest of its sentence: without its unit where the sentence says it.

    >>> _placed("27,130 元", "元的自付"), _placed("2 times", "hospital admissions"), _placed("3 months", "ago")
    ('27,130', '2', '3 months')
    """
    found = _AMOUNT.fullmatch(shown)
    if found is None:
        return shown
    said = after.startswith((found[2], f"{found[2]}s"))
    counted = found[2] in ("time", "times", "person", "persons") and after[:1].isalpha() and after[:1].isascii()
    return found[1] if said or counted or (found[2] == "×" and after.startswith("times")) else shown


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


def gap(voice: Voice, entry: IndicatorEntry, states: Mapping[str, int]) -> str:
    """Why an indicator has no value: its feed knows nothing of the household, is late, or did not report this.

    Args:
        voice: the language.
        entry: the indicator whose value is missing.
        states: state of each feed for the household: 0 current, 1 late, 2 absent.
    """
    found = {feed: states[feed] for feed in entry.feeds if feed in states}
    worst = min(found.values(), default=0)  # one feed that is current could have brought it
    if worst in (1, 2):
        feed = min(feed for feed, state in found.items() if state == worst)
        return voice.text("gap", "late" if worst == 1 else "absent", feed=entry.feeds[feed][voice.language])
    return voice.text("gap", "missing", name=entry.names[voice.language])


def missing_sentences(voice: Voice, schema: Schema, explanation: Explanation, states: Mapping[str, int]) -> list[str]:
    """Sentences for what is missing and moves the score, each once, the weightiest first."""
    entries = {entry.id: entry for entry in schema.entries}
    return list(dict.fromkeys(gap(voice, entries[name], states) for name in explanation.silent))


def level(voice: Voice, name: str) -> str:
    """The word of a level; it is a label of a published band and never stands alone."""
    return voice.text("level", name)


def influence(voice: Voice, reason: Reason) -> str:
    """How much a reason weighs, in five steps of words."""
    return voice.text("influence", str(reason.influence))


def disclaimer(voice: Voice) -> str:
    """What a reminder is and is not; stands on everything that people get."""
    return voice.text("text", "disclaimer")


def gaps(voice: Voice, states: Mapping[str, int], feeds: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Sentences for feeds that are late (1) or absent (2); a current feed needs none."""
    for feed, state in sorted(states.items()):
        if state in (1, 2):
            name = feeds.get(feed, {}).get(voice.language, feed)
            yield voice.text("gap", "late" if state == 1 else "absent", feed=name)
