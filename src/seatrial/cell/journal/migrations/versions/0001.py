"""The tables of calls: as they were tried, as they are answered again, and why."""

from typing import Final

from alembic.operations import Operations
from sqlalchemy import Column, Float, LargeBinary, Text, UniqueConstraint

from seatrial.kit.database.dialects import Int64, UtcDateTime

revision: Final = "0001"
down_revision: Final = None
compatible_from: Final = "0001"


def upgrade(op: Operations) -> None:
    """See `kit/database/history.py`."""
    op.create_table(
        "call",
        Column("run", Text, primary_key=True),
        Column("attempt", Int64, primary_key=True),
        Column("seq", Int64, primary_key=True),
        Column("row", Int64),
        Column("kind", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("provider", Text),
        Column("route", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("started", UtcDateTime, nullable=False),
        Column("ended", UtcDateTime),
        Column("latency_ms", Float),
        Column("first_byte_ms", Float),
        Column("status", Int64),
        Column("answered", Text),
        Column("request_digest", Text),
        Column("request_bytes", Int64, nullable=False),
        Column("response_bytes", Int64),
        Column("input_tokens", Int64),
        Column("output_tokens", Int64),
        Column("cache_read_tokens", Int64),
        Column("cache_write_tokens", Int64),
        Column("cost_usd", Float),
        Column("error", Text),
    )
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
        Column("retry", Text),
        Column("media", Text, nullable=False),
        Column("size", Int64, nullable=False),
        Column("stored", Int64, nullable=False),
        Column("content", LargeBinary, nullable=False),
    )
    op.create_table(
        "decision",
        Column("run", Text, primary_key=True),
        Column("attempt", Int64, primary_key=True),
        Column("n", Int64, primary_key=True),
        Column("seq", Int64),
        Column("kind", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("decision", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("at", UtcDateTime, nullable=False),
    )
