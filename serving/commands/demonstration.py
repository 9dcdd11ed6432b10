"""The demo: the whole chain on a generated sample, through the same door as real data."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from features.engines.duckdb import engine
from features.errors import NothingToDo, UsageError
from features.ingestion import ingest
from features.project import Project, load_project
from features.province.sample import DELIVERED_ON, write_sample
from features.province.sample_files import feed_of
from features.store import Store
from models.registry import Registry
from serving.console import Console

SAMPLE = Path("examples") / "sample" / "project.yaml"


def demo(console: Console, *, households: int, months: int, seed: int, serve: bool) -> None:
    """Generate departments' files, take them in, train, evaluate, promote, list; say what each step took."""
    project = load_project(console.project_file or sample_project())
    store, registry = Store(console.home, project), Registry(console.settings, console.home)
    steps: dict[str, float] = {}
    clock = time.monotonic()

    def done(step: str, zh: str, en: str) -> None:
        nonlocal clock
        steps[step] = round(time.monotonic() - clock, 1)
        clock = time.monotonic()
        console.say(f"{steps[step]:6.1f} 秒  {zh}", f"{steps[step]:6.1f} s  {en}")

    with tempfile.TemporaryDirectory(prefix="zhouji-sample-") as folder:
        files = write_sample(Path(folder), households=households, months=months, seed=seed)
        done("simulate", f"生成 {len(files)} 个部门文件", f"{len(files)} departments' files generated")
        rows = take_in(console, project, files)
        done(
            "ingest",
            f"入库 {rows['accepted']} + 已知 {rows['already_known']} + 隔离 {rows['quarantined']} = 报送 {rows['delivered']} 行",
            f"accepted {rows['accepted']} + already known {rows['already_known']} + quarantined {rows['quarantined']} "
            f"= delivered {rows['delivered']} rows",
        )
    name, task = project.task()
    until = task.horizon.before(DELIVERED_ON)
    version, run = model_and_list(console, project, name, store, registry, until, seed, done)
    console.say(f"清单：{run.folder}", f"the list: {run.folder}")
    command = explain_command(console, run.folder)
    console.say(f"看第一户的原因：{command}", f"the first household's reasons: {command}")
    if serve:
        console.note(
            "网页服务尚未随本版提供；清单在上面的文件夹里。",
            "This version has no web service yet; the list is in the folder above.",
        )
    console.finish(
        run_id=run.run_id,
        version=version,
        listed=run.listed,
        explain=command,
        rows=rows,
        seconds=steps,
        files=[str(file) for file in run.files],
    )


def explain_command(console: Console, folder: Path) -> str:
    """What to type to read why the first household is on the list."""
    listed = json.loads((folder / "list.json").read_text(encoding="utf-8"))["households"]
    project = console.project_file or sample_project()
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
) -> tuple[str | None, Any]:
    """Train, evaluate, promote and score; returns the version and the run."""
    from reports.training import drawer
    from serving.runs import Options
    from serving.scoring import run
    from training.pipeline import evaluate, train
    from training.promotion import promote

    with console.progress() as report, engine(console.settings) as opened:
        common: dict[str, Any] = {"engine": opened, "settings": console.settings, "progress": report}
        trained = train(
            project, name, store, registry, until=until, trials=None, seed=seed, register=True,
            draw=drawer(project), **common,
        )  # fmt: skip
        done("train", f"训练完成，版本 {trained.version}", f"trained, version {trained.version}")
        found = evaluate(
            project, name, store, registry, first=until + timedelta(days=1), last=DELIVERED_ON,
            version=trained.version, resamples=100, **common,
        )  # fmt: skip
        auc = found["models"]["lightgbm"]["auc"]
        done("evaluate", f"用之后的结果检验：AUC {auc:.3f}", f"held against later outcomes: AUC {auc:.3f}")
        promote(
            project, name, registry, version=str(trained.version), alias="champion", reason="demo", approver="demo",
            force=True, dry_run=False,
        )  # fmt: skip
        done("promote", "指定为 champion", "made champion")
        made = run(
            project, name, store, registry, as_of=DELIVERED_ON, settings=console.settings, engine=opened,
            options=Options(seed=seed), progress=report,
        )  # fmt: skip
        done(
            "score",
            f"观察 {made.cohort} 户，清单 {made.listed} 户",
            f"{made.cohort} households observed, {made.listed} listed",
        )
    return trained.version, made


def take_in(console: Console, project: Project, files: list[Path]) -> dict[str, int]:
    """Deliver the files in the order of their arrival; a file that is known already counts for nothing."""
    totals = dict.fromkeys(("delivered", "accepted", "already_known", "quarantined"), 0)
    with console.progress() as report:
        for number, file in enumerate(files):
            report("入库 ingest", number, len(files))
            try:
                receipt = ingest(file, project, console.settings, feed=feed_of(file), received_on=DELIVERED_ON)
            except NothingToDo:
                continue
            for fate in totals:
                totals[fate] += getattr(receipt, fate)
    return totals


def sample_project() -> Path:
    """The sample's project file, beside the checkout.

    Raises:
        UsageError: the command was installed without its examples.
    """
    for folder in (Path.cwd(), Path(__file__).resolve().parents[2]):
        if (folder / SAMPLE).is_file():
            return folder / SAMPLE
    raise UsageError("sample_missing", file=str(SAMPLE))
