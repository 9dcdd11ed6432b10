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
import yaml
from pydantic import Field, ValidationError

from features.errors import ProjectError
from features.project import Condition
from features.strict import Sourced, Strict, Words, explain_mistakes
from models.levels import holds


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


def read_aid(path: Path | None = None) -> AidTable:
    """The table of a deployment, or the one that comes with the product.

    Raises:
        ProjectError: the file says something that cannot be.
    """
    return _own() if path is None else _read(path.read_text(encoding="utf-8"), path.name)


@functools.cache
def _own() -> AidTable:
    return _read((resources.files("serving") / "aid.yaml").read_text(encoding="utf-8"), "aid.yaml")


def _read(text: str, name: str) -> AidTable:
    try:
        content = yaml.safe_load(text)
        if isinstance(content, dict):
            content["since"] = str(content.get("since"))
        return AidTable.model_validate(content)
    except yaml.YAMLError as error:
        raise ProjectError("project_unreadable", file=name, detail=" ".join(str(error).split())) from error
    except ValidationError as error:
        mistakes = explain_mistakes(error, AidTable)
        raise ProjectError("project_invalid", file=name, count=len(mistakes), detail="; ".join(mistakes)) from error


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
