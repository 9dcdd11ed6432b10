"""The registry against a real MLflow on SQLite."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import DataError, DependencyError, UsageError
from features.settings import Home, Settings
from models.processes import is_gone, process_mark
from models.registry import DIGEST, PROCESS, TAG, Registry, model_name
from tests.unit.test_models_scoring import make

pytestmark = pytest.mark.filterwarnings("ignore")
SAID = {"params": {"rounds": 8}, "metrics": {"auc": 0.8, "slope": float("nan")}, "datasets": {"panel": "abc"},
        "tags": {"code": "0.1"}}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """One MLflow for all tests: making its tables takes seconds."""
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture
def registry(home: Home) -> Registry:
    return Registry(Settings(home=home.path), home)


def gone_process() -> str:
    """The mark of a process that has ended."""
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    mark = process_mark(os.getpid()).split(":")
    return f"{mark[0]}:{int(done.stdout)}:1"


def test_a_bundle_is_logged_registered_promoted_and_fetched(home: Home, registry: Registry, tmp_path: Path) -> None:
    bundle = make(home.project("p").bundles)
    with pytest.raises(UsageError):
        registry.fetch("p", "t")
    run_id, version = registry.log_training(bundle, **SAID, register=True)
    assert version == "1"
    assert registry.log_training(bundle, **SAID, register=True) == (run_id, "1"), "the same bundle keeps its version"
    with pytest.raises(UsageError):
        registry.move("p", "t", "9", "champion", note={})
    assert registry.move("p", "t", "1", "champion", note={"reason": "first", "approver": "somebody"}) is None
    found, fetched = registry.fetch("p", "t")
    assert (found.number, fetched.digest) == ("1", bundle.digest)
    assert found.tags["zhouji.reason"] == "first"

    far = Home(tmp_path)
    other = Registry(Settings(home=far.path, mlflow_uri=registry.uri), far)
    assert other.fetch("p", "t", "1")[1].digest == bundle.digest, "downloaded and checked where home does not have it"

    import mlflow

    run = mlflow.MlflowClient(registry.uri).get_run(run_id)
    assert run.data.metrics == {"auc": 0.8}
    assert [data.dataset.name for data in run.inputs.dataset_inputs] == ["panel"]


def test_mlflow_alone_scores_a_frame(home: Home, registry: Registry) -> None:
    bundle = make(home.project("q").bundles, manifest={"project": "q", "task": "t"})
    registry.log_training(bundle, **SAID, register=True)
    registry.move("q", "t", "1", "champion", note={})

    import mlflow

    model = mlflow.pyfunc.load_model(f"models:/{model_name('q', 't')}@champion")
    frame = pd.DataFrame(np.zeros((3, 5)), columns=bundle.needed)
    frame.loc[1, "alone"] = 1.0
    frame.loc[2] = np.nan
    scored = model.predict(frame)
    pd.testing.assert_frame_equal(scored, bundle.assess(frame))
    assert scored["level"].tolist()[1:] == ["red", "insufficient"]
    with pytest.raises(Exception, match="c2"):
        model.predict(frame.drop(columns="c2"))


def test_what_a_kill_left_is_made_good(home: Home, registry: Registry) -> None:
    import mlflow

    bundle = make(home.project("k").bundles, manifest={"project": "k", "task": "t"})
    run_id, version = registry.log_training(bundle, **SAID, register=False)
    assert version is None
    assert registry.log_training(bundle, **SAID, register=True) == (run_id, "1"), "registered after a kill"
    client = mlflow.MlflowClient(registry.uri)
    marks = {TAG: "training", DIGEST: bundle.digest}
    alive = client.create_run("0", tags={**marks, PROCESS: process_mark(os.getpid())})
    elsewhere = client.create_run("0", tags={**marks, PROCESS: "another-machine:1:1"})
    dead = client.create_run("0", tags={**marks, PROCESS: gone_process()})
    foreign = client.create_run("0")
    assert registry.sweep() == 1
    states = [client.get_run(run.info.run_id).info.status for run in (alive, elsewhere, dead, foreign)]
    assert states == ["RUNNING", "RUNNING", "KILLED", "RUNNING"]
    assert registry.sweep() == 0


def test_weeks_stand_under_the_version_that_made_them(home: Home, registry: Registry) -> None:
    bundle = make(home.project("w").bundles, manifest={"project": "w", "task": "t"})
    registry.log_training(bundle, **SAID, register=True)
    version = registry.version("w", "t", "1")
    week = {"params": {"as_of": "2012-12-31"}, "metrics": {"listed": 3}, "tags": {"list_digest": "d"}}
    first = registry.log_weekly_run("w", "t", version, "run1", **week)
    assert registry.log_weekly_run("w", "t", version, "run1", **week) == first
    assert registry.add_results("w", "t", "run1", metrics={"confirmed": 2}, tags={"results": "r"})
    assert not registry.add_results("w", "t", "nowhere", metrics={"confirmed": 2})
    [(ours, tags, metrics)] = registry.weekly_runs("w", "t")
    assert (ours, tags["zhouji.version"], metrics["confirmed"]) == ("run1", "1", 2)

    import mlflow

    client = mlflow.MlflowClient(registry.uri)
    assert [model.model_id for model in client.get_run(first).inputs.model_inputs] == [version.model_id]
    measured = {metric.key for metric in client.get_logged_model(version.model_id).metrics}
    assert {"auc", "confirmed"} <= measured


def test_a_version_that_is_not_ours_is_refused(home: Home, registry: Registry) -> None:
    import mlflow

    registry.ping()
    client = mlflow.MlflowClient(registry.uri)
    client.create_registered_model(model_name("f", "t"))
    client.create_model_version(model_name("f", "t"), "/nowhere", tags={DIGEST: "../../etc"})
    with pytest.raises(DataError, match="names no bundle"):
        registry.fetch("f", "t", "1")


def test_a_server_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(DependencyError) as error:
        Registry(Settings(home=tmp_path, mlflow_uri="http://127.0.0.1:9"), Home(tmp_path)).ping()
    assert error.value.exit_code == 5


def test_logging_says_nothing_on_the_screen(tmp_path: Path) -> None:
    """In a process of its own, whose home is empty: the tables are made and a version is registered in silence."""
    code = (
        "import sys; from pathlib import Path; from features.settings import Home, Settings;"
        "from models.registry import Registry; from tests.unit.test_models_scoring import make;"
        "home = Home(Path(sys.argv[1])); bundle = make(home.project('p').bundles);"
        "Registry(Settings(home=home.path), home).log_training(bundle, params={}, metrics={}, register=True)"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, check=True, cwd=root,
                          env=environment, text=True)  # fmt: skip
    assert (done.stdout, done.stderr) == ("", "")


def test_a_process_id_used_again_is_another_process() -> None:
    mine = process_mark(os.getpid())
    assert not is_gone(mine)
    assert not is_gone("")
    assert is_gone(":".join([*mine.split(":")[:2], "1"]))


def test_the_newest_evaluation_of_a_version_is_found(home: Home, registry: Registry) -> None:
    bundle = make(home.project("e").bundles, manifest={"project": "e", "task": "t"})
    registry.log_training(bundle, **SAID, register=True)
    version = registry.version("e", "t", "1")
    assert registry.evaluation("e", "t", version) is None
    report = {"first": "2012-01-01", "rows": 3, "models": {"lightgbm": {"auc": 0.8}}}
    first = registry.log_evaluation("e", "t", version, report=report, metrics={"auc": 0.8})
    assert registry.log_evaluation("e", "t", version, report=report, metrics={"auc": 0.8}) == first
    assert registry.evaluation("e", "t", version) == report
    registry.log_evaluation("e", "t", version, report={**report, "rows": 4}, metrics={"auc": 0.7})
    assert registry.evaluation("e", "t", version) == {**report, "rows": 4}
