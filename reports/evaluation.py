"""The evaluation as a standalone page: first in plain numbers, then against the baselines, then by group and day."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from features.divisions import area_tree
from features.indicators.registry import indicators_of
from features.project import Project
from features.staging import write_atomically
from reports.documents import catalogue, say
from reports.rendering import render

MEASURES = (
    "auc", "average_precision", "precision_at_5pct", "recall_at_5pct", "lift_at_5pct", "brier", "calibration_error",
    "calibration_slope",
)  # fmt: skip
CHARTED = ("auc", "average_precision", "precision_at_5pct", "recall_at_5pct")
MAIN = "lightgbm"


def figure(measures: Mapping[str, Any], key: str) -> str:
    """A figure with its interval.

    >>> figure({"auc": 0.8312, "auc_interval": [0.82, 0.84]}, "auc")
    '0.831 (0.820–0.840)'
    """
    value, interval = measures.get(key), measures.get(f"{key}_interval")
    if value is None:
        return "—"
    if not interval or None in interval:
        return f"{value:.3f}"
    return f"{value:.3f} ({interval[0]:.3f}–{interval[1]:.3f})"


def percent(value: float | None) -> str:
    """A share in per cent.

    >>> percent(0.1234)
    '12.3%'
    """
    return "—" if value is None else f"{100 * value:.1f}%"


def to_html(report: Mapping[str, Any], project: Project, language: str = "zh") -> str:
    """The page."""
    main: Mapping[str, Any] = report["models"].get(MAIN) or next(iter(report["models"].values()), {})
    precision, recall = main.get("precision_at_5pct"), main.get("recall_at_5pct")
    return render(
        "evaluation.html",
        language,
        report=report,
        title=project.title,
        main=main,
        measures=[(key, say(f"measure_{key}", language)) for key in MEASURES],
        charted=[(say(f"measure_{key}", language), _bars(report["models"], key, language)) for key in CHARTED],
        named={name: _named(name, language) for name in {*report["models"], *report.get("differences", {})}},
        figure=figure,
        percent=percent,
        glance={
            "precision": None if precision is None else round(100 * precision),
            "base": round(100 * report["base_rate"]),
            "recall": percent(recall),
            "missed": percent(None if recall is None else 1 - recall),
        },
        slices=groups_of(report.get("slices", {}), project, language),
        fairness=groups_of(report.get("fairness", {}), project, language),
        lists=_lists(report, language),
    )


def write_html(report: Mapping[str, Any], project: Project, path: Path, *, language: str = "zh") -> None:
    """Keep the page."""
    write_atomically(path, to_html(report, project, language).encode())


def _named(name: str, language: str) -> str:
    return say(f"model_{name}", language) if f"model_{name}" in catalogue() else name


def _bars(models: Mapping[str, Any], key: str, language: str) -> list[tuple[str, float, float, float]]:
    rows = []
    for name, measures in models.items():
        value = measures.get(key)
        if value is None:
            continue
        low, high = measures.get(f"{key}_interval") or (value, value)
        rows.append((_named(name, language), float(value), float(low), float(high)))
    return rows


def groups_of(groups: Any, project: Project, language: str) -> dict[str, list[tuple[str, Mapping[str, Any]]]]:
    """Slices by name, in words, whether they came as mappings or as lists."""
    if not isinstance(groups, Mapping):
        return {}
    tree = area_tree(project)
    known = {indicator.id: indicator for indicator in indicators_of(project)}

    def told(group: str, of: str = "") -> str:
        if of in known and known[of].unit == "flag" and group in ("0", "1"):
            return say("group_holds" if group == "1" else "group_holds_not", language)
        if f"group_{group}" in catalogue():
            return say(f"group_{group}", language)
        feed = project.feeds.get(group.removesuffix("_absent"))
        if feed is not None and group.endswith("_absent"):
            return say("group_absent", language, feed=feed.name.of(language))
        if group.startswith("area:"):
            return f"{say('group_area', language)} {group.removeprefix('area:')}"
        return known[group].name.of(language) if group in known else tree.name(group, language)

    return {
        told(str(name)): [
            (told(str(group), str(name)), figures) for group, figures in parts.items() if isinstance(figures, Mapping)
        ]
        for name, parts in groups.items()
        if isinstance(parts, Mapping)
    }


def _lists(report: Mapping[str, Any], language: str) -> list[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """For each model, the lists of each as-of day's own top share, and lists of the areas' capacity."""
    daily = report.get("by_day") or {}
    capacity = (report.get("capacity") or {}).get("models") or {}
    return [(_named(name, language), daily.get(name) or {}, capacity.get(name) or {}) for name in daily]
