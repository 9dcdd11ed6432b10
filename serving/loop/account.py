"""The loop's account: what lists found, what they missed, and how well the product could have known it.

The hidden truth is opened here and nowhere below. Everything is plain numbers, ready for JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
from scipy import stats

from features.calendar import period_end, period_index
from features.province.field import HELPED, UNTOLD
from reports.recall import Visited, estimate_recall
from serving.loop.diary import Diary, Week

HORIZON_DAYS = 91
BLOCK_WEEKS = 25
"""Weeks whose audit rows are pooled for one estimate in the coverage of shorter times."""
QUARTER_WEEKS = 13
LEVEL = 0.95


def account(diaries: Sequence[Diary]) -> dict[str, Any]:
    """The report of a loop: provinces with audit rows beside provinces without."""
    arms = {
        "with": [d for d in diaries if d.plan.audit_share > 0],
        "without": [d for d in diaries if not d.plan.audit_share],
    }
    return {
        "provinces": {name: len(found) for name, found in arms.items()},
        "series": {name: series(found) for name, found in arms.items() if found},
        "whole": {name: whole(found) for name, found in arms.items() if found},
        "recall": coverage(arms["with"]) if arms["with"] else None,
    }


# --- recall: estimate against truth -----------------------------------------------------------------------------------


def visited(weeks: Sequence[Week]) -> Visited:
    """Rows of some lists, as the product knows them."""
    told = np.concatenate([week.told for week in weeks])
    found = np.where(np.isin(told, UNTOLD), np.nan, np.isin(told, HELPED).astype(float))
    probability = np.concatenate([week.probability for week in weeks])
    return Visited(found, probability, np.concatenate([week.audit for week in weeks]))


def true_recall(weeks: Sequence[Week]) -> float:
    """Share of the households that a visit would have confirmed, list by list, whom the risk rows reached."""
    return sum(week.true_caught for week in weeks) / max(sum(week.true_total for week in weeks), 1)


def coverage(diaries: Sequence[Diary]) -> dict[str, Any]:
    """Estimates with audit rows against the truth, and what would be said without audit rows."""
    lines = [_recall_line(diary, diary.weeks) for diary in diaries]
    blocks = [
        _recall_line(diary, diary.weeks[start : start + BLOCK_WEEKS])
        for diary in diaries
        for start in range(0, len(diary.weeks) - BLOCK_WEEKS + 1, BLOCK_WEEKS)
    ]
    true = np.array([line["true"] for line in lines])
    recorded = np.array([line["recorded_only"] for line in lines])
    estimate = np.array([line["estimate"] for line in lines])
    return {
        "provinces": lines,
        "covered": _covered(lines),
        "covered_blocks": {"weeks": BLOCK_WEEKS, **_covered(blocks)},
        "bias": {
            "with_audit_rows": float(np.nanmean(estimate - true)),
            "listed_rows_only": float(1 - true.mean()),
            "recorded_only": float((recorded - true).mean()),
            "true": float(true.mean()),
        },
    }


def _recall_line(diary: Diary, weeks: Sequence[Week]) -> dict[str, Any]:
    found = estimate_recall(visited(weeks), level=LEVEL)
    true = true_recall(weeks)
    # what listed rows and applications say: whoever is neither found nor comes does not exist
    alone = _came_alone(diary, weeks)
    return {
        "name": diary.plan.name,
        "seed": diary.plan.seed,
        **found.as_dict(),
        "true": true,
        "inside": bool(found.low <= true <= found.high),
        "recorded_only": found.caught / (found.caught + alone) if found.caught + alone else float("nan"),
    }


def _came_alone(diary: Diary, weeks: Sequence[Week]) -> int:
    """Households that applied in the lists' months and had never been found by a list."""
    first, last = weeks[0].day, weeks[-1].day
    came = 0
    for month in range(period_index("month", first), period_index("month", last) + 1):
        end = period_end("month", month)
        found = {call.row for call in diary.calls if call.day <= end}
        came += sum(int(row) not in found for row in np.flatnonzero(diary.applied[month - diary.first]))
    return came


def _covered(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Share of intervals that hold the truth, and where it would lie for intervals that keep their promise."""
    low, high = stats.binom.interval(0.95, len(lines), LEVEL)
    inside = sum(line["inside"] for line in lines)
    return {
        "intervals": len(lines),
        "share": inside / len(lines) if lines else float("nan"),
        "expected": [float(low) / max(len(lines), 1), float(high) / max(len(lines), 1)],
        "kept": bool(low <= inside <= high),
        "mean_width": float(np.mean([line["high"] - line["low"] for line in lines])) if lines else float("nan"),
    }


# --- over time --------------------------------------------------------------------------------------------------------


def series(diaries: Sequence[Diary]) -> list[dict[str, Any]]:
    """Quarter by quarter, over all provinces of an arm: detection, precision, calibration, missed households."""
    lines = []
    most = max(len(diary.weeks) for diary in diaries)
    for start in range(0, most - QUARTER_WEEKS + 1, QUARTER_WEEKS):
        parts = [(diary, diary.weeks[start : start + QUARTER_WEEKS]) for diary in diaries]
        figures = [_quarter(diary, weeks) for diary, weeks in parts if weeks]
        line: dict[str, Any] = {"week": start + QUARTER_WEEKS, "day": str(parts[0][1][-1].day)}
        for name in figures[0]:
            line[name] = _mean_with_interval([figure[name] for figure in figures])
        lines.append(line)
    return lines


def _mean_with_interval(values: Sequence[float]) -> list[float | None]:
    """Mean over provinces and its 95 % interval (Student); without one where there are fewer than two."""
    told = np.array([value for value in values if np.isfinite(value)])
    if not len(told):
        return [None, None, None]
    mean = float(told.mean())
    if len(told) < 2:
        return [mean, None, None]
    half = float(stats.t.ppf(0.975, len(told) - 1) * told.std(ddof=1) / np.sqrt(len(told)))
    return [mean, mean - half, mean + half]


def _quarter(diary: Diary, weeks: Sequence[Week]) -> dict[str, float]:
    first, last = weeks[0].day, weeks[-1].day + timedelta(days=6)
    reached, onsets = reach(diary, first, last)
    said, came = _calibration(diary, first, last)
    return {
        "detection": float(reached.mean()) if len(onsets) else float("nan"),
        "precision": precision(weeks),
        "predicted": said,
        "observed": came,
        "missed": _missed(diary, first, last),
    }


def precision(weeks: Sequence[Week]) -> float:
    """Share of the risk rows that were met whom the visit confirmed."""
    told = np.concatenate([week.told[~week.audit] for week in weeks])
    told = told[~np.isin(told, UNTOLD)]
    return float(np.isin(told, HELPED).mean()) if len(told) else float("nan")


def _calibration(diary: Diary, first: date, last: date) -> tuple[float, float]:
    """Mean of what the model said, and the share with an onset in the thirteen weeks after; NaN where not yet over."""
    said, came = [], []
    for day, risks in diary.risks.items():
        month = period_index("month", day) - diary.first
        if not first <= day <= last or month + 3 > len(diary.onsets):
            continue
        asked = np.isfinite(risks)
        said.append(risks[asked])
        came.append(diary.onsets[month : month + 3][:, asked].any(axis=0))
    if not said:
        return float("nan"), float("nan")
    return float(np.concatenate(said).mean()), float(np.concatenate(came).mean())


def _missed(diary: Diary, first: date, last: date) -> float:
    """Of a thousand households, how many were in hardship without assistance at the ends of the months, in the mean."""
    months = range(period_index("month", first) - diary.first, period_index("month", last) - diary.first + 1)
    inside = [month for month in months if month < len(diary.unaided)]
    return float(1000 * diary.unaided[inside].mean())


def whole(diaries: Sequence[Diary]) -> dict[str, Any]:
    """The same figures over all weeks."""
    figures = [_quarter(diary, diary.weeks) for diary in diaries]
    found: dict[str, Any] = {name: _mean_with_interval([f[name] for f in figures]) for name in figures[0]}
    found["visits"] = int(sum(diary.visits for diary in diaries))
    found["trainings"] = int(sum(len(diary.trained) for diary in diaries))
    return found


# --- reaching new hardships -------------------------------------------------------------------------------------------


def reach(diary: Diary, first: date, last: date) -> tuple[np.ndarray, np.ndarray]:
    """Which new hardships of a time were reached before or within 30 days of their onset, and each one's household.

    New hardships are those of the same province where nobody visits: the same for every method, so that a hardship
    which help prevented counts as reached. Reached is who had a visit with help given or referred (V1, V2) from
    thirteen weeks before the onset to 30 days after it.
    """
    calls: dict[int, list[date]] = {}
    for call in diary.calls:
        calls.setdefault(call.row, []).append(call.day)
    found, rows = [], []
    for day, row in new_hardships(diary, first, last):
        window = day - timedelta(days=HORIZON_DAYS), day + timedelta(days=REACH_DAYS)
        found.append(any(window[0] <= visit <= window[1] for visit in calls.get(row, ())))
        rows.append(row)
    return np.array(found, dtype=bool), np.array(rows, dtype=np.int64)


REACH_DAYS, HELP_DAYS = 30, 90


def new_hardships(diary: Diary, first: date, last: date) -> list[tuple[date, int]]:
    """Onsets of the untouched province with their days."""
    months, rows = np.nonzero(diary.untouched)
    days = [period_end("month", int(month) + diary.first) for month in months]
    return [(day, int(row)) for day, row in zip(days, rows, strict=True) if first <= day <= last]


def days_to_help(diary: Diary, first: date, last: date) -> np.ndarray:
    """Days from each new hardship's onset to the first help by a visit or an own application, at most `HELP_DAYS`.

    Help before the onset counts as none to wait for.
    """
    helped: dict[int, list[date]] = {}
    for call in diary.calls:
        if call.helped_on is not None:
            helped.setdefault(call.row, []).append(call.helped_on)
    for month, row in zip(*np.nonzero(diary.applied), strict=True):
        helped.setdefault(int(row), []).append(period_end("month", int(month) + diary.first))
    found = []
    for day, row in new_hardships(diary, first, last):
        after = [(help_day - day).days for help_day in helped.get(row, ())]
        waited = [max(days, 0) for days in after if days >= -HORIZON_DAYS]
        found.append(min([HELP_DAYS, *waited]))
    return np.array(found, dtype=np.float64)
