"""What a database's ground is like: the version of SQLite, and a commit that leaves nothing."""

import sqlite3
from typing import Final

from sqlalchemy import text

from seatrial.kit.database.connection import Connection

SQLITE: Final = sqlite3.sqlite_version
"""The version of SQLite that this interpreter brings."""

SQLITE_IS_NEW_ENOUGH: Final = sqlite3.sqlite_version_info >= (3, 37)
"""3.37 brought STRICT tables."""


def touch(connection: Connection) -> None:
    """Write what was there already, so that a durable commit has something to make durable."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_current_xact_id()"))  # a number used up is written down
        return
    version = connection.execute(text("PRAGMA user_version")).scalar_one()
    connection.execute(text(f"PRAGMA user_version = {int(version)}"))
