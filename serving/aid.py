"""Possible aid: which facts about a household point to which need, so that a visitor can ask about it.

The table is `aid.yaml`, dated and with its sources. A pointer is never an entitlement and lowers nobody's standing: it
says what may fit, on what basis, and what is still to be verified.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from pydantic import Field

from features.project import Condition
from features.strict import Sourced, Strict, Words, read_table
from models.levels import holds

FILE = "aid.yaml"


class Pointer(Strict):
    """What points to a need, and what a visitor verifies."""

    verify: Words
    signs: dict[str, Condition] = Field(min_length=1, description="indicator → condition; one that holds is enough")


class AidTable(Sourced):
    """The whole table, by need of the routing table."""

    needs: dict[str, Pointer]


@dataclass(frozen=True)
class Possible:
    """A need that some facts point to: the indicators that do, in the table's order."""

    need: str
    basis: tuple[str, ...]


def read_aid(folder: Path | None = None) -> AidTable:
    """The deployment's table: its own `aid.yaml` in the project folder, or the product's.

    Raises:
        ProjectError: the file says something that cannot be.
    """
    if folder is None or not (folder / FILE).is_file():
        return _own()
    return read_table((folder / FILE).read_text(encoding="utf-8"), FILE, AidTable)


@functools.cache
def _own() -> AidTable:
    return read_table((resources.files("serving") / FILE).read_text(encoding="utf-8"), FILE, AidTable)


def possible(table: AidTable, values: Mapping[str, float]) -> tuple[Possible, ...]:
    """Needs that a household's indicators point to, in the table's order.

    >>> [one.need for one in possible(read_aid(), {"funeral_3m": 8000.0, "elder_alone": float("nan")})]
    ['N18']
    """
    found = []
    for need, pointer in table.needs.items():
        basis = tuple(
            name
            for name, condition in pointer.signs.items()
            if name in values and bool(holds(condition, np.array([values[name]], dtype=np.float64))[0])
        )
        if basis:
            found.append(Possible(need, basis))
    return tuple(found)
