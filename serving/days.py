"""Days that households can be looked up on: panels that have been built, scored by the version that serves.

The service builds no panel: batch is not HTTP. It reads those that the weekly run or `zhouji features` left, scores the
cohort of a day once for each version, and keeps the last few days; a look-up is then a place in an array.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from features.divisions import AreaTree
from features.engines.duckdb import engine
from features.panel import PanelFolder
from features.project import Project
from features.settings import Home, Settings
from features.store import Store
from models.bundle import Bundle
from serving.cohort import feed_lines, heading_of, score_panel
from serving.current import Served
from serving.evidence import Peers
from serving.explaining import Scored
from serving.runs import RunFolder, last_before, newest_on

KEPT_DAYS = 2
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class KnownDay:
    """A day's panel and cohort, as one version scores it.

    Attributes:
        places: household → row of the panel.
        cohort: row of the panel → row of the scores; −1 for a household that was known to be in hardship.
        matrix: all needed indicators of the panel's households, shape (households, needed).
        states: state of each feed for each household: 0 current, 1 late, 2 absent.
    """

    scored: Scored
    panel: PanelFolder
    run: RunFolder | None
    places: Mapping[str, int]
    cohort: np.ndarray
    matrix: np.ndarray
    area_codes: np.ndarray
    states: Mapping[str, np.ndarray]
    peers: Peers
    columns: Mapping[str, np.ndarray] = field(repr=False)

    @property
    def day(self) -> date:
        """The as-of day."""
        return self.scored.heading.as_of


class Days:
    """The days of one project's task."""

    def __init__(self, project: Project, task: str, settings: Settings, tree: AreaTree) -> None:
        self._project, self._task, self._settings, self._tree = project, task, settings, tree
        self._home = Home(settings.home)
        self._folder = self._home.project(project.name).panels
        self._panels: dict[str, tuple[PanelFolder, Mapping[str, object]]] = {}
        self._looked = 0.0
        self._kept: OrderedDict[tuple[date, str], KnownDay] = OrderedDict()
        self._loading: dict[tuple[date, str], threading.Lock] = {}
        self._lock = threading.Lock()

    @property
    def store(self) -> Store:
        """The store as it is now."""
        return Store(self._home, self._project)

    def built(self, bundle: Bundle) -> dict[date, PanelFolder]:
        """Days with a panel whose indicators mean what the bundle's do; of several, the one that knows most."""
        found: dict[date, tuple[tuple[int, int], PanelFolder]] = {}
        meaning = {entry.id: entry.definition_hash for entry in bundle.schema.entries}
        for panel, manifest in self._look().values():
            indicators = manifest["indicators"]
            assert isinstance(indicators, dict)
            if any(indicators.get(name) != hashed for name, hashed in meaning.items()):
                continue
            if not all(name in indicators for name in bundle.needed):
                continue
            days = manifest["days"]
            assert isinstance(days, list)
            for text in days:
                day = date.fromisoformat(text)
                earlier = sum(other < text for other in days)
                rank = (int(str(manifest["store_version"])), earlier)
                if day not in found or rank > found[day][0]:
                    found[day] = (rank, panel)
        return {day: panel for day, (_, panel) in sorted(found.items())}

    def _look(self) -> dict[str, tuple[PanelFolder, Mapping[str, object]]]:
        if time.monotonic() - self._looked > LOOK_SECONDS and self._folder.is_dir():
            for path in self._folder.iterdir():
                if path.name not in self._panels and (path / "panel.json").is_file():
                    panel = PanelFolder(path)
                    self._panels[path.name] = (panel, panel.manifest)
            self._looked = time.monotonic()
        return dict(self._panels)

    def at_hand(self, day: date, served: Served) -> KnownDay | None:
        """The day where it is loaded."""
        known = self._kept.get((day, served.bundle.digest))
        return known if known is not None and known.panel == self.built(served.bundle).get(day) else None

    def load(self, day: date, served: Served) -> KnownDay | None:
        """The day, loaded where it is not at hand; takes seconds for a province. None where no panel was built."""
        key = (day, served.bundle.digest)
        with self._lock:
            lock = self._loading.setdefault(key, threading.Lock())
        with lock:
            known = self.at_hand(day, served)
            if known is not None:
                return known
            panel = self.built(served.bundle).get(day)
            if panel is None:
                return None
            made = self._made(panel, day, served)
            with self._lock:
                self._kept[key] = made
                self._kept.move_to_end(key)
                while len(self._kept) > KEPT_DAYS:
                    self._kept.popitem(last=False)
            return made

    def prepare(self, served: Served) -> None:
        """Score the days that are loaded by a version that is about to serve, so that nobody waits for it."""
        for day, digest in list(self._kept):
            if digest != served.bundle.digest and day in self.built(served.bundle):
                self.load(day, served)

    def _made(self, panel: PanelFolder, day: date, served: Served) -> KnownDay:
        project, task, bundle = self._project, self._task, served.bundle
        store, home = self.store, self._home.project(self._project.name)
        run = newest_on(home, task, day)
        same = run if run is not None and run.published and run.receipt["bundle"] == bundle.digest else None
        with engine(self._settings, self._home) as opened:
            feeds, stale = feed_lines(project, store, day, opened, allow_stale=True)
            heading = heading_of(
                project, task, day, same.run_id if same else "", served.version, bundle, store, feeds, stale=stale
            )
            before = last_before(home, task, day)
            scored = score_panel(
                project, task, store, bundle, heading, panel, engine=opened, tree=self._tree, before=before
            )
        frame, scores = scored.frame, scored.scores
        places = {str(household): at for at, household in enumerate(frame.index)}
        cohort = np.full(len(frame), -1, dtype=np.int64)
        cohort[[places[str(household)] for household in scores["household_id"]]] = np.arange(len(scores))
        names = [name for name in panel.manifest["feeds"] if name in frame.columns]
        numbers = ("margin", "probability", "low", "high")
        columns = {name: scores[name].to_numpy(dtype=np.float64) for name in numbers}
        columns |= {name: scores[name].to_numpy(dtype=object) for name in ("level", "area", "triggers")}
        return KnownDay(
            scored,
            panel,
            same,
            places,
            cohort,
            np.ascontiguousarray(frame[bundle.needed].to_numpy(dtype=np.float64)),
            frame["area_code"].astype(str).to_numpy(dtype=object),
            {name.removeprefix("feed__"): frame[name].to_numpy() for name in names},
            Peers(frame, frame["area"]),
            columns,
        )
