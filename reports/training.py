"""What a training leaves for data scientists to look at: plots as PNG and SVG, and the model card, in zh and en."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.project import Project
from features.staging import write_atomically
from models.bundle import Bundle
from reports import model_card, plots

FORMATS: tuple[plots.Format, ...] = ("png", "svg")
LANGUAGES = ("zh", "en")


def drawer(project: Project) -> Callable[[Bundle, Mapping[str, Any], Path], list[Path]]:
    """Draws the plots and the card of a training of the project."""

    def draw(bundle: Bundle, report: Mapping[str, Any], folder: Path) -> list[Path]:
        return list(_drawn(bundle, project, report, folder))

    return draw


def _drawn(bundle: Bundle, project: Project, report: Mapping[str, Any], folder: Path) -> Iterator[Path]:
    for language in LANGUAGES:
        card = folder / f"model_card.{language}.html"
        write_atomically(card, model_card.to_html(bundle, project, report, language=language).encode())
        yield card
    for name, plot in _plots(bundle, folder).items():
        for language in LANGUAGES:
            for form in FORMATS:
                file = folder / f"{name}.{language}.{form}"
                write_atomically(file, plot(language=language, form=form))
                yield file


def _plots(bundle: Bundle, folder: Path) -> dict[str, Callable[..., bytes]]:
    """Plots from what a training kept; none where it kept nothing."""
    if not (folder / "sample.parquet").is_file():
        return {}
    said = pd.read_parquet(folder / "out_of_fold.parquet")
    values = bundle.schema.matrix(pd.read_parquet(folder / "sample.parquet"))
    contributions, base = bundle.contributions(values)
    highest = int(np.argmax(contributions.sum(axis=1)))
    outcome, probability = said["outcome"].to_numpy(), said["probability"].to_numpy()

    def named(language: str) -> list[str]:
        return [entry.names[language] for entry in bundle.schema.entries]

    return {
        "shap_summary": lambda language, form: plots.beeswarm(
            contributions, values, named(language), language=language, form=form
        ),
        "waterfall_highest": lambda language, form: plots.waterfall(
            base, contributions[highest], named(language), language=language, form=form
        ),
        "calibration": lambda language, form: plots.calibration(probability, outcome, language=language, form=form),
        "precision": lambda language, form: plots.precision_curve(
            said["score"].to_numpy(), outcome, marks=(max(1, len(said) // 20),), language=language, form=form
        ),
    }
