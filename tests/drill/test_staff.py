"""Two hundred people at the pages at once, on two processes and PostgreSQL: no error, no change lost, a time for each."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from serving.casework.database import Database
from tests.casework.conftest import postgres  # noqa: F401 -- the server from a wheel
from tests.drill import staff
from tests.web.offices import office_over

ROOT = Path(__file__).resolve().parents[2]
SECONDS = float(os.environ.get("STAFF_SECONDS", "300"))
PEOPLE = int(os.environ.get("STAFF_PEOPLE", "200"))
EVERY, PROCESSES, CASES = 10.0, 2, 120


@pytest.mark.drill
def test_two_hundred_people_lose_nothing(postgres, tmp_path, capsys):  # noqa: F811
    server = make_url(postgres).set(drivername="postgresql+psycopg")
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE staff"))
    url = server.set(database="staff").render_as_string(hide_password=False)
    database = Database(url)
    database.migrate()
    office = office_over(database, tmp_path)
    ids, tokens = staff.prepare(office, PEOPLE, CASES)
    ports, processes = [], []
    try:
        for _ in range(PROCESSES):
            with socket.socket() as one:
                one.bind(("127.0.0.1", 0))
                ports.append(one.getsockname()[1])
            command = [sys.executable, "-m", "tests.drill.staff", url, str(tmp_path), str(ports[-1])]
            processes.append(subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}))
        addresses = [f"http://127.0.0.1:{port}" for port in ports]
        for address in addresses:
            wait(address)
        seen = asyncio.run(staff.work(addresses, ids, tokens, SECONDS, EVERY))
    finally:
        for process in processes:
            process.terminate()
            process.wait(20)
    staff.holds(office, ids, seen)
    database.engine.dispose()
    admin.dispose()
    with capsys.disabled():
        print(
            f"\n{PEOPLE} people, {SECONDS:.0f} s: {len(seen.ms)} requests, {len(seen.accepted)} changes, "
            f"{seen.conflicts} conflicts shown, p95 {seen.p95():.0f} ms"
        )
    assert len(seen.accepted) > PEOPLE * SECONDS / EVERY / 2


def wait(address: str) -> None:
    for _ in range(300):
        try:
            httpx.get(f"{address}/login", timeout=5)
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"{address} did not answer")
