"""The simulated province: its deliveries alone, and the demo, the whole chain through the same door as real data."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from features.divisions import area_tree
from features.engines.duckdb import Engine, engine
from features.errors import NothingToDo, UsageError, did_you_mean
from features.ingestion import ingest
from features.panel import PanelFolder, build
from features.project import Project, load_project
from features.province.deliveries import DELIVERED_ON, feed_of, source_of
from features.province.simulation import Simulated, simulate
from features.province.values import values
from features.store import Store
from models.registry import Registry
from serving.commands.filling import empty, fill, logins_of, panel_days, say_logins, seconds_late
from serving.console import Console
from serving.runs import Run
from serving.story.people import Login

FOLDER = "simulated"


def simulate_deliveries(console: Console, out: Path, *, households: int, months: int, seed: int, scenario: str) -> None:
    """Write what departments would send, with the project file that takes it in; nothing else."""
    made = _simulated(console, out, households=households, months=months, seed=seed, scenario=scenario)
    console.say(
        f"部门文件 {len(made.files)} 个，项目文件 {made.project}", f"{len(made.files)} files, project {made.project}"
    )
    console.finish(
        project=str(made.project),
        scenario=scenario,
        towns_invented=made.geography.invented,
        received_on=str(DELIVERED_ON),
        deliveries=[{"feed": feed_of(file), "source": str(source_of(file))} for file in made.files],
    )


def _simulated(console: Console, folder: Path, *, households: int, months: int, seed: int, scenario: str) -> Simulated:
    """Deliveries in an empty folder.

    Raises:
        UsageError: no scenario has this name.
    """
    known = values().scenarios
    if scenario not in known:
        near = did_you_mean(scenario, list(known))
        raise UsageError("scenario_unknown", scenario=scenario, suggestion=near or ", ".join(known))
    with console.progress() as report:
        made = simulate(
            folder, households=households, months=months, seed=seed, scenario=scenario, data=console.settings.data,
            progress=report,
        )  # fmt: skip
    if made.geography.invented:
        console.note(
            "没有找到乡镇代码文件（ZHOUJI_DATA/divisions/gd_towns.csv），乡镇为虚构。",
            "No file of towns was found (ZHOUJI_DATA/divisions/gd_towns.csv); the towns are invented.",
        )
    return made


def demo(console: Console, *, households: int, months: int, seed: int, scenario: str, port: int | None) -> None:
    """Simulate a province, take its files in, train, evaluate, promote, list; say what each step took, then serve."""
    steps: dict[str, float] = {}
    clock = time.monotonic()

    def done(step: str, zh: str, en: str) -> None:
        nonlocal clock
        steps[step] = round(time.monotonic() - clock, 1)
        clock = time.monotonic()
        console.say(f"{steps[step]:6.1f} 秒  {zh}", f"{steps[step]:6.1f} s  {en}")

    folder = console.settings.home / FOLDER
    shutil.rmtree(folder / "deliveries", ignore_errors=True)
    made = _simulated(console, folder, households=households, months=months, seed=seed, scenario=scenario)
    done(
        "simulate",
        f"生成 {households} 户 {months} 个月的 {len(made.files)} 个部门文件",
        f"{len(made.files)} departments' files of {households} households and {months} months",
    )
    project = load_project(made.project)
    store, registry = Store(console.home, project), Registry(console.settings, console.home)
    rows = take_in(console, project, made.files)
    done(
        "ingest",
        f"入库 {rows['accepted']} + 已知 {rows['already_known']} + 隔离 {rows['quarantined']} = 报送 {rows['delivered']} 行",
        f"accepted {rows['accepted']} + already known {rows['already_known']} + quarantined {rows['quarantined']} "
        f"= delivered {rows['delivered']} rows",
    )
    name, task = project.task()
    until = task.horizon.before(DELIVERED_ON)
    version, run, logins = model_and_list(
        console, project, name, store, registry, until, seed, done, filled=port is not None
    )
    assert run.folder is not None
    console.say(f"清单：{run.folder}", f"the list: {run.folder}")
    command = explain_command(console, run.folder, made.project)
    console.say(f"看第一户的原因：{command}", f"the first household's reasons: {command}")
    console.finish(
        run_id=run.run_id,
        version=version,
        listed=run.listed,
        explain=command,
        rows=rows,
        seconds=steps,
        files=[str(file) for file in run.files],
        logins=[asdict(one) for one in logins],
    )
    if logins:
        say_logins(console, project, logins)
    if port is not None:
        serve_demo(console, project, made.project, run.folder, port)


def serve_demo(console: Console, project: Project, file: Path, folder: Path, port: int) -> None:
    """Serve what the demo made, with a token and a question to begin with; until stopped."""
    from serving.access.tokens import Tokens
    from serving.commands.serving import start_for

    root = next(code for code, area in area_tree(project).areas.items() if area.parent is None)
    token, _ = Tokens(console.home.project(project.name).access).create(root, "county", ["visit", "aid"], "7d", "demo")
    listed = json.loads((folder / "list.json").read_text(encoding="utf-8"))["households"]
    address = f"http://127.0.0.1:{port}"
    question = json.dumps({"as_of": str(DELIVERED_ON), "households": [listed[0]["household_id"]], "reasons": 4})
    console.say(f"服务地址：{address}（Ctrl+C 停止）", f"serving at {address} (Ctrl+C stops it)")
    console.say(f"演示令牌：{token}", f"a token for the demo: {token}")
    console.say(
        f"试一试：\ncurl -s {address}/api/v1/score -H 'Authorization: Bearer {token}' -H 'Zhouji-Purpose: visit' "
        f"-H 'Content-Type: application/json' -d '{question}'",
        f"try:\ncurl -s {address}/api/v1/score -H 'Authorization: Bearer {token}' -H 'Zhouji-Purpose: visit' "
        f"-H 'Content-Type: application/json' -d '{question}'",
    )
    os.environ["ZHOUJI_CLOCK_SHIFT"] = str(seconds_late(console, project))
    start_for(console, file, "127.0.0.1", port, workers=1, task=None)


def explain_command(console: Console, folder: Path, project: Path) -> str:
    """What to type to read why the first household is on the list."""
    listed = json.loads((folder / "list.json").read_text(encoding="utf-8"))["households"]
    return (
        f"{Path(sys.executable).with_name('zhouji')} explain {listed[0]['household_id']} --project {project} "
        f"--home {console.settings.home} --as-of {DELIVERED_ON}"
    )


def model_and_list(
    console: Console,
    project: Project,
    name: str,
    store: Store,
    registry: Registry,
    until: date,
    seed: int,
    done: Any,
    *,
    filled: bool,
) -> tuple[str | None, Run, tuple[Login, ...]]:
    """Train, evaluate, promote and score; returns the version, the run, and logins of what was filled in."""
    from reports.training import drawer
    from serving.runs import Options
    from serving.scoring import run
    from training.pipeline import evaluate, train
    from training.promotion import promote

    with console.progress() as report, engine(console.settings) as opened:
        common: dict[str, Any] = {"engine": opened, "settings": console.settings, "progress": report}
        later = until + timedelta(days=1), _last_outcome(project, name, store, until, opened)
        more = panel_days(project, DELIVERED_ON) if filled else set[date]()
        built = _panel(project, name, store, until, later, more, opened, report)
        done(
            "features",
            f"计算 {len(built.indicators)} 个指标在 {len(built.days)} 个数据日的值",
            f"{len(built.indicators)} indicators on {len(built.days)} as-of days",
        )
        trained = train(
            project, name, store, registry, until=until, trials=None, seed=seed, register=True,
            draw=drawer(project), **common,
        )  # fmt: skip
        done("train", f"训练完成，版本 {trained.version}", f"trained, version {trained.version}")
        found = evaluate(
            project, name, store, registry, first=later[0], last=later[1],
            version=trained.version, resamples=100, **common,
        )  # fmt: skip
        auc = found["models"]["lightgbm"]["auc"]
        done("evaluate", f"用之后的结果检验：AUC {auc:.3f}", f"held against later outcomes: AUC {auc:.3f}")
        promote(
            project, name, registry, version=str(trained.version), alias="champion", reason="demo", approver="demo",
            force=True, dry_run=False,
        )  # fmt: skip
        done("promote", "指定为 champion", "made champion")
        if filled and empty(console, project):
            made, logins, told = fill(
                console, project, name, store, registry, opened, DELIVERED_ON, seed, progress=report
            )
            acts = sum(told.done.values())
            done(
                "fill", f"四期清单，试点市已办理 {acts} 件次", f"lists of four weeks, {acts} acts of the pilot's staff"
            )
        else:
            made, logins = run(
                project, name, store, registry, as_of=DELIVERED_ON, settings=console.settings, engine=opened,
                options=Options(seed=seed), progress=report,
            ), ()  # fmt: skip
            done(
                "score",
                f"观察 {made.cohort} 户，清单 {made.listed} 户",
                f"{made.cohort} households observed, {made.listed} listed",
            )
            if filled:
                logins = logins_of(console, project, seed)
    return trained.version, made, logins


def _panel(
    project: Project, name: str, store: Store, until: date, later: tuple[date, date], more: set[date],
    opened: Engine, report: Any,
) -> PanelFolder:  # fmt: skip
    """The days of all steps in one panel, for days share most of its cost; each step finds its own there."""
    from serving.evidence import history_days
    from training.gathering import training_days
    from training.pipeline import evaluation_days

    days = {
        *training_days(project, name, store, until, opened),
        *evaluation_days(project, name, store, *later, opened),
        *history_days(project, DELIVERED_ON),
        DELIVERED_ON,
        *more,
    }
    return build(project, store, sorted(days), engine=opened, progress=report)


def _last_outcome(project: Project, name: str, store: Store, until: date, opened: Engine) -> date:
    """The last day whose outcomes are reported by now: what ends later would be computed and could not be judged."""
    from training.days import known_until, mature_days
    from training.pipeline import evaluation_days

    task = project.tasks[name]
    days = evaluation_days(project, name, store, until + timedelta(days=1), DELIVERED_ON, opened)
    mature = mature_days(project, name, days, known_until(store, opened, task))
    return max((task.horizon.after(day) for day in mature), default=DELIVERED_ON)


def take_in(console: Console, project: Project, files: list[Path]) -> dict[str, int]:
    """Deliver the files in the order of their arrival; a file that is known already counts for nothing."""
    totals = dict.fromkeys(("delivered", "accepted", "already_known", "quarantined"), 0)
    with console.progress() as report:
        for number, file in enumerate(files):
            report("入库 ingest", number, len(files))
            try:
                receipt = ingest(
                    source_of(file), project, console.settings, feed=feed_of(file), received_on=DELIVERED_ON
                )
            except NothingToDo:
                continue
            for fate in totals:
                totals[fate] += getattr(receipt, fate)
    return totals
