"""An office with a model card and a score taken apart, as a real registry and a real bundle would tell them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from features.strict import Words
from serving.anatomy import Anatomy, Part
from serving.cards import Cards, Told
from serving.web.office import Office

AT = datetime(2026, 3, 1, tzinfo=UTC)
MEASURED: dict[str, Any] = {
    "auc": 0.9, "auc_interval": [0.88, 0.92], "precision_at_5pct": 0.22, "precision_at_5pct_interval": [0.2, 0.24],
}  # fmt: skip
GROUP = {"positives": 40.0, "listed_share": 0.06, "recall": 0.5, "recall_interval": [0.4, 0.6], "precision": 0.2}
SLICE = {"positives": 30.0, "listed_share": 0.06, "recall_on_list": 0.5, "precision_on_list": 0.2}
REPORT: dict[str, Any] = {
    "households": 15715, "positives": 1299.0, "base_rate": 0.022, "out_of_fold": "time",
    "models": {"lightgbm": MEASURED, "rules": MEASURED},
    "capacity": {"models": {"lightgbm": {"precision": 0.2, "precision_interval": [0.18, 0.22]}}},
    "fairness": {"feeds": {"some_late": GROUP, "some_absent": {**GROUP, "positives": 3.0}}},
    "slices": {"distance": {"near": SLICE, "far": SLICE}},
}  # fmt: skip
CARD = {
    "evaluation": REPORT,
    "training": {"run_id": "r" * 32, "experiment_id": "1", "params": {"num_leaves": "31"}, "tags": {}, "logged_at": str(AT)},
    "calibration": [[0.02, 0.03, 0.02, 0.05], [0.2, 0.18, 0.15, 0.22]],
    "precision": [[0.05, 100, 0.2, 0.15, 0.26]],
}  # fmt: skip
VERSION = {
    "number": "1", "run_id": "r" * 32, "digest": "d" * 64, "aliases": ["champion"], "model_id": "",
    "tags": {"zhouji.promotion.champion.approver": "x", "zhouji.promotion.champion.gates": "auc=0.9 (≥ 0.65) yes"},
}  # fmt: skip


class Kept(Cards):
    """Cards of a registry that is asked no more."""

    def versions(self) -> Told:
        return Told([VERSION], AT)

    def card(self, number: str) -> Told | None:
        return Told(CARD, AT) if number == "1" else None


def taken_apart(version: str, household: str) -> Anatomy | None:
    names = Words(zh="近一年医疗自付", en="own medical payment of a year")
    parts = tuple(
        Part(f"i{n}", names, "expense", Words(zh="27,130 元", en="27,130 yuan"), n == 3, (-1) ** n * 0.5 / (n + 1))
        for n in range(14)
    )
    margin = -3.0 + sum(part.contribution for part in parts)
    return Anatomy(household, date(2026, 3, 1), version, -3.0, margin, -1.0, 0.27, 0.2, 0.34, "red", 0.7, parts)


def known(office: Office) -> None:
    """Give an office both."""
    object.__setattr__(office, "cards", Kept(office.project.name, office.project.task()[0], office.settings))
    object.__setattr__(office, "take_apart", taken_apart)
