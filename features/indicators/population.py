"""To be filled."""

from __future__ import annotations

from features.indicators.definition import Series
from features.indicators.indicator import Indicator

SERIES: dict[str, Series] = {}


def indicators() -> list[Indicator]:
    """The family's generic indicators."""
    return []
