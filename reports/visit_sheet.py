"""The sheet that a visitor takes along: what is known, what to ask, and the whole record as boxes to tick by pen.

One A4 sheet with two sides, as PDF or as a page to print. Both are laid out from the same content, in which every text
stands already in its language; PDF is set by typst, which takes that content as data and reads none of it as markup.
The same sheet gives the same bytes. A blind sheet has the same topics for every household and nothing of a score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from importlib import resources
from typing import Any

from markupsafe import Markup

from features.strict import Words
from reports.documents import catalogue, day_text, say
from reports.rendering import render
from reports.typesetting import set_pdf

TEMPLATE = "visit_sheet.typ"
MOST_FACTS, MOST_TOPICS = 6, 4
MOST_LETTERS = {"zh": 76, "en": 140}
ONE_LINE = {"zh": 40, "en": 80}
"""What fits on the first side; a Chinese letter is wider."""
TOPICS = ("expense", "income", "population", "assistance_gap", "vulnerability")
"""What a blind sheet asks of every household alike."""
WRITING_LINES = {1: 6, 2: 5, 3: 4, 4: 3}
"""Lines to write on, by how many topics there are."""
NOTE_LINES = {"zh": 6, "en": 4}


@dataclass(frozen=True)
class Fact:
    """Something that is known, and since when."""

    day: date
    text: Words


@dataclass(frozen=True)
class Topic:
    """Something to ask about: what the list said of it, or, on a blind sheet, a side of life without a statement."""

    family: str
    said: tuple[Words, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """What a sheet is made from.

    Attributes:
        household: the household's pseudonym; the sheet shows eight of its digits.
        vocabulary: field of the record → what may be ticked.
        most_causes: how many causes may be ticked.
        account: who printed it, and `at`, when: both stand on every side.
    """

    project: Words
    household: str
    place: Words
    as_of: date | None
    visit_by: date | None
    facts: tuple[Fact, ...]
    topics: tuple[Topic, ...]
    vocabulary: Mapping[str, tuple[Words, ...]]
    most_causes: int
    account: str
    at: datetime
    blind: bool


def short_code(household: str) -> str:
    """A household's code as pages show it.

    >>> short_code("8f3c21d09ab44e67c51b0d2e")
    '8f3c-21d0'
    """
    return f"{household[:4]}-{household[4:8]}"


def blind_topics() -> tuple[Topic, ...]:
    """Topics that are the same for every household."""
    return tuple(Topic(family) for family in TOPICS)


# --- content --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Field:
    """A field of the record on paper; `columns` are columns of boxes, or lines to write on."""

    name: str
    kind: str = "choices"
    columns: int = 1


_PARTS: tuple[tuple[str, tuple[_Field, ...]], ...] = (
    (
        "visit",
        (
            _Field("visited_on", "day"), _Field("method", columns=4), _Field("met", columns=4),
            _Field("minutes", "number"),
        ),
    ),
    (
        "finding",
        (
            _Field("validity", columns=3), _Field("causes", columns=4), _Field("depth", columns=2),
            _Field("onset", "day"), _Field("evidence", columns=4), _Field("savings", columns=3),
            _Field("kin", columns=4),
        ),
    ),
    (
        "next",
        (
            _Field("disposition", columns=3), _Field("needs", columns=5), _Field("watch_until", "day"),
            _Field("recheck_on", "day"), _Field("note", "lines"),
        ),
    ),
)  # fmt: skip


def content(sheet: Sheet, language: str) -> dict[str, Any]:
    """Everything that stands on the sheet, in one language."""

    def t(key: str, **fields: object) -> str:
        return say(f"sheet_{key}", language, **fields)

    known = sheet.facts[:MOST_FACTS]
    facts = [[day_text(fact.day, language), _cut(fact.text.of(language), language)] for fact in known]
    if not facts:
        facts = [["—", t("no_facts")]]
    topics = blind_topics() if sheet.blind else sheet.topics[:MOST_TOPICS] or blind_topics()
    one_line = ONE_LINE["en" if language == "en" else "zh"]
    long = any(len(text) > one_line for _, text in facts) or sum(len(topic.said) for topic in topics) > MOST_TOPICS
    return {
        "lang": "en" if language == "en" else "zh",
        "region": "gb" if language == "en" else "cn",
        "size": 8.5 if language == "en" else 10,
        "label": 24,
        "lines": 1 if long else WRITING_LINES.get(len(topics), 2),
        "project": _cut(sheet.project.of(language), language),
        "title": t("title"),
        "code": short_code(sheet.household),
        "code_label": say("column_household", language),
        "head": [
            [say("column_area", language), _cut(sheet.place.of(language), language)],
            [say("column_visit_by", language), day_text(sheet.visit_by, language)],
            [say("label_day", language), day_text(sheet.as_of, language)],
            [t("printed_label"), f"{sheet.account}　{sheet.at:%Y-%m-%d %H:%M}"],
        ],
        "reminder": t("reminder_blind" if sheet.blind else "reminder"),
        "facts_title": t("facts"),
        "facts": facts,
        "topics_title": t("topics"),
        "topics_hint": t("topics_hint_blind" if not any(topic.said for topic in topics) else "topics_hint"),
        "topics_head": [t("topic"), t("ask"), t("verdict")],
        "topics": [_topic(topic, language) for topic in topics],
        "verdicts": [text.of(language) for text in sheet.vocabulary["verdict"]],
        "parts": [
            {"title": t(f"part_{part}"), "fields": [_field(field, sheet, language) for field in fields]}
            for part, fields in _PARTS
        ],
        "signature": t("signature"),
        "signed_on": t("signed_on"),
        "watermark": f"{sheet.account} {sheet.at:%Y-%m-%d %H:%M}",
        "printed": t("printed", account=sheet.account, at=f"{sheet.at:%Y-%m-%d %H:%M}"),
        "pages": t("pages", page="{page}", pages="{pages}"),
    }


def _topic(topic: Topic, language: str) -> dict[str, Any]:
    family = topic.family if f"ask_{topic.family}" in catalogue() else "other"
    title = f"{'family' if topic.said else 'topic'}_{topic.family}"
    return {
        "title": say(title if title in catalogue() else "sheet_other", language),
        "said": [_cut(text.of(language), language) for text in topic.said],
        "questions": [text for text in say(f"ask_{family}", language).split("|") if text],
    }


def _field(field: _Field, sheet: Sheet, language: str) -> dict[str, Any]:
    hint = f"sheet_hint_{field.name}"
    columns = field.columns
    if language == "en" and field.kind == "choices" and columns > 3:
        columns -= 1  # English takes more room
    if field.kind == "lines":
        columns = NOTE_LINES["en" if language == "en" else "zh"]
    return {
        "name": field.name,
        "title": say(f"sheet_field_{field.name}", language),
        "hint": say(hint, language, most=sheet.most_causes) if hint in catalogue() else "",
        "kind": field.kind,
        "columns": columns,
        "choices": [text.of(language) for text in sheet.vocabulary.get(field.name, ())],
    }


def _cut(text: str, language: str) -> str:
    most = MOST_LETTERS["en" if language == "en" else "zh"]
    return text if len(text) <= most else f"{text[: most - 1]}…"


# --- PDF and page ---------------------------------------------------------------------------------------------------


def to_pdf(*sheets: Sheet, language: str = "zh") -> bytes:
    """One sheet or several as PDF, each of two sides at most and counted by itself."""
    return set_pdf(TEMPLATE, "sheets", [content(sheet, language) for sheet in sheets], sheets[0].at)


def to_html(sheet: Sheet, language: str = "zh", *, stylesheet: str = "", links: Sequence[tuple[str, str]] = ()) -> str:
    """The sheet as a page to print; no script.

    Args:
        sheet: what it is made from.
        language: of every text.
        stylesheet: address of `visit_sheet.css`; without one the page carries its styles and stands alone.
        links: addresses with their texts, shown above the sheet and never printed.
    """
    style = "" if stylesheet else Markup(stylesheet_of_sheets().decode())  # noqa: S704 -- our own file
    shown = content(sheet, language)
    return render("visit_sheet.html", language, sheet=shown, style=style, stylesheet=stylesheet, links=links)


def stylesheet_of_sheets() -> bytes:
    """The styles of the page."""
    return resources.files("reports").joinpath("templates", "visit_sheet.css").read_bytes()


def topics_of(reasons: Sequence[tuple[str, Words]]) -> tuple[Topic, ...]:
    """Reasons that a list gave by family, as the record has one verdict for each.

    >>> one = Words(zh="甲", en="a")
    >>> [len(topic.said) for topic in topics_of([("income", one), ("income", one), ("expense", one)])]
    [2, 1]
    """
    found: dict[str, list[Words]] = {}
    for family, sentence in reasons:
        found.setdefault(family, []).append(sentence)
    return tuple(Topic(family, tuple(said)) for family, said in found.items())
