"""Reports that offices send on: an area's weekly bulletin."""

from __future__ import annotations

from pathlib import Path

from features.errors import UsageError
from features.staging import write_atomically
from reports.bulletin import FILES
from serving.casework.bulletins import bulletin_of, written
from serving.casework.desk import open_desk
from serving.casework.steering import STEERING
from serving.console import Console, day_of
from serving.web.accounts import account_named, actor_of
from serving.weeks import Weeks, sources_of


def county(
    console: Console, account: str, *, area: str | None, as_of: str | None, week: str | None, kind: str | None,
    out: Path | None, dry_run: bool,
) -> None:  # fmt: skip
    """The bulletin of an area's week, with the figures that the account may see; written down as an export."""
    project = console.project
    desk = open_desk(project, console.settings)
    by = desk.presented(actor_of(account_named(desk, account)))
    if by.role not in STEERING:
        raise UsageError("report_account_unfit", account=account)
    day = day_of(project, as_of, week) if as_of or week else None
    weeks = Weeks(console.home.project(project.name), project.task()[0])
    here = area or by.area
    made = bulletin_of(desk, by, here, day, lambda one: sources_of(project, weeks.of_day(one)))
    files = []
    for name in (kind,) if kind else tuple(FILES):
        file = (out or Path.cwd()) / f"bulletin-{here}-{made.week}.{name}"
        if not dry_run:
            content = FILES[name](made, console.language)
            written(desk, by, made, here, content)
            write_atomically(file, content)
        files.append(str(file))
    console.say(
        f"{made.area.zh}{made.week} 周通报：{'、'.join(files)}", f"{made.area.en}, {made.week}: {', '.join(files)}"
    )
    console.finish(area=here, week=str(made.week), parts=len(made.parts), files=files, dry_run=dry_run)
