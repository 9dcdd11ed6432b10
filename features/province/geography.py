"""Where the simulated households live: Guangdong's prefectures and counties by code, and its towns.

Prefectures and counties stand in `divisions.csv` (codes of GB/T 2260; regions are the usual grouping of the 21
prefectures). Towns are read from a file of nine-digit codes where one is at hand (`divisions/gd_towns.csv` in the data
folder: statistical division codes as of 2023-06-30); where it is not, towns are invented, with codes and names that no
place has, and `Geography.invented` says so. Villages are always invented. Dongguan and Zhongshan have no counties:
their towns belong to the prefecture, and each stands as one county among the 124.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from features.errors import DataError

DIVISIONS = Path(__file__).with_name("divisions.csv")
TOWNS = Path("divisions") / "gd_towns.csv"
REGIONS = ("prd", "east", "west", "north")
URBAN_COUNTY = "区"
STEMS, ENDINGS = "安平和顺兴荣长宁清石沙白云龙凤梅松竹柳桂", "溪塘岭坝湾坪洲桥田坑"
INVENTED_FROM = 900
"""Invented towns have codes from xxxxxx900 on, which no town of Guangdong has, and villages end in 900 and more."""
FEWEST_VILLAGES, SPREAD_OF_VILLAGES = 4, 5
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Place:
    """A row of the area file."""

    code: str
    name_zh: str
    name_en: str
    level: str
    parent: str
    region: str = ""


@dataclass(frozen=True)
class Geography:
    """Places of the province, from the whole to the village.

    Attributes:
        upper: province, prefectures and counties.
        towns: towns in order of their codes.
        invented: whether the towns are invented.
    """

    upper: tuple[Place, ...]
    towns: tuple[Place, ...]
    invented: bool

    @cached_property
    def counties(self) -> tuple[Place, ...]:
        """Counties in order of their codes, Dongguan and Zhongshan among them; 124 in all."""
        parents = {place.parent for place in self.upper if place.level == "county"}
        alone = [place for place in self.upper if place.level == "prefecture" and place.code not in parents]
        return tuple(sorted([*alone, *(p for p in self.upper if p.level == "county")], key=lambda place: place.code))

    @cached_property
    def region_of_county(self) -> Integers:
        """Index into `REGIONS` for each county."""
        return np.array([REGIONS.index(county.region) for county in self.counties], dtype=np.int64)

    @cached_property
    def county_of_town(self) -> Integers:
        """Index of the county for each town."""
        places = {county.code: number for number, county in enumerate(self.counties)}
        return np.array([places[town.parent] for town in self.towns], dtype=np.int64)

    @cached_property
    def street(self) -> NDArray[np.bool_]:
        """Whether each town is a street of a city (街道), where most households are urban."""
        return np.array([town.name_zh.endswith("街道") for town in self.towns], dtype=bool)

    @cached_property
    def villages(self) -> tuple[Place, ...]:
        """Villages, all invented, in the order of their towns."""
        return tuple(_invent_villages(self.towns))

    @cached_property
    def first_village(self) -> Integers:
        """Index of each town's first village, and at the end the number of villages."""
        sizes = [_villages_of(town) for town in self.towns]
        return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    @cached_property
    def villages_of_county(self) -> Integers:
        """Index of each county's first village and of the first one after its last: two columns."""
        found = np.zeros((len(self.counties), 2), dtype=np.int64)
        for county in range(len(self.counties)):
            towns = np.flatnonzero(self.county_of_town == county)
            if len(towns):
                found[county] = self.first_village[towns[0]], self.first_village[towns[-1] + 1]
        return found

    def write(self, path: Path) -> None:
        """The area file that a project file names."""
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["code", "name_zh", "name_en", "level", "parent_code"])
            for place in (*self.upper, *self.towns, *self.villages):
                writer.writerow([place.code, place.name_zh, place.name_en, place.level, place.parent])


def read_geography(data: Path | None = None) -> Geography:
    """The province; `data` is the folder that may hold the file of towns.

    Raises:
        DataError: the file of towns names a county that is not in Guangdong.
    """
    with DIVISIONS.open(encoding="utf-8", newline="") as file:
        upper = tuple(
            Place(row["code"], row["name_zh"], row["name_en"], row["level"], row["parent_code"], row["region"])
            for row in csv.DictReader(file)
        )
    bare = Geography(upper, (), invented=True)
    source = data / TOWNS if data is not None else None
    if source is None or not source.is_file():
        return Geography(upper, tuple(_invent_towns(bare.counties)), invented=True)
    return Geography(upper, tuple(_read_towns(source, {county.code for county in bare.counties})), invented=False)


def _read_towns(source: Path, counties: set[str]) -> list[Place]:
    found = []
    with source.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            parent = row["county_code"]
            if parent not in counties:
                raise DataError("area_parent_unknown", area=row["code9"], parent=parent, file=source.name)
            found.append(Place(row["code9"], row["name_zh"], "", "town", parent))
    return sorted(found, key=lambda place: place.code)


def _invent_towns(counties: tuple[Place, ...]) -> list[Place]:
    """Eight towns for a district, twelve for another county, thirty for a prefecture without counties."""
    found = []
    for number, county in enumerate(counties):
        district = county.name_zh.endswith(URBAN_COUNTY)
        size = 30 if county.level == "prefecture" else 8 if district else 12
        for order in range(size):
            place = number * 7 + order
            name = STEMS[place % len(STEMS)] + ENDINGS[(place // 3 + order) % len(ENDINGS)]
            street = order < (size * 3 // 4 if district else 2)
            found.append(
                Place(
                    f"{county.code}{INVENTED_FROM + order:03d}",
                    f"虚拟{name}{'街道' if street else '镇'}",
                    f"Invented town {order + 1} of {county.name_en}",
                    "town",
                    county.code,
                )
            )
    return found


def _villages_of(town: Place) -> int:
    """Four to eight, by the town's own code: the same villages whichever towns it is listed with."""
    return FEWEST_VILLAGES + int(town.code) * 7 % SPREAD_OF_VILLAGES


def _invent_villages(towns: tuple[Place, ...]) -> list[Place]:
    """Communities in streets, villages elsewhere."""
    found = []
    for number, town in enumerate(towns):
        street = town.name_zh.endswith("街道")
        for order in range(_villages_of(town)):
            first = STEMS[(number + order * 5) % len(STEMS)]
            second = ENDINGS[(number // len(STEMS) + order * 3) % len(ENDINGS)]
            found.append(
                Place(
                    f"{town.code}{INVENTED_FROM + order:03d}",
                    f"{first}{second}{'社区' if street else '村'}",
                    f"{'Community' if street else 'Village'} {order + 1} of {town.name_en or town.name_zh}",
                    "village",
                    town.code,
                )
            )
    return found
