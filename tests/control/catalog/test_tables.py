"""The tables that migrations make are those that the stores speak of."""

import warnings
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData

from seatrial.control.catalog import store as catalog
from seatrial.control.environments import store as environments
from seatrial.control.identity import store as identity
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from tests.control.catalog.world import World


@pytest.mark.parametrize(
    "known", [identity.METADATA, environments.METADATA, catalog.METADATA], ids=["i", "e", "c"]
)
def test_migrations_and_stores_agree(database: Database, tmp_path: Path, known: MetaData) -> None:
    World(database, tmp_path)

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
