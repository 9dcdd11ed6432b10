"""A writer killed at random moments leaves no case without an owner and no decision without its audit line."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from serving.casework import cases
from serving.casework.case import Case
from serving.casework.database import Database
from serving.casework.desk import Desk
from serving.casework.keeping import lines
from serving.casework.tables import CaseRow, EventRow, OutgoingRow, PlaceRow, ReferralRow
from tests.casework.desks import TREE, make_desk

ROOT = Path(__file__).resolve().parents[2]


def kill_once(url: str, folder: Path, seed: int, luck: random.Random, most: float = 0.6) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.casework.writer", url, str(folder), str(seed)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert writer.stdout is not None
    assert writer.stdout.readline().strip() == b"ready"
    time.sleep(luck.uniform(0, most))
    writer.send_signal(signal.SIGKILL)
    assert writer.wait() == -signal.SIGKILL
    writer.stdout.close()


def holds(desk: Desk) -> tuple[int, int]:
    """Everything that has to be so at any moment; returns how many cases and decisions were looked at."""
    assert desk.keeper.verify(desk.database).ok
    with desk.database.reading() as session:
        told = {
            (detail["case"], detail["version"])
            for line in lines(session)
            if line.kind in ("decision", "draft", "clock") and "version" in (detail := json.loads(line.detail))
        }
        rows = list(session.scalars(select(CaseRow)))
        versions: dict[str, set[int]] = {}
        for event in session.execute(select(EventRow.case_id, EventRow.version)):
            versions.setdefault(event.case_id, set()).add(event.version)
        referrals = {row.referral_id: row for row in session.scalars(select(ReferralRow))}
        outgoing = session.query(OutgoingRow).count()
        places = list(session.execute(select(PlaceRow.case_id, PlaceRow.area_code, PlaceRow.state)))
    for row in rows:
        case = Case.model_validate(row.body)
        assert (case.owner is None) == (case.state == "closed")
        assert (row.version, row.state) == (case.version, case.state)
        assert {(case.case_id, version) for version in range(case.version + 1)} <= told
        assert versions[case.case_id] <= set(range(case.version + 1)) and 0 in versions[case.case_id]
        assert {place.area_code for place in places if place.case_id == case.case_id} == set(
            cases.places_of(TREE, case.area_code)
        )
        assert {place.state for place in places if place.case_id == case.case_id} == {case.state}
        for one in case.referrals:
            assert (referrals[one.referral_id].department, referrals[one.referral_id].open) == (
                one.department,
                one.open,
            )
    assert {case_id for case_id, _ in told} == {row.case_id for row in rows}
    assert outgoing >= len(rows)
    with desk.database.writing() as session:
        assert cases.recount(session) == 0
    return len(rows), len(told)


def kill_often(url: str, folder: Path, times: int) -> tuple[int, int]:
    luck = random.Random(7)
    desk = make_desk(Database(url), folder)
    for seed in range(1, times + 1):
        kill_once(url, folder, seed, luck)
        if seed % 10 == 0 or seed == times:
            holds(desk)
    found, more = holds(desk), 0
    while found[1] <= times and more < 8:  # on a busy machine the kills come before anything is written
        more += 1
        kill_once(url, folder, times + more, luck, most=2.0**more)
        found = holds(desk)
    desk.database.engine.dispose()
    return found


def test_a_few_kills(database: Database, url: str, tmp_path: Path) -> None:
    found, decisions = kill_often(url, tmp_path, 4)
    assert found > 0 and decisions > found


@pytest.mark.drill
def test_many_kills(database: Database, url: str, tmp_path: Path) -> None:
    found, decisions = kill_often(url, tmp_path, 200)
    assert found > 100 and decisions > 200  # the kills came while something was written
