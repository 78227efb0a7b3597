"""Entries, inner nodes of the tree, and the head."""

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
        "log_entry",
        Column("index", Int64, primary_key=True, autoincrement=False),
        Column("at", UtcDateTime, nullable=False),
        Column("kind", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("actor", Text, nullable=False),
        Column("body", Text, nullable=False),
        Column("leaf", Text, nullable=False),
        Column("previous", Text, nullable=False),
    )
    op.create_index("ix_log_entry_subject_index", "log_entry", ["subject", "index"])
    op.create_table(
        "log_node",
        Column("position", Int64, primary_key=True, autoincrement=False),
        Column("hash", Text, nullable=False),
    )
    op.create_table(
        "log_head",
        Column("id", Int64, primary_key=True, autoincrement=False),
        Column("size", Int64, nullable=False),
        Column("last", Text, nullable=False),
        Column("frontier", Text, nullable=False),
    )
    # The row that every append locks; made here, so that no two ever race to make it.
    op.execute("INSERT INTO log_head (id, size, last, frontier) VALUES (1, 0, '', '')")
