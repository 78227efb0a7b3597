"""The tables of the journal."""

from typing import Final

from sqlalchemy import Column, Float, LargeBinary, Table, Text, UniqueConstraint

from seatrial.kit.database.dialects import Int64, UtcDateTime, metadata
from seatrial.kit.database.history import History

HISTORY: Final = History.of("seatrial.cell.journal.migrations")
METADATA: Final = metadata()
ROW: Final = Table(
    "recorded_call",
    METADATA,
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
    UniqueConstraint("run", "kind", "key", "occurrence"),
)
"""What an agent asked, once for each call of its program, however often it went out."""
BODY: Final = Table(
    "recorded_body",
    METADATA,
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
TRY: Final = Table(
    "call",
    METADATA,
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
"""Each time that something went out, or was refused: what it used, cost and became."""
DECISION: Final = Table(
    "decision",
    METADATA,
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
"""What became of each arrival, and why."""
