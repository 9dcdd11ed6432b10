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
        desk.note(by, "refused", area or by.area, code="report_account_unfit", command="report county")
        raise UsageError("report_account_unfit", account=account)
    if area is not None:
        desk.tree.must_have(area)
    day = day_of(project, as_of, week) if as_of or week else None
    weeks = Weeks(console.home.project(project.name), project.task(console.settings.task or None)[0])
    here = area or by.area
    made = bulletin_of(desk, by, here, day, lambda one: sources_of(project, weeks.of_day(one)))
    folder = out or Path.cwd()
    files = {folder / f"bulletin-{here}-{made.day}.{name}": name for name in ((kind,) if kind else FILES)}
    names = [str(file) for file in files]
    if dry_run:
        console.say(
            f"将出 {made.area.zh} {made.day} 的通报：{'、'.join(names)}",
            f"{made.area.en}, {made.day}, would be written: {', '.join(names)}",
        )
    else:
        contents = {file: FILES[name](made, console.language) for file, name in files.items()}
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in contents.items():
            written(desk, by, made, here, content, files[file], command="report county")
            write_atomically(file, content)
        console.say(
            f"{made.area.zh} {made.day} 的通报：{'、'.join(names)}", f"{made.area.en}, {made.day}: {', '.join(names)}"
        )
    console.finish(area=here, week=str(made.day), parts=len(made.parts), files=names, dry_run=dry_run)
