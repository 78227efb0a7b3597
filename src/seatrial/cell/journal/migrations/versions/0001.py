"""The table of calls."""

from typing import Final

from alembic.operations import Operations
from sqlalchemy import Column, Float, Text

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
