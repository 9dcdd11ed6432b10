"""The area tree: which area contains which, by code.

GB/T 2260 codes have 6 digits to the county, 9 to the town, 12 to the village. Dongguan (441900) and Zhongshan
(442000) have no counties: their towns' parent is the prefecture (data contract, rule 8). A project may also list
areas of its own.
"""

from __future__ import annotations

import csv
import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from features.errors import ProjectError, UsageError, did_you_mean
from features.project import Area, Project
from features.strict import Words


@dataclass(frozen=True)
class AreaTree:
    """Areas by code; `levels` from the whole to the part."""

    areas: Mapping[str, Area]
    levels: tuple[str, ...]

    def __contains__(self, code: object) -> bool:
        return code in self.areas

    def chain(self, code: str) -> list[Area]:
        """The area and all that contain it, from the part to the whole; empty for an unknown code."""
        found: list[Area] = []
        current = self.areas.get(code)
        while current is not None and len(found) <= len(self.levels):
            found.append(current)
            current = self.areas.get(current.parent) if current.parent else None
        return found

    def at_level(self, code: str, level: str) -> str | None:
        """Code of the area of `level` that contains `code`.

        Where that level is skipped (a prefecture without counties), the next area above answers for it.
        """
        wanted = self.levels.index(level)
        for area in self.chain(code):
            if self.levels.index(area.level) <= wanted:
                return area.code
        return None

    def name(self, code: str, language: str = "zh") -> str:
        """The area's name, or its code where it has none."""
        area = self.areas.get(code)
        return area.name.of(language) if area else code

    def names(self, code: str) -> Words:
        """The area's name in both languages."""
        return Words(zh=self.name(code), en=self.name(code, "en"))

    def must_have(self, code: str) -> None:
        """Refuse a code that somebody typed and that no area has.

        Raises:
            UsageError: with the nearest code.
        """
        if code not in self.areas:
            raise UsageError("area_unknown", area=code, suggestion=did_you_mean(code, list(self.areas)) or "—")

    def path(self, code: str, language: str = "zh") -> str:
        """Names from the whole to the part, without the root."""
        names = [area.name.of(language) for area in reversed(self.chain(code))]
        shown = names[1:] if len(names) > 1 else names
        # a part that is named after the whole says enough
        shown = [name for name, part in itertools.pairwise([*shown, ""]) if not part.startswith(name)]
        return ("" if language == "zh" else ", ").join(shown if language == "zh" else reversed(shown))

    def title(self, code: str, language: str = "zh") -> str:
        """What pages call an area: the names from the whole to it, and of the whole its own."""
        return self.path(code, language) or self.name(code, language)

    def named(self, text: str) -> list[str]:
        """Codes of the areas in whose name, in either language, a text stands."""
        wanted = text.lower()
        return [code for code, names in self._spelt if wanted in names]

    @functools.cached_property
    def _spelt(self) -> Sequence[tuple[str, str]]:
        """Names as they are looked for, both languages at once."""
        return [(code, f"{area.name.zh}\n{area.name.en}".lower()) for code, area in self.areas.items()]

    @functools.cached_property
    def _parts(self) -> Mapping[str, tuple[str, ...]]:
        """Areas right below each area."""
        found: dict[str, list[str]] = {}
        for code, area in sorted(self.areas.items()):
            found.setdefault(area.parent or "", []).append(code)
        return {code: tuple(parts) for code, parts in found.items()}

    def parts(self, code: str) -> tuple[str, ...]:
        """Codes of the areas right below an area, in order."""
        return self._parts.get(code, ())

    def inside(self, code: str) -> list[str]:
        """Codes of an area and all areas that it holds; an unknown code holds only itself."""
        found = [code]
        for one in found:  # grows as it goes: parts of parts follow
            found.extend(self.parts(one))
        return found

    def is_whole(self, code: str) -> bool:
        """Whether an area is the one that holds all others; an unknown code is not."""
        return len(self.chain(code)) == 1

    def of_level(self, level: str) -> list[str]:
        """Codes of all areas of a level, in order."""
        return sorted(code for code, area in self.areas.items() if area.level == level)


def area_tree(project: Project) -> AreaTree:
    """The project's areas, listed in the project file or read from the file that it names.

    Raises:
        ProjectError: the file is missing or a parent is unknown.
    """
    listed = list(project.areas.listed)
    if project.areas.file:
        path = project.folder / project.areas.file
        if not path.is_file():
            raise ProjectError("areas_missing", file=project.areas.file)
        listed += _read(path, path.stat().st_mtime_ns, tuple(project.areas.levels))
    areas: dict[str, Area] = {}
    for area in listed:
        areas.setdefault(
            area.code, area
        )  # 441900 and 442000 stand twice in the statistical list; the prefecture is first
    for area in areas.values():
        if area.parent and area.parent not in areas:
            raise ProjectError("area_parent_unknown", area=area.code, parent=area.parent)
        if area.level not in project.areas.levels:
            raise ProjectError(
                "area_level_unknown", area=area.code, level=area.level, known=", ".join(project.areas.levels)
            )
    return AreaTree(areas, tuple(project.areas.levels))


@functools.lru_cache(maxsize=4)
def _read(path: Path, changed: int, levels: tuple[str, ...]) -> tuple[Area, ...]:
    """The file's areas, read once until it changes: a province has ten thousand, and every delivery asks."""
    del changed
    with path.open(encoding="utf-8-sig", newline="") as file:
        return tuple(_area(row, levels) for row in csv.DictReader(file))


def _area(row: Mapping[str, str], levels: Sequence[str]) -> Area:
    """One line of an area file."""
    zh = row.get("name_zh") or row["code"]
    level = row.get("level") or levels[-1]
    return Area(
        code=row["code"],
        name=Words(zh=zh, en=row.get("name_en") or zh),
        level=level,
        parent=row.get("parent_code") or None,
    )
