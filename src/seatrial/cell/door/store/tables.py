"""The door's tables."""

from typing import Final

from sqlalchemy import Column, Table, Text

from seatrial.kit.database.dialects import Int64, Json, UtcDateTime, metadata
from seatrial.kit.database.history import History

HISTORY: Final = History.of("seatrial.cell.door.migrations")
METADATA: Final = metadata()
TOKEN: Final = Table(
    "access_token",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("stored", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("permissions", Json, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime),
    Column("revoked", UtcDateTime),
)
VERSION: Final = Table(
    "access_version",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("version", Int64, nullable=False),
)
DRAFT: Final = Table(
    "prompt_draft",
    METADATA,
    Column("agent", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("text", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("changed", UtcDateTime, nullable=False),
)
SLOT: Final = Table(
    "local_slot",
    METADATA,
    Column("run", Text, primary_key=True),
    Column("stored", Text, nullable=False, unique=True),
    Column("agent", Text, nullable=False),
    Column("release", Text),
    Column("attempt", Int64, nullable=False),
    Column("prompts", Json, nullable=False),
    Column("models", Json),
    Column("owner", Text, nullable=False),
    Column("expires", UtcDateTime, nullable=False),
)
