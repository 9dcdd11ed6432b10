"""Which areas a token reaches: its own and every one inside it, never a sibling's, never the one above."""

from __future__ import annotations

from functools import lru_cache

from features.divisions import AreaTree


class Reach:
    """The area tree, asked who contains whom."""

    def __init__(self, tree: AreaTree) -> None:
        self._tree = tree
        self._chain = lru_cache(maxsize=65_536)(self._chain_of)

    def _chain_of(self, code: str) -> frozenset[str]:
        """An area and all that contain it; a code that the tree does not know contains only itself."""
        return frozenset(area.code for area in self._tree.chain(code)) or frozenset({code})

    def knows(self, area: str) -> bool:
        """Whether the tree has this area."""
        return area in self._tree

    def contains(self, area: str, code: str) -> bool:
        """Whether `code` is `area` or lies inside it."""
        return area in self._chain(code)
