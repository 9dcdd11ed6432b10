"""One engine for all of a file's examples: what a stage's statement says is asked once, not once an example."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from features.engines.duckdb import Engine, engine
from features.settings import Settings


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with engine(Settings(home=tmp_path_factory.mktemp("home"), threads=1)) as made:
        yield made
