"""The command that checks the data of a list: drift, missing values, returned rows, freshness by area."""

from __future__ import annotations

from features.engines.duckdb import engine
from features.errors import UsageError
from features.store import Store
from reports.drift import LOOK, SHIFTED
from serving import quality
from serving.console import Console, day_of
from serving.runs import newest_on

SHOWN = 15


def drift(
    console: Console, *, as_of: str | None, week: str | None, task: str | None, fail_on: float | None
) -> None:  # fmt: skip
    """Look at the data of the newest run of a day, keep what was seen, and say what has moved."""
    project = console.project
    chosen, _ = project.task(task)
    day = day_of(project, as_of, week)
    run = newest_on(console.home.project(project.name), chosen, day)
    if run is None:
        raise UsageError("cases_without_list", day=day)
    with engine(console.settings, console.home) as opened:
        seen = quality.look(project, chosen, Store(console.home, project), console.settings, opened, run)
    known = {
        name: one["psi"]
        for name, one in seen["indicators"].items()
        if one["psi"] is not None and one["family"] != quality.BY_NATURE
    }
    order = sorted(known, key=lambda name: (-known[name], name))
    console.table(
        ("变化最大的指标", "indicators that moved most"),
        [("指标", "indicator"), ("PSI", "PSI"), ("缺失", "missing")],
        [[n, f"{known[n]:.3f}", f"{100 * seen['indicators'][n]['missing']:.1f}%"] for n in order[:SHOWN]],
    )
    late = sum(state["status"] != "current" for state in seen["areas"])
    console.say(
        f"{late} 处来源未到数或不全；退回 {sum(one['returned'] for one in seen['returned'])} 行。",
        f"{late} feeds of areas late, thin or absent; {sum(one['returned'] for one in seen['returned'])} rows returned.",
    )
    worst = known[order[0]] if order else 0.0
    status = "shifted" if worst >= SHIFTED else "look" if worst >= LOOK else "stable"
    if fail_on is not None and worst >= fail_on:
        console.exit_code = 4
    console.finish(
        run_id=run.run_id, status=status, indicators=seen["indicators"], areas_late=late,
        shifted=[name for name in order if known[name] >= SHIFTED], returned=seen["returned"],
    )  # fmt: skip
