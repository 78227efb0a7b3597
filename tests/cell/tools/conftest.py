"""The database of a shop, which is never the cell's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.kit.database.database import Database
from tests.cell.tools.world import furnish
from tests.servers import postgres


@pytest.fixture
def shop(database_url: str, tmp_path: Path) -> Iterator[Database]:
    """A fresh shop on a database of the same kind as the cell's."""
    if database_url.startswith("sqlite"):
        with Database.open(f"sqlite:///{tmp_path / 'shop.db'}") as opened:
            furnish(opened)
            yield opened
        return
    server = postgres.shared()
    with server.database() as name, Database.open(server.url(name)) as opened:
        furnish(opened)
        yield opened
