"""The tables that migrations make are those that the stores speak of."""

import warnings

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData

from seatrial.cell.assess.store import fixtures
from seatrial.cell.door.store import tables as door
from seatrial.cell.journal.store import calls as journal
from seatrial.cell.vault import store as vault
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.history import History
from seatrial.kit.database.migrations import migrate_now


@pytest.mark.parametrize(
    ("known", "history"),
    [
        (door.METADATA, door.HISTORY),
        (journal.METADATA, journal.HISTORY),
        (vault.METADATA, vault.HISTORY),
        (fixtures.METADATA, fixtures.HISTORY),
    ],
    ids=["door", "journal", "vault", "assess"],
)
def test_migrations_and_stores_agree(database: Database, known: MetaData, history: History) -> None:
    migrate_now(database, [history])

    def differences(connection: Connection) -> list[str]:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_name": lambda name, kind, _: kind != "table" or name in known.tables,
                "compare_type": True,
            },
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what reflection says of types is not asked here
            return [str(each) for each in compare_metadata(context, known)]

    assert database.read_now(differences) == []
