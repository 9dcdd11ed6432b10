"""How well hardship can be foreseen, as a page: methods up to the bound, and what the gap to it is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from features.staging import write_atomically
from reports import charts
from reports.documents import say
from reports.rendering import render

LANGUAGES = ("zh", "en")
MEASURES = ("auc", "average_precision", "precision_at_2pct", "recall_at_5pct")


def spread(found: Mapping[str, float], digits: int = 3) -> str:
    """A mean with the least and the most of the seeds, where they differ.

    >>> spread({"mean": 0.2, "least": 0.1, "most": 0.3}, 2)
    '0.20 (0.10–0.30)'
    """
    if found["least"] == found["most"]:
        return f"{found['mean']:.{digits}f}"
    return f"{found['mean']:.{digits}f} ({found['least']:.{digits}f}–{found['most']:.{digits}f})"


def write_report(report: Mapping[str, Any], folder: Path) -> list[Path]:
    """The report as JSON, as a page in both languages, and its charts as SVG files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / "bound.json"]
    write_atomically(files[0], json.dumps(report, ensure_ascii=False, indent=1, sort_keys=True).encode())
    for language in LANGUAGES:
        page = folder / f"bound.{language}.html"
        write_atomically(page, to_html(report, language).encode())
        files.append(page)
        for weeks in report["summary"]:
            drawing = folder / f"parts-{weeks}.{language}.svg"
            write_atomically(drawing, parts_chart(report, weeks, language).encode())
            files.append(drawing)
    return files


def to_html(report: Mapping[str, Any], language: str = "zh") -> str:
    """The page."""
    summary = report["summary"]
    return render(
        "bound.html",
        language,
        report=report,
        measures=[(key, say(f"measure_{key}", language)) for key in MEASURES],
        named=lambda name: say(f"model_{name}", language),
        drawn={weeks: parts_chart(report, weeks, language) for weeks in summary},
        ladders={weeks: _ladder(found, language) for weeks, found in summary.items()},
        spread=spread,
        leaks={weeks: _leaks(found, language) for weeks, found in summary.items()},
    )  # fmt: skip


def _leaks(found: Mapping[str, Any], language: str) -> str:
    return ("、" if language == "zh" else ", ").join(say(f"model_{name}", language) for name in found["leaks"])


def parts_chart(report: Mapping[str, Any], weeks: str, language: str) -> str:
    """What an average precision of 1 is made of."""
    found = report["summary"][weeks]["parts"]
    rows = [(say(f"bound_{name}", language), part["mean"]) for name, part in found.items()]
    told = ", ".join(f"{name} {value:.2f}" for name, value in rows)
    return charts.steps(rows, f"{say('bound_parts', language)}: {told}")


def _ladder(found: Mapping[str, Any], language: str) -> str:
    rows = [
        (say(f"model_{name}", language), figure["average_precision"]["mean"], figure["average_precision"]["least"],
         figure["average_precision"]["most"])
        for name, figure in found["figures"].items()
    ]  # fmt: skip
    ours = list(found["figures"]).index("lightgbm")
    return charts.interval_bars(rows, say("measure_average_precision", language), width=760, marked=ours)
