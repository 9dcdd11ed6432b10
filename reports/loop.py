"""The report of the simulated field as a standalone page with its charts: how the loop fares, and who comes in time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from features.staging import write_atomically
from reports import charts
from reports.documents import say
from reports.rendering import render

LANGUAGES = ("zh", "en")
FIGURES = (("detection", True), ("precision", True), ("missed", False))
ARMS = ("with", "without")


def percent(value: float | None, digits: int = 1) -> str:
    """A share in per cent.

    >>> percent(0.1234)
    '12.3%'
    """
    return "—" if value is None or value != value else f"{100 * value:.{digits}f}%"  # noqa: PLR0124 -- NaN


def ranged(values: Sequence[float | None] | None, shown: Callable[[float | None], str] = percent) -> str:
    """A figure with its interval.

    >>> ranged([0.2, 0.1, 0.3])
    '20.0% (10.0%–30.0%)'
    """
    if not values or values[0] is None:
        return "—"
    if len(values) < 3 or values[1] is None:
        return shown(values[0])
    return f"{shown(values[0])} ({shown(values[1])}–{shown(values[2])})"


def plain(value: float | None) -> str:
    """A number with one decimal.

    >>> plain(2.345)
    '2.3'
    """
    return "—" if value is None else f"{value:.1f}"


def write_report(report: Mapping[str, Any], folder: Path) -> list[Path]:
    """The report as JSON, as a page in both languages, and each chart as an SVG file."""
    files = [folder / "loop.json"]
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(files[0], json.dumps(_finite(report), ensure_ascii=False, indent=1, sort_keys=True).encode())
    for language in LANGUAGES:
        drawn = drawings(report, language)
        page = folder / f"loop.{language}.html"
        write_atomically(page, to_html(report, language).encode())
        files.append(page)
        for name, drawing in drawn.items():
            file = folder / f"{name}.{language}.svg"
            write_atomically(file, drawing.encode())
            files.append(file)
    return files


def to_html(report: Mapping[str, Any], language: str = "zh") -> str:
    """The page."""
    return render(
        "loop.html",
        language,
        report=report,
        drawn=drawings(report, language),
        named=lambda name: say(f"model_{name}", language),
        percent=percent,
        ranged=ranged,
        plain=plain,
    )


def drawings(report: Mapping[str, Any], language: str) -> dict[str, str]:
    """All charts of the report by name."""
    found: dict[str, str] = {}
    loop, comparison = report.get("loop"), report.get("comparison")
    if loop:
        found |= _over_time(loop["series"], language)
        if loop.get("recall"):
            found["recall"] = _recall(loop["recall"], language)
    if comparison:
        found["reached"] = _by_method(comparison, "reached", language)
        found["days_to_help"] = _by_method(comparison, "days_to_help", language)
    return found


def _over_time(series: Mapping[str, Sequence[Mapping[str, Any]]], language: str) -> dict[str, str]:
    arms = [arm for arm in ARMS if series.get(arm)]
    if not arms:
        return {}
    ticks = [str(line["day"]) for line in series[arms[0]]]
    found = {}
    for name, share in FIGURES:
        lines = [(say(f"loop_{arm}", language), [tuple(line[name]) for line in series[arm]]) for arm in arms]
        found[name] = charts.curves(lines, ticks, _told(f"loop_{name}", lines, language), percent=share)
    for arm in arms:
        lines = [
            (say(f"loop_{kind}", language), [tuple(line[kind]) for line in series[arm]])
            for kind in ("predicted", "observed")
        ]
        heading = f"{say('loop_calibration', language)} · {say(f'loop_{arm}', language)}"
        found[f"calibration_{arm}"] = charts.curves(lines, ticks, heading)
    return found


def _told(key: str, lines: Sequence[tuple[str, Sequence[Any]]], language: str) -> str:
    """A chart in words: its heading, and each line's newest figure."""
    newest = []
    for name, points in lines:
        values = [point[0] for point in points if point[0] is not None]
        newest.append(f"{name} {values[-1]:.3f}" if values else name)
    return f"{say(key, language)}: {', '.join(newest)}"


def _recall(recall: Mapping[str, Any], language: str) -> str:
    rows = [
        (line["name"].split()[0], line["estimate"], line["low"], line["high"], line["true"], line["inside"])
        for line in recall["provinces"]
    ]
    return charts.intervals(rows, say("loop_recall", language))


def _by_method(comparison: Mapping[str, Any], figure: str, language: str) -> str:
    rows = [(say(f"model_{name}", language), *found[figure]) for name, found in comparison["methods"].items()]
    key = "reach_share" if figure == "reached" else "reach_days"
    return charts.interval_bars(rows, say(key, language), width=760)


def _finite(value: Any) -> Any:
    """The same, without numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):  # noqa: PLR0124 -- NaN
        return None
    return value
