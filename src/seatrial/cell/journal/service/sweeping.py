"""Forgetting bodies that are too old or too many."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime

from seatrial.cell.journal.domain.retention import Held, Retention, Sweep, sweep
from seatrial.cell.journal.store import records as store
from seatrial.kit.database.connection import Connection

Ended = Callable[[Connection, Collection[str]], Mapping[str, datetime]]
"""When each of some runs ended; those that have not are not in it."""


def swept(connection: Connection, retention: Retention, ended: Ended, now: datetime) -> Sweep:
    """Forget what goes, and tell what that left."""
    stored = store.held(connection)
    over = ended(connection, list(stored))
    known = (Held(run=run, stored=n, ended=over.get(run)) for run, n in stored.items())
    found = sweep(known, retention, now)
    store.drop(connection, found.drop)
    return found
