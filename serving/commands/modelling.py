"""Commands of data scientists: train, evaluate, promote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from features.engines.duckdb import engine
from features.errors import GateError
from features.store import Store
from models.registry import Registry
from serving.console import Console, read_day

SHOWN = ("auc", "average_precision", "precision_at_5pct", "recall_at_5pct", "brier", "calibration_slope")


def train(
    console: Console, *, until: str, task: str | None, trials: int | None, seed: int, register: bool, dry_run: bool
) -> None:
    """Train on outcomes known by `until`; log with plots and card, and register where asked."""
    from reports.training import drawer
    from training.pipeline import plan, train

    name, _ = console.project.task(task)
    store = Store(console.home, console.project)
    if dry_run:
        steps = plan(console.project, name, store, until=read_day(until))
        console.say(f"将用 {len(steps['days'])} 个数据日训练。", f"Would train on {len(steps['days'])} as-of days.")
        console.finish(dry_run=True, **steps)
        return
    registry = Registry(console.settings, console.home)
    with console.progress() as report, engine(console.settings) as opened:
        trained = train(
            console.project,
            name,
            store,
            registry,
            until=read_day(until),
            trials=trials,
            seed=seed,
            register=register,
            engine=opened,
            settings=console.settings,
            progress=report,
            draw=drawer(console.project),
        )
    version = trained.version or console.text("未登记", "not registered")
    console.say(
        f"任务 {name}：模型包 {trained.bundle_digest[:12]}，版本 {version}。",
        f"Task {name}: bundle {trained.bundle_digest[:12]}, version {version}.",
    )
    show_measures(console, trained.metrics)
    console.finish(
        task=name,
        run_id=trained.run_id,
        version=trained.version,
        bundle=trained.bundle_digest,
        metrics=trained.metrics,
    )


def evaluate(
    console: Console, first: str, last: str, *, task: str | None, version: str | None, resamples: int, html: Path | None
) -> None:
    """Hold a registered version against outcomes whose horizon ends within [first, last]."""
    from reports.evaluation import write_html
    from training.pipeline import evaluate

    name, _ = console.project.task(task)
    registry = Registry(console.settings, console.home)
    with console.progress() as report, engine(console.settings) as opened:
        found = evaluate(
            console.project,
            name,
            Store(console.home, console.project),
            registry,
            first=read_day(first),
            last=read_day(last),
            version=version,
            resamples=resamples,
            engine=opened,
            settings=console.settings,
            progress=report,
        )
    if html is not None:
        write_html(found, console.project, html, language=console.language)
    console.say(
        f"{found['rows']} 户次，基准率 {found['base_rate']:.1%}",
        f"{found['rows']} rows, base rate {found['base_rate']:.1%}",
    )
    show_measures(console, found["models"])
    console.finish(**found)


def show_measures(console: Console, models: dict[str, dict[str, Any]]) -> None:
    """One line a model, each figure with its interval."""
    rows = []
    for name, measures in models.items():
        rows.append([name, *(_figure(measures, key) for key in SHOWN)])
    if rows:
        console.table(("", ""), [("模型", "model"), *((key, key) for key in SHOWN)], rows)


def _figure(measures: dict[str, Any], key: str) -> str:
    value, interval = measures.get(key), measures.get(f"{key}_interval")
    if value is None:
        return "—"
    return f"{value:.3f}" + (f" ({interval[0]:.3f}–{interval[1]:.3f})" if interval else "")


def promote(
    console: Console,
    version: str,
    *,
    task: str | None,
    to: str,
    reason: str,
    approver: str,
    force: bool,
    dry_run: bool,
) -> None:
    """Move an alias to a version, if every gate lets it pass; `force` passes all the same and is recorded."""
    from training.promotion import promote

    name, _ = console.project.task(task)
    registry = Registry(console.settings, console.home)
    decision = promote(
        console.project, name, registry, version=version, alias=to, reason=reason, approver=approver, force=force,
        dry_run=dry_run,
    )  # fmt: skip
    console.table(
        ("门槛", "gates"),
        [("指标", "measure"), ("数值", "value"), ("要求", "bound"), ("结论", "verdict")],
        [[gate.measure, gate.value, gate.bound, "✓" if gate.passed else "✗"] for gate in decision.gates],
    )
    console.finish(
        **{"from": decision.previous, "to": version, "alias": to},
        moved=decision.moved,
        forced=force,
        gates=[{"measure": g.measure, "value": g.value, "bound": g.bound, "passed": g.passed} for g in decision.gates],
    )
    if not decision.passed and not force:
        failed = ", ".join(gate.measure for gate in decision.gates if not gate.passed)
        raise GateError("promotion_refused", version=version, gates=failed)
