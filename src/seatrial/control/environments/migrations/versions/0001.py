"""Enrolment tokens, cells and their processes, keyrings."""

from typing import Final

from alembic.operations import Operations
from sqlalchemy import Column, ForeignKey, Text, UniqueConstraint

from seatrial.kit.database.dialects import Int64, UtcDateTime

revision: Final = "0001"
down_revision: Final = None
compatible_from: Final = "0001"


def upgrade(op: Operations) -> None:
    """See `kit/database/history.py`."""
    op.create_table(
        "enrolment_token",
        Column("id", Text, primary_key=True),
        Column("hash", Text, nullable=False),
        Column("cell", Text, nullable=False),
        Column("environment", Text, nullable=False),
        Column("region", Text, nullable=False),
        Column("made", UtcDateTime, nullable=False),
        Column("expires", UtcDateTime, nullable=False),
        Column("used", UtcDateTime),
        UniqueConstraint("hash", name="uq_enrolment_token_hash"),
    )
    op.create_table(
        "cell",
        Column("name", Text, primary_key=True),
        Column("environment", Text, nullable=False),
        Column("region", Text, nullable=False),
    )
    op.create_table(
        "cell_replica",
        Column("signing", Text, primary_key=True),
        Column("id", Text, nullable=False),
        Column("cell", Text, ForeignKey("cell.name"), nullable=False),
        Column("sealing", Text, nullable=False),
        Column("url", Text, nullable=False),
        Column("profile", Text, nullable=False),
        Column("token", Text, nullable=False),
        Column("at", UtcDateTime, nullable=False),
        UniqueConstraint("id", name="uq_cell_replica_id"),
        UniqueConstraint("sealing", name="uq_cell_replica_sealing"),
        UniqueConstraint("token", name="uq_cell_replica_token"),
    )
    op.create_table(
        "keyring",
        Column("version", Int64, primary_key=True, autoincrement=False),
        Column("envelope", Text, nullable=False),
        Column("digest", Text, nullable=False),
        Column("actor", Text, nullable=False),
        Column("at", UtcDateTime, nullable=False),
    )
