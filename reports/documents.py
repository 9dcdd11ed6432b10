"""What documents are made from: plain records, with every sentence in zh and en.

Serving fills them from a run, a bundle and the store; nothing here computes a score.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib import resources
from typing import Literal

from features.strict import Words

LEVELS = ("red", "orange", "yellow", "none")
Status = Literal["current", "late", "absent", "shrunken"]


@functools.cache
def catalogue() -> Mapping[str, Mapping[str, str]]:
    """All fixed texts of documents by key, each with zh and en."""
    text = resources.files("reports").joinpath("words.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def say(key: str, language: str, /, **fields: object) -> str:
    """A fixed text in a language.

    >>> say("level_red", "zh"), say("level_red", "en")
    ('高', 'high')
    """
    return catalogue()[key]["en" if language == "en" else "zh"].format(**fields)


def words(key: str, /, **fields: object) -> Words:
    """A fixed text in both languages."""
    return Words(zh=say(key, "zh", **fields), en=say(key, "en", **fields))


def day_text(day: date | None, language: str) -> str:
    """A day as people write it.

    >>> day_text(date(2026, 11, 18), "zh"), day_text(date(2026, 11, 18), "en")
    ('2026年11月18日', '18 Nov 2026')
    """
    if day is None:
        return "—"
    if language == "en":
        month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[day.month - 1]
        return f"{day.day} {month} {day.year}"
    return f"{day.year}年{day.month}月{day.day}日"


def shown_level(level: str, language: str) -> str:
    """The level's word on lists.

    Whoever is listed is at least worth attention: the lowest word does not tell
    whether the household came by its risk or by chance.
    """
    return say(f"level_{'yellow' if level == 'none' else level}", language)


def change_text(change: str, by: int, language: str) -> str:
    """Change since the last list.

    >>> change_text("up", 3, "zh"), change_text("same", 0, "en")
    ('↑ 3', '= same')
    """
    mark = {"up": "↑", "down": "↓"}.get(change)
    return f"{mark} {abs(by)}" if mark else say(f"change_{change}", language)


@dataclass(frozen=True)
class FeedLine:
    """How fresh one feed was on the as-of day."""

    feed: str
    name: Words
    department: Words
    status: Status
    newest: str | None = None
    age_days: int | None = None
    essential: bool = True


@dataclass(frozen=True)
class Heading:
    """What every document says about where it comes from."""

    project: Words
    task: str
    task_title: Words
    as_of: date
    period: str
    run_id: str
    version: str
    bundle: str
    store_version: int
    horizon: Words
    feeds: tuple[FeedLine, ...] = ()
    stale: bool = False
    trial: bool = False
    """Whether the version has not been promoted."""

    @property
    def troubled(self) -> tuple[FeedLine, ...]:
        """Feeds that are not current."""
        return tuple(feed for feed in self.feeds if feed.status != "current")


@dataclass(frozen=True)
class ListRow:
    """One household on a list that goes out. Risk rows and audit rows are written alike.

    `visit_by_blind` is the day for the form without levels, where audit rows have days as risk rows do.
    """

    code: str
    household_id: str
    area_code: str
    area: Words
    level: str
    change: str
    change_per_100: int
    situation: Words
    visit_by: date
    visit_by_blind: date
    identity: Mapping[str, str] = field(default_factory=dict)
    families: tuple[str, ...] = ()
    """Families of the reasons that were given; each may have its verdict."""


@dataclass(frozen=True)
class AreaLine:
    """One area's account on the notes sheet."""

    name: Words
    capacity: int
    listed: int
    left_out: Mapping[str, int]


@dataclass(frozen=True)
class WeeklyList:
    """A list with its heading, the choices of its answer columns, and the account of each area.

    `record` has what may be chosen for the whole record of a visit, by field and code; without it the list has only
    the columns that every list has.
    """

    heading: Heading
    rows: tuple[ListRow, ...]
    areas: tuple[AreaLine, ...]
    departments: Mapping[str, Words]
    bands: Mapping[str, float]
    base_rate: float | None = None
    record: Mapping[str, Mapping[str, Words]] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """The source row that a sentence stands on."""

    department: Words
    feed: Words
    file: str
    line: int
    delivery: str
    day: date | None


@dataclass(frozen=True)
class ReasonLine:
    """One reason: a sentence with the household's numbers, what is usual for it, its peers, and its record."""

    family: str
    sentence: Words
    strength: int
    share: float
    value: Words
    usual: Words | None = None
    peers: Words | None = None
    record: Record | None = None
    source: Words | None = None
    history: tuple[float | None, ...] = ()
    usual_value: float | None = None


@dataclass(frozen=True)
class ChangeLine:
    """What is new since the last list: then and now."""

    name: Words
    family: str
    before: Words
    after: Words
    raises: bool | None
    source: Words
    day: date | None = None


@dataclass(frozen=True)
class PeerLine:
    """A household among its peers: value, median, the middle 80 %, and its place in words."""

    name: Words
    value: float
    low: float
    median: float
    high: float
    shown: Words
    shown_median: Words
    place: Words
    share_below: float


@dataclass(frozen=True)
class LoweringLine:
    """What would lower the number: an indicator now and then, and the households per 100 then."""

    name: Words
    before: Words
    after: Words
    per_100: int


@dataclass(frozen=True)
class TrendPoint:
    """The household's number on an earlier list day."""

    day: date
    probability: float
    level: str


@dataclass(frozen=True)
class Explanation:
    """One household, in the order in which a person reads about it."""

    heading: Heading
    household_id: str
    area: Words
    level: str
    probability: float | None
    low: float | None
    high: float | None
    base_rate: float | None
    rank: int | None
    cohort: int
    bands: Mapping[str, float]
    listed: bool = False
    change: str = ""
    change_per_100: int = 0
    trend: tuple[TrendPoint, ...] = ()
    changes: tuple[ChangeLine, ...] = ()
    reasons: tuple[ReasonLine, ...] = ()
    explained: float | None = None
    relief: tuple[ReasonLine, ...] = ()
    lowering: tuple[LoweringLine, ...] = ()
    peers: tuple[PeerLine, ...] = ()
    peer_group: Words | None = None
    peer_count: int = 0
    triggers: tuple[Words, ...] = ()
