from pathlib import Path

import pytest

from tests.cell.hosts.hosting import Room


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all: the empty environment is then made once."""
    return tmp_path_factory.mktemp("hosts")


@pytest.fixture
def room(built: Path) -> Room:
    return Room(built)
