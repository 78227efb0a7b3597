"""Environments, their generations, what was ever live, evidence, what cells said, changes."""

from typing import Final

from alembic.operations import Operations
from sqlalchemy import Boolean, Column, Text

from seatrial.kit.database.dialects import Int64, Json, UtcDateTime

revision: Final = "0001"
down_revision: Final = None
compatible_from: Final = "0001"


def upgrade(op: Operations) -> None:
    """See `kit/database/history.py`."""
    op.create_table(
        "switch_environment",
        Column("environment", Text, primary_key=True),
        Column("newest", Int64, nullable=False),
        Column("current", Int64, nullable=False),
        Column("proposed", Int64),
        Column("deadline", UtcDateTime),
    )
    op.create_table(
        "switch_generation",
        Column("environment", Text, primary_key=True),
        Column("generation", Int64, primary_key=True, autoincrement=False),
        Column("previous", Int64, nullable=False),
        Column("verb", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("closure", Text, nullable=False),
        Column("document", Json, nullable=False),
        Column("proposal", Text, nullable=False),
        Column("commit_envelope", Text),
        Column("evidence", Json, nullable=False),
        Column("required", Json, nullable=False),
        Column("prepared", Json, nullable=False),
        Column("excluded", Json, nullable=False),
        Column("by", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("ordered", UtcDateTime, nullable=False),
        Column("deadline", UtcDateTime, nullable=False),
        Column("committed", UtcDateTime),
    )
    op.create_table(
        "switch_live",
        Column("environment", Text, primary_key=True),
        Column("agent", Text, primary_key=True),
        Column("release", Text, primary_key=True),
        Column("generation", Int64, nullable=False),
    )
    op.create_table(
        "switch_evidence",
        Column("digest", Text, primary_key=True),
        Column("kind", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("envelope", Text, nullable=False),
        Column("statement", Text, nullable=False),
        Column("cell", Text),
        Column("sequence", Int64),
        Column("until", UtcDateTime),
        Column("generation", Int64),
        Column("held", Boolean, nullable=False),
    )
    op.create_index("ix_switch_evidence_subject_kind", "switch_evidence", ["subject", "kind"])
    op.create_index("ix_switch_evidence_statement", "switch_evidence", ["statement"])
    op.create_table(
        "switch_cell",
        Column("cell", Text, primary_key=True),
        Column("environment", Text, nullable=False),
        Column("current", Int64, nullable=False),
        Column("prepared", Int64),
        Column("refused", Int64),
        Column("reason", Text, nullable=False),
        Column("seen", UtcDateTime),
    )
    op.create_table(
        "switch_change",
        Column("id", Int64, primary_key=True, autoincrement=False),
        Column("count", Int64, nullable=False),
    )
    # The row that every write bumps; made here, so that no two ever race to make it.
    op.execute("INSERT INTO switch_change (id, count) VALUES (1, 0)")
