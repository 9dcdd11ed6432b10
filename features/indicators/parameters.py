"""What a project gives to definitions: dated numbers of policy, and what follows from its feeds and currency.

```yaml
indicators:
  parameters:
    status_lapse_days:
      - {value: 60, since: "2020-01-01", source: "…"}
```

The newest value whose `since` is not after the as-of day holds; before the first one the value is missing. A changed
parameter changes the hash of the indicators that name it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import ValidationError

from features.anchors import presence
from features.errors import ProjectError
from features.indicators import definition as d
from features.indicators.definition import Expression, Given, When
from features.indicators.structure import rebuild, walk
from features.project import Project
from features.strict import Sourced


class DatedValue(Sourced):
    """A number of policy: since when it holds, and where it is from."""

    value: float


def givens(project: Project) -> dict[str, Expression]:
    """Everything that definitions may ask the project for, by name.

    `minor_units`: the smallest units in one unit of the project's currency. `feeds_behind`: how many essential feeds
    are late or absent where the household lives. All others are the project's `parameters`.

    Raises:
        ProjectError: a parameter lacks its value, date or source.
    """
    found: dict[str, Expression] = {
        "minor_units": d.Constant(float(project.currency.minor_units)),
        "feeds_behind": _feeds_behind(project),
    }
    declared = project.indicators.get("parameters", {})
    if not isinstance(declared, Mapping):
        raise ProjectError("indicator_value", place="indicators.parameters", value=str(declared)[:60])
    for name, values in declared.items():
        found[str(name)] = _dated(values, f"indicators.parameters.{name}")
    return found


def fill(definition: Expression, given: Mapping[str, Expression], identifier: str) -> Expression:
    """The definition with what the project gives in its places.

    Raises:
        ProjectError: the project does not give it.
    """
    if isinstance(definition, Given):
        if definition.name not in given:
            raise ProjectError("indicator_incomplete", place=identifier, field=f"parameters.{definition.name}")
        return given[definition.name]
    if not any(isinstance(node, Given) for node in walk(definition)):
        return definition
    return rebuild(definition, lambda part: fill(part, given, identifier))


def _feeds_behind(project: Project) -> Expression:
    feeds = [feed for feed in sorted(presence(project)) if project.feeds[feed].essential]
    if not feeds:
        return d.Constant(0.0)
    return d.Sum(tuple(d.Test(d.FeedState(feed), When(above=0.0)) for feed in feeds))


def _dated(values: Any, place: str) -> Expression:
    """The value in force on the day: tests of the day, the newest value outermost."""
    found: Expression | None = None
    for since, value in sorted(_values(values, place)):
        begun = d.Test(d.Season("days"), When(at_least=float(since.toordinal())))
        found = d.Where(begun, d.Constant(value), found)
    if found is None:
        raise ProjectError("indicator_incomplete", place=place, field="value")
    return found


def _values(values: Any, place: str) -> list[tuple[date, float]]:
    if not isinstance(values, list):
        raise ProjectError("indicator_value", place=place, value=str(values)[:60])
    found = []
    for number, entry in enumerate(values):
        try:
            one = DatedValue.model_validate(entry)
            found.append((date.fromisoformat(one.since), one.value))
        except (ValidationError, ValueError) as error:
            raise ProjectError("indicator_value", place=f"{place}[{number}]", value=str(entry)[:60]) from error
    return found
