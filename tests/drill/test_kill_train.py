"""Kills of a training: no half bundle, no second version, no run of MLflow left running."""

from __future__ import annotations

import pytest

from features.province.deliveries import DELIVERED_ON
from tests.drill.kills import drill, phases
from tests.drill.weekly import TRAIN, WARMTH, Weekly

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.drill
def test_training_survives_kills(tmp_path):
    weekly = Weekly(tmp_path, households=150, months=18)
    command = weekly.command(TRAIN, DELIVERED_ON)
    hits = drill(command, tmp_path, weekly.fingerprint, kills=30, warmth=WARMTH, start=weekly.start)
    print(phases(hits))
    assert sum(not hit.finished for hit in hits) >= 20
