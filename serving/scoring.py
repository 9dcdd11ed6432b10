"""The weekly run: a cohort is scored as it was known on a day, and becomes a list.

A run is a function of project, task, day, bundle, store version, options and seed; its id says so. The same inputs
give the same bytes, and a run that exists is returned as it is. A kill leaves either no run or a whole one: the folder
is renamed into place, then published, then logged; each step is made good by the next call.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from features.divisions import AreaTree, area_tree
from features.engines.duckdb import Engine
from features.errors import UsageError
from features.identity import open_pseudonymiser
from features.project import Project
from features.settings import Home, Settings
from features.staging import staged_folder, sweep
from features.store import Store
from models.bundle import Bundle
from models.levels import INSUFFICIENT
from models.registry import Registry, Version
from reports.documents import Explanation
from serving import quality
from serving.cohort import feed_lines, heading_of, score_day, with_history
from serving.earlier import earlier
from serving.explaining import Scored, explanations
from serving.listing import Finding, Selection, select
from serving.publishing import finish
from serving.recorded import milestones
from serving.runs import RECEIPT, Options, Run, RunFolder, last_before, newest_on
from serving.writing import weekly_list_of, write_run

Progress = Callable[[str, int, int], None]


def run(
    project: Project,
    task: str,
    store: Store,
    registry: Registry,
    *,
    as_of: date,
    settings: Settings,
    engine: Engine,
    options: Options | None = None,
    version: str | None = None,
    out: Path | None = None,
    publish: bool = True,
    dry_run: bool = False,
    allow_stale: bool = False,
    findings: Sequence[Finding] = (),
    progress: Progress | None = None,
) -> Run:
    """Score the cohort of a day and make its list.

    Args:
        project: the deployment.
        task: what is predicted.
        store: what was known.
        registry: where the model is fetched and the run is logged.
        as_of: the day whose knowledge counts.
        settings: for the key that signs row codes.
        engine: reads the store.
        options: area, capacity, audit share, seed.
        version: number or alias of the model; by default the champion, or the newest
            where none has been promoted; every product says so then.
        out: a folder that the lists are copied to as well.
        publish: let the list go out; a draft is not followed by later runs and not logged.
        dry_run: say what the list would be and write nothing but caches.
        allow_stale: go on with stale feeds; every product says so.
        findings: what visits found that has not been delivered to the store yet; it keeps households off the list.
        progress: told about each stage.

    Raises:
        GateError: an essential feed is stale.
        UsageError: there is no such version or area.
        DataError: an indicator means something else than the bundle was trained on.
    """
    options = options or Options()
    report = progress or (lambda _label, _done, _total: None)
    home = store.home.project(project.name)
    tree = area_tree(project)
    if options.area is not None:
        tree.must_have(options.area)
    sweep(home.runs)
    feeds, stale = feed_lines(project, store, as_of, engine, allow_stale=allow_stale)
    known, bundle = registry.fetch(project.name, task, version or registry.default(project.name, task))
    before = last_before(home, task, as_of, options.area)
    run_id = _run_id(
        project, task, as_of, bundle, store, options, before, findings, stale=stale, trial=not known.promoted
    )
    folder = home.runs / f"{as_of}-{task}-{run_id}"
    if (folder / RECEIPT).is_file() and not dry_run:
        return finish(project, task, known, registry, RunFolder(folder), out, publish=publish, existed=True)
    heading = heading_of(project, task, as_of, run_id, known, bundle, store, feeds, stale=stale)
    report("score", 0, 3)
    scored = score_day(
        project, task, store, bundle, heading, engine=engine, tree=tree, area=options.area, before=before,
        progress=progress,
    )  # fmt: skip
    report("score", 1, 3)
    capacity = _capacity(project, tree, scored.scores, options)
    selection = _select(project, store, engine, scored, capacity, options, before, findings)
    if dry_run:
        return _described(scored, known, selection, before, folder=None)
    report("score", 2, 3)
    entries = {entry.household_id: entry for entry in selection.entries}
    scored = with_history(scored, store, engine, list(entries), progress)
    told = explanations(scored, list(entries), store, engine, entries)
    sign = open_pseudonymiser(settings, Home(settings.home)).sign
    made = weekly_list_of(project, scored, selection, told, sign)
    records = milestones(store, engine, as_of, told)
    described = _described(scored, known, selection, before, folder=folder)
    _note_quality(scored, told, store, settings)
    with staged_folder(folder) as staged:
        write_run(staged, scored, selection, made, told, described, options, before, records)
    report("score", 3, 3)
    return finish(project, task, known, registry, RunFolder(folder), out, publish=publish, existed=False)


# --- inputs --------------------------------------------------------------------------------------------------------


def _run_id(
    project: Project,
    task: str,
    as_of: date,
    bundle: Bundle,
    store: Store,
    options: Options,
    before: RunFolder | None,
    findings: Sequence[Finding],
    *,
    stale: bool,
    trial: bool,
) -> str:
    content: dict[str, Any] = {
        "project": project.name,
        "configuration": project.digest,
        "task": task,
        "as_of": str(as_of),
        "bundle": bundle.digest,
        "store": store.version,
        "area": options.area,
        "capacity": options.capacity,
        "audit_share": options.audit_share,
        "seed": options.seed,
        "before": before.run_id if before else None,
        "stale": stale,
        "trial": trial,
    }
    if findings:
        content["findings"] = sorted([one.household_id, str(one.found_on), one.validity] for one in findings)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


# --- the list ------------------------------------------------------------------------------------------------------


def _capacity(project: Project, tree: AreaTree, scores: pd.DataFrame, options: Options) -> dict[str, int]:
    """Visits of each area that has households, by option, by area, or by default."""
    places = {}
    for area in sorted(scores["area"].astype(str).unique()):
        own = project.capacity.by_area.get(area, project.capacity.default)
        places[area] = own if options.capacity is None else options.capacity
    return {area: count for area, count in places.items() if area in tree}


def _select(
    project: Project,
    store: Store,
    engine: Engine,
    scored: Scored,
    capacity: Mapping[str, int],
    options: Options,
    before: RunFolder | None,
    findings: Sequence[Finding],
) -> Selection:
    rules = project.listing
    if options.audit_share is not None:
        rules = rules.model_copy(update={"audit_share": options.audit_share})
    heading = scored.heading
    return select(
        scored.scores,
        day=heading.as_of,
        capacity=capacity,
        rules=rules,
        seed=heading.run_id,
        earlier=earlier(scored, store, engine, before, findings),
        run_id=heading.run_id,
    )


# --- what is written ------------------------------------------------------------------------------------------------


def _described(
    scored: Scored, version: Version, selection: Selection, before: RunFolder | None, folder: Path | None
) -> Run:
    heading = scored.heading
    last = {e.household_id for e in before.episodes() if e.listed_on == before.as_of} if before else set()
    listed = {entry.household_id: entry for entry in selection.entries}
    counts = scored.scores["level"].value_counts()
    why = pd.Series([left.why for left in selection.left], dtype=object).value_counts()
    return Run(
        run_id=heading.run_id,
        as_of=heading.as_of,
        task=heading.task,
        version=version.number,
        folder=folder,
        published=False,
        existed=False,
        listed=len(selection.entries),
        new=sum(entry.change == "new" for entry in selection.entries),
        up=sum(entry.change == "up" for entry in selection.entries),
        audit=selection.count("audit"),
        suggestions=len(selection.suggestions),
        cohort=len(scored.scores),
        levels={level: int(counts.get(level, 0)) for level in ("red", "orange", "yellow", "none", INSUFFICIENT)},
        areas=tuple(
            {
                "area": count.area,
                "name": scored.tree.name(count.area),
                "capacity": count.capacity,
                "listed": count.listed,
                "at_or_above": dict(count.at_or_above),
                "left_out": dict(count.left_out),
                "overlap": sum(entry.area == count.area and household in last for household, entry in listed.items()),
            }
            for count in selection.areas
        ),
        stale=heading.stale,
        trial=heading.trial,
        overlap=len(last & listed.keys()),
        left={str(cause): int(count) for cause, count in sorted(why.items())},
    )


def _note_quality(scored: Scored, told: Mapping[str, Explanation], store: Store, settings: Settings) -> None:
    """What the run saw of its data, beside the runs."""
    project, heading = scored.project, scored.heading
    cohort = scored.frame.loc[list(scored.scores["household_id"])]
    listed = [([reason.family for reason in one.reasons], one.explained) for one in told.values()]
    seen = quality.measure(
        project, scored.bundle, (heading.run_id, heading.as_of), cohort, store, settings, listed
    )  # fmt: skip
    quality.keep(store.home.project(project.name), heading.run_id, seen)


# --- one household --------------------------------------------------------------------------------------------------


def explain_household(
    project: Project,
    task: str,
    store: Store,
    registry: Registry,
    wanted: str,
    *,
    as_of: date,
    engine: Engine,
    version: str | None = None,
    allow_stale: bool = True,
    progress: Progress | None = None,
) -> Explanation:
    """One household of the cohort, listed or not; it bears the newest run of the day where there is one.

    Raises:
        UsageError: the household is not in the day's cohort.
    """
    home = store.home.project(project.name)
    tree = area_tree(project)
    feeds, stale = feed_lines(project, store, as_of, engine, allow_stale=allow_stale)
    known, bundle = registry.fetch(project.name, task, version or registry.default(project.name, task))
    before = last_before(home, task, as_of)
    made = newest_on(home, task, as_of)
    same = made is not None and made.receipt["bundle"] == bundle.digest
    run_id = made.run_id if made is not None and same else ""
    heading = heading_of(project, task, as_of, run_id, known, bundle, store, feeds, stale=stale)
    scored = score_day(
        project, task, store, bundle, heading, engine=engine, tree=tree, before=before, progress=progress
    )
    if wanted not in set(scored.scores["household_id"]):
        reason = "household_in_hardship" if wanted in scored.frame.index else "household_unknown"
        raise UsageError(reason, day=as_of)
    scored = with_history(scored, store, engine, [wanted], progress)
    entries = {entry.household_id: entry for entry in made.entries()} if made is not None and same else {}
    return explanations(scored, [wanted], store, engine, entries)[wanted]
