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

        They cost about 150 times a prediction: for the households on a list, not for a province.
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

    try:
        model = lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as error:
        raise ValueError("not a LightGBM model") from error
    return Booster(text, model.num_feature(), threads, model)


def merge(texts: Sequence[str]) -> str:
    """Several boosters as one, exactly: all their trees, each with its values divided by the number of boosters.

    The merged margin is the mean of the boosters' margins, and its contributions are the mean of theirs. All must
    have been trained on the same columns.
    """
    if len(texts) == 1:
        return texts[0]
    share = 1.0 / len(texts)
    trees: list[str] = []
    for text in texts:
        body = text.split("\nTree=0\n", 1)[1].split("\nend of trees", 1)[0]
        trees += re.split(r"\nTree=\d+\n", "\n" + body)
    scaled = [f"Tree={number}\n{_scaled(tree.strip(), share)}\n\n\n" for number, tree in enumerate(trees)]
    head, _ = texts[0].split("\nTree=0\n", 1)
    tail = texts[0].split("\nend of trees", 1)[1]
    sizes = " ".join(str(len(tree.encode())) for tree in scaled)
    head = re.sub(r"tree_sizes=.*", f"tree_sizes={sizes}", head)
    return f"{head.rstrip()}\n\n{''.join(scaled)}end of trees{tail}"


def _scaled(tree: str, share: float) -> str:
    lines = []
    for line in tree.split("\n"):
        name, _, values = line.partition("=")
        scaled = (
            " ".join(repr(float(value) * share) for value in values.split()) if f"{name}=" in _VALUE_LINES else values
        )
        lines.append(f"{name}={scaled}" if "=" in line else line)
    return "\n".join(lines)
