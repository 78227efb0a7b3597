"""The table of secrets."""

from typing import Final

from alembic.operations import Operations
from sqlalchemy import Column, Text

from seatrial.kit.database.dialects import Int64, UtcDateTime

revision: Final = "0001"
down_revision: Final = None
compatible_from: Final = "0001"


def upgrade(op: Operations) -> None:
    """See `kit/database/history.py`."""
    op.create_table(
        "secret",
        Column("name", Text, primary_key=True),
        Column("version", Int64, primary_key=True),
        Column("sealed", Text, nullable=False),
        Column("author", Text, nullable=False),
        Column("set", UtcDateTime, nullable=False),
    )
