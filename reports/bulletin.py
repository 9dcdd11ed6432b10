"""The weekly bulletin of an area: what an office sends up and down, as PDF to read and as Word to go on writing in.

Page and type are those of official documents in China (GB/T 9704-2012). Which figures may be shown was decided before:
what is None here is not shown, and no sentence is built on it. The same bulletin gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from features.strict import Words
from reports.documents import day_text, say
from reports.typesetting import set_pdf
from reports.wordprocessing import set_docx

TEMPLATE = "bulletin.typ"
MOST_NAMED = 5
"""Areas or departments that one sentence names."""
PART_WIDTHS, DEPARTMENT_WIDTHS = (30, 20, 31, 31, 24, 20), (51, 21, 21, 21, 21, 21)
"""Of the columns of both tables, in millimetres: together what stands between the margins."""
PROGRESS = ("visited", "on_time", "confirmed", "helped", "overdue")
"""Figures of the whole in the order in which they are told."""
Share = tuple[int, int, int]
"""Per cent, with the ends of its 95 % interval."""


@dataclass(frozen=True)
class Part:
    """An area's figures.

    Attributes:
        counts: cases, visited, helped, overdue; None for one that is not shown, no entry for an area that is not.
        shares: on_time, confirmed; None for too few.
    """

    name: Words
    counts: Mapping[str, int | None] = field(default_factory=dict)
    shares: Mapping[str, Share | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Department:
    """How a department answered; None for what is not shown."""

    name: Words
    sent: int
    answered: int | None
    open: int | None
    late: int | None
    median_days: float | None


@dataclass(frozen=True)
class Bulletin:
    """What a bulletin is made from.

    Attributes:
        cadence: how often lists are made.
        day: of the list.
        before: households of the list before; None where there is none, or it is not shown.
        parts: areas right below that have cases.
        more_departments: how many are not shown.
        weeks: how many weeks departments' figures are about.
        sources: how many there are, and those that are late with their newest day; None where it is not known.
        least: fewer than these are not shown.
        account: who made it, and `at`, when.
    """

    project: Words
    area: Words
    cadence: Literal["week", "month", "quarter"]
    day: date
    whole: Part
    before: int | None
    parts: tuple[Part, ...]
    departments: tuple[Department, ...]
    more_departments: int
    weeks: int
    sources: tuple[int, tuple[tuple[Words, str], ...]] | None
    least: int
    account: str
    at: datetime


# --- content --------------------------------------------------------------------------------------------------------


def content(bulletin: Bulletin, language: str) -> dict[str, Any]:
    """Everything that stands in the bulletin, in one language: headings, paragraphs and tables in their order."""
    told = _Telling(bulletin, language)
    sections = (
        ("whole", told.whole()), ("parts", told.parts()), ("departments", told.departments()),
        ("attention", [_text(line) for line in told.attention()]),
        ("notes", [_text(told.say("note", most=bulletin.least - 1))]),
    )  # fmt: skip
    blocks: list[dict[str, Any]] = []
    numbers = "12345" if told.language == "en" else "一二三四五"
    for number, (name, body) in zip(numbers, [one for one in sections if one[1]], strict=False):
        blocks += [{"kind": "heading", "text": told.say(f"head_{name}", number=number)}, *body]
    year, period = _period(bulletin.cadence, bulletin.day)
    return {
        "lang": told.language,
        "region": "gb" if told.language == "en" else "cn",
        "title": told.say("title", area=told.of(bulletin.area), every=told.say(f"every_{bulletin.cadence}")),
        "number": told.say(
            f"number_{bulletin.cadence}", year=year, number=period, day=told.day(bulletin.day),
        ),
        "blocks": blocks,
        "signed": [told.of(bulletin.project), told.day(bulletin.at.date())],
        "printed": told.say("printed", account=bulletin.account, at=f"{bulletin.at:%Y-%m-%d %H:%M}"),
    }  # fmt: skip


def _period(cadence: str, day: date) -> tuple[int, int]:
    """Year and number of the period that a list's day ends.

    >>> _period("week", date(2027, 1, 3)), _period("month", date(2012, 12, 31)), _period("quarter", date(2012, 12, 31))
    ((2026, 53), (2012, 12), (2012, 4))
    """
    if cadence == "week":
        return day.isocalendar().year, day.isocalendar().week
    return day.year, day.month if cadence == "month" else (day.month + 2) // 3


class _Telling:
    """A bulletin's sentences in one language."""

    def __init__(self, bulletin: Bulletin, language: str) -> None:
        self.bulletin = bulletin
        self.language = "en" if language == "en" else "zh"

    def say(self, key: str, **fields: object) -> str:
        return say(f"bulletin_{key}", self.language, **fields)

    def of(self, words: Words) -> str:
        return words.of(self.language)

    def day(self, day: date) -> str:
        return day_text(day, self.language)

    def number(self, count: int | None) -> str:
        return self.say("hidden") if count is None else str(count)

    def share(self, share: Share | None) -> str:
        return self.say("few") if share is None else self.say("share", share=share[0], low=share[1], high=share[2])

    def named(self, kind: str, found: Sequence[tuple[Words, Mapping[str, object]]]) -> str:
        """The first ones by name, and how many there are."""
        shown = [self.say(kind, name=self.of(name), **what) for name, what in found[:MOST_NAMED]]
        named = ("、" if self.language == "zh" else ", ").join(shown)
        return self.say("more", named=named, count=len(found)) if len(found) > len(shown) else named

    def whole(self) -> list[dict[str, Any]]:
        b, counts, shares = self.bulletin, self.bulletin.whole.counts, self.bulletin.whole.shares
        before = self.say("before", cases=b.before) if b.before is not None else ""
        lines = [self.say("cases", day=self.day(b.day), cases=self.number(counts.get("cases")), before=before).strip()]
        counted = {
            name: self.say(name, count=count) for name, count in counts.items() if name != "cases" and count is not None
        }
        told = {name: self.say(name, share=self.share(share)) for name, share in shares.items() if share is not None}
        done = [said for name in PROGRESS if (said := {**counted, **told}.get(name))]
        if done:
            said = ("；" if self.language == "zh" else "; ").join(done)
            lines.append(self.say("until", day=self.day(b.at.date()), said=said))
        return [_text(line) for line in lines]

    def parts(self) -> list[dict[str, Any]]:
        rows = []
        for part in self.bulletin.parts:
            if not part.counts:
                rows.append([self.of(part.name), *[self.say("hidden")] * 5])
                continue
            counts = [self.number(part.counts.get(name)) for name in ("helped", "overdue")]
            shares = [self.share(part.shares.get(name)) for name in ("on_time", "confirmed")]
            rows.append([self.of(part.name), self.number(part.counts.get("cases")), *shares, *counts])
        heads = ("area", "to_visit", "in_time", "true", "aid", "late")
        return [_table([self.say(f"column_{head}") for head in heads], rows, PART_WIDTHS)] if rows else []

    def departments(self) -> list[dict[str, Any]]:
        rows = [
            [
                self.of(one.name), str(one.sent), *[self.number(count) for count in (one.answered, one.open, one.late)],
                "—" if one.median_days is None else f"{one.median_days:.1f}",
            ]
            for one in self.bulletin.departments
        ]  # fmt: skip
        heads = ("department", "received", "answered", "open", "late", "days")
        if not rows:
            return []
        said = self.say("departments", day=self.day(self.bulletin.at.date()), weeks=self.bulletin.weeks)
        more = self.bulletin.more_departments
        table = _table([self.say(f"column_{head}") for head in heads], rows, DEPARTMENT_WIDTHS)
        return [_text(said), table, *([_text(self.say("more_departments", count=more))] if more else [])]

    def attention(self) -> list[str]:
        """What to look at: nothing whose figure is not shown; all is well only where every figure says so."""
        b, usual = self.bulletin, self.bulletin.whole.shares.get("on_time")
        late = [(part.name, count) for part in b.parts if (count := part.counts.get("overdue"))]
        slow = [(part.name, share) for part in b.parts if (share := part.shares.get("on_time")) is not None]
        slow = [(name, share) for name, share in slow if usual is not None and share[2] < usual[0]]
        desks = [(one.name, one.late) for one in b.departments if one.late]
        behind = () if b.sources is None else b.sources[1]
        found = []
        if late:
            late.sort(key=lambda one: (-one[1], one[0].zh))
            named = self.named("households", [(name, {"count": count}) for name, count in late])
            found.append(self.say("attention_overdue", named=named))
        elif overdue := b.whole.counts.get("overdue"):
            found.append(self.say("attention_whole", count=overdue))
        if slow:
            slow.sort(key=lambda one: (one[1], one[0].zh))
            named = self.named("slower", [(name, {"share": share[0]}) for name, share in slow])
            found.append(self.say("attention_slow", named=named))
        if desks:
            desks.sort(key=lambda one: (-one[1], one[0].zh))
            named = self.named("referrals", [(name, {"count": count}) for name, count in desks])
            found.append(self.say("attention_desks", named=named))
        if b.sources is not None and behind:
            named = self.named("until_day", [(name, {"day": day}) for name, day in behind])
            found.append(self.say("attention_sources", known=b.sources[0], late=len(behind), named=named))
        known = b.sources is not None and all(one.late is not None for one in b.departments)
        known = known and not b.more_departments and b.whole.counts.get("overdue") is not None
        return found or ([self.say("attention_none")] if known else [])


def _text(line: str) -> dict[str, Any]:
    return {"kind": "text", "text": line}


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]) -> dict[str, Any]:
    return {"kind": "table", "head": list(head), "rows": [list(row) for row in rows], "widths": list(widths)}


# --- files ----------------------------------------------------------------------------------------------------------


def to_pdf(bulletin: Bulletin, language: str = "zh") -> bytes:
    """The bulletin as PDF."""
    return set_pdf(TEMPLATE, "bulletin", content(bulletin, language), bulletin.at)


def to_docx(bulletin: Bulletin, language: str = "zh") -> bytes:
    """The bulletin as a Word document."""
    return set_docx(content(bulletin, language), bulletin.account, bulletin.at)


FILES = {"pdf": to_pdf, "docx": to_docx}
"""How a bulletin becomes a file, by the file's kind."""
