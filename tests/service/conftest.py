"""One home and one service process for all tests of a worker."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.served import Made, Server, environment, made_once, serving


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_once(tmp_path_factory)


@pytest.fixture(scope="session")
def server(made: Made) -> Iterator[Server]:
    with serving(made.folder, environment(made)) as found:
        yield found


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as found:
        yield found


@pytest.fixture(scope="session")
def county(made: Made) -> str:
    """A token that reaches the whole province."""
    return made.token()
