"""docs/api.md is run as it stands; dashboard and alert rules name measures that exist; every problem has its line."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest
import yaml

from features.calendar import Period, period_index
from serving.api.endpoints import ENDPOINTS
from serving.client import Client, ProblemError
from serving.runs import RunFolder
from tests.served import DAY, PROVINCE


@pytest.fixture(scope="module")
def surroundings(made, server):
    listed = RunFolder(made.runs[1].folder).households()
    return {
        "ZHOUJI_URL": server.url,
        "TOKEN": made.token(PROVINCE, "county", ("visit", "aid")),
        "DEPARTMENT_TOKEN": "none",
        "DAY": str(DAY),
        "WEEK": str(Period("week", period_index("week", DAY))),
        "HOUSEHOLD": next(row["household_id"] for row in listed if row["reasons"]),
    }


def blocks(root, language: str) -> list[str]:
    text = (root / "docs" / "api.md").read_text("utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_curl_examples(root, surroundings):
    assert len(blocks(root, "bash")) >= 4
    for block in blocks(root, "bash"):
        done = subprocess.run(
            ["bash", "-e", "-c", block], env={**os.environ, **surroundings}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert '"note"' in done.stdout or "token_missing" in done.stdout, done.stdout


def test_the_python_examples(root, surroundings, capsys):
    assert len(blocks(root, "python")) >= 2
    for block in blocks(root, "python"):
        exec(compile(block, "docs/api.md", "exec"), dict(surroundings))
    said = capsys.readouterr().out
    assert "提醒，不是认定" in said
    assert "推算，不是承诺" in said


def test_the_client_reads_lists_and_raises_problems(surroundings):
    with Client(surroundings["ZHOUJI_URL"], surroundings["TOKEN"], "visit", language="en") as client:
        rows = list(client.week(surroundings["WEEK"], page=4))
        assert surroundings["HOUSEHOLD"] in {row["household_id"] for row in rows}
        assert client.household(surroundings["HOUSEHOLD"])["weeks"]
        with pytest.raises(ProblemError, match="No list") as caught:
            list(client.week("2001-W01"))
        assert (caught.value.status, caught.value.code) == (404, "week_without_list")
        with pytest.raises(ProblemError) as refused:
            client.deliver("events", "441802", [{}])
        assert refused.value.code == "role_refused"


def test_every_endpoint_and_problem_has_its_line(root):
    text = (root / "docs" / "api.md").read_text("utf-8")
    assert [endpoint.path for endpoint in ENDPOINTS if endpoint.path not in text] == []
    codes = set()
    for file in (root / "serving" / "api").glob("*.py"):
        codes |= set(re.findall(r'refuse\(\s*\d+, "(\w+)"', file.read_text("utf-8")))
    assert len(codes) > 20
    assert sorted(code for code in codes if f"`{code}`" not in text) == []


def test_dashboard_and_alerts_name_measures_that_exist(root, client, surroundings):
    # a measure is told from its first event on: one refusal, one score
    assert client.get("/api/v1/models/current").status_code == 401
    with Client(surroundings["ZHOUJI_URL"], surroundings["TOKEN"], purpose="visit") as asking:
        asking.score([surroundings["HOUSEHOLD"]], DAY)
    told = client.get("/metrics").text
    names = set(re.findall(r"^(zhouji_\w+?)(?:_bucket|_sum|_count)?[{ ]", told, re.MULTILINE))
    families = names | set(re.findall(r"^# TYPE (\w+)", told, re.MULTILINE))
    folder = root / "docs" / "operations"
    dashboard = json.loads((folder / "grafana.json").read_text("utf-8"))
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    rules = yaml.safe_load((folder / "alerts.yaml").read_text("utf-8"))["groups"][0]["rules"]
    asked += [rule["expr"] for rule in rules]
    wanted = {name.removesuffix("_bucket") for text in asked for name in re.findall(r"zhouji_\w+", text)}
    assert wanted <= families | {name.removesuffix("_total") for name in families} | {"zhouji_model_swaps_total"}
    page = (folder / "service.md").read_text("utf-8")
    assert sorted(name for name in wanted if f"`{name}`" not in page) == []
    assert all(re.search(r"[一-鿿]", rule["annotations"]["summary"]) for rule in rules)
