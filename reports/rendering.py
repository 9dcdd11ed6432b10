"""Standalone HTML from templates: inline CSS, no script, everything escaped."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from reports import charts
from reports.documents import change_text, day_text, say


def _load(name: str) -> str:
    return resources.files("reports").joinpath("templates", name).read_text(encoding="utf-8")


@functools.cache
def environment() -> Environment:
    """The templates; an unknown name in one is an error."""
    return Environment(
        loader=FunctionLoader(_load), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def render(template: str, language: str, /, **values: Any) -> str:
    """A page in a language."""

    def t(key: str, **fields: Any) -> str:
        return say(key, language, **fields)

    def drawn(function: str, *args: Any, **options: Any) -> Markup:
        return Markup(getattr(charts, function)(*args, **options))  # noqa: S704 -- charts escape their texts

    return environment().get_template(template).render(
        t=t,
        w=lambda text: text.of(language) if text is not None else "",
        day=lambda value: day_text(value, language),
        changed=lambda change, by: change_text(change, by, language),
        chart=drawn,
        language=language,
        lang="en" if language == "en" else "zh-CN",
        **values,
    )  # fmt: skip
