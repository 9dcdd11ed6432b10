"""Plots for data scientists, as PNG or SVG: SHAP summary, waterfall, calibration, precision at list size.

They say what the booster does, in log-odds; no caseworker's page shows them. The same data give the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from reports.charts import BRAND, INK, LEVEL_COLOURS, LINE, MUTED, STEEL
from reports.documents import say
from reports.fonts import families

Format = Literal["png", "svg"]
DPI = 144
SIMPLIFIED = "zh-Hans"
"""The font carries several countries' forms of a character; Simplified Chinese is asked for."""
LOW, HIGH = "#2a6f97", "#b42318"


@contextmanager
def _style(language: str) -> Iterator[Any]:
    """Matplotlib without a display, with a Chinese font and without anything that changes from run to run."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    options: dict[Any, Any] = {
        "font.family": list(families()),
        "font.size": 10,
        "axes.unicode_minus": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "axes.titlesize": 12,
        "axes.titlelocation": "left",
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "svg.hashsalt": "zhouji",
        "svg.fonttype": "path",
        "figure.autolayout": False,
    }
    if "text.language" in mpl.rcParams:
        options["text.language"] = SIMPLIFIED if language == "zh" else "en"
    with mpl.rc_context(options):
        try:
            yield plt
        finally:
            plt.close("all")


def _bytes(figure: Any, form: Format) -> bytes:
    out = io.BytesIO()
    metadata = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
    figure.savefig(out, format=form, dpi=DPI, metadata=metadata, facecolor="white", bbox_inches="tight")
    return out.getvalue()


def write(content: bytes, path: Path) -> Path:
    """Keep a plot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def beeswarm(
    contributions: np.ndarray,
    values: np.ndarray,
    names: Sequence[str],
    *,
    most: int = 15,
    language: str = "zh",
    form: Format = "png",
) -> bytes:
    """SHAP summary: each dot is a household, its place the contribution, its colour the indicator's value.

    Args:
        contributions: log-odds, shape (households, indicators).
        values: indicator values in the same order; NaN is missing and drawn grey.
        names: indicator names.
        most: how many indicators are shown, the strongest first.
        language: zh or en.
        form: png or svg.
    """
    strength = np.abs(contributions).mean(axis=0)
    order = np.lexsort((np.arange(len(names)), -strength))[:most]
    with _style(language) as plt:
        figure, axes = plt.subplots(figsize=(8, 0.36 * len(order) + 1.4))
        axes.axvline(0, color=STEEL, linewidth=1, zorder=0)
        for row, at in enumerate(order):
            height = len(order) - 1 - row
            axes.axhline(height, color=LINE, linewidth=0.6, zorder=0)
            spread = _spread(contributions[:, at])
            colours = _colours(values[:, at])
            axes.scatter(contributions[:, at], height + spread, c=colours, s=7, linewidths=0, rasterized=form == "svg")
        axes.set_yticks(range(len(order)), [names[at] for at in order[::-1]])
        axes.set_xlabel(say("plot_beeswarm_x", language))
        axes.set_title(say("plot_beeswarm", language))
        _colour_key(figure, axes, language)
        return _bytes(figure, form)


def _spread(amounts: np.ndarray) -> np.ndarray:
    """Heights so that dots at the same place lie beside each other."""
    if len(amounts) == 0 or np.ptp(amounts) == 0:
        return np.zeros(len(amounts))
    bins = np.minimum(((amounts - amounts.min()) / np.ptp(amounts) * 100).astype(int), 99)
    order = np.argsort(bins, kind="stable")
    inside = np.zeros(len(amounts))
    counts = np.bincount(bins, minlength=100)
    inside[order] = np.concatenate([np.arange(count) for count in counts if count])
    alternating = np.ceil(inside / 2) * np.where(inside % 2 == 0, 1, -1)
    found: np.ndarray = 0.38 * alternating / max(counts.max() / 2, 6)
    return found


def _colours(values: np.ndarray) -> np.ndarray:
    """From low to high by rank; missing is grey."""
    import matplotlib as mpl

    low, high = np.array(mpl.colors.to_rgb(LOW)), np.array(mpl.colors.to_rgb(HIGH))
    known = ~np.isnan(values)
    share = np.full(len(values), 0.5)
    if known.sum() > 1:
        distinct, place = np.unique(values[known], return_inverse=True)
        share[known] = place / max(len(distinct) - 1, 1)
    colours: np.ndarray = low + share[:, None] * (high - low)
    colours[~known] = 0.78
    return colours


def _colour_key(figure: Any, axes: Any, language: str) -> None:
    import matplotlib as mpl

    ramp = mpl.colors.LinearSegmentedColormap.from_list("value", [LOW, HIGH])
    bar = figure.colorbar(mpl.cm.ScalarMappable(cmap=ramp), ax=axes, aspect=40, pad=0.02, fraction=0.03)
    bar.set_ticks([0, 1], labels=[say("plot_low", language), say("plot_high", language)])
    bar.set_label(say("plot_value", language))
    bar.outline.set_visible(False)


def waterfall(
    base: float,
    contributions: np.ndarray,
    labels: Sequence[str],
    *,
    most: int = 10,
    language: str = "zh",
    form: Format = "png",
) -> bytes:
    """How a household's margin comes about: from the base through the largest contributions to its own."""
    order = np.lexsort((np.arange(len(labels)), -np.abs(contributions)))
    shown, others = order[:most], order[most:]
    steps = [(labels[at], float(contributions[at])) for at in shown]
    if len(others):
        steps.append((say("plot_others", language, count=len(others)), float(contributions[others].sum())))
    with _style(language) as plt:
        figure, axes = plt.subplots(figsize=(8, 0.36 * (len(steps) + 2) + 1.2))
        position, height = base, len(steps)
        axes.plot([base, base], [height - 0.4, height + 0.4], color=MUTED)
        ticks = [f"{say('plot_base', language)}  {base:+.2f}"]
        for label, amount in steps:
            height -= 1
            colour = LEVEL_COLOURS["red"] if amount > 0 else "#1e6b45"
            axes.barh(height, amount, left=position, height=0.62, color=colour)
            axes.plot([position, position], [height + 0.31, height + 0.69], color=STEEL, linewidth=0.8)
            position += amount
            ticks.append(f"{label}  {amount:+.2f}")
        ticks.append(f"{say('plot_margin', language)}  {position:+.2f}")
        axes.plot([position, position], [-1.4, -0.3], color=INK, linewidth=2)
        axes.set_yticks([*range(len(steps), -1, -1), -1], ticks)
        axes.margins(x=0.06)
        axes.use_sticky_edges = False
        axes.set_ylim(-1.6, len(steps) + 0.6)
        axes.set_xlabel(say("plot_beeswarm_x", language))
        axes.set_title(say("plot_waterfall", language))
        return _bytes(figure, form)


def calibration(
    probabilities: np.ndarray, outcomes: np.ndarray, *, bins: int = 10, language: str = "zh", form: Format = "png"
) -> bytes:
    """Expected against observed rates in groups of equal size, each with its 95 % interval (Wilson)."""
    order = np.argsort(probabilities, kind="stable")
    groups = [group for group in np.array_split(order, bins) if len(group)]
    expected = np.array([probabilities[group].mean() for group in groups])
    observed = np.array([outcomes[group].mean() for group in groups])
    bounds = [wilson(outcomes[group].sum(), len(group)) for group in groups]
    with _style(language) as plt:
        figure, axes = plt.subplots(figsize=(5.2, 5))
        top = max(expected.max(), *(high for _, high in bounds)) * 1.06
        axes.plot([0, top], [0, top], color=STEEL, linestyle="--", label=say("plot_ideal", language))
        low = observed - np.array([bound[0] for bound in bounds])
        high = np.array([bound[1] for bound in bounds]) - observed
        axes.errorbar(
            expected, observed, yerr=np.maximum([low, high], 0), fmt="o", color=BRAND, capsize=3,
            label=say("plot_observed", language),
        )  # fmt: skip
        axes.set_xlabel(say("plot_expected", language))
        axes.set_ylabel(say("plot_observed", language))
        axes.set_title(say("plot_calibration", language))
        axes.legend(frameon=False, loc="upper left")
        return _bytes(figure, form)


def wilson(successes: float, count: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a rate.

    >>> tuple(round(bound, 3) for bound in wilson(5, 20))
    (0.112, 0.469)
    """
    rate = successes / count
    centre = (rate + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(rate * (1 - rate) / count + z**2 / (4 * count**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def precision_curve(
    scores: np.ndarray, outcomes: np.ndarray, *, marks: Sequence[int] = (), language: str = "zh", form: Format = "png"
) -> bytes:
    """Precision of lists from 1 % to half of all households, with its interval and the rate of visits at random."""
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(outcomes[order])
    sizes = np.unique(np.geomspace(max(10, len(scores) // 200), max(len(scores) // 2, 11), 40).astype(int))
    sizes = sizes[sizes <= len(scores)]
    rates = found[sizes - 1] / sizes
    bounds = np.array([wilson(found[size - 1], int(size)) for size in sizes])
    with _style(language) as plt:
        figure, axes = plt.subplots(figsize=(7, 4.2))
        axes.fill_between(sizes, bounds[:, 0], bounds[:, 1], color=BRAND, alpha=0.16, linewidth=0)
        axes.plot(sizes, rates, color=BRAND)
        axes.axhline(outcomes.mean(), color=STEEL, linestyle="--", label=say("plot_base_rate", language))
        for mark in marks:
            axes.axvline(mark, color=LEVEL_COLOURS["red"], linewidth=1)
        axes.set_ylim(0, None)
        axes.set_xlabel(say("plot_size", language))
        axes.set_ylabel(say("plot_precision_y", language))
        axes.set_title(say("plot_precision", language))
        axes.legend(frameon=False)
        return _bytes(figure, form)
