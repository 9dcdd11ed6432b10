"""Coverage: areas from which a feed never comes, as the project states them, so that silence there is not news.

```yaml
feeds:
  medical:
    not_from:
      - {areas: ["440103"], since: "2020-01-01", source: "…"}
```

A household of such an area has the feed's state `absent`, whatever records reached it from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from features.divisions import AreaTree
from features.errors import ProjectError
from features.feeds.profiles import Silence
from features.indicators import definition as d
from features.indicators.definition import Expression, When
from features.project import Project


def silent_areas(project: Project, tree: AreaTree, feed: str, day: date) -> list[str]:
    """Areas of the visiting level, in order, from which the feed does not come on the day.

    Raises:
        ProjectError: the project names an area that is not in the tree.
    """
    named = {code for silence in _known(project, tree, feed) if _holds(silence, day) for code in silence.areas}
    if not named:
        return []
    levels = project.areas.levels
    below = levels[levels.index(project.areas.visits) :]
    visited = {tree.at_level(code, project.areas.visits) for code, area in tree.areas.items() if area.level in below}
    return sorted(code for code in visited if code and _within(tree, code, named))


def is_silent(project: Project, tree: AreaTree, feed: str, area: str, day: date) -> bool:
    """Whether the feed does not come from an area, or from one that contains it, on the day."""
    return any(_holds(silence, day) and _within(tree, area, silence.areas) for silence in _known(project, tree, feed))


def silences(project: Project, tree: AreaTree, feeds: Sequence[str]) -> dict[str, Expression]:
    """For each feed that does not come from everywhere: 1 for households from whose area it does not come, else 0."""
    found: dict[str, Expression] = {}
    for feed in feeds:
        tests = [test for silence in _known(project, tree, feed) for test in _tests(tree, silence)]
        if tests:
            found[feed] = d.FirstOf((d.Highest(tuple(tests)), d.Constant(0.0)))
    return found


def _known(project: Project, tree: AreaTree, feed: str) -> Iterator[Silence]:
    for silence in project.feeds[feed].not_from:
        for code in silence.areas:
            if code not in tree:
                raise ProjectError("silence_area_unknown", feed=feed, area=code)
        yield silence


def _holds(silence: Silence, day: date) -> bool:
    return silence.first <= day and (silence.until is None or day <= silence.until)


def _within(tree: AreaTree, code: str, areas: Sequence[str] | set[str]) -> bool:
    return any(area.code in areas for area in tree.chain(code))


def _tests(tree: AreaTree, silence: Silence) -> Iterator[Expression]:
    """One test for each level of the areas that are named."""
    today = d.Season("days")
    begun: Expression = d.Test(today, When(at_least=float(silence.first.toordinal())))
    if silence.until is not None:
        begun = d.Product((begun, d.Test(today, When(at_most=float(silence.until.toordinal())))))
    for level in tree.levels:
        codes = tuple(sorted(code for code in silence.areas if tree.areas[code].level == level))
        if codes:
            yield d.Product((d.Attribute(f"area:{level}", codes), begun))
