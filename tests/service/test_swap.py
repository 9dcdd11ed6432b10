"""The model under way: aliases moved under load, bundles that do not fit, a registry that dies, a process that stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx
import pytest

from serving.runs import RunFolder
from tests.served import DAY, Made, Server, another, copied, environment, free_port, headers, serving

CLIENTS, MOVES = 8, 50


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Made:
    """A home of its own with three versions: two that fit, and one whose indicators mean something else."""
    made = copied(tmp_path_factory, tmp_path_factory.mktemp("swap") / "own")
    for bundle in (another(made, -1.5), another(made, -2.5, other_meaning=True)):
        made.world.registry.log_training(bundle, params={}, metrics={}, register=True)
    return made


@pytest.fixture(scope="module")
def service(own: Made, tmp_path_factory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("log"), environment(own, ZHOUJI_WATCH_SECONDS="0.05")) as found:
        yield found


def move(own: Made, number: str) -> None:
    own.world.registry.move(own.world.project.name, own.world.task, number, "champion", note={"reason": "test"})


def bodies(own: Made) -> tuple[dict[str, object], dict[str, object]]:
    _, bundle = own.world.registry.fetch(own.world.project.name, own.world.task, "1")
    household = str(RunFolder(own.runs[1].folder).scores()["household_id"].iloc[0])
    return (
        {"as_of": str(DAY), "rows": [dict.fromkeys(bundle.needed, 1.0)] * 5},
        {"as_of": str(DAY), "households": [household]},
    )


@dataclass
class Load:
    """Clients that ask one after the other until they are told to stop."""

    url: str
    token: str
    bodies: tuple[dict[str, object], dict[str, object]]
    stop: threading.Event = field(default_factory=threading.Event)
    answers: list[tuple[int, str, tuple[float, ...]]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    refused: int = 0

    def ask(self, number: int) -> None:
        body = self.bodies[1 if number % 4 == 3 else 0]
        with httpx.Client(base_url=self.url, timeout=30) as client:
            while not self.stop.is_set():
                try:
                    answer = client.post("/api/v1/score", json=body, headers=headers(self.token))
                except httpx.ConnectError:
                    self.refused += 1
                    return
                except httpx.TransportError as error:
                    self.lost.append(type(error).__name__)
                    return
                time.sleep(0.005)
                told = answer.json()
                if answer.status_code == 200:
                    numbers = tuple(one["probability"] for one in told["results"])
                    self.answers.append((200, f"{number % 4 == 3}{told['model']['version']}", numbers))
                else:
                    self.answers.append((answer.status_code, "", ()))

    def during(self, work: Callable[[], None]) -> None:
        threads = [threading.Thread(target=self.ask, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            work()
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()


def test_an_alias_moved_under_load_loses_and_mixes_nothing(own, service):
    load = Load(service.url, own.token(), bodies(own))

    def moves() -> None:
        until(lambda: bool(load.answers))
        for number in range(MOVES):
            wanted = "2" if number % 2 == 0 else "1"
            move(own, wanted)
            if number % 5 < 2:  # now and then one after the other, else faster than anybody can follow
                until(lambda: state(service.url)["version"] == wanted)  # noqa: B023

    load.during(moves)
    assert load.lost == []
    assert {status for status, _, _ in load.answers} == {200}
    said: dict[str, set[tuple[float, ...]]] = {}
    for _, version, numbers in load.answers:
        said.setdefault(version, set()).add(numbers)
    assert {version[-1] for version in said} == {"1", "2"}
    assert all(len(numbers) == 1 for numbers in said.values()), "one version, one answer"
    assert all(len(set(numbers)) == 1 for version, found in said.items() if version[0] == "F" for numbers in found)
    changes = sum(a[1][-1] != b[1][-1] for a, b in zip(load.answers, load.answers[1:]))
    assert changes >= 10


def state(url: str) -> dict[str, object]:
    found: dict[str, object] = httpx.get(f"{url}/readyz").json()
    return found


def until(wanted: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def test_a_bundle_that_means_something_else_is_refused(own, service):
    move(own, "1")
    until(lambda: state(service.url)["version"] == "1" and state(service.url)["refused"] is None)
    bad = own.world.registry.version(own.world.project.name, own.world.task, "3").digest
    move(own, "3")
    until(lambda: state(service.url)["refused"] == bad)
    assert state(service.url) | {"since": ""} == {
        "alive": True, "ready": True, "version": "1", "refused": bad, "registry": "reachable", "since": "",
        "draining": False, "bundle": own.world.registry.version(own.world.project.name, own.world.task, "1").digest,
    }  # fmt: skip
    answer = httpx.post(f"{service.url}/api/v1/score", json=bodies(own)[0], headers=headers(own.token()), timeout=30)
    assert answer.json()["model"]["version"] == "1"
    move(own, "2")
    until(lambda: state(service.url)["version"] == "2" and state(service.url)["refused"] is None)


@pytest.mark.drill
def test_a_registry_that_dies_leaves_the_last_version_serving(own, tmp_path):
    move(own, "2")
    port = free_port()
    database = own.world.settings.home / "mlflow" / "mlflow.db"
    with (tmp_path / "mlflow.log").open("wb") as log:
        registry = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{database}", "--host",
             "127.0.0.1", "--port", str(port), "--workers", "1"],
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True, cwd=tmp_path,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
        )  # fmt: skip
    try:
        until(lambda: _answers(f"http://127.0.0.1:{port}/health"), 60)
        variables = environment(own, ZHOUJI_MLFLOW_URI=f"http://127.0.0.1:{port}", ZHOUJI_WATCH_SECONDS="0.2")
        with serving(tmp_path, variables) as found:
            until(lambda: state(found.url)["registry"] == "reachable")
            load = Load(found.url, own.token(), bodies(own))

            def kill() -> None:
                time.sleep(0.5)
                os.killpg(registry.pid, signal.SIGKILL)
                until(lambda: state(found.url)["registry"] == "unreachable", 60)
                assert state(found.url)["ready"]

            load.during(kill)
            assert load.lost == []
            assert {status for status, _, _ in load.answers} == {200}
        with serving(tmp_path, variables) as again:  # a restart, and the registry is still dead
            assert state(again.url)["version"] == "2"
    finally:
        if registry.poll() is None:
            os.killpg(registry.pid, signal.SIGKILL)
        registry.wait()


def test_a_registry_that_is_not_there_leaves_the_last_version_serving(own, service, tmp_path):
    move(own, "2")
    until(lambda: state(service.url)["version"] == "2")
    nowhere = environment(own, ZHOUJI_MLFLOW_URI=f"http://127.0.0.1:{free_port()}")
    with serving(tmp_path, nowhere) as found:
        until(lambda: state(found.url)["registry"] == "unreachable")
        answer = httpx.post(f"{found.url}/api/v1/score", json=bodies(own)[0], headers=headers(own.token()), timeout=30)
        assert answer.json()["model"]["version"] == "2"
        assert httpx.get(f"{found.url}/readyz").status_code == 200
        load = Load(found.url, own.token(), bodies(own))

        def stop() -> None:  # and a process that is asked to stop under load loses no answer
            until(lambda: len(load.answers) > 60)
            found.terminate()
            found.process.wait(20)

        load.during(stop)
        assert load.lost == []
        assert {status for status, _, _ in load.answers} == {200}
        assert len(load.answers) > 50
        assert found.process.returncode == 0
        assert "Traceback" not in found.text()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.TransportError:
        return False
