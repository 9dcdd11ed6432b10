"""`zhouji demo` and the command that it ends with, as a newcomer would type them."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from serving.cli import app

RUNNER = CliRunner()


def said(*arguments):
    result = RUNNER.invoke(app, [*arguments, "--quiet"])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_demo_ends_with_a_list_whose_first_household_is_explained(tmp_path, monkeypatch):
    monkeypatch.delenv("ZHOUJI_HOME", raising=False)
    home = ("--home", str(tmp_path / "home"))
    made = json.loads(said("demo", "--households", "500", "--no-serve", "--json", *home))
    rows = made["rows"]
    assert rows["accepted"] + rows["already_known"] + rows["quarantined"] == rows["delivered"]
    assert list(made["seconds"]) == ["simulate", "ingest", "features", "train", "evaluate", "promote", "score"]
    listed = next(file for file in made["files"] if file.endswith("list.json"))
    households = json.loads(Path(listed).read_text(encoding="utf-8"))["households"]
    assert len(households) == made["listed"] > 0
    assert households[0]["household_id"] in made["explain"]
    command = made["explain"].split()[1:]
    assert "为什么提醒" in RUNNER.invoke(app, command).stdout


def test_what_is_simulated_can_be_taken_in_as_it_says(tmp_path, monkeypatch):
    monkeypatch.delenv("ZHOUJI_DATA", raising=False)
    out = tmp_path / "province"
    made = json.loads(said("simulate", "--out", str(out), "--households", "200", "--months", "18", "--json"))
    assert made["towns_invented"]
    assert len(made["deliveries"]) > 40
    for one in made["deliveries"]:
        if one["feed"] in ("lines", "businesses", "disability"):  # a CSV file, a database, a workbook
            took = ("--project", made["project"], "--feed", one["feed"], "--as-of", made["received_on"])
            receipt = json.loads(said("ingest", one["source"], *took, "--home", str(tmp_path / "home"), "--json"))
            assert receipt["accepted"] == receipt["delivered"] > 0
    wrong = RUNNER.invoke(app, ["simulate", "--out", str(out), "--scenario", "S9", "--lang", "en"])
    assert wrong.exit_code == 2
    assert "no scenario 'S9'" in wrong.output
