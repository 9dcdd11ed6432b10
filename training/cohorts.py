"""Who is in a model's cohort on an as-of day, and how many are left out for which reason."""

from __future__ import annotations

import numpy as np
import pandas as pd

from training.labels import STATUSES


def cohort(labels: pd.DataFrame) -> np.ndarray:
    """Rows that may be trained and judged on: at risk on the day, with a known outcome."""
    known: np.ndarray = labels["at_risk"].to_numpy(dtype=bool) & labels["outcome"].notna().to_numpy()
    return known


def exclusions(labels: pd.DataFrame) -> dict[str, int]:
    """Rows by what became of them; the parts add up to `rows`.

    >>> import pandas as pd
    >>> exclusions(pd.DataFrame({"status": ["labelled", "in_hardship", "labelled"]}))["labelled"]
    2
    """
    counts = labels["status"].astype(str).value_counts()
    return {"rows": len(labels), **{status: int(counts.get(status, 0)) for status in STATUSES}}


def add_counts(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    """The sum of two counts of exclusions."""
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}
