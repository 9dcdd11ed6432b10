"""Ten thousand deliveries, each wrong in its own way, through the whole of ingestion."""

from __future__ import annotations

import collections
import hashlib

import pytest

from features.errors import DataError, NothingToDo
from features.ingestion import ingest
from features.settings import Settings
from tests.deliveries import project, spoil
from tests.door import RECEIVED

DELIVERIES, PARTS = 10_000, 4
IN_ONE_HOME = 100


@pytest.mark.drill
@pytest.mark.parametrize("part", range(PARTS))
def test_ten_thousand_bad_deliveries(tmp_path, part):
    tried: collections.Counter[str] = collections.Counter()
    own = DELIVERIES // PARTS
    for first in range(part * own, (part + 1) * own, IN_ONE_HOME):
        before: set[str] = set()
        home = tmp_path / f"home-{first}"
        settings = Settings(home=home, threads=1, pseudonym_key="ab" * 32)
        trial = project()
        for seed in range(first, first + IN_ONE_HOME):
            delivery = spoil(seed, tmp_path)
            tried[delivery.fault] += 1
            digest = hashlib.sha256(delivery.path.read_bytes()).hexdigest()
            try:
                receipt = ingest(delivery.path, trial, settings, feed="bills", received_on=RECEIVED)
            except DataError:
                receipt = None
            except NothingToDo:  # two small files may be alike to the last byte
                assert digest in before, (seed, delivery)
                delivery.path.unlink()
                continue
            before.add(digest)
            if receipt is None:
                assert delivery.whole or delivery.rows is None or delivery.fault == "odd_parquet", (seed, delivery)
            else:
                assert not delivery.whole, (seed, delivery)
                accounted = receipt.accepted + receipt.already_known + receipt.quarantined
                assert receipt.delivered == accounted, (seed, delivery)
                assert delivery.rows in (None, receipt.delivered), (seed, delivery)
                assert receipt.accepted + receipt.already_known >= len(delivery.survivors), (seed, delivery)
            delivery.path.unlink()
    assert sum(tried.values()) == own
