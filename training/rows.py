"""Panel rows with their outcomes, read day by day into one compact matrix.

A province's history is 600,000 rows of 90 indicators: 216 MB as 32-bit floats, which is what boosters see of it anyway.
Thresholds lie between neighbouring 32-bit values, so that a bundle that scores 64-bit values decides the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import pandas as pd

from features.hardship import Evidence
from features.panel import PanelFolder
from training.cohorts import add_counts, exclusions
from training.labels import STATUSES, label_day

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Rows:
    """Households on as-of days: indicators, outcomes, and what evaluation is cut by.

    Attributes:
        indicators: columns of `x` in order.
        x: float32, rows × indicators; NaN where missing.
        compared: further indicators by name, that groups are cut by and no model learns from.
        household, area: codes into `households` and `areas`.
        day: place in `days`.
        at_risk, outcome, selected: see `labels.label_day`. Rows that were not known on their day to be in hardship are
            kept even where that was found later, so that an earlier fold trains on what was known then.
        counts: rows by what became of them, those that were not kept among them.
    """

    indicators: tuple[str, ...]
    x: np.ndarray
    days: tuple[date, ...]
    day: np.ndarray
    households: np.ndarray
    household: np.ndarray
    areas: np.ndarray
    area: np.ndarray
    weight: np.ndarray
    feeds: dict[str, np.ndarray]
    at_risk: np.ndarray
    outcome: np.ndarray
    selected: np.ndarray
    counts: dict[str, int] = field(default_factory=dict)
    compared: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.day)

    @property
    def cohort(self) -> np.ndarray:
        """Rows at risk whose outcome is known."""
        known: np.ndarray = self.at_risk & ~np.isnan(self.outcome)
        return known

    def column(self, indicator: str) -> np.ndarray:
        """One indicator's values, of those that are compared as well."""
        if indicator in self.compared:
            return self.compared[indicator].astype(np.float64)
        values: np.ndarray = self.x[:, self.indicators.index(indicator)].astype(np.float64)
        return values

    def take(self, chosen: np.ndarray) -> Rows:
        """Some of the rows, by mask or by place."""
        return replace(
            self,
            x=self.x[chosen],
            feeds={name: values[chosen] for name, values in self.feeds.items()},
            compared={name: values[chosen] for name, values in self.compared.items()},
            **{name: getattr(self, name)[chosen] for name in _ROWWISE},
        )


_ROWWISE = ("day", "household", "area", "weight", "at_risk", "outcome", "selected")


def read_rows(
    panel: PanelFolder,
    evidence: Evidence,
    days: Sequence[date],
    indicators: Sequence[str],
    known_by: date,
    *,
    compared: Sequence[str] = (),
    everyone: bool = False,
    progress: Progress | None = None,
) -> Rows:
    """Rows of the days with outcomes as known by `known_by`.

    Args:
        panel: holds the days.
        evidence: read for the days and `known_by`.
        days: as-of days.
        indicators: columns wanted, in order.
        known_by: the day whose knowledge of outcomes counts.
        compared: further indicators that groups are cut by; those that the panel does not have are left out.
        everyone: keep households that are in hardship already, as long as their outcome is known.
        progress: told about each day.
    """
    ordered = tuple(sorted(set(days)))
    feeds, further = list(panel.manifest["feeds"]), list[str]()
    parts: list[pd.DataFrame] = []
    matrices: list[np.ndarray] = []
    counts: dict[str, int] = {}
    for place, day in enumerate(ordered):
        if progress:
            progress("rows", place, len(ordered))
        frame = panel.read([day])
        labels = label_day(evidence, day, known_by, pd.Index(frame["household_id"]))
        counts = add_counts(counts, exclusions(labels))
        further = [name for name in compared if name in frame.columns and name not in indicators]
        asked = ~labels["status"].isin(("state_unknown", "in_hardship"))
        kept = (asked | (everyone & labels["outcome"].notna())).to_numpy(dtype=bool)
        matrices.append(frame.loc[kept, list(indicators)].to_numpy(dtype=np.float32, na_value=np.nan))
        part = frame.loc[kept, ["household_id", "area_code", "weight", *feeds, *further]].reset_index(drop=True)
        for name in ("at_risk", "outcome", "selection_probability"):
            part[name] = labels.loc[kept, name].to_numpy()
        part["day"] = np.int32(place)
        parts.append(part)
    return _rows(ordered, tuple(indicators), feeds, (parts, matrices), counts, further)


def from_frames(panel: pd.DataFrame, labels: pd.DataFrame, indicators: Sequence[str]) -> Rows:
    """Rows from whole frames, as tests and small studies have them; labels are joined by household and day."""
    keys = ["household_id", "as_of"]
    wanted = [*keys, "at_risk", "outcome", *[n for n in ("selection_probability", "status") if n in labels.columns]]
    joined = panel.merge(labels[wanted], on=keys, how="left").sort_values(["as_of", "household_id"], ignore_index=True)
    joined["at_risk"] = joined["at_risk"].fillna(value=False).astype(bool)
    if "selection_probability" not in joined:
        joined["selection_probability"] = np.nan
    days = tuple(sorted(set(joined["as_of"])))
    joined["day"] = joined["as_of"].map({day: place for place, day in enumerate(days)}).astype(np.int32)
    matrix = joined[list(indicators)].to_numpy(dtype=np.float32, na_value=np.nan)
    feeds = [str(name) for name in panel.columns if str(name).startswith("feed__")]
    counts = exclusions(joined) if "status" in joined else dict.fromkeys(("rows", *STATUSES), 0)
    return _rows(days, tuple(indicators), feeds, ([joined], [matrix]), counts)


def _rows(
    days: tuple[date, ...],
    indicators: tuple[str, ...],
    feeds: list[str],
    content: tuple[list[pd.DataFrame], list[np.ndarray]],
    counts: dict[str, int],
    further: Sequence[str] = (),
) -> Rows:
    parts, matrices = content
    whole = pd.concat(parts, ignore_index=True)
    household, households = pd.factorize(whole["household_id"], sort=True)
    area, areas = pd.factorize(whole["area_code"].astype(object).fillna(""), sort=True)
    matrix = np.concatenate(matrices) if len(matrices) > 1 else matrices[0]
    return Rows(
        indicators=indicators,
        x=np.ascontiguousarray(matrix),
        days=days,
        day=whole["day"].to_numpy(dtype=np.int32),
        households=np.asarray(households, dtype=object),
        household=household.astype(np.int32),
        areas=np.asarray(areas, dtype=object),
        area=area.astype(np.int32),
        weight=whole["weight"].to_numpy(dtype=np.float64, na_value=np.nan),
        feeds={name: whole[name].to_numpy(dtype=np.float32, na_value=2).astype(np.int8) for name in feeds},
        at_risk=whole["at_risk"].to_numpy(dtype=bool),
        outcome=whole["outcome"].to_numpy(dtype=np.float64),
        selected=whole["selection_probability"].to_numpy(dtype=np.float64),
        counts=counts,
        compared={name: whole[name].to_numpy(dtype=np.float32, na_value=np.nan) for name in further},
    )


def relabelled(rows: Rows, evidence: Evidence, days: Sequence[date], known_by: date) -> tuple[np.ndarray, np.ndarray]:
    """Who was at risk, and outcomes, of the rows of `days` as they were known by another day.

    Rows of other days are at no risk and have no outcome.
    """
    at_risk = np.zeros(len(rows), dtype=bool)
    outcome = np.full(len(rows), np.nan)
    for place, day in enumerate(rows.days):
        if day in set(days):
            here = np.flatnonzero(rows.day == place)
            labels = label_day(evidence, day, known_by, pd.Index(rows.households[rows.household[here]]))
            at_risk[here] = labels["at_risk"].to_numpy(dtype=bool)
            outcome[here] = labels["outcome"].to_numpy(dtype=float)
    return at_risk, outcome
