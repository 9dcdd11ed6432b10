"""The bundle that serves: followed by alias, swapped whole, and kept when the registry falls silent.

A request takes one reference to what serves and keeps it to its end, so no answer mixes two versions. A moved alias is
looked for every few seconds; the new bundle is fetched, checked against the project's indicators and warmed up before
it takes its place. A bundle that means something else is refused and the old one stays; so it does while the registry
does not answer, also over a restart: what served last is written down in the project's home.
"""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from features.errors import DataError, DependencyError, ZhoujiError
from features.indicators.registry import indicators_of
from features.project import Project
from features.settings import Home, Settings
from features.staging import write_atomically
from models.booster import Booster
from models.bundle import Bundle, load, same_meaning
from models.registry import Registry, Version
from models.schema import Schema, schema_of

State = Literal["starting", "reachable", "unreachable", "packed"]
PACKED = Path(__file__).resolve().parent.parent / "packed"
"""Where a bento carries its project and its bundle; absent in any other installation."""


@dataclass(frozen=True, eq=False)
class Served:
    """One version, loaded and checked; a request uses exactly one."""

    bundle: Bundle
    version: Version
    single: Booster
    """The same trees for few rows, without the cost of starting threads."""

    @property
    def needed(self) -> list[str]:
        """Indicators that a row must name."""
        return self.bundle.needed


def served(bundle: Bundle, version: Version) -> Served:
    """A bundle ready to serve: its tables worked out and its trees touched once, so that nobody waits for them."""
    made = Served(bundle, version, replace(bundle.booster, threads=1))
    row = np.full((1, len(bundle.schema.ids)), np.nan)
    margins = made.single.margins(row)
    bundle.ranges(margins)
    made.single.contributions(row)
    return made


class Current:
    """What serves now, and the thread that follows the alias."""

    def __init__(self, project: Project, task: str, settings: Settings, before: Callable[[Served], None]) -> None:
        """`before` is called with a version before it takes its place, for whoever has something to prepare."""
        self._project, self._task, self._settings = project, task, settings
        self._home = Home(settings.home)
        self._before = before
        self._schema: Schema = schema_of(project, indicators_of(project))
        self._registry: Registry | None = (
            None if (PACKED / "version.json").is_file() else Registry(settings, self._home)
        )
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._now: Served | None = None
        self.state: State = "starting"
        self.refused: str | None = None
        self.answered: datetime | None = None

    @property
    def now(self) -> Served | None:
        """The version that serves; None before there is one."""
        return self._now

    def start(self) -> None:
        """Serve what is packed, or what served last, or what the registry says; then follow the alias."""
        if self._registry is None:
            self._take(*packed())
            self.state = "packed"
            return
        self._kept()
        kept = self._now is not None
        if not kept:
            self.look()
        self._thread = threading.Thread(target=self._follow, args=(kept,), name="alias", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Follow no longer."""
        self._stop.set()

    def _follow(self, at_once: bool) -> None:  # noqa: FBT001 -- a thread's argument
        if at_once:
            self.look()
        settle()
        while not self._stop.wait(self._settings.watch_seconds):
            self.look()

    def look(self) -> None:
        """One look at the registry; whatever goes wrong, what serves goes on serving."""
        assert self._registry is not None
        name = self._project.name
        try:
            self._registry.answers()
            version = self._registry.chosen(name, self._task, self._settings.alias)
            self.state, self.answered = "reachable", datetime.now(UTC)
            now = self._now
            if now is not None and now.version.digest == version.digest:
                if now.version != version:
                    self._now = replace(now, version=version)
                    self._keep()
                return
            version, bundle = self._registry.fetch(name, self._task, version.number)
            self._take(bundle, version)
            self._keep()
        except DependencyError:
            self.state = "unreachable"
        except DataError:
            self.refused = version.digest
        except ZhoujiError:
            self.state = "reachable"  # it answered: there is no such version yet
        except Exception:  # noqa: BLE001 -- a watcher that dies would leave an old version serving for ever
            self.state = "unreachable"

    def _take(self, bundle: Bundle, version: Version) -> None:
        """Swap, after everything that could refuse it has been asked.

        Raises:
            DataError: the bundle is of another project's task, or means other indicators.
        """
        if bundle.manifest["project"] != self._project.name or bundle.task != self._task:
            raise DataError("bundle_meaning_changed", names=bundle.task, count=1)
        same_meaning(bundle, self._schema)
        made = served(bundle, version)
        self._before(made)
        self._now, self.refused = made, None

    # --- over restarts ------------------------------------------------------------------------------------------

    @property
    def _note(self) -> Path:
        return self._home.project(self._project.name).access / f"served-{self._task}.json"

    def _keep(self) -> None:
        if self._now is not None:
            try:
                write_atomically(self._note, json.dumps(plain(self._now.version)).encode())
            except OSError:
                return  # a home that cannot be written costs the memory over a restart, not the answers

    def _kept(self) -> None:
        try:
            version = version_of(json.loads(self._note.read_text(encoding="utf-8")))
            folder = self._home.project(self._project.name).bundles / version.digest
            self._take(load(folder, threads=self._settings.threads), version)
        except (OSError, ValueError, KeyError, TypeError, ZhoujiError):
            return


def settle() -> None:
    """Take what is loaded for good out of the garbage collector's rounds.

    MLflow, pandas and the bundle are some hundred thousand objects that never go; walking over them again and again
    would cost a request more than its score.
    """
    gc.collect()
    gc.freeze()


def plain(version: Version) -> dict[str, Any]:
    """A version for JSON."""
    return {
        "number": version.number, "run_id": version.run_id, "digest": version.digest,
        "aliases": list(version.aliases), "tags": dict(version.tags), "model_id": version.model_id,
    }  # fmt: skip


def version_of(content: Mapping[str, Any]) -> Version:
    """A version from JSON."""
    return Version(**{**content, "aliases": tuple(content["aliases"])})


def packed() -> tuple[Bundle, Version]:
    """The bundle that came with the program."""
    version = version_of(json.loads((PACKED / "version.json").read_text(encoding="utf-8")))
    return load(PACKED / "bundles" / version.digest), version
