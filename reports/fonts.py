"""A font with Chinese characters on a machine that has none: the one that an installed package carries."""

from __future__ import annotations

import functools
from importlib import metadata
from pathlib import Path

PACKAGE = "cvttf-NotoSansCJK-Regular"
FALLBACK = "DejaVu Sans"
"""Comes with matplotlib; has the few signs that the CJK font lacks."""


@functools.cache
def font_file() -> Path | None:
    """The font's file; None where the package is not installed."""
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        return None
    places = [Path(str(file.locate())).resolve() for file in files if file.name.endswith((".otf", ".ttf"))]
    return next((place for place in places if place.is_file()), None)


@functools.cache
def families() -> tuple[str, ...]:
    """Font families for matplotlib, the Chinese one first."""
    from matplotlib import font_manager

    file = font_file()
    if file is None:
        return (FALLBACK,)
    font_manager.fontManager.addfont(str(file))
    return (font_manager.FontProperties(fname=str(file)).get_name(), FALLBACK)
