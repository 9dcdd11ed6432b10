"""What a weekly run saw of its data: missing values and drift, returned rows, reasons given, freshness by area.

The run itself writes it beside the runs, all but the freshness by area, which takes longer than the list may wait:
`zhouji drift` adds it. Pages read what was written and never the store.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.divisions import area_tree
from features.engines.duckdb import Engine
from features.errors import DependencyError, UsageError
from features.freshness import check_areas
from features.identity import open_cipher
from features.project import Project
from features.settings import Home, ProjectHome, Settings
from features.staging import write_atomically
from features.store import Store
from models.bundle import Bundle, canonical, load
from reports.drift import drift
from serving.days import Days
from serving.runs import RunFolder

BY_NATURE = "context"
"""Family of indicators that move with the season; that they differ from training says nothing."""
RETURNED_DAYS = 56
"""Returned rows of deliveries of these days are told."""
SAMPLE = "sample.parquet"


def place(home: ProjectHome, run_id: str) -> Path:
    """Where what a run saw is kept."""
    return home.path / "quality" / f"{run_id}.json"


def kept(home: ProjectHome, run_id: str) -> dict[str, Any] | None:
    """What a run saw; None for a run that did not look."""
    try:
        found: dict[str, Any] = json.loads(place(home, run_id).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found


def noted(home: ProjectHome, run_id: str) -> Mapping[str, Any] | None:
    """The same as `kept`, remembered by this process until the note changes."""
    try:
        changed = place(home, run_id).stat().st_mtime_ns
    except OSError:
        return None
    return _noted(home, run_id, changed)


@functools.lru_cache(maxsize=16)
def _noted(home: ProjectHome, run_id: str, _changed: int) -> Mapping[str, Any] | None:
    return kept(home, run_id)


def measure(
    project: Project, bundle: Bundle, run: tuple[str, date], cohort: pd.DataFrame, store: Store, settings: Settings,
    listed: Iterable[tuple[Sequence[str], float | None]],
) -> dict[str, Any]:  # fmt: skip
    """The data of a run, and the reasons that its list gives.

    Args:
        project: the deployment.
        bundle: what scored.
        run: id and as-of day.
        cohort: indicators of those who were scored, by household.
        store: whose deliveries had rows that were returned.
        settings: for the key of the returned rows.
        listed: of each listed household the families of its reasons in order, and the share that they carry.
    """
    now = {name: cohort[name].to_numpy(dtype=np.float64) for name in bundle.schema.ids}
    moved = drift(reference(store.home.project(project.name), bundle), now)
    return {
        "run_id": run[0],
        "as_of": str(run[1]),
        "households": len(cohort),
        "indicators": {
            entry.id: {**moved[entry.id].as_dict(), "family": entry.family, "names": dict(entry.names)}
            for entry in bundle.schema.entries
        },
        "returned": returned(project.name, store, settings, run[1]),
        "reasons": reasons_given(listed),
    }


def look(
    project: Project, task: str, store: Store, settings: Settings, engine: Engine, run: RunFolder
) -> dict[str, Any]:
    """What a run saw, with the state of every feed in every area, which takes a while; it is kept for the pages.

    Raises:
        UsageError: the run left no note, and its day's panel or its bundle is not here any more.
    """
    home = store.home.project(project.name)
    content = kept(home, run.run_id) or _again(project, task, store, settings, run)
    content["areas"] = [state.as_dict() for state in check_areas(project, store, run.as_of, engine)]
    keep(home, run.run_id, content)
    return content


def _again(project: Project, task: str, store: Store, settings: Settings, run: RunFolder) -> dict[str, Any]:
    """The same for a run that left no note."""
    folder = store.home.project(project.name).bundles / run.receipt["bundle"]
    bundle = load(folder, threads=settings.threads) if folder.is_dir() else None
    days = Days(project, task, settings, area_tree(project))
    panel = days.built(bundle).get(run.as_of) if bundle is not None else None
    if bundle is None or panel is None:
        raise UsageError("quality_panel_absent", day=run.as_of)
    cohort = panel.read([run.as_of]).set_index("household_id").loc[list(run.scores()["household_id"])]
    listed = [([one["family"] for one in row["reasons"]], row.get("explained")) for row in run.households()]
    return measure(project, bundle, (run.run_id, run.as_of), cohort, store, settings, listed)


def keep(home: ProjectHome, run_id: str, content: Mapping[str, Any]) -> None:
    """Write what a run saw."""
    path = place(home, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, canonical(content))


def reference(home: ProjectHome, bundle: Bundle) -> dict[str, np.ndarray] | None:
    """The training sample of a bundle by indicator; None where it was trained elsewhere."""
    path = home.path / "trainings" / f"{bundle.digest[:24]}-report" / SAMPLE
    if not path.is_file():
        return None
    frame = pd.read_parquet(path)
    return {str(name): frame[name].to_numpy(dtype=np.float64) for name in frame.columns}


def returned(project: str, store: Store, settings: Settings, day: date) -> list[dict[str, Any]]:
    """Deliveries of the last weeks with rows that were returned, and how many for which rule; newest first."""
    from features.feeds.quarantine import Quarantine
    from features.feeds.validation import rules

    since = day - timedelta(days=RETURNED_DAYS)
    known = {one.delivery_id: one for one in store.deliveries() if one.quarantined and one.received_on >= str(since)}
    counts: dict[str, Counter[str]] = {name: Counter() for name in known}
    if known:
        home = Home(settings.home)
        try:
            quarantine = Quarantine(home.project(project).quarantine, open_cipher(settings, home))
            for feed in sorted({one.feed for one in known.values()}):
                for entry in quarantine.entries(feed=feed):
                    if entry.delivery_id in counts:
                        counts[entry.delivery_id][entry.rule] += 1
        except DependencyError:
            pass  # without the vault's key the rows are counted and not explained
    order = sorted(known.values(), key=lambda one: (one.received_on, one.delivery_id), reverse=True)
    return [
        {
            "delivery": one.delivery_id, "feed": one.feed, "received_on": str(one.received_on),
            "delivered": one.delivered, "returned": one.quarantined,
            "rules": [
                {"count": count, **rules()[rule]["says"].model_dump()}
                for rule, count in counts[one.delivery_id].most_common()
                if rule in rules()
            ],
        }
        for one in order
    ]  # fmt: skip


def reasons_given(listed: Iterable[tuple[Sequence[str], float | None]]) -> dict[str, Any]:
    """How often each family of reasons comes first and at all, and how much of a score the shown reasons carry.

    Args:
        listed: of each listed household the families of its reasons in order, and the share that they carry.
    """
    first, anywhere, explained, rows = Counter[str](), Counter[str](), [], 0
    for families, share in listed:
        rows += 1
        first.update(families[:1])
        anywhere.update(set(families))
        if families and share is not None:
            explained.append(share)
    middle = [round(float(value), 6) for value in np.quantile(explained, (0.1, 0.5, 0.9))] if explained else None
    return {"rows": rows, "first": dict(sorted(first.items())), "anywhere": dict(sorted(anywhere.items())),
            "explained": middle}  # fmt: skip
