"""A small home with the sample's deliveries, a registered bundle and its champion, for tests of the weekly run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import lightgbm as lgb
import numpy as np
import yaml

from features.engines.duckdb import engine
from features.identity import secret_file
from features.indicators.registry import indicators_of
from features.ingestion import ingest
from features.panel import build
from features.project import Project, load_project
from features.province.deliveries import DELIVERED_ON
from features.province.sample import write_sample
from features.settings import Home, Settings
from features.store import Store
from models import bundle as bundles
from models.calibration import Calibration
from models.registry import Registry
from models.schema import schema_of

DAY = DELIVERED_ON
KEY = "0a" * 32
"""Of the pseudonyms. They order ties, so lists would differ from one test session to the next with a key by chance."""
SAMPLE = Path(__file__).resolve().parent.parent / "examples" / "sample" / "project.yaml"


@dataclass(frozen=True)
class World:
    """Where everything is."""

    project: Project
    settings: Settings
    store: Store
    registry: Registry
    task: str


def make_world(
    folder: Path,
    households: int = 200,
    months: int = 14,
    seed: int = 3,
    changeable: Sequence[str] = (),
    copies: int = 0,
) -> World:
    """Deliveries taken in, and a bundle that has learnt something made up from the panel's own columns."""
    project = load_project(project_file(folder, changeable, copies))
    settings = Settings(home=folder / "home")
    home = Home(settings.home)
    secret_file(home.keys / "pseudonym.key", KEY + "\n")
    for file in write_sample(folder / "files", households=households, months=months, seed=seed):
        ingest(file, project, settings, received_on=DAY)
    store, registry = Store(home, project), Registry(settings, home)
    task, _ = project.task()
    bundle = _bundle(project, store, settings, task, DAY)
    _, version = registry.log_training(bundle, params={}, metrics={}, register=True)
    registry.move(project.name, task, version or "", "champion", note={"reason": "test"})
    return World(project, settings, store, registry, task)


def project_file(folder: Path, changeable: Sequence[str] = (), copies: int = 0) -> Path:
    """The sample's project, with the households' numbers in the vault, so that findings can be sent back.

    `changeable` names indicators of which this project says that help can change them; `copies` declares all of its
    own so many times more.
    """
    target = folder / "project"
    shutil.copytree(SAMPLE.parent, target)
    text = SAMPLE.read_text(encoding="utf-8")
    if "number: 户编号" not in text:
        text = text.replace("vault: {name: 户主姓名", "vault: {number: 户编号, name: 户主姓名")
    for name in changeable:
        text = text.replace(f"    - id: {name}\n", f"    - id: {name}\n      changeable: true\n")
    if copies:
        content = yaml.safe_load(text)
        declared = content["indicators"]["declare"]
        more = [{**one, "id": f"{one['id']}_{copy}"} for copy in range(copies) for one in declared]
        content["indicators"]["declare"] = [*declared, *more]
        text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
    (target / "project.yaml").write_text(text, encoding="utf-8")
    return target / "project.yaml"


def _bundle(project: Project, store: Store, settings: Settings, task: str, day: date) -> bundles.Bundle:
    schema = schema_of(project, indicators_of(project))
    with engine(settings) as opened:
        frame = build(project, store, [day], engine=opened).read([day])
    x = schema.matrix(frame)
    random = np.random.default_rng(1)
    filled = np.nan_to_num((x - np.nanmean(x, axis=0)) / (np.nanstd(x, axis=0) + 1e-9))
    outcome = (filled @ random.normal(size=x.shape[1]) / 3 + random.normal(size=len(x)) > 2.2).astype(int)
    chosen = {"objective": "binary", "num_leaves": 7, "min_data_in_leaf": 10, "learning_rate": 0.03, "lambda_l2": 20}
    chosen |= {"verbosity": -1, "num_threads": 1, "seed": 1}
    columns = [f"c{at}" for at in range(x.shape[1])]
    booster = lgb.train(chosen, lgb.Dataset(x, outcome, feature_name=columns), 40)
    return bundles.save(
        Home(settings.home).project(project.name).bundles,
        manifest={"project": project.name, "task": task, "until": str(day)},
        schema=schema,
        booster=booster.model_to_string(),
        calibration=Calibration(1.0, -0.5, 0.25),
        levels=project.levels,
        baselines={},
        project_file=SAMPLE.read_bytes(),
    )
