"""Ten thousand deliveries, each wrong in its own way, through the whole of ingestion."""

from __future__ import annotations

import collections

import pytest

from features.errors import DataError
from features.ingestion import ingest
from features.settings import Settings
from tests.deliveries import project, spoil
from tests.door import RECEIVED

DELIVERIES = 10_000
IN_ONE_HOME = 100


@pytest.mark.drill
def test_ten_thousand_bad_deliveries(tmp_path):
    tried: collections.Counter[str] = collections.Counter()
    for first in range(0, DELIVERIES, IN_ONE_HOME):
        home = tmp_path / f"home-{first}"
        settings = Settings(home=home, threads=1, pseudonym_key="ab" * 32)
        trial = project()
        for seed in range(first, first + IN_ONE_HOME):
            delivery = spoil(seed, tmp_path)
            tried[delivery.fault] += 1
            try:
                receipt = ingest(delivery.path, trial, settings, feed="bills", received_on=RECEIVED)
            except DataError:
                receipt = None
            if receipt is None:
                assert delivery.whole or delivery.rows is None or delivery.fault == "odd_parquet", (seed, delivery)
            else:
                assert not delivery.whole, (seed, delivery)
                accounted = receipt.accepted + receipt.already_known + receipt.quarantined
                assert receipt.delivered == accounted, (seed, delivery)
                assert delivery.rows in (None, receipt.delivered), (seed, delivery)
                assert receipt.accepted + receipt.already_known >= len(delivery.survivors), (seed, delivery)
            delivery.path.unlink()
    assert sum(tried.values()) == DELIVERIES
