"""The weekly bulletin of an area, filled with the figures that whoever asks for it may see."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date

from features.divisions import AreaTree
from features.errors import UsageError
from features.strict import Words
from reports.bulletin import Bulletin, Department, Part
from serving.casework import steering, worklist
from serving.casework.actor import Actor
from serving.casework.boards import Cells, board_of, miss, rate, shown_answers
from serving.casework.desk import Desk
from serving.casework.disclosure import LEAST, is_small
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
            raise UsageError("bulletin_no_list", day=str(week or "—"))
        board = board_of(desk, by, area, weeks, day)
        if board.whole is None:
            raise UsageError("bulletin_too_small", least=LEAST)
        # departments are shown for an actor's own area alone: those of its parts could be told from the difference
        answers = shown_answers(steering.answers(desk, by, area)) if area == by.area else ()
    tree, stood = desk.tree, sources(day)
    return Bulletin(
        project=desk.project.title,
        area=Words(zh=tree.title(area, "zh"), en=tree.title(area, "en")),
        week=day,
        whole=_part(_name(tree, area), board.whole),
        before=board.before,
        missed=None if board.missed is None else (miss(board.missed), board.missed.audit_rows),
        parts=tuple(_part(_name(tree, code), cells) for code, cells in board.rows.items()),
        departments=tuple(
            Department(_called(desk, one.department), one.sent, one.answered, one.open, one.late, one.median_days)
            for one in answers
        ),
        weeks=WEEKS,
        sources=None if stood is None else (stood.known, stood.late),
        least=LEAST,
        account=by.account,
        at=desk.now().astimezone(desk.zone),
    )


def _name(tree: AreaTree, area: str) -> Words:
    return Words(zh=tree.name(area, "zh"), en=tree.name(area, "en"))


def _called(desk: Desk, department: str) -> Words:
    return desk.rules.routing.departments.get(department, Words(zh=department, en=department))


def written(desk: Desk, by: Actor, made: Bulletin, area: str, content: bytes) -> None:
    """Note in the log that a bulletin left the house."""
    desk.exported(by, f"bulletin {area} {made.week}", len(made.parts), hashlib.sha256(content).hexdigest())


def _part(name: Words, cells: Cells | None) -> Part:
    if cells is None:
        return Part(name)
    counts = {one: None if is_small(cells[one] or 0) else cells[one] for one in COUNTS}
    return Part(name, counts, {one: rate(cells[one], cells[whole]) for one, whole in SHARES.items()})
