"""Which figures of a tree of areas may be shown, so that no small group can be told from what is shown.

A figure between 1 and 9 is small: it is not shown. It could still be reckoned, as the whole less the parts that are
shown; hence more figures beside it are held back, the smallest first, until at least two are hidden and their sum is
no small figure either. Whatever stands below a hidden area is hidden with it, for its parts would add up to it. So
the only thing that can be reckoned about what is hidden is the sum of hidden neighbours, and that sum is never small.

The same rule is applied to each figure and each week by itself, with the rows that are hidden already as a start.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import pairwise

LEAST = 10
"""Fewer households than these could be recognised."""


def is_small(count: int) -> bool:
    """Whether a figure speaks of so few that they could be recognised.

    >>> is_small(0), is_small(9), is_small(10)
    (False, True, False)
    """
    return 0 < count < LEAST


def hidden(values: Mapping[str, int], before: Collection[str] = ()) -> frozenset[str]:
    """Of the parts of one whole, those whose figure is not shown.

    >>> sorted(hidden({"a": 3, "b": 20, "c": 50}))
    ['a', 'b']
    >>> sorted(hidden({"a": 30, "b": 20}))
    []

    Hidden for another reason, one part is reckoned as the whole less the rest; that is no harm where it is not small:

    >>> sorted(hidden({"a": 30, "b": 20}, ["a"])), sorted(hidden({"a": 2, "b": 20}, ["a"]))
    (['a'], ['a', 'b'])
    """
    found = {name for name, count in values.items() if is_small(count)} | set(before)
    rest = sorted((count, name) for name, count in values.items() if name not in found and count > 0)
    while rest and not _safe([values.get(name, 0) for name in found]):
        found.add(rest.pop(0)[1])
    return frozenset(found)


def _safe(held_back: Sequence[int]) -> bool:
    """Whether what is held back tells of no small group by its sum."""
    counts = [count for count in held_back if count]
    if any(is_small(count) for count in counts):
        return len(counts) > 1 and sum(counts) >= LEAST
    return True


def is_open(path: Sequence[str], parts: Callable[[str], Mapping[str, int]], whole: int) -> bool:
    """Whether an area's figure is shown to somebody who begins at the first area of a path and goes down to it.

    Args:
        path: areas from the visitor's own down to the one that is asked for.
        parts: figures of the areas right below an area.
        whole: figure of the visitor's own area.
    """
    if is_small(whole):
        return False
    return all(below not in hidden(parts(above)) for above, below in pairwise(path))
