"""Over random trees: from everything that is shown on all levels, no small figure can be reckoned."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest

from serving.casework.disclosure import hidden, is_open, is_small

Tree = dict[str, list[str]]


def tree(draw: random.Random, depth: int = 3) -> tuple[Tree, list[str]]:
    """Areas with their parts, and those without."""
    parts: Tree = {}
    leaves: list[str] = []

    def grow(area: str, left: int) -> None:
        if not left:
            leaves.append(area)
            return
        parts[area] = [f"{area}{n}" for n in range(draw.randint(1, 5))]
        for one in parts[area]:
            grow(one, left - 1)

    grow("p", depth)
    return parts, leaves


def summed(parts: Tree, own: dict[str, int], area: str = "p") -> dict[str, int]:
    """Figures of all areas from those of the last ones."""
    found: dict[str, int] = {}
    for one in parts.get(area, []):
        found |= summed(parts, own, one)
    found[area] = own[area] if area not in parts else sum(found[one] for one in parts[area])
    return found


def shown(parts: Tree, values: dict[str, int], before: set[str], area: str = "p") -> Iterator[str]:
    """Areas whose figure a visitor of the whole sees, page by page."""
    if area == "p" and not is_small(values["p"]):
        yield "p"
    below = parts.get(area, [])
    held = hidden({one: values[one] for one in below}, [one for one in below if one in before])
    for one in below:
        if one not in held:
            yield one
            yield from shown(parts, values, before, one)


def reckonable(parts: Tree, seen: set[str], leaves: list[str]) -> np.ndarray:
    """Rows that span everything that sums of shown figures can say."""
    place = {leaf: at for at, leaf in enumerate(leaves)}

    def row(area: str) -> np.ndarray:
        made = np.zeros(len(leaves))
        if area not in parts:
            made[place[area]] = 1
        for one in parts.get(area, []):
            made += row(one)
        return made

    return np.array([row(area) for area in sorted(seen)] or [np.zeros(len(leaves))])


@pytest.mark.parametrize("seed", range(60))
def test_nothing_small_can_be_reckoned_from_what_is_shown(seed: int) -> None:
    draw = random.Random(seed)
    parts, leaves = tree(draw)
    values = summed(parts, {leaf: draw.choice((0, 1, 3, 7, 9, 10, 12, 25, 60)) for leaf in leaves})
    if is_small(values["p"]):
        return
    seen = set(shown(parts, values, set()))
    assert not any(is_small(values[area]) for area in seen)
    known = [area for area in leaves if values[area] == 0 and area in seen]
    rows = reckonable(parts, seen | set(known), leaves)
    rank = np.linalg.matrix_rank(rows)
    for area in [*leaves, *parts]:
        if is_small(values[area]):
            told = np.vstack([rows, reckonable(parts, {area}, leaves)])
            assert np.linalg.matrix_rank(told) > rank, f"{area} = {values[area]} can be reckoned"


@pytest.mark.parametrize("seed", range(60))
def test_a_second_figure_with_rows_hidden_by_the_first_tells_no_small_sum(seed: int) -> None:
    draw = random.Random(1000 + seed)
    cases = {f"a{n}": draw.choice((1, 4, 9, 11, 30, 80)) for n in range(draw.randint(1, 8))}
    late = {area: draw.randint(0, count) for area, count in cases.items()}
    rows = hidden(cases)
    held = hidden(late, rows)
    assert rows <= held
    whole, rest = sum(late.values()), sum(count for area, count in late.items() if area not in held)
    if not is_small(whole):
        assert not is_small(whole - rest)
        small = [area for area in held if is_small(late[area])]
        assert not small or sum(late[area] > 0 for area in held) > 1


def test_a_single_hidden_area_below_takes_another_with_it_and_pages_below_follow() -> None:
    values = {"p": {"x": 4, "y": 15, "z": 40}, "y": {"y1": 15}, "z": {"z1": 12, "z2": 28}}
    assert is_open(["p", "z", "z1"], values.__getitem__, 59)
    assert not is_open(["p", "y"], values.__getitem__, 59)
    assert not is_open(["p", "y", "y1"], values.__getitem__, 59)
    assert is_open(["y", "y1"], values.__getitem__, 15)  # for whom the area is his own
    assert not is_open(["x"], values.__getitem__, 4)
