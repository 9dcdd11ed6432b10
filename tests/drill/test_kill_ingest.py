"""Two hundred kills of ingestion, spread over all its steps."""

from __future__ import annotations

import pytest

from tests.drill.ingestion import WARMTH, Judge, command
from tests.drill.kills import drill, phases


@pytest.mark.drill
def test_ingestion_survives_kills(tmp_path):
    judge = Judge(tmp_path / "files")
    hits = drill(
        command(tmp_path / "files"), tmp_path, judge.fingerprint, kills=200, warmth=WARMTH, after_kill=judge.after_kill
    )
    print(phases(hits))
    assert sum(not hit.finished for hit in hits) >= 150
    assert {hit.name for hit in hits} >= {"duckdb", "sqlite", "rename", "fsync", "open", "mkdir"}
