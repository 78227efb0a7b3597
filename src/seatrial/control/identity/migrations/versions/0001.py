"""Tokens, and whether the first one was made."""

from typing import Final

from alembic.operations import Operations
from sqlalchemy import Column, Text, UniqueConstraint

from seatrial.kit.database.dialects import Json, UtcDateTime

revision: Final = "0001"
down_revision: Final = None
compatible_from: Final = "0001"


def upgrade(op: Operations) -> None:
    """See `kit/database/history.py`."""
    op.create_table(
        "token",
        Column("id", Text, primary_key=True),
        Column("hash", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("permissions", Json, nullable=False),
        Column("made", UtcDateTime, nullable=False),
        Column("expires", UtcDateTime),
        Column("revoked", UtcDateTime),
        Column("used", UtcDateTime),
        UniqueConstraint("hash", name="uq_token_hash"),
    )
    op.create_table(
        "token_first",
        Column("name", Text, primary_key=True),
        Column("made", UtcDateTime, nullable=False),
    )
