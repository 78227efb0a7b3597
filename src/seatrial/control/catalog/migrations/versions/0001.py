"""Agents, releases, provenance."""

from typing import Final

from alembic.operations import Operations
from sqlalchemy import Column, ForeignKey, Text, UniqueConstraint

from seatrial.kit.database.dialects import Int64, Json, UtcDateTime

revision: Final = "0001"
down_revision: Final = None
compatible_from: Final = "0001"


def upgrade(op: Operations) -> None:
    """See `kit/database/history.py`."""
    op.create_table(
        "agent",
        Column("slug", Text, primary_key=True),
        Column("owner", Text, nullable=False),
        Column("description", Text, nullable=False),
        Column("latest", Int64, nullable=False),
        Column("at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "release",
        Column("id", Text, primary_key=True),
        Column("agent", Text, ForeignKey("agent.slug"), nullable=False),
        Column("number", Int64, nullable=False),
        Column("digest", Text, nullable=False),
        Column("document", Text, nullable=False),
        Column("author", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("commit", Text, nullable=False),
        Column("dirty", Int64, nullable=False),
        Column("at", UtcDateTime, nullable=False),
        UniqueConstraint("digest", name="uq_release_digest"),
        UniqueConstraint("agent", "number", name="uq_release_agent_number"),
    )
    op.create_table(
        "provenance",
        Column("id", Text, primary_key=True),
        Column("release", Text, ForeignKey("release.digest"), nullable=False),
        Column("envelope", Text, nullable=False),
        Column("keys", Json, nullable=False),
        Column("at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_provenance_release", "provenance", ["release"])
