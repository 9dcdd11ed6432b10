"""`zhouji simulate`: deliveries by default, the field by name, and a clear word where it cannot be."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from reports.loop import percent, ranged
from serving.cli import app
from serving.commands.field import Asked, _arms
from serving.loop.driver import Terms, sundays

RUNNER = CliRunner()


def test_deliveries_are_meant_where_no_command_is_named(tmp_path):
    short, long = tmp_path / "short", tmp_path / "long"
    for words, out in (([], short), (["deliveries"], long)):
        asked = ["simulate", *words, "--out", str(out), "--households", "200", "--months", "18", "--json"]
        assert RUNNER.invoke(app, asked).exit_code == 0
    assert (short / "areas.csv").read_bytes() == (long / "areas.csv").read_bytes()
    assert sorted(p.name for p in (short / "deliveries").iterdir()) == sorted(
        p.name for p in (long / "deliveries").iterdir()
    )


@pytest.mark.parametrize("options", [["--households", "20000"], ["--seeds", "51"], ["--seeds", "26", "--compare"]])
def test_provinces_that_are_too_large_or_too_many_are_refused(options, tmp_path):
    made = RUNNER.invoke(app, ["simulate", "loop", *options, "--home", str(tmp_path), "--json"])
    assert made.exit_code == 2
    assert json.loads(made.stdout)["error"]["code"] == "loop_too_large"
    assert list(tmp_path.iterdir()) == []


def test_without_a_share_there_is_no_arm_with_audit_rows():
    asked = Asked(2_000, 100, 3, 1, 0.0, 1_000, compare=False)
    assert _arms(asked) == [("without", 0.0)]


def test_a_hundred_weeks_end_with_the_simulated_province():
    months = Terms(weeks=100).listing_months
    assert sum(len(sundays(index)) for index in months) >= 100
    assert sum(len(sundays(index)) for index in months[1:]) < 100


def test_figures_without_an_interval_say_only_themselves():
    assert ranged([0.5, None, None]) == "50.0%"
    assert ranged([None, None, None]) == percent(float("nan")) == "—"
