"""The tables of runs."""

from typing import Final

from sqlalchemy import Boolean, Column, Float, Index, Table, Text, literal_column, or_

from seatrial.kit.database.dialects import Int64, UtcDateTime, metadata
from seatrial.kit.database.history import History

HISTORY: Final = History.of("seatrial.cell.runs.migrations")
METADATA: Final = metadata()

RUN: Final = Table(
    "run",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("agent", Text, nullable=False),
    Column("release", Text, nullable=False),  # empty for local code
    Column("release_name", Text, nullable=False),
    Column("generation", Int64, nullable=False),
    Column("session", Text),
    Column("tenant", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("attempt", Int64, nullable=False),
    Column("forgiven", Int64, nullable=False),
    Column("attempts", Int64, nullable=False),
    Column("own_attempts", Int64, nullable=False),
    Column("priority", Int64, nullable=False),
    Column("lane", Text, nullable=False),
    Column("tags", Text, nullable=False),  # JSON; empty for none
    Column("local", Boolean, nullable=False),
    Column("counted", Boolean, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("started", UtcDateTime),
    Column("ended", UtcDateTime),
    Column("timeout_seconds", Float, nullable=False),
    Column("steps", Int64),
    Column("dead", Boolean, nullable=False),
    Column("rank", UtcDateTime, nullable=False),  # its place in the queue
    Column("ready", UtcDateTime, nullable=False),  # not to be claimed before
    Column("lease", UtcDateTime),  # to be taken from its worker after
    Column("worker", Text),
    Column("key", Text),  # of idempotency
    Column("key_digest", Text),
    Column("outcome", Text),
    Column("outcome_note", Text),
    Column("outcome_at", UtcDateTime),
    Column("outcome_by", Text),
    Column("input_tokens", Int64, nullable=False),
    Column("output_tokens", Int64, nullable=False),
    Column("cost_usd", Float, nullable=False),
    Column("calls", Int64, nullable=False),
    Column("mode", Text, nullable=False),
    Column("follows", Text),
    Column("wait_reason", Text),
    Column("wait_since", UtcDateTime),
    Column("wait_until", UtcDateTime),  # when a timer goes off
    Column("wait_detail", Text),
    Column("wait_seq", Int64),
    # Last, so that a list need not read past them.
    Column("input", Text, nullable=False),
    Column("output", Text),
)
Index(None, RUN.c.agent, RUN.c.id)
Index(None, RUN.c.release, RUN.c.id)
# As literals: neither database uses a partial index for a condition that hides in a parameter.
QUEUED: Final = RUN.c.state == literal_column("'queued'")
RUNNING: Final = RUN.c.state == literal_column("'running'")
WAITING: Final = RUN.c.state == literal_column("'waiting'")
TIMED: Final = RUN.c.wait_until.is_not(None)
KEYED: Final = RUN.c.key.is_not(None)
DEAD: Final = RUN.c.dead.is_(True)
OF_TENANT: Final = RUN.c.tenant != literal_column("''")
TROUBLED: Final = or_(
    RUN.c.state == literal_column("'failed'"), RUN.c.outcome != literal_column("'resolved'")
)
_IN_SESSION: Final = RUN.c.session.is_not(None)

Index("ix_run_rank", RUN.c.rank, postgresql_where=QUEUED, sqlite_where=QUEUED)
Index("ix_run_lease", RUN.c.lease, postgresql_where=RUNNING, sqlite_where=RUNNING)
Index(
    "uq_run_key",
    RUN.c.tenant,
    RUN.c.agent,
    RUN.c.caller,
    RUN.c.key,
    unique=True,
    postgresql_where=KEYED,
    sqlite_where=KEYED,
)
Index(
    "ix_run_session",
    RUN.c.session,
    RUN.c.agent,
    RUN.c.tenant,
    RUN.c.id,
    postgresql_where=_IN_SESSION,
    sqlite_where=_IN_SESSION,
)
Index("ix_run_waiting", RUN.c.id, postgresql_where=WAITING, sqlite_where=WAITING)
Index("ix_run_until", RUN.c.wait_until, postgresql_where=TIMED, sqlite_where=TIMED)
Index("ix_run_dead", RUN.c.id, postgresql_where=DEAD, sqlite_where=DEAD)
Index("ix_run_troubled", RUN.c.id, postgresql_where=TROUBLED, sqlite_where=TROUBLED)
Index("ix_run_tenant", RUN.c.tenant, RUN.c.id, postgresql_where=OF_TENANT, sqlite_where=OF_TENANT)

TAG: Final = Table(
    "run_tag",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("run", Text, primary_key=True),
)

EVENT: Final = Table(
    "run_event",
    METADATA,
    Column("run", Text, primary_key=True),
    Column("first", Int64, primary_key=True, autoincrement=False),
    Column("last", Int64, nullable=False),
    Column("kind", Text, nullable=False),
    Column("parts", Text, nullable=False),  # a JSON list
    Column("at", UtcDateTime, nullable=False),
)

SESSION: Final = Table(
    "session",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("agent", Text, primary_key=True),
    Column("tenant", Text, primary_key=True),
    Column("owner", Text),  # the name of its first caller's token
    Column("release", Text, nullable=False),
    Column("release_name", Text, nullable=False),
    Column("generation", Int64, nullable=False),
    Column("turns", Int64, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("last", UtcDateTime, nullable=False),
)
Index(None, SESSION.c.last)

SAID: Final = Table(
    "run_said",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("run", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("by", Text, nullable=False),
    Column("outcome", Text),
    Column("note", Text, nullable=False),
    Column("feedback", Text),  # JSON
)
Index(None, SAID.c.run, SAID.c.id)

WORD: Final = Table(
    "run_word",  # of outside events that came before their run asked for them
    METADATA,
    Column("run", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("n", Int64, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),  # JSON
    Column("at", UtcDateTime, nullable=False),
)

COUNT: Final = Table(
    "release_count",
    METADATA,
    Column("release", Text, primary_key=True),
    Column("shard", Int64, primary_key=True, autoincrement=False),
    Column("first", UtcDateTime, nullable=False),
    Column("succeeded", Int64, nullable=False),
    Column("failed", Int64, nullable=False),
    Column("cancelled", Int64, nullable=False),
    Column("good", Int64, nullable=False),
    Column("judged", Int64, nullable=False),
)
