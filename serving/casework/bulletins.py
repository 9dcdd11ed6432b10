"""The weekly bulletin of an area, filled with the figures that whoever asks for it may see."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date

from features.errors import UsageError
from features.strict import Words
from reports.bulletin import Bulletin, Department, Part
from serving.casework import steering, worklist
from serving.casework.actor import Actor
from serving.casework.boards import Cells, board_of, rate, shown_answers
from serving.casework.desk import Desk
from serving.casework.disclosure import LEAST
from serving.casework.refusals import AccessError
from serving.casework.steering import WEEKS
from serving.weeks import Sources

COUNTS = ("cases", "visited", "helped", "overdue")
SHARES = {"on_time": "due", "confirmed": "told"}


def bulletin_of(
    desk: Desk, by: Actor, area: str, week: date | None, sources: Callable[[date], Sources | None]
) -> Bulletin:
    """The bulletin of an area's week.

    Args:
        desk: at hand.
        by: whoever asks for it; their own area decides what is shown.
        area: inside the actor's.
        week: day of the list; None for the newest.
        sources: how the sources of a day's list stood.

    Raises:
        AccessError: the area is not the actor's.
        UsageError: there is no such list, or its figures are too small to be shown.
    """
    if area not in desk.tree:
        raise AccessError("case_outside")  # as for an area of somebody else
    with desk.looking():  # so that no figure is of another moment than the one that hides it
        steering.allowed(desk, by, [area])
        weeks = [one.week for one in worklist.week_lines(desk, by, area)[:WEEKS]]
        day = week or (weeks[0] if weeks else None)
        if day is None or day not in weeks:
            raise UsageError("bulletin_no_list", day=str(day), weeks=WEEKS) if day else UsageError("bulletin_nothing")
        board = board_of(desk, by, area, weeks, day)
        if board.whole is None:
            raise UsageError("bulletin_too_small", least=LEAST)
        # departments are told of as of today, and of an actor's own area alone: the difference would tell of the rest
        found = steering.answers(desk, by, area) if area == by.area and day == weeks[0] else ()
        answers = shown_answers(found)
    tree, stood = desk.tree, sources(day)
    return Bulletin(
        project=desk.project.title,
        area=Words(zh=tree.title(area, "zh"), en=tree.title(area, "en")),
        cadence=desk.project.calendar.cadence,
        day=day,
        whole=_part(tree.names(area), board.whole),
        before=board.before,
        parts=tuple(_part(tree.names(code), cells) for code, cells in board.rows.items()),
        departments=tuple(
            Department(_called(desk, one.department), one.sent, one.answered, one.open, one.late, one.median_days)
            for one in answers
        ),
        more_departments=len(found) - len(answers),
        weeks=WEEKS,
        sources=None if stood is None else (stood.known, stood.late),
        least=LEAST,
        account=by.account,
        at=desk.now().astimezone(desk.zone),
    )


def _called(desk: Desk, department: str) -> Words:
    return desk.rules.routing.departments.get(department, Words(zh=department, en=department))


def written(desk: Desk, by: Actor, made: Bulletin, area: str, content: bytes, kind: str, **detail: str) -> None:
    """Note in the log that a bulletin leaves the house, before it does."""
    digest = hashlib.sha256(content).hexdigest()
    desk.note(by, "export", f"bulletin {area} {made.day}", rows=len(made.parts), sha256=digest, file=kind, **detail)


def _part(name: Words, cells: Cells | None) -> Part:
    if cells is None:
        return Part(name)
    return Part(
        name,
        {one: cells[one] for one in COUNTS},
        {one: rate(cells[one], cells[whole]) for one, whole in SHARES.items()},
    )
