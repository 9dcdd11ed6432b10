"""The cohort of a day, scored: who was not known to be in hardship, how likely it is, and how fresh the data were."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd

from features.calendar import Period, period_index
from features.divisions import AreaTree
from features.engines.duckdb import Engine
from features.hardship import in_hardship, read_evidence
from features.indicators.registry import indicators_of
from features.panel import PanelFolder, build
from features.project import Project
from features.store import Store
from models.bundle import Bundle, same_meaning
from models.levels import INSUFFICIENT, assign, bands_of, triggered_ranks
from models.registry import Version
from models.schema import schema_of
from reports.documents import FeedLine, Heading, words
from serving.evidence import History, history, history_days
from serving.explaining import Scored
from serving.runs import RunFolder, runs_of

Progress = Callable[[str, int, int], None]
TREND_RUNS = 12


def feed_lines(
    project: Project, store: Store, day: date, engine: Engine, *, allow_stale: bool
) -> tuple[tuple[FeedLine, ...], bool]:
    """The state of each feed, and whether the run goes on in spite of stale ones.

    Raises:
        GateError: an essential feed is stale, and nobody said to go on.
    """
    from features.freshness import check, require_fresh

    states = check(project, store, day, engine)
    stale = require_fresh(states, allow_stale=allow_stale)
    lines = tuple(
        FeedLine(
            feed=state.feed,
            name=project.feeds[state.feed].name,
            department=project.departments[project.feeds[state.feed].department].name,
            status=state.status,
            newest=state.newest,
            age_days=state.age_days,
            essential=project.feeds[state.feed].essential,
        )
        for state in states
    )
    return lines, bool(stale)


def heading_of(
    project: Project,
    task: str,
    as_of: date,
    run_id: str,
    version: Version,
    bundle: Bundle,
    store: Store,
    feeds: tuple[FeedLine, ...],
    *,
    stale: bool,
) -> Heading:
    """What every document of a run says about where it comes from."""
    cadence = project.calendar.cadence
    horizon = project.tasks[task].horizon
    unit = words(f"unit_{horizon.unit}", count=horizon.count)
    return Heading(
        project=project.title,
        task=task,
        task_title=project.tasks[task].title,
        as_of=as_of,
        period=str(Period(cadence, period_index(cadence, as_of))),
        run_id=run_id,
        version=version.number,
        bundle=bundle.digest,
        store_version=store.version,
        horizon=unit,
        feeds=feeds,
        stale=stale,
        trial=not version.promoted,
    )


def score_day(
    project: Project,
    task: str,
    store: Store,
    bundle: Bundle,
    heading: Heading,
    *,
    engine: Engine,
    tree: AreaTree,
    area: str | None = None,
    before: RunFolder | None = None,
    progress: Progress | None = None,
) -> Scored:
    """Everybody who was not known to be in hardship on the day, scored."""
    same_meaning(bundle, schema_of(project, indicators_of(project)))
    panel = _panel(project, store, heading.as_of, engine, progress)
    return score_panel(project, task, store, bundle, heading, panel, engine=engine, tree=tree, area=area, before=before)


def score_panel(
    project: Project,
    task: str,
    store: Store,
    bundle: Bundle,
    heading: Heading,
    panel: PanelFolder,
    *,
    engine: Engine,
    tree: AreaTree,
    area: str | None = None,
    before: RunFolder | None = None,
) -> Scored:
    """The same from a panel that has been built, whose indicators mean what the bundle's do."""
    day = heading.as_of
    frame = panel.read([day]).set_index("household_id").sort_index()
    frame["area"] = _visiting_areas(tree, frame["area_code"], project.areas.visits)
    evidence = read_evidence(project, project.tasks[task], store, [day], engine)
    hard = in_hardship(evidence, day, frame.index)
    inside = hard != 1
    if area is not None:
        inside &= _within(tree, frame["area_code"], area)
    earlier = _earlier_scores(store, project, task, day)
    scores = _scores(bundle, frame[inside], hard[inside], panel, earlier[-1][1] if earlier else None)
    return Scored(
        project, bundle, tree, heading, frame, scores, History((), {}), earlier, before.as_of if before else None
    )


def _panel(project: Project, store: Store, day: date, engine: Engine, progress: Progress | None) -> PanelFolder:
    """The day and the earlier days that its history shows, in one panel: the days share most of its cost."""
    return build(project, store, [*history_days(project, day), day], engine=engine, progress=progress)


def _visiting_areas(tree: AreaTree, codes: pd.Series, level: str) -> pd.Series:
    """The visiting area of each household; a code that the tree does not know visits for itself."""
    known = {code: tree.at_level(str(code), level) or str(code) for code in codes.dropna().unique()}
    return codes.map(known).fillna("—")


def _within(tree: AreaTree, codes: pd.Series, area: str) -> np.ndarray:
    inside = {code for code in codes.dropna().unique() if area in {found.code for found in tree.chain(str(code))}}
    found: np.ndarray = codes.isin(inside).to_numpy()
    return found


def _earlier_scores(store: Store, project: Project, task: str, day: date) -> list[tuple[date, pd.DataFrame]]:
    """Probability and level of each household on the last published runs, oldest first, one a day."""
    by_day = {run.as_of: run for run in runs_of(store.home.project(project.name), task) if run.published}
    days = [earlier for earlier in sorted(by_day) if earlier < day][-TREND_RUNS:]
    return [(earlier, by_day[earlier].scores().set_index("household_id")[["probability", "level"]]) for earlier in days]


def _scores(
    bundle: Bundle, frame: pd.DataFrame, hard: np.ndarray, panel: PanelFolder, earlier: pd.DataFrame | None
) -> pd.DataFrame:
    """Scores of the cohort; where too little is known there is a level `insufficient` and no probability."""
    found = bundle.score(frame)
    states = frame[[name for name in panel.manifest["feeds"] if name in frame.columns]]
    silent = (states == 2).all(axis=1).to_numpy() if states.shape[1] else np.zeros(len(frame), dtype=bool)
    sufficient = ~np.isnan(hard) & ~silent
    forced, triggers = triggered_ranks(bundle.levels, frame)
    previous = None if earlier is None else earlier["level"].reindex(frame.index).fillna("none").tolist()
    level = assign(
        found["probability"].to_numpy(),
        bands_of(bundle.levels),
        previous=previous,
        triggered=forced,
        sufficient=sufficient,
    )
    scores = found.assign(area_code=frame["area_code"].astype(str), area=frame["area"], level=level)
    scores["sufficient"] = level != INSUFFICIENT
    scores["triggers"] = triggers
    numbers = ["probability", "low", "high"]
    scores.loc[~sufficient, numbers] = np.nan
    return scores.reset_index()


def with_history(
    scored: Scored, store: Store, engine: Engine, households: list[str], progress: Progress | None = None
) -> Scored:
    """The same, with some households' values on earlier days."""
    if not history_days(scored.project, scored.heading.as_of) or not households:
        return scored
    panel = _panel(scored.project, store, scored.heading.as_of, engine, progress)
    return Scored(**{**scored.__dict__, "history": history(panel, households, scored.heading.as_of)})
