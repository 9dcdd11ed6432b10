"""A small home of the sample, and commands that train and score in it."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from features.settings import Home
from tests.drill.ingestion import leftovers
from tests.weekly import DAY, make_world

WARMTH = (
    "import features.panel, features.store, models.bundle, models.registry, training.pipeline, serving.scoring\n"
    "import mlflow, mlflow.pyfunc, mlflow.store.tracking.sqlalchemy_store, pandera.pandas, lightgbm, matplotlib\n"
)
OPENING = """
import warnings
warnings.simplefilter("ignore")
from datetime import date
from pathlib import Path
from features.engines.duckdb import engine
from features.project import load_project
from features.settings import Home, Settings
from features.store import Store
from models.registry import Registry
project = load_project(Path({project!r}))
settings = Settings(home=Path(HOME), threads=1)
home = Home(settings.home)
store, registry = Store(home, project), Registry(settings, home)
"""
SCORE = """
from serving.scoring import run
with engine(settings) as opened:
    run(project, {task!r}, store, registry, as_of=date.fromisoformat({day!r}), settings=settings, engine=opened,
        allow_stale=True)
"""
TRAIN = """
from training.pipeline import train
registry.sweep()
with engine(settings) as opened:
    train(project, {task!r}, store, registry, until=date.fromisoformat({day!r}), engine=opened, settings=settings,
          trials=0, seed=1, register=True)
"""


class Weekly:
    """Where a drill of training or scoring begins, and what must be the same after it."""

    def __init__(self, folder: Path, *, households: int, months: int) -> None:
        self.folder = folder
        self.world = make_world(folder, households=households, months=months)
        self.start = folder / "start"
        shutil.rmtree(folder / "home" / "panels", ignore_errors=True)
        (folder / "home").rename(self.start)

    def command(self, text: str, day=DAY - timedelta(weeks=1)) -> str:
        opening = OPENING.format(project=str(self.folder / "project" / "project.yaml"))
        return opening + text.format(task=self.world.task, day=str(day))

    def fingerprint(self, home: Path):
        """Bundles, receipts, runs and panels to the byte; MLflow by what it says."""
        place = Home(home).project(self.world.project.name)
        kept = {}
        for part in ("bundles", "runs", "trainings", "panels", "store"):
            for path in sorted((place.path / part).rglob("*")):
                if path.is_file():
                    kept[path.relative_to(home).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
        # spill of a killed engine goes at the next ingest
        left = [name for name in leftovers(home) if not name.startswith(("mlflow/", "engine-"))]
        assert left == [], left
        return kept, *_logged(home / "mlflow" / "mlflow.db")


def _logged(path: Path):
    """Versions, aliases and what finished runs say; read past MLflow, which keeps a database open once it has been."""
    with closing(sqlite3.connect(path)) as database:
        asked = {
            "versions": "SELECT name, version, key, value FROM model_version_tags "
            "WHERE key NOT LIKE '%run%' ORDER BY 1, 2, 3",
            "aliases": "SELECT name, alias, version FROM registered_model_aliases ORDER BY 1, 2",
            "params": "SELECT key, value FROM params JOIN runs USING (run_uuid) WHERE status = 'FINISHED' ORDER BY 1, 2",
        }
        found = [database.execute(query).fetchall() for query in asked.values()]
        running = database.execute("SELECT count(*) FROM runs WHERE status = 'RUNNING'").fetchone()
    assert running == (0,)  # what a killed process left running is marked so
    return found
