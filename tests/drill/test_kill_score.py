"""Kills of a weekly run: there is none or a whole one, and the next call makes good what was missing."""

from __future__ import annotations

import pytest

from tests.drill.kills import drill, phases
from tests.drill.weekly import SCORE, WARMTH, Weekly

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.drill
def test_a_weekly_run_survives_kills(tmp_path):
    weekly = Weekly(tmp_path, households=120, months=12)
    hits = drill(weekly.command(SCORE), tmp_path, weekly.fingerprint, kills=40, warmth=WARMTH, start=weekly.start)
    print(phases(hits))
    assert sum(not hit.finished for hit in hits) >= 30
