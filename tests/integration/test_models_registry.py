"""The registry against a real MLflow on SQLite."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import DependencyError, UsageError
from features.settings import Home, Settings
from models.registry import Registry, model_name
from tests.unit.test_models_scoring import make

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_bundle_is_logged_registered_promoted_fetched_and_its_weeks_remembered(tmp_path: Path) -> None:
    home = Home(tmp_path)
    registry = Registry(Settings(home=tmp_path), home)
    bundle = make(home.project("p").bundles)
    with pytest.raises(UsageError):
        registry.fetch("p", "t")
    said = {"params": {"rounds": 8}, "metrics": {"auc": 0.8}, "datasets": {"panel": "abc"}, "tags": {"code": "0.1"}}
    run_id, version = registry.log_training(bundle, **said, register=True)
    assert version == "1"
    assert registry.log_training(bundle, **said, register=True) == (run_id, "1"), "the same bundle keeps its version"
    assert registry.move("p", "t", "1", "champion", note={"reason": "first", "approver": "somebody"}) is None
    found, fetched = registry.fetch("p", "t")
    assert (found.number, fetched.digest) == ("1", bundle.digest)
    assert found.tags["zhouji.reason"] == "first"

    far = Home(tmp_path / "elsewhere")
    other = Registry(Settings(home=far.path, mlflow_uri=registry.uri), far)
    assert other.fetch("p", "t", "1")[1].digest == bundle.digest, "downloaded and checked where home does not have it"

    import mlflow

    frame = pd.DataFrame(np.zeros((3, 4)), columns=bundle.schema.ids)
    scored = mlflow.pyfunc.load_model(f"models:/{model_name('p', 't')}@champion").predict(frame)
    pd.testing.assert_frame_equal(scored, bundle.score(frame))

    week = {"params": {"as_of": "2012-12-31"}, "metrics": {"listed": 3}, "tags": {"list_digest": "d"}}
    first = registry.log_weekly_run("p", "t", found, "run1", **week)
    assert registry.log_weekly_run("p", "t", found, "run1", **week) == first
    assert registry.add_results("p", "t", "run1", metrics={"confirmed": 2})
    assert not registry.add_results("p", "t", "nowhere", metrics={"confirmed": 2})
    [(ours, tags, metrics)] = registry.weekly_runs("p", "t")
    assert (ours, tags["zhouji.version"], metrics["confirmed"]) == ("run1", "1", 2)

    mlflow.start_run(tags={"zhouji.kind": "training"}, experiment_id="0")
    assert registry.sweep() == 1
    assert registry.sweep() == 0
    mlflow.end_run()


def test_a_server_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(DependencyError) as error:
        Registry(Settings(home=tmp_path, mlflow_uri="http://127.0.0.1:9"), Home(tmp_path)).ping()
    assert error.value.exit_code == 5
