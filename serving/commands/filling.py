"""What the demo does before it serves: lists of four weeks, staff who have worked on them, and logins to try."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from features.divisions import AreaTree, area_tree
from features.engines.duckdb import Engine
from features.errors import NothingToDo
from features.panel import build
from features.project import Project
from features.store import Store
from models.registry import Registry
from serving import quality
from serving.access.roles import ROLES
from serving.casework.carrying import carry
from serving.casework.desk import Desk, open_desk
from serving.casework.tables import AuditRow, WeekRow
from serving.console import Console
from serving.evidence import history_days
from serving.outbox import Outbox, receivers
from serving.runs import Options, Run, RunFolder
from serving.story.people import NAMES, Login, password_of
from serving.story.telling import Story
from serving.web import accounts

WEEKS = 4


def list_days(last: date) -> tuple[date, ...]:
    """Days of the lists that the story tells of, oldest first."""
    return tuple(last - timedelta(weeks=back) for back in reversed(range(WEEKS)))


def panel_days(project: Project, last: date) -> set[date]:
    """Days that these lists look at."""
    return {day for asked in list_days(last) for day in (asked, *history_days(project, asked))}


def pilot_of(tree: AreaTree) -> tuple[str, tuple[str, ...]]:
    """The prefecture that has worked with lists for some weeks, and its counties."""
    counties = tree.of_level("county")
    pilot = next(code for code in tree.of_level("prefecture") if any(tree.areas[c].parent == code for c in counties))
    return pilot, tuple(code for code in counties if tree.areas[code].parent == pilot)


def empty(console: Console, project: Project) -> bool:
    """Whether nobody has worked on this project here yet; the schema is brought up on the way."""
    desk = _desk(console, project)
    with desk.database.reading() as session:
        return session.scalars(select(WeekRow.run_id).limit(1)).first() is None


def seconds_late(console: Console, project: Project) -> int:
    """How long ago something last happened there: served so late, the demo's lists are of this week, whatever the day.

    Shown on every page; a moment is left, so that nothing new comes before what is there.
    """
    desk = _desk(console, project)
    with desk.database.reading() as session:
        last = session.scalar(select(func.max(AuditRow.at)))
    return 0 if last is None else max(0, int((datetime.now(UTC) - last).total_seconds()) - 1)


def _desk(console: Console, project: Project) -> Desk:
    desk = open_desk(project, console.settings)
    with contextlib.suppress(NothingToDo):
        desk.database.migrate()
    return desk


def fill(
    console: Console, project: Project, name: str, store: Store, registry: Registry, engine: Engine, last: date,
    seed: int, *,
    allow_stale: bool = False, progress: Any = None,
) -> tuple[Run, tuple[Login, ...], Story]:  # fmt: skip
    """Lists of four weeks, the earlier ones of a pilot prefecture alone, and what its staff did about them.

    Args:
        console: settings and home.
        project: the simulated province.
        name: the task.
        store: what departments delivered.
        registry: with a champion.
        engine: reads the store.
        last: day of the newest list, which is the whole province's.
        seed: of lists, story and passwords.
        allow_stale: make the newest list of stale feeds as well; the earlier ones say so and go on.
        progress: told about each list.
    """
    from serving.scoring import run

    desk, days = _desk(console, project), list_days(last)
    pilot, counties = pilot_of(desk.tree)
    story = Story(desk, counties[0], counties, days, seed)
    story.set_up()
    build(project, store, sorted(panel_days(project, last)), engine=engine, progress=progress)  # days share its cost
    made: Run | None = None
    for day in days:
        if progress is not None:
            progress("清单与办理 lists and casework", days.index(day), len(days))
        story.until(story.evening(day))
        made = run(
            project, name, store, registry, as_of=day, settings=console.settings, engine=engine,
            options=Options(seed=seed, area=None if day == last else pilot), findings=story.findings(),
            allow_stale=allow_stale or day != last,
        )  # fmt: skip
        assert made.folder is not None
        story.arrives(RunFolder(made.folder))
    assert made is not None
    logins = story.ends()
    place = console.home.project(project.name)
    carry(desk, Outbox(place.events), receivers(console.settings))
    assert made.folder is not None
    # so that the page of sources is filled as well
    quality.look(project, name, store, console.settings, engine, RunFolder(made.folder))
    return made, logins, story


def logins_of(console: Console, project: Project, seed: int) -> tuple[Login, ...]:
    """The logins of a demo that was filled before; their passwords hold as long as nobody has changed them."""
    desk = _desk(console, project)
    known = {one.account: one for one in accounts.accounts(desk)}
    made = ((name, known[name]) for name in NAMES if name in known)
    return tuple(
        Login(name, one.name, one.role, one.area, password_of(seed, name), one.department) for name, one in made
    )


def say_logins(console: Console, project: Project, logins: tuple[Login, ...]) -> None:
    """Who may sign in, as what, where, and by which password."""
    tree = area_tree(project)
    console.table(
        ("试用账号（密码由种子生成，人人可知，只供试用）", "logins to try (made from the seed, no secrets: for trying only)"),
        [("账号", "account"), ("密码", "password"), ("称呼", "name"), ("角色", "role"), ("区划", "area")],
        [
            [one.account, one.password, one.name, ROLES[one.role].of(console.language),
             tree.title(one.area, console.language)]
            for one in logins
        ],
    )  # fmt: skip
