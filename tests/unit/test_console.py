"""What every command shares: one JSON object, exit codes, errors without a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from features.errors import GateError, NothingToDo
from serving.cli import app
from serving.console import Console, as_json, command, day_of

runner = CliRunner()


def probe(work) -> typer.Typer:
    single = typer.Typer()

    def run(console: Console) -> None:
        work(console)

    command(single)(run)
    return single


def test_json_is_one_object_on_stdout() -> None:
    answer = runner.invoke(
        probe(lambda console: (console.say("字", "word"), console.finish(a=1.5, b=float("nan")))), ["--json"]
    )
    assert answer.exit_code == 0
    assert json.loads(answer.stdout) == {"a": 1.5, "b": None}


@pytest.mark.parametrize(("error", "code"), [(GateError("x"), 4), (NothingToDo("x"), 6)])
def test_an_error_ends_with_its_code_and_its_words(error, code: int) -> None:
    def work(console: Console) -> None:
        raise error

    answer = runner.invoke(probe(work), ["--json"])
    assert answer.exit_code == code
    assert json.loads(answer.stdout)["error"]["exit_code"] == code
    assert "Traceback" not in answer.output


def test_a_surprise_shows_its_place_and_not_its_values() -> None:
    def work(console: Console) -> None:
        raise ValueError("13800000000")

    answer = runner.invoke(probe(work), [])
    assert answer.exit_code == 1
    assert "13800000000" not in answer.output
    assert "ValueError" in answer.output


def test_a_wrong_option_is_wrong_usage() -> None:
    assert runner.invoke(app, ["train", "--untill", "2011-12-31"]).exit_code == 2


def test_no_project_is_said() -> None:
    answer = runner.invoke(app, ["features", "--as-of", "2012-12-31"], env={"ZHOUJI_PROJECT": ""})
    assert answer.exit_code == 2
    assert "--project" in answer.output


def test_keyboard_interrupt_is_130() -> None:
    script = (
        "import sys, time; from serving.console import *; import typer; app = typer.Typer()\n"
        "@command(app)\ndef wait(console: Console) -> None:\n    print('ready', flush=True); time.sleep(30)\n"
        "app()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background shell ignores it
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in error


def test_a_day_is_named_one_way(root: Path) -> None:
    from features.errors import UsageError
    from features.project import load_project

    project = load_project(root / "examples" / "eph" / "project.yaml")
    assert day_of(project, None, "2012-Q4") == day_of(project, "2012-12-31", None)
    for as_of, week in ((None, None), ("2012-12-31", "2012-Q4"), ("2012-12-30", None), ("soon", None)):
        with pytest.raises(UsageError):
            day_of(project, as_of, week)


def test_json_keeps_chinese_and_order() -> None:
    assert as_json({"b": "周济", "a": 1}) == '{\n "b": "周济",\n "a": 1\n}'
