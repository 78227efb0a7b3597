"""The tables of recorded calls."""

from typing import Final

from alembic.operations import Operations
from sqlalchemy import Column, LargeBinary, Text, UniqueConstraint

from seatrial.kit.database.dialects import Int64, UtcDateTime

revision: Final = "0001"
down_revision: Final = None
compatible_from: Final = "0001"


def upgrade(op: Operations) -> None:
    """See `kit/database/history.py`."""
    op.create_table(
        "recorded_call",
        Column("run", Text, primary_key=True),
        Column("seq", Int64, primary_key=True),
        Column("attempt", Int64, nullable=False),
        Column("kind", Text, nullable=False),
        Column("effect", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("occurrence", Int64, nullable=False),
        Column("state", Text, nullable=False),
        Column("answer", Text),
        Column("waived", Int64, nullable=False),
        Column("begun", UtcDateTime, nullable=False),
        Column("settled", UtcDateTime),
        UniqueConstraint(
            "run", "kind", "key", "occurrence", name="uq_recorded_call_run_kind_key_occurrence"
        ),
    )
    op.create_table(
        "recorded_body",
        Column("run", Text, primary_key=True),
        Column("seq", Int64, primary_key=True),
        Column("side", Text, primary_key=True),
        Column("status", Int64),
        Column("media", Text, nullable=False),
        Column("size", Int64, nullable=False),
        Column("stored", Int64, nullable=False),
        Column("content", LargeBinary, nullable=False),
    )
