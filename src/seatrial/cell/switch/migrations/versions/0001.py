"""What is in force, what was, what is prepared or refused, and what was heard."""

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
        "activation",
        Column("id", Int64, primary_key=True, autoincrement=False),
        Column("environment", Text, nullable=False),
        Column("generation", Int64, nullable=False),
        Column("closure", Text, nullable=False),
        Column("rules", Text, nullable=False),
        Column("document", Json, nullable=False),
        Column("moved", Int64, nullable=False),
        Column("flipped", UtcDateTime, nullable=False),
    )
    op.create_table(
        "active_agent",
        Column("agent", Text, primary_key=True),
        Column("release", Text, nullable=False),
        Column("name", Text, nullable=False),
    )
    op.create_table(
        "live_closure",
        Column("generation", Int64, primary_key=True, autoincrement=False),
        Column("closure", Text, nullable=False),
        Column("agents", Text, nullable=False),
        Column("document", Json, nullable=False),
        Column("at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_live_closure_agents", "live_closure", ["agents"])
    op.create_table(
        "switch_stance",
        Column("kind", Text, primary_key=True),
        Column("generation", Int64, nullable=False),
        Column("closure", Text, nullable=False),
        Column("proposal", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("document", Json, nullable=False),
        Column("at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "revoked_release",
        Column("release", Text, primary_key=True),
        Column("reason", Text, nullable=False),
        Column("at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "switch_kept",
        Column("kind", Text, primary_key=True),
        Column("version", Int64, nullable=False),
        Column("text", Text, nullable=False),
        Column("at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "kept_release",
        Column("release", Text, primary_key=True),
        Column("document", Json, nullable=False),
        Column("at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "fact_sequence",
        Column("release", Text, primary_key=True),
        Column("sequence", Int64, nullable=False),
        Column("counts", Text, nullable=False),
        Column("envelope", Text, nullable=False),
        Column("heard", Int64, nullable=False),
    )
