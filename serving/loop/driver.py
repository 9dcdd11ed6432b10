"""The loop: months are lived, files arrive, lists are made, visits change the world, and models learn from them.

    a month is lived ─► files arrive ─► panel of its Sundays ─► on each: list ─► visits ─► findings
          ▲                                                                                   │
          └── help, from the coming month on ◄── departments' answers ◄── referrals ◄─────────┤
                                                   each quarter, a new model ◄── delivery ◄───┘

Everything goes through the product's own doors: deliveries, store, panel, list and training are what a deployment has.
Only the report may look at what was true.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from features.calendar import period_end, period_index, period_start
from features.divisions import area_tree
from features.engines.duckdb import Engine, engine
from features.feeds.profiles import Feed
from features.hardship import Evidence, in_hardship, read_evidence
from features.identity import open_pseudonymiser
from features.panel import PanelFolder, build
from features.project import Project, load_project
from features.province.deliveries import LAST_MONTH
from features.province.field import field_values
from features.province.simulation import PROJECT
from features.province.standards import write_standards
from features.province.world import Province
from features.settings import Home, Settings
from features.store import Store
from serving.earlier import events
from serving.loop.diary import Diary
from serving.loop.learning import Kept, Model, gather_rows, learn_one
from serving.loop.lives import Life, Plan, settle, together, untouched
from serving.loop.post import Post
from serving.loop.weeks import Desk
from training.baselines import Known
from training.gathering import used_indicators

Progress = Callable[[str, int, int], None]
LEAST_LEAF = 20
"""The project's leaves of 200 rows are meant for 10,000 households and more; smaller provinces have smaller ones."""
BUCKET_HOUSEHOLDS = 10_000
"""As many households as a panel may hold at once in the memory that an engine has by default."""
WARM_MONTHS = 6
"""Before the first day that is trained on, so that windows have something to look back on."""


@dataclass(frozen=True)
class Terms:
    """What a loop is a function of, beside its provinces.

    Attributes:
        households: of each province.
        per_county: households of each county; at the project's capacity of five visits a county and week, a thousand
            are about what an assistant who verifies eight a month does in a village of 400.
        weeks: lists that are made.
        history: months that departments report on before the first list.
        retrain: months between two trainings.
        stride: weeks between two days that are trained on.
        unrecorded: what a household of which no outcome was recorded says; `unknown` weighs findings by the inverse
            of their probability of selection.
        prompt: departments have no reporting lag.
        paths: futures that the oracle lives.
    """

    households: int = 2_000
    per_county: int = 1_000
    weeks: int = 100
    history: int = 24
    retrain: int = 3
    stride: int = 6
    unrecorded: str = "unknown"
    prompt: bool = False
    paths: int = 100

    @property
    def shape(self) -> dict[str, int]:
        """What a province is settled with."""
        return {
            "households": self.households,
            "per_county": self.per_county,
            "first": self.first,
            "months": self.months,
        }

    @property
    def listing_months(self) -> list[int]:
        """Months in which lists are made; the last is the simulated province's last month."""
        months: list[int] = []
        for back in range(self.weeks):
            months = [LAST_MONTH - number for number in range(back, -1, -1)]
            if sum(len(sundays(index)) for index in months) >= self.weeks:
                break
        return months

    @property
    def first(self) -> int:
        """The first month that departments report on."""
        return self.listing_months[0] - self.history

    @property
    def months(self) -> int:
        """How many they report on."""
        return LAST_MONTH - self.first + 1


def sundays(index: int) -> list[date]:
    """As-of days of a month.

    >>> [day.day for day in sundays(2026 * 12 + 9)]
    [4, 11, 18, 25]
    """
    first = period_start("month", index)
    first += timedelta(days=(6 - first.weekday()) % 7)
    last = period_end("month", index)
    return [first + timedelta(days=7 * week) for week in range(5) if first + timedelta(days=7 * week) <= last]


def drive(
    terms: Terms,
    plans: Sequence[Plan],
    folder: Path,
    *,
    threads: int = 2,
    memory: str = "1GB",
    progress: Progress | None = None,
) -> list[Diary]:
    """Live the provinces of the plans side by side through all weeks; one diary for each, in their order.

    Args:
        terms: length and size.
        plans: provinces that share a store.
        folder: emptied, and filled with the deployment's state.
        threads: of this machine; they change the time and nothing else.
        memory: the engine's limit, likewise.
        progress: told about each month.
    """
    with _Loop.open(terms, plans, folder, threads, memory) as loop:
        return loop.run(progress or (lambda *_: None))


@dataclass
class _Loop:
    terms: Terms
    project: Project
    settings: Settings
    post: Post
    engine: Engine
    kept: Kept
    lives: list[Life]
    desks: list[Desk] = field(default_factory=list)
    models: dict[int, Model] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def open(cls, terms: Terms, plans: Sequence[Plan], folder: Path, threads: int, memory: str) -> Iterator[_Loop]:
        """A deployment of its own, with nothing in it."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        # invented people: a key that follows from the seeds makes the same lists of the same province
        key = hashlib.sha256(repr([terms.households, *plans]).encode()).hexdigest()
        home = folder / "home"
        settings = Settings(home=home, threads=threads, memory_limit=memory, pseudonym_key=key)
        post = Post(folder / "deliveries", None, settings, prompt=terms.prompt)  # type: ignore[arg-type]
        lives = [settle(plan, post.add, field_values(), **terms.shape, prompt=terms.prompt) for plan in plans]
        post.project = project = _deployment(folder, terms, lives)
        with engine(settings, Home(home)) as opened:
            yield cls(terms, project, settings, post, opened, Kept(folder / "kept"), lives)

    # --- the months ---------------------------------------------------------------------------------------------------

    def run(self, report: Progress) -> list[Diary]:
        """History, then the lists' months."""
        self._history(report)
        self._open_desks()
        task = self.project.default_task
        assert task is not None
        done = 0
        for number, index in enumerate(self.terms.listing_months):
            days = sundays(index)[: self.terms.weeks - done]
            if not days:
                break
            report("weeks", done, self.terms.weeks)
            for life in self.lives:
                life.month(index, oracle_paths=self.terms.paths if life.plan.method == "oracle" else 0)
            self.post.send(days[-1])
            panel = build(self.project, self._store, days, engine=self.engine)
            if number % self.terms.retrain == 0:
                self._learn(task, days[0], report)
            evidence = read_evidence(self.project, self.project.tasks[task], self._store, days, self.engine)
            for day in days:
                self._sunday(panel, evidence, day)
            self.kept.keep(panel, [day for day in days if self._trained_on(day)])
            shutil.rmtree(panel.path)
            for desk in self.desks:
                desk.month_end(days[-1] + timedelta(days=6))
            done += len(days)
        report("weeks", self.terms.weeks, self.terms.weeks)
        return [self._closed(desk) for desk in self.desks]

    def _history(self, report: Progress) -> None:
        """Months before the first list: departments report, and villages visit as they please."""
        terms = self.terms
        geography = together([life.province.geography for life in self.lives])
        whole = Province(self.lives[0].province.values, geography, 0, terms.first, terms.months, 0)
        write_standards(whole, geography, self.post.add)
        for life in self.lives:
            life.opening()
        start = terms.listing_months[0]
        for index in range(terms.first, start):
            report("history", index - terms.first, terms.history)
            for life in self.lives:
                life.month(index)
        report("history", terms.history, terms.history)
        self.post.send(sundays(start - 1)[-1])
        days = [day for index in range(terms.first + WARM_MONTHS, start) for day in sundays(index)]
        days = [day for day in days if self._trained_on(day)]
        panel = build(self.project, self._store, days, engine=self.engine, progress=report)
        self.kept.keep(panel, days)
        shutil.rmtree(panel.path)
        for life in self.lives:
            life.leave_visits_to_lists()

    def _open_desks(self) -> None:
        ask = open_pseudonymiser(self.settings, Home(self.settings.home))
        onsets: dict[int, np.ndarray] = {}
        for life in self.lives:
            names = np.array(ask.many("household_number", pa.array(life.codes)).to_pylist(), dtype=object)
            if life.plan.seed not in onsets:
                onsets[life.plan.seed] = untouched(life.plan.seed, **self.terms.shape)
            diary = Diary(life.plan, len(life), self.terms.first, untouched=onsets[life.plan.seed])
            self.desks.append(Desk(life, diary, names))

    def _trained_on(self, day: date) -> bool:
        return period_index("week", day) % self.terms.stride == 0

    @property
    def _store(self) -> Store:
        return Store(Home(self.settings.home), self.project)

    # --- a Sunday -----------------------------------------------------------------------------------------------------

    def _learn(self, task: str, until: date, report: Progress) -> None:
        """A new model for every province that has enough to learn from; the others keep theirs."""
        whole = gather_rows(self.kept, self.project, task, self._store, until, self.engine, lambda *_: None)
        for number, desk in enumerate(self.desks):
            report("train", number, len(self.desks))
            plan = desk.life.plan
            if plan.method == "oracle":
                continue
            made = learn_one(
                whole, f"99{plan.number:02d}", plan.seed, self.settings.threads, compared=plan.method != "lightgbm"
            )
            if made is not None:
                self.models[plan.number] = made
                desk.diary.trained.append((until, made.onsets, made.rows))

    def _sunday(self, panel: PanelFolder, evidence: Evidence, day: date) -> None:
        """The lists of a day, each of its own province."""
        frame = panel.read([day]).set_index("household_id").sort_index()
        hard = in_hardship(evidence, day, frame.index)
        newest = events(self._store, day, self.engine)
        tree = area_tree(self.project)
        codes = frame["area_code"].astype(str)
        area = codes.map({code: tree.at_level(code, self.project.areas.visits) for code in codes.unique()})
        ids = [indicator.id for indicator in used_indicators(self.project, str(self.project.default_task))]
        number = codes.str[2:4].astype(int).to_numpy()
        for desk in self.desks:
            here = (number == desk.life.plan.number) & (hard != 1)
            known = Known(ids, frame.loc[here, ids].to_numpy(dtype=np.float64), codes[here].to_numpy())
            names = frame.index[here]
            risk = self._risk(desk, known, names)
            cohort = pd.DataFrame({"household_id": names, "area": area[here].to_numpy(), "risk": risk})
            desk.week(self.project, day, cohort.assign(sufficient=~np.isnan(hard[here])), newest)
            if day.day <= 7:
                told = np.full(len(desk.life), np.nan)
                told[[desk.row_of[name] for name in names]] = risk
                desk.diary.risks[day] = told

    def _risk(self, desk: Desk, known: Known, names: pd.Index) -> np.ndarray:
        life = desk.life
        if life.plan.method == "oracle":
            assert life.oracle_chance is not None
            return life.oracle_chance[[desk.row_of[name] for name in names]]
        model = self.models.get(life.plan.number)
        if model is None:  # nothing to learn from yet: everybody alike
            return np.zeros(len(names))
        return model.risk(life.plan.method, known)

    def _closed(self, desk: Desk) -> Diary:
        life = desk.life
        return replace(
            desk.diary,
            onsets=np.array(life.onsets),
            unaided=np.array(life.unaided),
            applied=np.array(life.applied),
        )


def _deployment(folder: Path, terms: Terms, lives: Sequence[Life]) -> Project:
    """The province's project file with the areas of the small provinces, and the terms' choices."""
    together([life.province.geography for life in lives]).write(folder / "areas.csv")
    (folder / PROJECT.name).write_text(PROJECT.read_text(encoding="utf-8"), encoding="utf-8")
    project = load_project(folder / PROJECT.name)
    name = str(project.default_task)
    rule = project.tasks[name].model_copy(update={"unrecorded": terms.unrecorded})
    leaf = max(LEAST_LEAF, min(200, terms.households // 50))
    model = project.model.model_copy(update={"parameters": {**project.model.parameters, "min_data_in_leaf": leaf}})
    buckets = -(-terms.households * len(lives) // BUCKET_HOUSEHOLDS)
    return project.model_copy(
        update={
            "feeds": {feed_id: _in_any_container(feed) for feed_id, feed in project.feeds.items()},
            "tasks": {name: rule},
            "model": model,
            "store": project.store.model_copy(update={"buckets": buckets}),
        }
    )


def _in_any_container(feed: Feed) -> Feed:
    """The feed as it is, except that its department sends Parquet here, and that no county is without it."""
    source = feed.profile.source.model_copy(update={"format": "auto"})
    profile = feed.profile.model_copy(update={"source": source})
    return feed.model_copy(update={"profile": profile, "not_from": []})
