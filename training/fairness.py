"""Who is overlooked: recall and false negatives of the list by group, with intervals.

Help is what the list leads to, so the harm is to be missed: groups are compared by the share of later onsets that the
list caught (recall; its complement is the false negative rate), not by who is listed. The band 0.8–1.25 is Aequitas'
default. An interval that crosses the band's edge settles nothing, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from training.measures import Ranking, joined, taken
from training.resampling import Resamples, interval, number

BAND = (0.8, 1.25)


def recall_by_group(
    ranking: Ranking, outcome: np.ndarray, groups: Mapping[str, np.ndarray], resamples: Resamples
) -> dict[str, Any]:
    """For each group: how many there are, what share the list caught, and that against all others."""
    names = list(groups)
    member = np.stack([groups[name] for name in names], axis=1).astype(np.float64)
    ordered = member[ranking.order]
    parts = []
    for weights in resamples.weights():
        on_list = taken(weights[:, ranking.order])
        parts.append(
            {
                "caught": (on_list * ranking.outcome) @ ordered,
                "listed": on_list @ ordered,
                "onsets": (weights * outcome) @ member,
                "rows": weights @ member,
                "all_caught": on_list @ ranking.outcome,
                "all_onsets": weights @ outcome,
            }
        )
    sums = joined(parts)
    return {name: _group(sums, place) for place, name in enumerate(names)}


def _group(sums: Mapping[str, np.ndarray], place: int) -> dict[str, Any]:
    caught, onsets = sums["caught"][:, place], sums["onsets"][:, place]
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = caught / onsets
        others = (sums["all_caught"] - caught) / (sums["all_onsets"] - onsets)
        ratio = np.where(others > 0, recall / others, np.nan)
        listed = sums["listed"][:, place] / sums["rows"][:, place]
        precision = caught / sums["listed"][:, place]
    spread = interval(ratio[1:])
    return {
        "rows": int(sums["rows"][0, place]),
        "positives": number(onsets[0]),
        "listed_share": number(listed[0]),
        "precision": number(precision[0]),
        "recall": number(recall[0]),
        "recall_interval": interval(recall[1:]),
        "false_negative_rate": number(1 - recall[0]),
        "false_negative_rate_interval": interval(1 - recall[1:]),
        "recall_ratio": number(ratio[0]),
        "recall_ratio_interval": spread,
        "within_band": verdict(number(ratio[0]), spread),
    }


def verdict(ratio: float | None, spread: list[float] | None) -> str:
    """`yes` or `no` where the whole interval is inside or outside the band, else `unsettled`.

    >>> verdict(0.6, [0.5, 0.7]), verdict(0.9, [0.7, 1.1])
    ('no', 'unsettled')
    """
    if ratio is None or spread is None:
        return "unsettled"
    if BAND[0] <= spread[0] and spread[1] <= BAND[1]:
        return "yes"
    return "no" if spread[1] < BAND[0] or spread[0] > BAND[1] else "unsettled"


def worst_ratio(fairness: Mapping[str, Mapping[str, Any]]) -> float | None:
    """The lowest recall ratio among groups whose interval is told: what a gate looks at."""
    ratios = [
        group["recall_ratio"]
        for groups in fairness.values()
        for group in groups.values()
        if group["recall_ratio"] is not None and group["recall_ratio_interval"] is not None
    ]
    return min(ratios, default=None)
