"""Real servers and databases for tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.kit.database.database import Database
from tests.servers import postgres, redis

BOTH = ("sqlite", "postgresql")


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """A fresh, empty database on the run's PostgreSQL."""
    server = postgres.shared()
    with server.database() as name:
        yield server.url(name)


@pytest.fixture
def redis_url() -> str:
    """An empty database on the run's Redis, this worker's own."""
    server = redis.shared()
    server.flush()
    return server.url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A fresh file."""
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database of each kind in turn."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh database of each kind in turn, open."""
    with Database.open(database_url) as opened:
        yield opened
