"""A desk over a small area tree, with a clock that tests turn, and lists as a run leaves them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from features.divisions import AreaTree
from features.project import Area, load_project
from features.settings import Home
from features.strict import Words
from serving.casework.alerts import open_week
from serving.casework.case import Case
from serving.casework.database import Database
from serving.casework.desk import Desk
from serving.casework.keeping import Keeper
from serving.listing import Entry
from tests.casework.made import COUNTY_AREA, MONDAY, PROVINCE, RULES, TOWN_AREA, VILLAGE_AREA

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "sample" / "project.yaml"
OTHER_TOWN, OTHER_VILLAGE = "441802007", "441802007001"
_AREAS = (
    (PROVINCE, None, "province"), ("441800", PROVINCE, "prefecture"), (COUNTY_AREA, "441800", "county"),
    (TOWN_AREA, COUNTY_AREA, "town"), (OTHER_TOWN, COUNTY_AREA, "town"),
    (VILLAGE_AREA, TOWN_AREA, "village"), (OTHER_VILLAGE, OTHER_TOWN, "village"), ("441803", "441800", "county"),
)  # fmt: skip
TREE = AreaTree(
    {code: Area(code=code, name=Words(zh=code, en=code), level=level, parent=parent) for code, parent, level in _AREAS},
    ("province", "prefecture", "county", "town", "village"),
)


@dataclass
class Clock:
    """The time, as a test says."""

    at: datetime = MONDAY

    def __call__(self) -> datetime:
        return self.at

    def on(self, **span: int) -> None:
        self.at += timedelta(**span)


def make_desk(database: Database, folder: Path, clock: Clock | None = None) -> Desk:
    home = Home(folder / "home")
    project = load_project(SAMPLE)
    return Desk(project, database, Keeper(home, home.project(project.name)), TREE, RULES, clock or Clock())


@dataclass
class Listed:
    """A published list, as `RunFolder` tells it."""

    run_id: str = "run1"
    as_of: date = date(2026, 3, 1)
    published: bool = True
    rows: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    changes: dict[str, str] = field(default_factory=dict)

    def entries(self) -> tuple[Entry, ...]:
        return tuple(
            Entry(
                household_id=household, area=area, kind=kind, level=level, probability=0.3, rank=1,  # type: ignore[arg-type]
                selection_probability=0.1 if kind == "audit" else 1.0, stratum=f"{area}/band3", change="new", change_per_100=0,
                opened_on=self.as_of,
            )
            for household, (area, kind, level) in self.rows.items()
        )  # fmt: skip

    def households(self) -> list[dict[str, Any]]:
        return [
            {
                "household_id": household, "area_code": area, "change": self.changes.get(household, "new"), "level": level,
                "probability": 0.3, "per_100": 30, "row_code": "r", "situation": {"zh": "近期情况", "en": "recently"},
                "visit_by": "2026-03-04",
                "reasons": [{"family": "own_payment", "record": {"department": {"zh": "医保部门", "en": "x"}}}],
            }
            for household, (area, _, level) in self.rows.items()
        ]  # fmt: skip


def household(number: int) -> str:
    return f"{number:024x}"


def listed(count: int = 3, area: str = VILLAGE_AREA, first: int = 0, **changes: Any) -> Listed:
    rows = {
        household(n): (area, "audit" if n % 3 == 2 else "risk", "none" if n % 3 == 2 else "red")
        for n in range(first, first + count)
    }
    return Listed(rows=rows, **changes)


def opened(desk: Desk, count: int = 3, **changes: Any) -> list[Case]:
    """Cases of a list that has just been opened, by household."""
    from serving.casework import cases

    run = listed(count, **changes)
    open_week(desk, run)  # type: ignore[arg-type]
    with desk.database.reading() as session:
        return [case for one in run.rows if (case := cases.open_case(session, one)) is not None]
