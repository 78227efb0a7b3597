"""Access tokens, drafts of prompts, slots of local runs."""

from typing import Final

from alembic.operations import Operations
from sqlalchemy import Column, Text

from seatrial.kit.database.dialects import Int64, Json, UtcDateTime

revision: Final = "0001"
down_revision: Final = None
compatible_from: Final = "0001"


def upgrade(op: Operations) -> None:
    """See `kit/database/history.py`."""
    op.create_table(
        "access_token",
        Column("id", Text, primary_key=True),
        Column("stored", Text, nullable=False, unique=True),
        Column("name", Text, nullable=False),
        Column("tenant", Text, nullable=False),
        Column("permissions", Json, nullable=False),
        Column("created", UtcDateTime, nullable=False),
        Column("expires", UtcDateTime),
        Column("revoked", UtcDateTime),
    )
    op.create_table(
        "access_version",
        Column("name", Text, primary_key=True),
        Column("version", Int64, nullable=False),
    )
    op.create_table(
        "prompt_draft",
        Column("agent", Text, primary_key=True),
        Column("name", Text, primary_key=True),
        Column("text", Text, nullable=False),
        Column("author", Text, nullable=False),
        Column("changed", UtcDateTime, nullable=False),
    )
    op.create_table(
        "local_slot",
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
