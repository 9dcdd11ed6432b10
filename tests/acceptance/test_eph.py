"""The real household panel through the whole chain, and a file of later years through the same project and model.

Later files split some answers into parts, leave up to a quarter of incomes unanswered, and count money in amounts a
thousand times larger. A part of the households and the years to 2010 are enough to see that this changes nothing.
"""

from __future__ import annotations

import hashlib
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from features import panel
from features.engines.duckdb import engine
from features.hardship import in_hardship, read_evidence
from features.ingestion import ingest
from features.project import Project, load_project
from features.settings import Home, Settings
from features.store import Store
from models.registry import Registry

pytestmark = [pytest.mark.real_data, pytest.mark.filterwarnings("ignore")]
UNTIL = date(2009, 12, 31)
PARTS = {"V2": 3, "V5": 3, "V11": 2, "V21": 3, "V22": 3}


@pytest.fixture(scope="module")
def visits(real_data: Path) -> pd.DataFrame:
    frame = pd.read_parquet(real_data / "eph" / "eph_dev_2003_2012.parquet")
    frame = frame[(frame["year"] >= 2006) & (frame["year"] <= 2010)]
    chosen = frame["CODUSU"].map(lambda code: int(hashlib.md5(code.encode()).hexdigest()[:4], 16) % 14 == 0)
    return frame[chosen].reset_index(drop=True)


@pytest.fixture(scope="module")
def project(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The example with fewer trees; nothing else is changed."""
    content = yaml.safe_load((root / "examples" / "eph" / "project.yaml").read_text("utf-8"))
    content["model"].update(rounds=60, folds={"count": 1, "test": "1 year"})
    content["model"]["parameters"].update(learning_rate=0.15)
    content["model_by_task"]["N1"].pop("rounds")
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(root / "examples" / "eph" / "areas.csv", folder)
    (folder / "project.yaml").write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return load_project(folder / "project.yaml")


def later(visits: pd.DataFrame) -> pd.DataFrame:
    """What a file of later years looks like."""
    rng = np.random.default_rng(12)
    changed = visits.copy()
    changed[["ITF", "IPCF"]] *= 1000
    silent = rng.random(len(changed)) < 0.25
    nothing = silent & (rng.random(len(changed)) < 0.5)
    changed.loc[silent, ["ITF", "IPCF"]] = np.nan
    changed.loc[nothing, ["ITF", "IPCF"]] = 0.0
    changed.loc[silent, ["DECIFR", "DECCFR", "RDECCFR", "ADECCFR"]] = 12
    for column, parts in PARTS.items():
        yes_in = rng.integers(1, parts + 1, len(changed))
        for part in range(1, parts + 1):
            answer = changed[column].where(changed[column] != 1, 2)
            changed[f"{column}_{part:02d}"] = answer.where(~((changed[column] == 1) & (yes_in == part)), 1)
        changed = changed.drop(columns=column)
    return changed


def deliver(frame: pd.DataFrame, project: Project, settings: Settings, folder: Path) -> None:
    file = folder / f"visits-{len(frame)}-{len(frame.columns)}.parquet"
    frame.to_parquet(file)
    receipt = ingest(file, project, settings, received_on=date(2026, 11, 24))
    assert receipt.quarantined == 0
    assert receipt.accepted == receipt.delivered == len(frame)


def scored(project: Project, settings: Settings, days: list[date]) -> pd.DataFrame:
    """Score and outcome of the cohort of the days, by household and day."""
    store = Store(Home(settings.home), project)
    _, bundle = Registry(settings, Home(settings.home)).fetch(project.name, "N1", "latest")
    task = project.tasks["N1"]
    with engine(settings) as opened:
        folder = panel.build(project, store, days, engine=opened)
        frame = folder.read(days).set_index(["as_of", "household_id"])
        evidence = read_evidence(project, task, store, [*days, date(2010, 12, 31)], opened)
    frame["probability"] = bundle.score(frame)["probability"]
    frame["hard"] = np.concatenate([in_hardship(evidence, day, frame.loc[_day(frame, day)].index) for day in days])
    return frame[["probability", "hard"]]


def _day(frame: pd.DataFrame, day: date) -> object:
    return next(value for value in frame.index.levels[0] if pd.Timestamp(value).date() == day)


def test_a_file_of_later_years_passes_through_the_same_project_and_model(visits, project, tmp_path: Path) -> None:
    from training.pipeline import train

    home = Settings(home=tmp_path / "home")
    deliver(visits[visits["year"] <= 2009], project, home, tmp_path)
    store, registry = Store(Home(home.home), project), Registry(home, Home(home.home))
    with engine(home) as opened:
        trained = train(project, "N1", store, registry, until=UNTIL, engine=opened, settings=home, register=True)
    assert trained.version == "1"
    other = Settings(home=tmp_path / "other", mlflow_uri=registry.uri)
    shutil.copytree(home.home, other.home, ignore=shutil.ignore_patterns("mlflow", "tmp", "panels"))

    year = visits[visits["year"] == 2010]
    deliver(year, project, home, tmp_path)
    deliver(later(year), project, other, tmp_path)
    days = [date(2010, 3, 31), date(2010, 6, 30), date(2010, 9, 30), date(2010, 12, 31)]
    plain, changed = scored(project, home, days), scored(project, other, days)
    assert len(plain) == len(changed)
    for frame in (plain, changed):
        assert np.isfinite(frame["probability"]).all()

    kept = changed["hard"].notna()
    assert 0.7 < kept.mean() < 0.8, "a quarter of the incomes is unanswered, which is neither low nor not low"
    index = [(day, household) for day, household in plain.index[kept] if pd.Timestamp(day).date() < days[-1]]
    following = {pd.Timestamp(a).date(): b for a, b in zip(days, days[1:], strict=False)}
    outcome, first, second = [], [], []
    lookup = {(pd.Timestamp(day).date(), household): hard for (day, household), hard in plain["hard"].items()}
    for day, household in index:
        now = pd.Timestamp(day).date()
        after = lookup.get((following[now], household), np.nan)
        if lookup[now, household] == 0 and not np.isnan(after):
            outcome.append(after)
            first.append(plain.at[(day, household), "probability"])
            second.append(changed.at[(day, household), "probability"])
    assert len(outcome) > 500
    unchanged, moved = roc_auc_score(outcome, first), roc_auc_score(outcome, second)
    assert unchanged > 0.78
    assert abs(unchanged - moved) < 0.02
