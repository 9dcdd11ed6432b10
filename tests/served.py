"""A small home with two weekly runs and a service process over it, for tests that ask over HTTP."""

from __future__ import annotations

import os
import pickle
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from features.engines.duckdb import engine
from features.project import load_project
from features.settings import Home, Settings
from features.staging import locked
from features.store import Store
from models import bundle as bundles
from models.bundle import Bundle
from models.calibration import Calibration
from models.registry import Registry
from models.schema import Schema
from serving.access.roles import SUPPORT
from serving.access.tokens import Tokens
from serving.scoring import run
from tests.weekly import DAY, World, make_world

ROOT = Path(__file__).resolve().parent.parent
BEFORE = DAY - timedelta(weeks=1)
PROVINCE, COUNTY, OTHER_COUNTY, TOWN, OTHER_TOWN = "440000", "441802", "441821", "441802006", "441802103"
MADE = "made.pickle"
PLACES = (
    ("experiments", "artifact_location"), ("runs", "artifact_uri"), ("logged_models", "artifact_location"),
    ("model_versions", "source"), ("model_versions", "storage_location"),
)  # fmt: skip
"""Where MLflow keeps whole paths."""
CHANGEABLE = ("own_payment_3m", "own_payment_12m")


@dataclass(frozen=True)
class Made:
    """A world with its runs, and the folder of everything."""

    world: World
    folder: Path
    runs: tuple[Any, ...]

    @property
    def tokens(self) -> Tokens:
        return Tokens(Home(self.world.settings.home).project(self.world.project.name).access)

    def token(self, area: str = PROVINCE, role: str = "county", purposes: tuple[str, ...] = tuple(SUPPORT)) -> str:
        return self.tokens.create(area, role, purposes, label="test")[0]


def make(folder: Path, *, copies: int = 0) -> Made:
    """A world whose project says that payments can be changed, with the lists of two weeks.

    `copies` makes the model wider: the project's own indicators so many times more.
    """
    world = make_world(folder, households=160, changeable=CHANGEABLE, copies=copies)
    with engine(world.settings) as opened:
        runs = tuple(
            run(
                world.project, world.task, world.store, world.registry, as_of=day, settings=world.settings,
                engine=opened, allow_stale=True,
            )
            for day in (BEFORE, DAY)
        )  # fmt: skip
    return Made(world, folder, runs)


def made_once(factory: pytest.TempPathFactory) -> Made:
    """The same world for all workers of a test session: the first one makes it, the others open it."""
    return _opened(_folder(factory) / "served")


def copied(factory: pytest.TempPathFactory, folder: Path) -> Made:
    """A copy of that world as it was made, for tests that change theirs; `folder` is not there yet."""
    _copy(_folder(factory) / "untouched", folder)
    return _opened(folder)


def _folder(factory: pytest.TempPathFactory) -> Path:
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    with locked(base / "served.lock"):
        if not (base / "served").is_dir():
            begun = base / "untouched"
            shutil.rmtree(begun, ignore_errors=True)  # of a worker that failed half-way
            begun.mkdir()
            made = [replace(run, folder=run.folder.relative_to(begun)) for run in make(begun).runs]
            (begun / MADE).write_bytes(pickle.dumps(made))
            _copy(begun, base / "served")
    return base


def _copy(made: Path, folder: Path) -> None:
    """Copy a world; its registry keeps whole paths of artifacts, which lead into the copy afterwards."""
    staged = folder.with_name(f".{folder.name}")
    shutil.copytree(made, staged)
    with closing(sqlite3.connect(staged / "home" / "mlflow" / "mlflow.db")) as database, database:
        for table, column in PLACES:
            database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (str(made), str(folder)))
    staged.rename(folder)


def _opened(folder: Path) -> Made:
    project = load_project(folder / "project" / "project.yaml")
    settings = Settings(home=folder / "home")
    home = Home(settings.home)
    world = World(project, settings, Store(home, project), Registry(settings, home), project.task()[0])
    runs = pickle.loads((folder / MADE).read_bytes())
    return Made(world, folder, tuple(replace(run, folder=folder / run.folder) for run in runs))


def another(made: Made, intercept: float, *, other_meaning: bool = False, home: Path | None = None) -> Bundle:
    """A further bundle of the same trees: another calibration, and where asked a definition that is not the project's."""
    world = made.world
    _, bundle = world.registry.fetch(world.project.name, world.task)
    entries = bundle.schema.entries
    if other_meaning:
        entries = (replace(entries[0], definition_hash="0" * 64), *entries[1:])
    return bundles.save(
        Home(home or world.settings.home).project(world.project.name).bundles,
        manifest={key: bundle.manifest[key] for key in ("project", "task", "until")},
        schema=Schema(entries),
        booster=bundle.booster.text,
        calibration=Calibration(1.0, intercept, 0.25),
        levels=bundle.levels,
        baselines={},
        project_file=(bundle.folder / "project.yaml").read_bytes(),
    )


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def environment(made: Made, home: Path | None = None, **more: str) -> dict[str, str]:
    """A process's environment over this home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ZHOUJI_", "PROMETHEUS_"))}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "ZHOUJI_PROJECT": str(made.folder / "project" / "project.yaml"),
        "ZHOUJI_HOME": str(home or made.world.settings.home),
        "ZHOUJI_RATE": "100000",
        "ZHOUJI_WATCH_SECONDS": "0.1",
        "BENTOML_HOME": str(made.folder / "bentoml"),
        **more,
    }


@dataclass
class Server:
    """A running service."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextmanager
def serving(folder: Path, variables: Mapping[str, str], *command: str, ready: bool = True) -> Iterator[Server]:
    """A service process of its own, stopped at the end."""
    port = free_port()
    log = folder / f"service-{port}.log"
    arguments = command or (sys.executable, "-m", "serving.cli", "serve")
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*arguments, "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder, env=dict(variables), stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    server = Server(process, f"http://127.0.0.1:{port}", log)
    try:
        wait_for(server, "/readyz" if ready else "/livez")
        yield server
    finally:
        server.stop()


def wait_for(server: Server, path: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if server.process.poll() is not None:
            raise AssertionError(f"the service ended:\n{server.text()}")
        try:
            if httpx.get(server.url + path, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"the service did not become ready:\n{server.text()}")


def headers(token: str, purpose: str = "visit", **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", "zhouji-purpose": purpose, **more}


def no_secrets(text: str) -> list[str]:
    """What must not stand in a log: pseudonyms of households, tokens' secrets."""
    return re.findall(r"\b[0-9a-f]{24}\b|zj_[0-9a-f]{12}_\S+", text)
