"""The table of leases."""

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
        "lease",
        Column("name", Text, primary_key=True),
        Column("holder", Text, nullable=False),
        Column("epoch", Int64, nullable=False),
        Column("expires", UtcDateTime, nullable=False),
    )
