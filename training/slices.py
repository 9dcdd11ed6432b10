"""Groups of rows that an evaluation is cut by: distance from the line, area, feeds, as-of day, fairness groups."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from features.divisions import area_tree
from features.errors import ProjectError, did_you_mean
from features.project import Project, Task
from training.rows import Rows

Groups = dict[str, np.ndarray]
MANY = 12


def slices(project: Project, task: Task, rows: Rows) -> dict[str, Groups]:
    """Masks of rows by slice and group; a slice with one group tells nothing and is left out."""
    found = {"distance": distance_groups(task, rows), "area": area_groups(project, rows, project.areas.visits)}
    found["feeds"] = feed_groups(rows)
    found["as_of"] = {str(day): rows.day == place for place, day in enumerate(rows.days)}
    for name, groups in fairness_groups(project, rows).items():
        found.setdefault(name, groups)
    return {name: kept for name, groups in found.items() if len(kept := _filled(groups)) > 1}


def distance_groups(task: Task, rows: Rows) -> Groups:
    """Near the line, far from it, or not known: far ones are those that nobody expects."""
    if task.distance is None or task.near is None:
        return {}
    values = _column(rows, task.distance, "task.distance")
    told = np.isfinite(values)
    return {"near": told & (values <= task.near), "far": told & (values > task.near), "unknown": ~told}


def area_groups(project: Project, rows: Rows, level: str) -> Groups:
    """Rows by the area of a level that contains the household's."""
    tree = area_tree(project)
    above = np.array([tree.at_level(str(code), level) or str(code) for code in rows.areas], dtype=object)
    of_row = above[rows.area] if len(above) else np.array([], dtype=object)
    return {str(code): of_row == code for code in sorted(set(of_row.tolist()))}


def feed_groups(rows: Rows) -> Groups:
    """Rows by how much of their feeds had arrived: households whose records are missing are overlooked first."""
    if not rows.feeds:
        return {}
    worst = np.max(np.stack(list(rows.feeds.values())), axis=0)
    found: Groups = {"all_current": worst == 0, "some_late": worst == 1, "some_absent": worst >= 2}
    for name, states in rows.feeds.items():
        found[f"{name.removeprefix('feed__')}_absent"] = states >= 2
    return found


def fairness_groups(project: Project, rows: Rows) -> dict[str, Groups]:
    """Groups that the project compares: values of an indicator, areas of a level (`area:county`), or `feeds`."""
    found: dict[str, Groups] = {}
    for name in project.fairness:
        if name == "feeds":
            found[name] = feed_groups(rows)
        elif name == "area" or name.startswith("area:"):
            level = name.partition(":")[2] or project.areas.visits
            found[name] = area_groups(project, rows, level)
        else:
            found[name] = _value_groups(_column(rows, name, "fairness"))
    return {name: _filled(groups) for name, groups in found.items()}


def _value_groups(values: np.ndarray) -> Groups:
    """One group a value where there are few; lower, middle and upper third where there are many."""
    told = np.isfinite(values)
    distinct = np.unique(values[told])
    if len(distinct) <= MANY:
        found: Groups = {f"{value:g}": told & (values == value) for value in distinct}
    else:
        low, high = np.quantile(values[told], [1 / 3, 2 / 3])
        found = {"lower": told & (values <= low), "upper": told & (values > high)}
        found["middle"] = told & (values > low) & (values <= high)
    return {**found, "unknown": ~told}


def _column(rows: Rows, indicator: str, place: str) -> np.ndarray:
    if indicator not in rows.indicators and indicator not in rows.compared:
        near = did_you_mean(indicator, list(rows.indicators)) or ", ".join(rows.indicators[:8])
        raise ProjectError("indicator_of_model_unknown", place=place, id=indicator, suggestion=near)
    return rows.column(indicator)


def _filled(groups: Mapping[str, np.ndarray]) -> Groups:
    return {name: mask for name, mask in groups.items() if mask.any()}
