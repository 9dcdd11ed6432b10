"""An office on SQLite; passwords are hashed cheaply."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from serving.casework.database import Database
from serving.web import accounts
from serving.web.office import Office
from tests.casework.conftest import postgres  # noqa: F401
from tests.casework.desks import Clock
from tests.web.offices import make_office


@pytest.fixture(scope="session", autouse=True)
def cheap_hashes() -> None:
    accounts._HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def office(tmp_path: Path, clock: Clock) -> Iterator[Office]:
    database = Database(f"sqlite:///{tmp_path}/cases.sqlite")
    database.migrate()
    yield make_office(database, tmp_path, clock)
    database.engine.dispose()
