"""A bento is built, and serves with no registry, no project file and no network."""

from __future__ import annotations

import json
import sys

import httpx
from typer.testing import CliRunner

from features.settings import Home
from serving.access.tokens import Tokens
from serving.cli import app
from tests.served import DAY, PROVINCE, environment, headers, serving

NOWHERE = "http://127.0.0.1:9"


def test_a_bento_serves_alone(made, tmp_path, monkeypatch):
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "bentoml"))
    project = str(made.folder / "project" / "project.yaml")
    command = ["serve", "build", "--project", project, "--home", str(made.world.settings.home), "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    built = json.loads(result.stdout)
    name, version = built["tag"].split(":")
    source = tmp_path / "bentoml" / "bentos" / name / version / "src"
    assert (source / "packed" / "bundles" / built["bundle"] / "booster.txt").is_file()
    assert not (source / "training").exists()

    variables = environment(made, tmp_path / "home", BENTOML_HOME=str(tmp_path / "bentoml"), ZHOUJI_MLFLOW_URI=NOWHERE)
    variables |= {"http_proxy": NOWHERE, "https_proxy": NOWHERE, "no_proxy": "127.0.0.1"}
    for one in ("PYTHONPATH", "ZHOUJI_PROJECT"):
        del variables[one]
    access = Home(tmp_path / "home").project(made.world.project.name).access
    token = Tokens(access).create(PROVINCE, "county", ["visit"])[0]
    (tmp_path / "elsewhere").mkdir()
    command = (sys.executable, "-m", "bentoml", "serve", built["tag"])
    with serving(tmp_path / "elsewhere", variables, *command) as found:
        assert httpx.get(f"{found.url}/readyz").json()["registry"] == "packed"
        _, bundle = made.world.registry.fetch(made.world.project.name, made.world.task)
        body = {"as_of": str(DAY), "rows": [dict.fromkeys(bundle.needed, 1.0)]}
        answer = httpx.post(f"{found.url}/api/v1/score", json=body, headers=headers(token), timeout=30)
        assert answer.status_code == 200, answer.text
        assert answer.json()["model"]["bundle"] == bundle.digest == built["bundle"]
        body = {"as_of": str(DAY), "households": ["0" * 24]}
        assert httpx.post(f"{found.url}/api/v1/score", json=body, headers=headers(token)).status_code == 409
