"""The model card: what a version is for, how it was made, how well it did, and what it cannot see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from features.project import Project
from models.bundle import Bundle
from reports.documents import catalogue, say
from reports.evaluation import MEASURES, figure, percent
from reports.rendering import render

FACTS = ("until", "seed", "code")
DIRECTIONS = {1: "direction_up", -1: "direction_down", 0: "direction_none"}


def contents(
    bundle: Bundle, project: Project, evaluation: Mapping[str, Any] | None = None, *, version: str = "", language: str
) -> dict[str, Any]:
    """What stands on the card."""
    task = project.tasks[bundle.task]
    manifest = bundle.manifest
    facts = [
        (say("label_task", language), bundle.task),
        (say("label_horizon", language), str(task.horizon)),
        (say("label_version", language), version or "—"),
        (say("label_bundle", language), bundle.digest),
    ]
    facts += [(say(f"label_{key}", language), str(manifest[key])) for key in FACTS if key in manifest]
    measures = (evaluation or {}).get("models", {})
    return {
        "title": project.title,
        "task_title": task.title,
        "facts": facts,
        "bands": [(level, float(getattr(bundle.levels, level))) for level in ("red", "orange", "yellow")],
        "source": f"{bundle.levels.source} · {bundle.levels.since}",
        "models": [(_named(name, language), values) for name, values in measures.items()],
        "measures": [(key, say(f"measure_{key}", language)) for key in MEASURES],
        "indicators": [
            (entry.names[language], entry.family, entry.owners[language], say(DIRECTIONS[entry.direction], language))
            for entry in bundle.schema.entries
        ],
    }


def _named(name: str, language: str) -> str:
    return say(f"model_{name}", language) if f"model_{name}" in catalogue() else name


def to_html(
    bundle: Bundle,
    project: Project,
    evaluation: Mapping[str, Any] | None = None,
    *,
    version: str = "",
    language: str = "zh",
) -> str:
    """The card as a standalone page."""
    shown = contents(bundle, project, evaluation, version=version, language=language)
    return render("model_card.html", language, **shown, figure=figure, percent=percent)


def to_markdown(
    bundle: Bundle,
    project: Project,
    evaluation: Mapping[str, Any] | None = None,
    *,
    version: str = "",
    language: str = "zh",
) -> str:
    """The card as Markdown."""
    shown = contents(bundle, project, evaluation, version=version, language=language)
    lines = [f"# {say('card_title', language)}: {shown['task_title'].of(language)}", ""]
    lines += [f"- {name}: `{value}`" for name, value in shown["facts"]]
    for key in ("card_use", "card_limits"):
        lines += ["", f"## {say(key, language)}", "", say(f"{key}_text", language)]
    lines += ["", f"## {say('card_bands', language)}", ""]
    lines += [f"- {say(f'level_{level}', language)}: ≥ {percent(band)}" for level, band in shown["bands"]]
    lines += ["", shown["source"]]
    if shown["models"]:
        names = [name for _, name in shown["measures"]]
        lines += ["", f"## {say('evaluation_models', language)}", ""]
        lines += ["| " + " | ".join([say("label_model", language), *names]) + " |", "|---" * (len(names) + 1) + "|"]
        lines += [
            "| " + " | ".join([name, *(figure(values, key) for key, _ in shown["measures"])]) + " |"
            for name, values in shown["models"]
        ]
    lines += ["", f"## {say('card_indicators', language)} ({len(shown['indicators'])})", ""]
    lines += [f"- {name} · {owner} · {direction}" for name, _, owner, direction in shown["indicators"]]
    return "\n".join(lines) + "\n"
