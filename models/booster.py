"""LightGBM as a frozen scorer: margins and exact contributions from a model text, without pandas.

A single-row prediction through pandas is 28 to 55 times slower than through numpy, so only arrays come in here.
Contributions are LightGBM's own TreeSHAP; `shap.TreeExplainer` calls the same code, so their agreement proves
nothing: the tests hold them against brute-force Shapley values on a small model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_VALUE_LINES = ("leaf_value=", "internal_value=")
_FIRST_TREE = "\nTree=0\n"
_LAST_LINE = "\nend of trees"


@dataclass(frozen=True)
class Booster:
    """A frozen model text and its loaded form."""

    text: str
    width: int
    threads: int = 1
    _model: Any = field(repr=False, compare=False, default=None)

    def margins(self, matrix: np.ndarray) -> np.ndarray:
        """Raw scores, shape (rows,)."""
        self._check(matrix)
        if len(matrix) == 0:
            return np.zeros(0)
        found: np.ndarray = self._model.predict(matrix, raw_score=True, num_threads=self.threads)
        return np.asarray(found, dtype=np.float64)

    def contributions(self, matrix: np.ndarray) -> tuple[np.ndarray, float]:
        """Exact contributions, shape (rows, indicators), and the base; rows sum with the base to the margin.

        They cost 20 to 150 times a prediction: for the households on a list, not for a province.
        """
        self._check(matrix)
        if len(matrix) == 0:
            return np.zeros((0, self.width)), 0.0
        found = np.asarray(self._model.predict(matrix, pred_contrib=True, num_threads=self.threads), dtype=np.float64)
        return found[:, :-1], float(found[0, -1])

    def _check(self, matrix: np.ndarray) -> None:
        if matrix.ndim != 2 or matrix.shape[1] != self.width:
            raise ValueError(f"a matrix of {self.width} columns is needed, not one of shape {matrix.shape}")


def load_booster(text: str, *, threads: int = 1) -> Booster:
    """A booster from its text.

    Raises:
        ValueError: the text is no LightGBM model.
    """
    import lightgbm

    if _FIRST_TREE not in text or _LAST_LINE not in text:
        raise ValueError("not a whole LightGBM model")  # on a cut text LightGBM aborts the whole process
    try:
        model = lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as error:
        raise ValueError("not a LightGBM model") from error
    return Booster(text, model.num_feature(), threads, model)


def explainer(booster: Booster) -> Any:
    """A `shap.TreeExplainer` of the same trees, for notebooks: its plots, not a second opinion."""
    import lightgbm
    import shap

    return shap.TreeExplainer(lightgbm.Booster(model_str=booster.text))


def canonical_text(text: str) -> str:
    """A model text with its trees and nothing that depends on where and how it was fitted.

    The parameters (threads, paths, seeds), importances and pandas categories after the trees play no part in a
    prediction; the settings of a training are logged with it.
    """
    return text.split(_LAST_LINE, 1)[0].rstrip() + "\n\n\nend of trees\n"


def merge(texts: Sequence[str]) -> str:
    """Several boosters as one, exactly: all their trees, each with its values divided by the number of boosters.

    The merged margin is the mean of the boosters' margins, and its contributions are the mean of theirs. The result
    is canonical, so that the same boosters give the same bytes.

    Raises:
        ValueError: they were fitted on other columns or for another objective, or have linear leaves.
    """
    bodies = [canonical_text(text).split(_FIRST_TREE, 1) for text in texts]
    if len({_kind(head) for head, _ in bodies}) > 1:
        raise ValueError("boosters of different columns or objectives cannot be merged")
    if any("\nis_linear=1" in trees for _, trees in bodies):
        raise ValueError("boosters with linear leaves cannot be merged")
    if len(texts) == 1:
        return canonical_text(texts[0])
    trees = [tree for _, body in bodies for tree in _trees(body)]
    share = 1.0 / len(texts)
    scaled = [f"Tree={number}\n{_scaled(tree.strip(), share)}\n\n\n" for number, tree in enumerate(trees)]
    sizes = " ".join(str(len(tree.encode())) for tree in scaled)
    head = re.sub(r"\ntree_sizes=.*", f"\ntree_sizes={sizes}", bodies[0][0])
    return canonical_text(f"{head.rstrip()}\n\n{''.join(scaled)}{_LAST_LINE.strip()}\n")


def _kind(head: str) -> tuple[str, ...]:
    """What boosters must share to be merged: columns, objective, classes. Ranges of values may differ."""
    kept = ("max_feature_idx=", "feature_names=", "objective=", "num_class=", "num_tree_per_iteration=", "average")
    return tuple(line for line in head.split("\n") if line.startswith(kept))


def _trees(body: str) -> list[str]:
    return re.split(r"\nTree=\d+\n", "\n" + body.split(_LAST_LINE, 1)[0])


def _scaled(tree: str, share: float) -> str:
    lines = []
    for line in tree.split("\n"):
        name, _, values = line.partition("=")
        if line.startswith(_VALUE_LINES):
            line = f"{name}={' '.join(repr(float(value) * share) for value in values.split())}"  # noqa: PLW2901
        lines.append(line)
    return "\n".join(lines)
