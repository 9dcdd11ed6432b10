"""The indicators that a bundle was trained on: their order, their meaning, and the words they are said in.

A bundle carries its schema whole, so that it can score and word reasons with nothing else at hand; the schema's hash
covers what is computed (ids, definitions, directions, units), so that a panel that means something else is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from features.anchors import feeds_of
from features.errors import DataError
from features.indicators.definition import Expression, Series
from features.indicators.indicator import Indicator
from features.indicators.structure import canonical, walk
from features.project import Project


@dataclass(frozen=True)
class IndicatorEntry:
    """One column of a bundle.

    Attributes:
        topic: indicators that speak of the same series share a topic and make one reason together.
        names, owners, feeds, up, down: texts by language; `feeds` gives the names of the feeds that bring it. `up`
            and `down` word a contribution that raises or lowers the risk.
        definition: what is computed, in the words of the project file.
        changeable: whether help can change it.
    """

    id: str
    definition_hash: str
    family: str
    topic: str
    unit: str
    direction: Literal[-1, 0, 1]
    names: Mapping[str, str]
    owners: Mapping[str, str]
    feeds: Mapping[str, Mapping[str, str]]
    up: Mapping[str, str]
    down: Mapping[str, str]
    changeable: bool = False
    purposes: Mapping[str, str] = field(default_factory=dict)
    legal_basis: str = ""
    definition: Any = None


@dataclass(frozen=True)
class Schema:
    """Ordered columns and their hash."""

    entries: tuple[IndicatorEntry, ...]

    @property
    def ids(self) -> list[str]:
        """Indicator ids in the booster's order."""
        return [entry.id for entry in self.entries]

    @property
    def directions(self) -> list[int]:
        """Declared directions in order."""
        return [entry.direction for entry in self.entries]

    @property
    def hash(self) -> str:
        """SHA-256 over what is computed; words may be improved without it changing."""
        core = [[entry.id, entry.definition_hash, entry.direction, entry.unit] for entry in self.entries]
        return hashlib.sha256(json.dumps(core).encode()).hexdigest()

    def matrix(self, frame: pd.DataFrame, *, only: bool = False) -> np.ndarray:
        """Columns of a frame as a float64 matrix in schema order, shape (rows, indicators); NaN is missing.

        Args:
            frame: one row a household; other columns are passed over, unless
            only: is set, where a column that the schema does not know is refused as well (it may be a slip).

        Raises:
            DataError: a column is absent, stands twice, is not numeric, or holds an infinity.
        """
        known = set(self.ids)
        absent = [name for name in self.ids if name not in frame.columns]
        if absent:
            raise DataError("indicators_absent", names=", ".join(absent[:5]), count=len(absent))
        odd = [str(name) for name in frame.columns if name not in known] if only else []
        twice = frame.columns[frame.columns.duplicated()].intersection(self.ids)
        if odd or len(twice):
            names = odd or [str(name) for name in twice]
            raise DataError("indicators_unknown", names=", ".join(names[:5]), count=len(names))
        chosen = frame[self.ids]
        words = [str(n) for n, kind in chosen.dtypes.items() if not (_numeric(kind) or chosen[n].isna().all())]
        if words:  # "12" in quotes is not taken for a number: it is a sign that the columns are not what they seem
            raise DataError("indicators_not_numeric", names=", ".join(words[:5]), count=len(words))
        found = chosen.to_numpy(dtype=np.float64, na_value=np.nan)
        endless = np.isinf(found).any(axis=0)
        if endless.any():
            names = [name for name, bad in zip(self.ids, endless, strict=True) if bad]
            raise DataError("indicators_infinite", names=", ".join(names[:5]))
        return np.ascontiguousarray(found)

    def plain(self) -> list[dict[str, Any]]:
        """For JSON."""
        return [asdict(entry) for entry in self.entries]

    @staticmethod
    def of_plain(content: Sequence[Mapping[str, Any]]) -> Schema:
        """From JSON."""
        return Schema(tuple(IndicatorEntry(**entry) for entry in content))


def schema_of(project: Project, indicators: Sequence[Indicator]) -> Schema:
    """The schema of registered indicators in a project."""
    return Schema(tuple(_entry(project, indicator) for indicator in indicators))


def _entry(project: Project, indicator: Indicator) -> IndicatorEntry:
    owner = project.departments[indicator.owner].name
    feeds = {
        feed: {"zh": project.feeds[feed].name.zh, "en": project.feeds[feed].name.en}
        for feed in feeds_of(project, indicator.definition)
        if feed in project.feeds
    }
    return IndicatorEntry(
        id=indicator.id,
        definition_hash=indicator.hash,
        family=indicator.family,
        topic=topic_of(indicator.definition, indicator.family),
        unit=indicator.unit,
        direction=indicator.direction,
        names={"zh": indicator.name.zh, "en": indicator.name.en},
        owners={"zh": owner.zh, "en": owner.en},
        feeds=feeds,
        up={"zh": indicator.up.zh, "en": indicator.up.en},
        down={"zh": indicator.down.zh, "en": indicator.down.en},
        changeable=indicator.changeable,
        purposes={"zh": indicator.purpose.zh, "en": indicator.purpose.en},
        legal_basis=indicator.legal_basis,
        definition=canonical(indicator.definition),
    )


def _numeric(kind: Any) -> bool:
    return pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(kind)


SAME_RECORD: Mapping[str, str] = {"pension_insured": "contribution_base"}
"""Kinds of readings that one and the same record brings: they speak together."""


def topic_of(definition: Expression, family: str) -> str:
    """What an indicator speaks of: the tables and kinds it reads, else its family.

    >>> topic_of(Series("income", "income", "amount", (("source", ("total",)),)), "income")
    'income:total'
    >>> topic_of(Series("paid", "reading", "value", (("kind", ("pension_insured",)),)), "income")
    'reading:contribution_base'
    """
    for node in walk(definition):
        if isinstance(node, Series) or hasattr(node, "table"):
            where = dict(getattr(node, "where", ()))
            words = [str(word) for key in ("kind", "source", "category", "detail") for word in where.get(key, ())]
            return ":".join([str(node.table), *(SAME_RECORD.get(word, word) for word in words)])
    return f"family:{family}"
