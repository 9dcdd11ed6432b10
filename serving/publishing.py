"""A finished run goes out: published, logged in MLflow under the version that made it, copied where it is asked for."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from features.project import Project
from models.registry import Registry, Version
from serving.runs import LISTS, RECEIPT, SCORES, Run, RunFolder


def finish(
    project: Project,
    task: str,
    version: Version,
    registry: Registry,
    folder: RunFolder,
    out: Path | None,
    *,
    publish: bool,
    existed: bool,
) -> Run:
    """Publish, log and copy; each is done once however often it is asked for."""
    receipt = folder.receipt
    logged = None
    if publish:
        folder.publish()
        registry.sweep()
        logged = registry.log_weekly_run(
            project.name,
            task,
            version,
            folder.run_id,
            params=_params(receipt),
            metrics=_metrics(receipt),
            tags={"list": receipt["files"]["list.json"], "data_day": receipt["as_of"]},
            files=[folder.path / name for name in (RECEIPT, *LISTS)],
        )
    files = [folder.path / name for name in (*LISTS, RECEIPT, SCORES)]
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        files = [Path(shutil.copyfile(folder.path / name, out / name)) for name in (*LISTS, RECEIPT)]
    described = {key: receipt[key] for key in ("listed", "new", "up", "audit", "suggestions", "cohort", "overlap")}
    return Run(
        run_id=folder.run_id,
        as_of=folder.as_of,
        task=task,
        version=receipt["version"],
        folder=folder.path,
        published=folder.published,
        existed=existed,
        levels=receipt["levels"],
        areas=tuple(receipt["areas"]),
        stale=receipt["stale"],
        trial=receipt["trial"],
        files=tuple(files),
        mlflow_run=logged,
        left=receipt["left"],
        **described,
    )


def _params(receipt: Mapping[str, Any]) -> dict[str, Any]:
    feeds = {f"feed.{name}": f"{state['status']} {state['newest']}" for name, state in receipt["feeds"].items()}
    kept = (
        "as_of",
        "task",
        "area",
        "seed",
        "audit_share",
        "store_version",
        "bundle",
        "configuration",
        "stale",
        "trial",
        "before",
    )
    return {**{key: receipt[key] for key in kept}, **feeds, "list_digest": receipt["files"]["list.json"]}


def _metrics(receipt: Mapping[str, Any]) -> dict[str, float]:
    metrics = {key: float(receipt[key]) for key in ("listed", "new", "up", "audit", "suggestions", "cohort", "overlap")}
    metrics |= {f"level_{level}": float(count) for level, count in receipt["levels"].items()}
    for area in receipt["areas"]:
        metrics[f"listed_{_plain_name(area['area'])}"] = float(area["listed"])
        metrics[f"left_out_{_plain_name(area['area'])}"] = float(sum(area["left_out"].values()))
    return metrics


def _plain_name(code: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in code)
