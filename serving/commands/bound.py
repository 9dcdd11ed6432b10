"""The bound from the command line: how well hardship can be foreseen at all."""

from __future__ import annotations

import tempfile
from pathlib import Path

from serving.bound.experiment import Asked, run
from serving.console import Console

FOLDER = "bound"


def bound(console: Console, out: Path | None, *, households: int, months: int, seeds: int, seed: int) -> None:
    """Run the experiment, write its report, and say its figures."""
    from reports.bound import write_report

    asked = Asked(households, months, seeds, seed)
    console.settings.home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=console.settings.home) as folder, console.progress() as progress:
        report = run(asked, Path(folder), console.settings, progress)
    files = write_report(report, out or console.settings.home / FOLDER)
    for weeks, found in report["summary"].items():
        share, parts = found["share_of_oracle"]["mean"], found["parts"]
        told = {name: f"{part['mean']:.2f}" for name, part in parts.items()}
        console.say(
            f"{weeks} 周：本模型的平均精度为先知的 {share:.2f}；已做到 {told['reached']}，延迟 {told['lag']}，"
            f"隐藏信息 {told['hidden']}，学习 {told['learning']}，无法预见 {told['noise']}",
            f"{weeks} weeks: the model has {share:.2f} of the oracle's average precision; reached {told['reached']}, "
            f"lag {told['lag']}, hidden information {told['hidden']}, learning {told['learning']}, noise {told['noise']}",
        )
        if found["leaks"]:
            console.note(f"高于先知区间：{found['leaks']}", f"above the oracle's interval: {found['leaks']}")
    console.finish(summary=report["summary"], weeks=report["weeks"], files=[str(file) for file in files])
