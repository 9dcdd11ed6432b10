"""Templates to pages. Both languages of a text stand side by side where it is used: `_("中文", "English")`.

Everything is escaped; charts come from `reports.charts`, whose shapes carry presentation attributes, so that no page
needs an inline style.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from datetime import date, datetime
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from features.strict import Words
from reports import charts, diagrams
from reports.documents import change_text, say
from reports.visit_sheet import stylesheet_of_sheets
from serving.access.roles import ROLES
from serving.casework.words import word

HOMES: Mapping[str, str] = {
    "village": "/tasks", "town": "/weeks/current", "county": "/weeks/current", "supervisor": "/overview",
    "department": "/referrals", "auditor": "/audit", "analyst": "/models",
    "admin": "/admin",
}  # fmt: skip
"""Where each role begins."""
ROOMS: tuple[tuple[str, Words, frozenset[str]], ...] = (
    ("/weeks", Words(zh="每周清单", en="Weekly lists"), frozenset({"town", "county", "supervisor"})),
    ("/tasks", Words(zh="我的核查", en="My visits"), frozenset({"village", "town", "county"})),
    ("/escalated", Words(zh="催办", en="Overdue for long"), frozenset({"county", "supervisor"})),
    ("/referrals", Words(zh="转办与反馈", en="Referrals"), frozenset({"department", "county"})),
    ("/requests", Words(zh="请求与告知", en="Requests"), frozenset({"town", "county"})),
    ("/overview", Words(zh="统计看板", en="Overview"), frozenset({"county", "supervisor"})),
    ("/feedback", Words(zh="部门反馈", en="Answers"), frozenset({"county", "supervisor"})),
    ("/quality", Words(zh="数据质量", en="Data"), frozenset({"county", "supervisor", "analyst"})),
    ("/models", Words(zh="模型", en="Models"), frozenset({"supervisor", "analyst", "admin"})),
    ("/audit", Words(zh="审计", en="Audit"), frozenset({"auditor", "supervisor"})),
    ("/resources", Words(zh="四张清单", en="Resources"), frozenset({"village", "town", "county", "supervisor"})),
    ("/workers", Words(zh="走访人员", en="Visitors"), frozenset({"town", "county", "admin"})),
    ("/admin", Words(zh="管理", en="Administration"), frozenset({"admin"})),
    ("/help", Words(zh="帮助", en="Help"), frozenset(ROLES)),
)
"""Rooms of the navigation, and who has their keys."""


def _load(name: str) -> str:
    return resources.files("serving.web").joinpath("templates", name).read_text(encoding="utf-8")


@functools.cache
def environment() -> Environment:
    """The templates; an unknown name in one is an error."""
    return Environment(
        loader=FunctionLoader(_load), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


@functools.cache
def static(name: str) -> bytes:
    """A file that pages ask for; the visit sheet brings its own styles."""
    if name == "visit_sheet.css":
        return stylesheet_of_sheets()
    return resources.files("serving.web").joinpath("static", name).read_bytes()


@functools.cache
def versioned(name: str) -> str:
    """The address of such a file; it changes with the content."""
    return f"/static/{name}?v={hashlib.sha256(static(name)).hexdigest()[:12]}"


def chart(function: str, *args: Any, **options: Any) -> Markup:
    """A chart; its texts are escaped there."""
    drawn = getattr(charts, function, None) or getattr(diagrams, function)
    return Markup(drawn(*args, **options))  # noqa: S704 -- charts escape their texts


def day_words(day: date | datetime | None, language: str, zone: ZoneInfo) -> str:
    """A day as people say it; the year only where the reader might take it for another."""
    if day is None:
        return "—"
    if isinstance(day, datetime):
        day = day.astimezone(zone).date()
    if day.year == 9999:
        return "—"
    return f"{day.day} {day:%b} {day.year}" if language == "en" else f"{day.year}年{day.month}月{day.day}日"


def short_day(day: date | datetime | None, language: str, zone: ZoneInfo) -> str:
    """A day without its year.

    >>> short_day(date(2026, 11, 8), "zh", ZoneInfo("Asia/Shanghai"))
    '11月8日'
    """
    if day is None:
        return "—"
    if isinstance(day, datetime):
        day = day.astimezone(zone).date()
    if day.year == 9999:
        return "—"
    return f"{day.day} {day:%b}" if language == "en" else f"{day.month}月{day.day}日"


def moment_words(at: datetime, language: str, zone: ZoneInfo) -> str:
    """A moment to the minute, in the province's time."""
    return f"{day_words(at, language, zone)} {at.astimezone(zone):%H:%M}"


def render(template: str, language: str, zone: ZoneInfo, /, **values: Any) -> str:
    """A page in a language."""
    english = language == "en"

    def both(zh: str, en: str, /, **fields: Any) -> str:
        text = en if english else zh
        return text.format(**fields) if fields else text

    def of(text: Words | Mapping[str, str] | None) -> str:
        if text is None:
            return ""
        return text.of(language) if isinstance(text, Words) else str(text["en" if english else "zh"])

    return environment().get_template(template).render(
        _=both,
        w=of,
        t=lambda key, **fields: say(key, language, **fields),
        word=lambda group, key: word(group, str(key)).of(language),
        day=lambda value: day_words(value, language, zone),
        short=lambda value: short_day(value, language, zone),
        moment=lambda value: moment_words(value, language, zone),
        changed=lambda change, by: change_text(change, by, language),
        chart=chart,
        colon=": " if english else "：",
        comma=", " if english else "、",
        static=versioned,
        language=language,
        lang="en" if english else "zh-CN",
        **values,
    )  # fmt: skip
