"""What a training was: the bundle's manifest, the receipt, and the name under which a finished training is found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from features.indicators.indicator import Indicator, set_hash
from features.project import Project
from features.staging import write_atomically
from features.store import Store
from models import bundle as bundles
from models.bundle import Bundle
from training import fitting
from training.crossfitting import Split
from training.evaluation import MAIN, Judged
from training.gathering import Work
from training.rows import Rows
from training.search import Found

SAMPLED = 1000
"""Rows whose contributions a summary plot shows."""


def manifest(work: Work, store: Store, trials: int) -> dict[str, Any]:
    """What a bundle says about its making; no clock, no machine."""
    rows = work.rows
    return {
        "project": work.project.name,
        "task": work.task,
        "data_day": str(rows.days[-1]),
        "until": str(work.until),
        "seed": work.seed,
        "trials": trials,
        "store_version": store.version,
        "project_digest": work.project.digest,
        "code": metadata.version("zhouji"),
        "lock": lock_digest(),
        "data": _data_digest(rows),
    }


def _data_digest(rows: Rows) -> str:
    digest = hashlib.sha256()
    for part in (rows.x, rows.outcome, rows.at_risk, rows.day, rows.household):
        digest.update(np.ascontiguousarray(part).view(np.uint8).data)
    return digest.hexdigest()


def lock_digest() -> str:
    """SHA-256 of the lock of run-time packages; of the versions in use where there is no lock beside the code."""
    lock = Path(__file__).resolve().parent.parent / "locks" / "runtime.txt"
    if lock.is_file():
        return hashlib.sha256(lock.read_bytes()).hexdigest()
    used = [f"{name}=={metadata.version(name)}" for name in ("lightgbm", "numpy", "scikit-learn", "optuna", "duckdb")]
    return hashlib.sha256("\n".join(used).encode()).hexdigest()


def project_file(project: Project) -> bytes:
    """The project as it was validated, as YAML."""
    content = project.model_dump(mode="json", exclude_defaults=True)
    text: str = yaml.safe_dump({"version": project.version, **content}, allow_unicode=True, sort_keys=False)
    return text.encode()


def receipt_of(work: Work, folds: Sequence[Split], best: Found) -> dict[str, Any]:
    """Rows, folds and parameters of a training."""
    rows = work.rows
    return {
        "rows": int(rows.cohort.sum()),
        "positives": float(rows.outcome[rows.cohort].sum()),
        "counts": dict(rows.counts),
        "days": [str(rows.days[0]), str(rows.days[-1]), len(rows.days)],
        "indicators": len(rows.indicators),
        "folds": [
            {
                "train_rows": len(split.train),
                "test_rows": len(split.test),
                "test": [str(split.fold.test[0]), str(split.fold.test[-1])],
                "known_by": str(split.fold.known_by),
            }
            for split in folds
        ],
        "parameters": {**fitting.DEFAULTS, **work.choices.parameters, **best.parameters},
        "search": {"trials": len(best.trials), "best": best.value},
    }


def training_key(
    project: Project, task: str, store: Store, until: date, budget: tuple[int, int], indicators: Sequence[Indicator]
) -> str:
    """What a training is a function of, as one name."""
    parts = [project.digest or project.model_dump_json(), task, store.version, str(until), *budget]
    content = [*parts, set_hash(indicators), metadata.version("zhouji"), lock_digest()]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:24]


def receipt_file(store: Store, key: str) -> Path:
    """Where the receipt of a finished training stands."""
    return store.home.project(store.project.name).path / "trainings" / f"{key}.json"


def report_folder(made: Bundle) -> Path:
    """Where the report of a bundle's training stands, with what its plots are drawn from."""
    return made.folder.parent.parent / "trainings" / f"{made.digest[:24]}-report"


def keep_for_plots(folder: Path, judged: Judged, seed: int) -> None:
    """What was said out of fold about every row, and the indicators of a sample of rows; no household is named."""
    scored = judged.scores[MAIN]
    said = {"score": scored.score, "probability": scored.probability, "outcome": judged.rows.outcome}
    rows = len(judged.rows)
    chosen = np.sort(np.random.default_rng(seed).permutation(rows)[:SAMPLED])
    sampled = pd.DataFrame(judged.rows.x[chosen], columns=list(judged.rows.indicators))
    for name, frame in (("out_of_fold", pd.DataFrame(said)), ("sample", sampled)):
        write_atomically(folder / f"{name}.parquet", frame.to_parquet(index=False, compression="zstd"))


def finished(store: Store, receipt: Path) -> tuple[Bundle, dict[str, Any]] | None:
    """The bundle of a training that was finished before, and its report."""
    content = json.loads(receipt.read_text(encoding="utf-8"))
    folder = store.home.project(store.project.name).bundles / content["bundle"]
    return (bundles.load(folder), content["report"]) if folder.is_dir() else None
