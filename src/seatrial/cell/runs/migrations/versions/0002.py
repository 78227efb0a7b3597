"""Runs that went wrong, found without reading the others."""

from typing import Final

from alembic.operations import Operations
from sqlalchemy import text

revision: Final = "0002"
down_revision: Final = "0001"
compatible_from: Final = "0001"


def upgrade(op: Operations) -> None:
    """See `kit/database/history.py`."""
    where = text("state = 'failed' OR outcome != 'resolved'")
    op.create_index("ix_run_troubled", "run", ["id"], postgresql_where=where, sqlite_where=where)
