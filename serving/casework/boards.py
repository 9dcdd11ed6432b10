"""Figures as they may be shown: an area's week for those who steer, and how its departments answer.

What is shown is decided from the actor's own area downwards (`disclosure`): rows by their cases, every other figure
by itself, each week of a trend by that week's cases, and the figures of an area by every level above it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from reports.plots import wilson
from reports.recall import Recall
from serving.casework import steering
from serving.casework.actor import Actor
from serving.casework.desk import Desk
from serving.casework.disclosure import LEAST, hidden, is_open, is_small
from serving.casework.steering import COUNTED, Answers, Figures

Cells = Mapping[str, int | None]
"""Figures of an area by name; None for one that is not shown."""
SHARE_OF = {"on_time": "due", "confirmed": "told"}
"""Figures that are shown as shares only: of how many there are decides whether they are."""


@dataclass(frozen=True)
class Board:
    """What a visitor may see of an area and of those right below it.

    Attributes:
        whole: the area's own figures; None where the area is not shown at all.
        rows: areas below with cases: figures, or None where the row is not shown.
        missed: what the lists before missed; None where it cannot be told or shown.
        trends: cases by week for the area and those below, oldest first; None where a week is not shown.
    """

    whole: Cells | None
    before: int | None
    rows: Mapping[str, Cells | None]
    missed: Recall | None
    trends: Mapping[str, Sequence[int | None]]
    weeks: Sequence[date]


def board_of(desk: Desk, by: Actor, area: str, weeks: Sequence[date], week: date) -> Board:
    """The board of an area for somebody who steers, without whatever small figures could be reckoned from.

    Args:
        desk: at hand.
        by: whoever looks.
        area: inside the actor's.
        weeks: those of the trend, newest first.
        week: the one whose figures are shown.

    Raises:
        AccessError: the area is not the actor's.
    """
    steering.allowed(desk, by, [area])
    tree = desk.tree
    chain = [one.code for one in reversed(tree.chain(area))]
    path = chain[chain.index(by.area) :]
    below: dict[str, list[str]] = {one: [] for one in path}
    for code, one in sorted(tree.areas.items()):
        if one.parent in below:
            below[one.parent].append(code)
    areas = [path[0], *(code for codes in below.values() for code in codes)]
    sizes = steering.sizes(desk, by, weeks, areas)

    def is_shown(day: date, to: Sequence[str]) -> bool:
        return is_open(to, lambda one: {code: sizes[day][code] for code in below.get(one, ())}, sizes[day][path[0]])

    def trend(to: Sequence[str]) -> list[int | None]:
        return [sizes[day][to[-1]] if is_shown(day, to) else None for day in reversed(weeks)]

    parts = [code for code in below[area] if sizes[week][code]]
    trends = {area: trend(path), **{code: trend([*path, code]) for code in parts}}
    if not sizes[week][area] or not is_shown(week, path):
        return Board(None, None, {}, None, {}, weeks)
    found = steering.figures(desk, by, week, areas)
    opened = {name: _opened(SHARE_OF.get(name, name), path, below, found) for name in COUNTED}

    def cells(code: str) -> Cells:
        return {name: getattr(found[code], name) if code in opened[name] else None for name in COUNTED}

    rows = {code: cells(code) if code in opened["cases"] else None for code in parts}
    at = len(weeks) - 1 - weeks.index(week)
    # two estimates beside each other would say what became of the few random rows between them
    missed = _missed(desk, by, week, path, below) if week == weeks[0] else None
    before = trends[area][at - 1] if at else None
    return Board(cells(area), before, rows, missed, trends, weeks)


def _opened(
    name: str, path: Sequence[str], below: Mapping[str, Sequence[str]], found: Mapping[str, Figures]
) -> set[str]:
    """Areas of whom one figure is shown, level by level; rows that are hidden by their cases hide all figures."""
    opened = set() if is_small(getattr(found[path[0]], name)) else {path[0]}
    for one in path:
        if one not in opened:
            break
        rows = hidden({code: found[code].cases for code in below[one]})
        held = hidden({code: getattr(found[code], name) for code in below[one]}, rows)
        opened |= set(below[one]) - held
    return opened


def _missed(
    desk: Desk, by: Actor, newest: date, path: Sequence[str], below: Mapping[str, Sequence[str]]
) -> Recall | None:
    """The estimate of an area, where its random rows, and those of the levels above, are enough to be shown."""
    areas = [path[0], *(code for one in path[:-1] for code in below[one])]
    found = steering.missed(desk, by, newest, areas)
    met = {area: recall.audit_rows for area, recall in found.items()}
    fits = is_open(path, lambda one: {code: met[code] for code in below[one]}, met[path[0]])
    recall = found[path[-1]]
    return recall if fits and recall.audit_rows >= LEAST and recall.caught + recall.missed > 0 else None


def rate(part: int | None, whole: int | None) -> tuple[int, int, int] | None:
    """A share in per cent with its 95 % interval; None for fewer than can be shown.

    >>> rate(40, 100), rate(3, 5), rate(None, 20)
    ((40, 31, 50), None, None)
    """
    if part is None or whole is None or whole < LEAST:
        return None
    low, high = wilson(part, whole)
    return round(100 * part / whole), round(100 * low), round(100 * high)


def miss(recall: Recall) -> tuple[int, int, int]:
    """Of 100 households in need, how many the lists miss, with the interval.

    >>> miss(Recall(0.8, 0.55, 0.95, 40, 10, 2, 30, 20, 1))
    (20, 5, 45)
    """
    return round(100 * (1 - recall.estimate)), round(100 * (1 - recall.high)), round(100 * (1 - recall.low))


# --- departments ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AnswerLine:
    """A department's figures as they may be shown; None for what may not.

    Attributes:
        codes: answers by code; None for those that are held back.
    """

    department: str
    sent: int
    answered: int | None
    open: int | None
    late: int | None
    median_days: float | None
    codes: Mapping[str, int | None]


def shown_answers(found: Sequence[Answers]) -> tuple[AnswerLine, ...]:
    """Departments with enough referrals, and of each figure what cannot be reckoned to a small one.

    >>> [line.department for line in shown_answers([Answers("a", 4), Answers("b", 12), Answers("c", 30)])]
    ['c']
    """
    rows = hidden({one.department: one.sent for one in found})
    # what was sent is answered or open, or both for a while: one of them would tell a small other one
    either = {
        one.department
        for one in found
        if any(map(is_small, (one.answered, one.open, one.sent - one.answered, one.sent - one.open)))
    }
    held = {
        name: hidden({one.department: getattr(one, name) for one in found}, before)
        for name, before in (("answered", rows | either), ("open", rows | either), ("late", rows))
    }
    held["answered"] = held["open"] = held["answered"] | held["open"]
    made = []
    for one in found:
        if one.department in rows:
            continue
        told = {name: None if one.department in names else int(getattr(one, name)) for name, names in held.items()}
        covered = hidden(one.codes) if told["answered"] is not None else set(one.codes)  # they add up to it
        codes = {code: None if code in covered else count for code, count in sorted(one.codes.items())}
        middle = one.median_days if one.answered >= LEAST else None
        made.append(AnswerLine(one.department, one.sent, told["answered"], told["open"], told["late"], middle, codes))
    return tuple(made)
