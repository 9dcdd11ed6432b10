"""Contributions to a few reasons: grouped by what they speak of, at most four, each with the household's own numbers.

A contribution is an association in the model, not a cause. An indicator whose value is missing never speaks as if it
had one; what is missing is said apart, as a gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.schema import IndicatorEntry, Schema

MOST_REASONS = 4
MOST_RELIEFS = 3
LEAST_SHARE = 0.02
"""A group that carries less than this of all contributions is not worth a sentence."""
STEPS = (0.05, 0.12, 0.22, 0.35)
"""Shares of the raising contributions at which influence grows from 1 to 5."""


UNSPOKEN = frozenset({"context", "data_quality"})
"""Families that move a score and are no reason to visit: seasons, places, and how old the data are."""


@dataclass(frozen=True)
class Reason:
    """One group of indicators that raises or lowers a household's risk.

    Attributes:
        indicator: the one that contributes most and speaks for the group.
        contribution: sum of the group, in log-odds before calibration.
        influence: 1 (small) to 5 (very large).
        value, usual, previous, line, date: the household's own numbers, where known.
            `usual` and `previous` are earlier values of the same indicator and in its unit.
        members: all indicators of the group that take part.
        peers: median, and the edges of the middle 80 %, of its peers, in the same unit.
        records: dated source records, given by the caller.
    """

    indicator: str
    family: str
    topic: str
    raises: bool
    contribution: float
    influence: int
    value: float
    members: tuple[str, ...]
    usual: float | None = None
    previous: float | None = None
    line: float | None = None
    date: str | None = None
    peers: tuple[float, float, float] | None = None
    records: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Explanation:
    """A household's reasons, what lowers its risk, and how much of the evidence the shown reasons carry.

    Attributes:
        explained: share of all raising contributions that the shown reasons carry, within [0, 1].
        missing: indicators without a value, in schema order.
        silent: those of them whose absence itself moves the score by a sentence's worth, largest first. They are said
            as gaps in the data (`wording.gap`), never as reasons.
    """

    reasons: tuple[Reason, ...]
    relief: tuple[Reason, ...]
    explained: float
    missing: tuple[str, ...] = field(default=())
    silent: tuple[str, ...] = field(default=())


def explain(schema: Schema, values: np.ndarray, contributions: np.ndarray) -> Explanation:
    """Reasons of one household.

    Args:
        schema: the bundle's.
        values: indicator values in schema order, shape (indicators,); NaN is missing.
        contributions: exact contributions in the same order.

    Returns:
        At most four reasons and three reliefs, largest first, ties by id. `explained` is the share of all raising
        contributions that the shown reasons carry.
    """
    groups: dict[str, list[int]] = {}
    for at, entry in enumerate(schema.entries):
        if entry.family not in UNSPOKEN:
            groups.setdefault(entry.topic, []).append(at)
    total = float(np.abs(contributions).sum()) or 1.0
    raising = float(contributions[contributions > 0].sum()) or 1.0
    found = []
    for topic, places in groups.items():
        amount = float(contributions[places].sum())
        speaker = _speaker(schema.entries, places, values, contributions, raises=amount > 0)
        if speaker is None or abs(amount) / total < LEAST_SHARE:
            continue
        share = abs(amount) / raising
        influence = 1 + int(np.searchsorted(STEPS, share, side="right"))
        entry = schema.entries[speaker]
        members = tuple(schema.entries[at].id for at in places if contributions[at] != 0)
        value = float(values[speaker])
        found.append(Reason(entry.id, entry.family, topic, amount > 0, amount, influence, value, members))
    found.sort(key=lambda reason: (-abs(reason.contribution), reason.indicator))
    reasons = tuple(reason for reason in found if reason.raises)[:MOST_REASONS]
    relief = tuple(reason for reason in found if not reason.raises)[:MOST_RELIEFS]
    shown = sum(reason.contribution for reason in reasons)
    absent = np.flatnonzero(np.isnan(values))
    missing = tuple(schema.entries[at].id for at in absent)
    moving = [at for at in absent if abs(contributions[at]) / total >= LEAST_SHARE]
    moving.sort(key=lambda at: (-abs(contributions[at]), schema.entries[at].id))
    silent = tuple(schema.entries[at].id for at in moving)
    return Explanation(reasons, relief, min(1.0, shown / raising), missing, silent)


def _speaker(
    entries: Sequence[IndicatorEntry],
    places: Sequence[int],
    values: np.ndarray,
    contributions: np.ndarray,
    *,
    raises: bool,
) -> int | None:
    """The member with a value that pulls most in the group's own direction."""
    sign = 1 if raises else -1
    able = [at for at in places if not np.isnan(values[at]) and contributions[at] * sign > 0]
    if not able:
        return None
    return min(able, key=lambda at: (-abs(contributions[at]), entries[at].id))
