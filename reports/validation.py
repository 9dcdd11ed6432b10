"""The page of `zhouji validate --report`: what was looked at, and what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from features.staging import write_atomically
from reports.rendering import render

SIGNS = {"ok": "✓", "warn": "△", "error": "✗"}
"""A sign beside the word, so that nothing is told by colour alone."""
TITLE = {"zh": "数据检查", "en": "Data checks"}
HEADINGS = {"zh": ("项目", "状态", "说明"), "en": ("what", "state", "detail")}


def write_html(checks: Sequence[Mapping[str, Any]], out: Path, *, language: str) -> Path:
    """Write the checks as one standalone page."""
    page = render(
        "validation.html",
        language,
        checks=list(checks),
        signs=SIGNS,
        title=TITLE[language],
        headings=HEADINGS[language],
    )
    write_atomically(out, page.encode())
    return out
