"""A few kills of ingestion; `make drill` does two hundred."""

from __future__ import annotations

from tests.drill.ingestion import WARMTH, Judge, command
from tests.drill.kills import drill


def test_ingestion_survives_kills(tmp_path):
    judge = Judge(tmp_path / "files")
    hits = drill(
        command(tmp_path / "files"), tmp_path, judge.fingerprint, kills=8, warmth=WARMTH, after_kill=judge.after_kill
    )
    assert sum(not hit.finished for hit in hits) >= 5
