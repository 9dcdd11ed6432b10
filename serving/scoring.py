"""The weekly run: a cohort is scored as it was known on a day, and becomes a list.

A run is a function of project, task, day, bundle, store version, options and seed; its id says so. The same inputs
give the same bytes, and a run that exists is returned as it is. A kill leaves either no run or a whole one: the folder
is renamed into place, then published, then logged; each step is made good by the next call.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.calendar import Period, period_index
from features.divisions import AreaTree, area_tree
from features.engines.duckdb import Engine
from features.errors import UsageError, did_you_mean
from features.hardship import in_hardship, read_evidence
from features.identity import open_pseudonymiser
from features.indicators.registry import indicators_of
from features.panel import PanelFolder, build
from features.project import Project
from features.settings import Home, Settings
from features.staging import staged_folder, sweep
from features.store import Store
from features.strict import Words
from models.bundle import Bundle, canonical, same_meaning
from models.levels import INSUFFICIENT, assign, bands_of, triggered_ranks
from models.registry import CHAMPION, Registry, Version
from models.schema import schema_of
from reports import household, weekly_list
from reports.documents import AreaLine, Explanation, FeedLine, Heading, ListRow, WeeklyList, words
from serving.evidence import History, history, history_days
from serving.explaining import Scored, explanations
from serving.listing import Earlier, Entry, Finding, Selection, generator, select
from serving.runs import LISTS, RECEIPT, SCORES, SEALED, RunFolder, last_before, newest_on, runs_of, seal

Progress = Callable[[str, int, int], None]
SHOWN_SENTENCES = 2
TREND_RUNS = 12
DEFAULT_DAYS: Mapping[str, int] = {"red": 3, "orange": 5, "yellow": 20}
"""Days to visit by level where the project names none (domain proposal for red, orange and yellow)."""


@dataclass(frozen=True)
class Options:
    """What a run may be asked to do differently."""

    area: str | None = None
    capacity: int | None = None
    audit_share: float | None = None
    seed: int = 7


@dataclass(frozen=True)
class Run:
    """A weekly run.

    Attributes:
        existed: whether it was there already.
        audit: number of audit rows; which ones they are is sealed.
        areas: by visiting area: capacity, listed, at or above yellow, left out, in the last list too.
    """

    run_id: str
    as_of: date
    task: str
    version: str
    folder: Path | None
    published: bool
    existed: bool
    listed: int
    new: int
    up: int
    audit: int
    suggestions: int
    cohort: int
    levels: Mapping[str, int]
    areas: tuple[Mapping[str, Any], ...]
    stale: bool
    files: tuple[Path, ...] = ()
    mlflow_run: str | None = None
    overlap: int = 0
    left: Mapping[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "run_id": self.run_id,
            "as_of": str(self.as_of),
            "task": self.task,
            "version": self.version,
            "listed": self.listed,
            "new": self.new,
            "up": self.up,
            "audit": self.audit,
            "suggestions": self.suggestions,
            "cohort": self.cohort,
            "levels": dict(self.levels),
            "areas": [dict(area) for area in self.areas],
            "overlap": self.overlap,
            "left": dict(self.left),
            "stale": self.stale,
            "published": self.published,
            "existed": self.existed,
            "mlflow_run": self.mlflow_run,
            "files": [str(file) for file in self.files],
        }


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
        version: number or alias of the model; the champion by default.
        out: a folder that the lists are copied to as well.
        publish: let the list go out; a draft is not followed by later runs and not logged.
        dry_run: say what the list would be and write nothing but caches.
        allow_stale: go on with stale feeds; every product says so.
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
    _known_area(tree, options.area)
    sweep(home.runs)
    feeds, stale = feed_lines(project, store, as_of, engine, allow_stale=allow_stale)
    known, bundle = registry.fetch(project.name, task, version or CHAMPION)
    before = last_before(home, task, as_of, options.area)
    run_id = _run_id(project, task, as_of, bundle, store, options, before, stale=stale)
    folder = home.runs / f"{as_of}-{task}-{run_id}"
    if (folder / RECEIPT).is_file() and not dry_run:
        return _finish(project, task, known, registry, RunFolder(folder), out, publish=publish, existed=True)
    heading = _heading(project, task, as_of, run_id, known, bundle, store, feeds, stale=stale)
    report("score", 0, 3)
    scored = score_day(
        project, task, store, bundle, heading, engine=engine, tree=tree, area=options.area, before=before,
        progress=progress,
    )  # fmt: skip
    report("score", 1, 3)
    capacity = _capacity(project, tree, scored.scores, options)
    selection = _select(project, task, store, engine, scored, capacity, options, before)
    if dry_run:
        return _described(scored, known, selection, before, folder=None)
    report("score", 2, 3)
    scored = with_history(scored, store, engine, [entry.household_id for entry in selection.entries], progress)
    told = explanations(
        scored,
        [entry.household_id for entry in selection.entries],
        store,
        engine,
        {entry.household_id: entry for entry in selection.entries},
    )
    sign = open_pseudonymiser(settings, Home(settings.home)).sign
    made = _weekly_list(project, scored, selection, told, sign)
    described = _described(scored, known, selection, before, folder=folder)
    with staged_folder(folder) as staged:
        _write(staged, scored, selection, made, told, described, options, before)
    report("score", 3, 3)
    return _finish(project, task, known, registry, RunFolder(folder), out, publish=publish, existed=False)


# --- inputs --------------------------------------------------------------------------------------------------------


def _known_area(tree: AreaTree, area: str | None) -> None:
    if area is not None and area not in tree:
        near = did_you_mean(area, list(tree.areas))
        raise UsageError("area_unknown", area=area, suggestion=near or "—")


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


def _run_id(
    project: Project,
    task: str,
    as_of: date,
    bundle: Bundle,
    store: Store,
    options: Options,
    before: RunFolder | None,
    *,
    stale: bool,
) -> str:
    content = {
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
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def _heading(
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
    )


# --- scoring -------------------------------------------------------------------------------------------------------


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
    indicators = indicators_of(project)
    same_meaning(bundle, schema_of(project, indicators))
    day = heading.as_of
    panel = build(project, store, [day], engine=engine, progress=progress)
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
    days = history_days(scored.project, scored.heading.as_of)
    if not days or not households:
        return scored
    panel = build(scored.project, store, days, engine=engine, progress=progress)
    return Scored(**{**scored.__dict__, "history": history(panel, households)})


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
    task: str,
    store: Store,
    engine: Engine,
    scored: Scored,
    capacity: Mapping[str, int],
    options: Options,
    before: RunFolder | None,
) -> Selection:
    rules = project.listing
    if options.audit_share is not None:
        rules = rules.model_copy(update={"audit_share": options.audit_share})
    heading = scored.heading
    episodes = before.episodes() if before else ()
    households = {episode.household_id for episode in episodes} | set(scored.scores["household_id"])
    cohort = set(scored.scores["household_id"])
    earlier = Earlier(
        last_list=before.as_of if before else None,
        episodes=episodes,
        findings=findings(store, heading.as_of, engine, households),
        events=events(store, heading.as_of, engine),
        in_hardship=frozenset(set(scored.frame.index) - cohort),
    )
    del task
    return select(
        scored.scores,
        day=heading.as_of,
        capacity=capacity,
        rules=rules,
        seed=heading.run_id,
        earlier=earlier,
        run_id=heading.run_id,
    )


def findings(store: Store, day: date, engine: Engine, households: set[str]) -> tuple[Finding, ...]:
    """What visits had found by the day, as known on it."""
    table = store.as_known_on(day, "outcome", engine)
    table = table.filter(
        (table.known_from <= day) & (table.known_to > day) & table.source.isin(["visit", "audit"])
        & table.validity_code.notnull()
    )  # fmt: skip
    frame = engine.frame(table.select("household_id", "finding_date", "validity_code"))
    return tuple(
        Finding(str(row["household_id"]), pd.Timestamp(row["finding_date"]).date(), str(row["validity_code"]))
        for row in frame.sort_values(["household_id", "finding_date", "validity_code"]).to_dict("records")
        if row["household_id"] in households
    )


def events(store: Store, day: date, engine: Engine) -> dict[str, date]:
    """The newest event of each household, as known on the day."""
    table = store.as_known_on(day, "event", engine)
    if "household_id" not in table.columns:
        return {}
    table = table.filter((table.known_from <= day) & (table.known_to > day) & table.household_id.notnull())
    newest = table.group_by("household_id").aggregate(day=table.event_date.max())
    return {
        str(row["household_id"]): pd.Timestamp(row["day"]).date()
        for row in engine.frame(newest).to_dict("records")
        if pd.notna(row["day"])
    }


def _weekly_list(
    project: Project,
    scored: Scored,
    selection: Selection,
    told: Mapping[str, Explanation],
    sign: Callable[[str], str],
) -> WeeklyList:
    tree = scored.tree
    return WeeklyList(
        heading=scored.heading,
        rows=tuple(
            _row(scored, entry, told[entry.household_id], sign, due=due, blind=blind)
            for entry, due, blind in zip(selection.entries, *_due_days(project, scored, selection), strict=True)
        ),
        areas=tuple(
            AreaLine(
                Words(zh=tree.name(count.area), en=tree.name(count.area, "en")),
                count.capacity,
                count.listed,
                count.left_out,
            )
            for count in selection.areas
        ),
        departments={key: department.name for key, department in project.departments.items()},
        bands={level: float(getattr(scored.bundle.levels, level)) for level in ("red", "orange", "yellow")},
    )


def row_code(sign: Callable[[str], str], run_id: str, household_id: str, version: str) -> str:
    """The code of a row: only this key makes it, and it holds for this run, household and version."""
    return sign(f"{run_id}|{household_id}|{version}")


def _due_days(project: Project, scored: Scored, selection: Selection) -> tuple[list[date], list[date]]:
    """Days to visit by: by level, and for the form without levels, where audit rows have days as risk rows do."""
    heading = scored.heading

    def due(entry: Entry) -> date:
        level = entry.level if entry.level in DEFAULT_DAYS else "yellow"
        days = project.listing.visit_within_days.get(level, DEFAULT_DAYS[level])
        return heading.as_of + timedelta(days=days)

    entries = selection.entries
    by_level = [due(entry) for entry in entries]
    random = generator(heading.run_id, "due")
    everywhere: list[date] = []
    here: dict[str, list[date]] = {}
    for entry, day in zip(entries, by_level, strict=True):
        if entry.kind == "risk":
            everywhere.append(day)
            here.setdefault(entry.area, []).append(day)
    blind = []
    for entry, day in zip(entries, by_level, strict=True):
        offered = here.get(entry.area) or everywhere or [day]
        drawn = offered[int(random.integers(len(offered)))]
        blind.append(drawn if entry.kind == "audit" else day)
    return by_level, blind


def _row(
    scored: Scored, entry: Entry, told: Explanation, sign: Callable[[str], str], *, due: date, blind: date
) -> ListRow:
    shown = [reason.sentence for reason in told.reasons[:SHOWN_SENTENCES]]
    situation = words("quiet")
    if shown:
        situation = Words(
            zh="；".join(text.zh.rstrip("。") for text in shown) + "。",
            en="; ".join(text.en.rstrip(".") for text in shown) + ".",
        )
    heading = scored.heading
    return ListRow(
        code=row_code(sign, heading.run_id, entry.household_id, heading.version),
        household_id=entry.household_id,
        area_code=entry.area,
        area=told.area,
        level=told.level,
        change=entry.change,
        change_per_100=entry.change_per_100,
        situation=situation,
        visit_by=due,
        visit_by_blind=blind,
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
        overlap=len(last & listed.keys()),
        left={str(cause): int(count) for cause, count in sorted(why.items())},
    )


def _write(
    staged: Path,
    scored: Scored,
    selection: Selection,
    made: WeeklyList,
    told: Mapping[str, Explanation],
    described: Run,
    options: Options,
    before: RunFolder | None,
) -> None:
    scores = scored.scores.sort_values("household_id").reset_index(drop=True)
    scores["rank"] = scores["probability"].rank(ascending=False, method="min")
    scores["triggers"] = [",".join(names) for names in scores["triggers"]]
    scores.drop(columns="sufficient").to_parquet(staged / SCORES, index=False, compression="zstd")
    rows = {identifier: _machine_row(explanation) for identifier, explanation in told.items()}
    (staged / "list.json").write_bytes(weekly_list.to_json(made, rows))
    (staged / "list.csv").write_bytes(weekly_list.to_csv(made))
    weekly_list.write_xlsx(made, staged / "list.xlsx")
    weekly_list.write_xlsx(made, staged / "visits.xlsx", blind=True)
    sealed = {"run_id": described.run_id, **seal(selection), "suggestions": list(selection.suggestions)}
    (staged / SEALED).touch(mode=0o600)
    (staged / SEALED).write_bytes(canonical(sealed))
    heading = scored.heading
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(staged.iterdir())}
    receipt = {
        **{key: value for key, value in described.as_dict().items() if key not in ("published", "existed", "files")},
        "bundle": heading.bundle,
        "store_version": heading.store_version,
        "configuration": scored.project.digest,
        "project": scored.project.name,
        "area": options.area,
        "seed": options.seed,
        "audit_share": scored.project.listing.audit_share if options.audit_share is None else options.audit_share,
        "before": before.run_id if before else None,
        "feeds": {
            feed.feed: {"status": feed.status, "newest": feed.newest, "age_days": feed.age_days}
            for feed in heading.feeds
        },
        "visit_suggestions": list(selection.suggestions),
        "files": files,
    }
    receipt.pop("mlflow_run")
    (staged / RECEIPT).write_bytes(canonical(receipt))


def _machine_row(explanation: Explanation) -> dict[str, Any]:
    """Numbers and reasons of a listed household, for those who may see them."""
    whole = household.to_plain(explanation)
    kept = ("level", "probability", "per_100", "range", "rank", "reasons", "explained", "relief", "triggers")
    return {key: whole[key] for key in kept}


def _finish(
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
    known, bundle = registry.fetch(project.name, task, version or CHAMPION)
    before = last_before(home, task, as_of)
    made = newest_on(home, task, as_of)
    same = made is not None and made.receipt["bundle"] == bundle.digest
    run_id = made.run_id if made is not None and same else ""
    heading = _heading(project, task, as_of, run_id, known, bundle, store, feeds, stale=stale)
    scored = score_day(
        project, task, store, bundle, heading, engine=engine, tree=tree, before=before, progress=progress
    )
    if wanted not in set(scored.scores["household_id"]):
        reason = "household_in_hardship" if wanted in scored.frame.index else "household_unknown"
        raise UsageError(reason, day=as_of)
    scored = with_history(scored, store, engine, [wanted], progress)
    entries = {entry.household_id: entry for entry in made.entries()} if made is not None and same else {}
    return explanations(scored, [wanted], store, engine, entries)[wanted]
