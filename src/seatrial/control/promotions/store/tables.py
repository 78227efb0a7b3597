"""The tables: environments, generations, what was ever live, evidence, what cells said, changes."""

from typing import Final

from sqlalchemy import Boolean, Column, Index, Table, Text, select, update

from seatrial.kit.database.connection import Connection
from seatrial.kit.database.dialects import Int64, Json, UtcDateTime, metadata
from seatrial.kit.database.history import History

HISTORY: Final = History.of("seatrial.control.promotions.migrations")
METADATA: Final = metadata()

ENVIRONMENT: Final = Table(
    "switch_environment",
    METADATA,
    Column("environment", Text, primary_key=True),
    Column("newest", Int64, nullable=False),
    Column("current", Int64, nullable=False),
    Column("proposed", Int64),
    Column("deadline", UtcDateTime),
)
GENERATION: Final = Table(
    "switch_generation",
    METADATA,
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
LIVE: Final = Table(
    "switch_live",
    METADATA,
    Column("environment", Text, primary_key=True),
    Column("agent", Text, primary_key=True),
    Column("release", Text, primary_key=True),
    Column("generation", Int64, nullable=False),
)
EVIDENCE: Final = Table(
    "switch_evidence",
    METADATA,
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
Index(None, EVIDENCE.c.subject, EVIDENCE.c.kind)
Index(None, EVIDENCE.c.statement)
CELL: Final = Table(
    "switch_cell",
    METADATA,
    Column("cell", Text, primary_key=True),
    Column("environment", Text, nullable=False),
    Column("current", Int64, nullable=False),
    Column("prepared", Int64),
    Column("refused", Int64),
    Column("reason", Text, nullable=False),
    Column("seen", UtcDateTime),
)
CHANGE: Final = Table(
    "switch_change",
    METADATA,
    Column("id", Int64, primary_key=True, autoincrement=False),
    Column("count", Int64, nullable=False),
)


def bump(connection: Connection) -> None:
    """Let everybody who watches see that something changed."""
    connection.execute(update(CHANGE).values(count=CHANGE.c.count + 1))


def changes(connection: Connection) -> int:
    """How often something changed."""
    count: int = connection.execute(select(CHANGE.c.count)).scalar_one()
    return count
