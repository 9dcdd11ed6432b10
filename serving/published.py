"""A published run's list made again for an area: the same rows, codes and days as the files that went out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from features.divisions import AreaTree
from features.project import Project
from features.strict import Words
from reports.documents import AreaLine, FeedLine, Heading, ListRow, WeeklyList, words
from serving.casework.boxes import record_choices
from serving.runs import LISTS, RunFolder
from serving.writing import due_days


def list_of_run(run: RunFolder, project: Project, tree: AreaTree, within: Callable[[str], bool]) -> WeeklyList:
    """The list of a run as far as an area goes.

    Args:
        run: the published run.
        project: the deployment.
        tree: areas.
        within: whether an area's households are wanted.
    """
    content = json.loads((run.path / LISTS[0]).read_text(encoding="utf-8"))
    receipt = run.receipt
    entries = run.entries()
    _, spread = due_days(project.listing, run.run_id, run.as_of, entries)
    blind_days = {entry.household_id: day for entry, day in zip(entries, spread, strict=True)}
    return WeeklyList(
        heading=_heading(content, receipt, run, project),
        rows=tuple(
            _row(row, tree, blind_days) for row in content["households"] if within(str(row["area_code"]))
        ),
        areas=tuple(
            AreaLine(
                tree.names(area["area"]),
                int(area["capacity"]), int(area["listed"]), area["left_out"],
            )
            for area in receipt["areas"]
            if within(str(area["area"]))
        ),
        departments={key: department.name for key, department in project.departments.items()},
        bands={level: float(getattr(project.levels, level)) for level in ("red", "orange", "yellow")},
        record=record_choices(),
    )  # fmt: skip


def _heading(content: Mapping[str, Any], receipt: Mapping[str, Any], run: RunFolder, project: Project) -> Heading:
    task = project.tasks[content["task"]]
    return Heading(
        project=project.title,
        task=content["task"],
        task_title=task.title,
        as_of=run.as_of,
        period=content["period"],
        run_id=run.run_id,
        version=content["version"],
        bundle=content["bundle"],
        store_version=int(receipt["store_version"]),
        horizon=words(f"unit_{task.horizon.unit}", count=task.horizon.count),
        feeds=tuple(
            FeedLine(
                name, project.feeds[name].name, project.departments[project.feeds[name].department].name,
                state["status"], state["newest"], state["age_days"],
            )
            for name, state in receipt["feeds"].items()
            if name in project.feeds
        ),
        stale=bool(content["stale"]),
        trial=bool(content["trial"]),
    )  # fmt: skip


def _row(row: Mapping[str, Any], tree: AreaTree, blind_days: Mapping[str, date]) -> ListRow:
    area, household = str(row["area_code"]), str(row["household_id"])
    return ListRow(
        code=str(row["row_code"]),
        household_id=household,
        area_code=area,
        area=Words(**{one: tree.title(area, one) for one in ("zh", "en")}),
        level=str(row["level"]),
        change=str(row["change"]),
        change_per_100=int(row["change_per_100"] or 0),
        situation=Words(**row["situation"]),
        visit_by=date.fromisoformat(row["visit_by"]),
        visit_by_blind=blind_days[household],
        families=tuple(dict.fromkeys(str(reason["family"]) for reason in row.get("reasons", []))),
    )
