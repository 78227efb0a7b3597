"""Runs, their tags and events, sessions, what was said of runs, counts of releases."""

from typing import Final

from alembic.operations import Operations
from sqlalchemy import Boolean, Column, Float, Text, text

from seatrial.kit.database.dialects import Int64, UtcDateTime

revision: Final = "0001"
down_revision: Final = None
compatible_from: Final = "0001"


def upgrade(op: Operations) -> None:
    """See `kit/database/history.py`."""
    _run(op)
    _rest(op)


def _run(op: Operations) -> None:
    op.create_table(
        "run",
        Column("id", Text, primary_key=True),
        Column("agent", Text, nullable=False),
        Column("release", Text, nullable=False),
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
        Column("tags", Text, nullable=False),
        Column("local", Boolean, nullable=False),
        Column("counted", Boolean, nullable=False),
        Column("created", UtcDateTime, nullable=False),
        Column("started", UtcDateTime),
        Column("ended", UtcDateTime),
        Column("timeout_seconds", Float, nullable=False),
        Column("steps", Int64),
        Column("dead", Boolean, nullable=False),
        Column("rank", UtcDateTime, nullable=False),
        Column("ready", UtcDateTime, nullable=False),
        Column("lease", UtcDateTime),
        Column("worker", Text),
        Column("key", Text),
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
        Column("wait_until", UtcDateTime),
        Column("wait_detail", Text),
        Column("wait_seq", Int64),
        Column("input", Text, nullable=False),
        Column("output", Text),
    )
    op.create_index("ix_run_agent_id", "run", ["agent", "id"])
    op.create_index("ix_run_release_id", "run", ["release", "id"])
    partial = {
        "ix_run_rank": (["rank"], "state = 'queued'"),
        "ix_run_lease": (["lease"], "state = 'running'"),
        "uq_run_key": (["tenant", "agent", "caller", "key"], "key IS NOT NULL"),
        "ix_run_session": (["session", "agent", "tenant", "id"], "session IS NOT NULL"),
        "ix_run_waiting": (["id"], "state = 'waiting'"),
        "ix_run_until": (["wait_until"], "wait_until IS NOT NULL"),
        "ix_run_dead": (["id"], "dead IS true"),
        "ix_run_tenant": (["tenant", "id"], "tenant != ''"),
    }
    for name, (columns, condition) in partial.items():
        where = text(condition)
        op.create_index(
            name,
            "run",
            columns,
            unique=name.startswith("uq"),
            postgresql_where=where,
            sqlite_where=text(condition.replace("IS true", "IS 1")),
        )


def _rest(op: Operations) -> None:
    op.create_table(
        "run_tag",
        Column("name", Text, primary_key=True),
        Column("value", Text, primary_key=True),
        Column("run", Text, primary_key=True),
    )
    op.create_table(
        "run_event",
        Column("run", Text, primary_key=True),
        Column("first", Int64, primary_key=True, autoincrement=False),
        Column("last", Int64, nullable=False),
        Column("kind", Text, nullable=False),
        Column("parts", Text, nullable=False),
        Column("at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "session",
        Column("name", Text, primary_key=True),
        Column("agent", Text, primary_key=True),
        Column("tenant", Text, primary_key=True),
        Column("owner", Text),
        Column("release", Text, nullable=False),
        Column("release_name", Text, nullable=False),
        Column("generation", Int64, nullable=False),
        Column("turns", Int64, nullable=False),
        Column("created", UtcDateTime, nullable=False),
        Column("last", UtcDateTime, nullable=False),
    )
    op.create_index("ix_session_last", "session", ["last"])
    op.create_table(
        "run_said",
        Column("id", Text, primary_key=True),
        Column("run", Text, nullable=False),
        Column("at", UtcDateTime, nullable=False),
        Column("by", Text, nullable=False),
        Column("outcome", Text),
        Column("note", Text, nullable=False),
        Column("feedback", Text),
    )
    op.create_index("ix_run_said_run_id", "run_said", ["run", "id"])
    op.create_table(
        "run_word",
        Column("run", Text, primary_key=True),
        Column("name", Text, primary_key=True),
        Column("n", Int64, primary_key=True, autoincrement=False),
        Column("body", Text, nullable=False),
        Column("at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "release_count",
        Column("release", Text, primary_key=True),
        Column("shard", Int64, primary_key=True, autoincrement=False),
        Column("first", UtcDateTime, nullable=False),
        Column("succeeded", Int64, nullable=False),
        Column("failed", Int64, nullable=False),
        Column("cancelled", Int64, nullable=False),
        Column("good", Int64, nullable=False),
        Column("judged", Int64, nullable=False),
    )
