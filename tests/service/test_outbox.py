"""Events reach a receiver that fails, from a sender that is killed: at least once, signed, recognisable by their id."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from features.errors import UsageError
from features.settings import Home
from serving.outbox import ALERT, Outbox, Receiver, announce, receivers, send_due, signature
from serving.runs import RunFolder
from serving.sending import Sender
from tests.served import COUNTY, ROOT, Made

SECRET = "a secret that the receiver shares with us"
SENDER = """
import os, signal, sys, time
import httpx, serving.outbox as outbox
outbox.FIRST_SECONDS, outbox.LONGEST_SECONDS = 0.01, 0.05
folder, url, secret, fatal = sys.argv[1:]
left = int(fatal)
def post(*arguments, **named):
    global left
    answer = httpx.post(*arguments, **named)
    left -= answer.is_success
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)  # after the receiver has taken it, before it is noted
    return answer
box = outbox.Outbox(__import__("pathlib").Path(folder))
to = [outbox.Receiver(name="platform", url=url, secret=secret)]
while box.waiting():
    outbox.send_due(box, to, post)
    time.sleep(0.01)
"""


@pytest.fixture
def platform():
    """A receiver that fails now and then, checks signatures, and deduplicates by id."""
    took: Counter[str] = Counter()
    bodies: dict[str, dict[str, object]] = {}
    chance = random.Random(5)

    class Takes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            identifier, moment = self.headers["webhook-id"], int(self.headers["webhook-timestamp"])
            sound = self.headers["webhook-signature"] == signature(SECRET, identifier, moment, body)
            fails = chance.random() < 0.3
            if sound and not fails:
                took[identifier] += 1
                bodies[identifier] = json.loads(body)
            self.send_response(503 if fails else 204 if sound else 401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Takes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", took, bodies
    server.shutdown()
    server.server_close()


def test_events_survive_kills_on_both_sides(made: Made, platform, tmp_path):
    url, took, bodies = platform
    to = [Receiver(name="platform", url=url, secret=SECRET)]
    run, home = RunFolder(made.runs[0].folder), Home(tmp_path).project("sample")
    rows = [row for row in run.households() if row["change"] in ("new", "up")]
    assert announce(run, "sample", home, to) == len(rows) > 10
    assert announce(run, "sample", home, to) == 0, "written again after a crash, the events are the same"
    ends = []
    for fatal in (3, 5, -1):  # killed at this answer; never
        command = [sys.executable, "-c", SENDER, str(home.events), url, SECRET, str(fatal)]
        ends.append(subprocess.run(command, cwd=ROOT, check=False).returncode)
    assert ends == [-9, -9, 0]
    assert Outbox(home.events).waiting() == 0
    assert {body["subject"] for body in bodies.values()} == {row["household_id"] for row in rows}
    assert max(took.values()) > 1, "a kill after the answer sends once more"
    event = next(iter(bodies.values()))
    assert event["type"] == ALERT
    assert event["specversion"] == "1.0"
    text = json.dumps(list(bodies.values()))
    for word in ("level", "probability", "reason", "kind", "name"):
        assert f'"{word}' not in text


def test_receivers_hear_of_their_areas_only(made: Made, tmp_path):
    run, home = RunFolder(made.runs[0].folder), Home(tmp_path).project("sample")
    to = [Receiver(name="one", url="http://127.0.0.1:9/", secret=SECRET, areas=[COUNTY])]
    announce(run, "sample", home, to)
    inside = [row for row in run.households() if row["change"] == "new" and row["area_code"].startswith(COUNTY)]
    box = Outbox(home.events)
    assert box.waiting() == len(inside)
    assert send_due(box, to) == (0, len(inside))
    assert box.due(0.0) == []
    assert send_due(box, to) == (0, 0), "not before its moment"


def test_a_published_list_is_announced_once(made: Made, tmp_path, platform):
    url, took, _ = platform
    file = tmp_path / "webhooks.toml"
    file.write_text(f'[[receiver]]\nname = "platform"\nurl = "{url}"\nsecret = "{SECRET}"\n')
    settings = replace(made.world.settings, webhooks=file)
    home = Home(tmp_path).project("sample")
    # whatever other tests have added to the home since, the first list is the newest here
    weeks = SimpleNamespace(newest_first=lambda: [SimpleNamespace(run=RunFolder(made.runs[0].folder))])
    sender = Sender(made.world.project, settings, home, weeks)
    taken, missed = sender.once()
    assert taken + missed > 0
    assert sender.once() == (0, 0)
    assert set(took.values()) <= {1}
    file.write_text("[[receiver]]\nname = 'x'\n")
    with pytest.raises(UsageError):
        receivers(settings)
