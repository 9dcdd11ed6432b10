"""Lists as they are really made: each day's own top 5 %, and as many households as an area can visit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from features.divisions import area_tree
from features.project import Project
from training.baselines import Scored
from training.measures import LIST_SHARE, joined
from training.resampling import Resamples, figures
from training.rows import Rows


def by_day(rows: Rows, scores: Mapping[str, Scored], drawn: Resamples) -> dict[str, Any]:
    """Precision and recall where every as-of day has a list of its own."""
    return {name: _of_list(rows, _top(rows, scored.score, rows.day, _share), drawn) for name, scored in scores.items()}


def at_capacity(project: Project, rows: Rows, scores: Mapping[str, Scored], drawn: Resamples) -> dict[str, Any]:
    """Precision and recall of lists of the project's capacity for each visiting area and day."""
    tree = area_tree(project)
    codes = [tree.at_level(str(code), project.areas.visits) or str(code) for code in rows.areas]
    names = sorted(set(codes))
    of_area = np.array([names.index(code) for code in codes], dtype=np.int64)
    place = of_area[rows.area] if codes else np.zeros(len(rows), dtype=np.int64)
    sizes = [project.capacity.by_area.get(code, project.capacity.default) for code in names]
    cell = rows.day.astype(np.int64) * max(1, len(names)) + place

    def size(number: int, _rows: int) -> int:
        return sizes[number % max(1, len(names))]

    found = {name: _of_list(rows, _top(rows, scored.score, cell, size), drawn) for name, scored in scores.items()}
    return {"default": project.capacity.default, "areas": len(names), "models": found}


def _share(_number: int, rows: int) -> int:
    return int(np.ceil(LIST_SHARE * rows - 1e-9))


def _top(rows: Rows, score: np.ndarray, cell: np.ndarray, size: Callable[[int, int], int]) -> np.ndarray:
    """The highest rows of each cell, ties in order of pseudonym."""
    order = np.lexsort((rows.household, -score, cell))
    ordered = cell[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    ends = np.append(starts[1:], len(order))
    listed = np.zeros(len(order), dtype=bool)
    for start, end in zip(starts, ends, strict=True):
        listed[order[start : min(end, start + size(int(ordered[start]), end - start))]] = True
    return listed


def _of_list(rows: Rows, listed: np.ndarray, drawn: Resamples) -> dict[str, Any]:
    caught = np.where(listed, rows.outcome, 0.0)
    parts = []
    for w in drawn.weights():
        with np.errstate(invalid="ignore", divide="ignore"):
            found = w @ caught
            parts.append({"precision": found / (w @ listed), "recall": found / (w @ rows.outcome)})
    return {"listed": int(listed.sum()), **figures(joined(parts))}
