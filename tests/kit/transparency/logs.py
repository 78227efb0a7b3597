"""Logs to look at, entries to put into them, and hands that go past the house's own code."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, update

from seatrial.kit.crypto.signing import SigningKey
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.migrations import migrate_now
from seatrial.kit.transparency.checkpoints import Checkpoint, open_checkpoint
from seatrial.kit.transparency.domain import Entry, Record
from seatrial.kit.transparency.merkle import Frontier
from seatrial.kit.transparency.records import recorded
from seatrial.kit.transparency.service import append, checkpoint, every_entry
from seatrial.kit.transparency.store import ENTRY, HEAD, HISTORY, NODE, add

START: Final = datetime(2030, 1, 1, tzinfo=UTC)
KEY: Final = SigningKey(bytes(range(32)))
ORIGIN: Final = "seatrial.example.com/tests"


def make(database: Database) -> Database:
    """`database`, with an empty log."""
    migrate_now(database, [HISTORY])
    return database


def entry(number: int, **changes: Any) -> Entry:
    """An entry that differs from those of other numbers."""
    values: dict[str, Any] = {
        "kind": "release.promoted",
        "subject": f"rel_{number % 3}",
        "actor": "ed25519:00",
        "body": {"number": number, "why": "\u00fcber \U0001f600 \u0000"},
        "at": START + timedelta(microseconds=number),
    }
    return Entry(**(values | changes))


def fill(database: Database, count: int, start: int = 0) -> None:
    """Append `count` entries in one use case."""

    def use_case(connection: Connection) -> list[int]:
        return [append(connection, entry(number)) for number in range(start, start + count)]

    assert database.write_now(use_case) == list(range(start, start + count))


def all_of(database: Database) -> list[Record]:
    """The whole log."""
    return database.read_now(lambda connection: list(every_entry(connection)))


def signed(database: Database, since: Checkpoint | None = None) -> Checkpoint:
    """The present checkpoint, signed, published and verified."""
    note = database.read_now(lambda connection: checkpoint(connection, KEY, ORIGIN, since))
    return open_checkpoint(note, ORIGIN, KEY.verify_key)


def edit(database: Database, index: int, /, **values: object) -> None:
    """Change a row behind the log's back."""
    changed = update(ENTRY).where(ENTRY.c.index == index).values(**values)
    assert database.write_now(lambda connection: connection.execute(changed).rowcount) == 1


def remove(database: Database, index: int) -> None:
    """Take a row away."""
    removed = delete(ENTRY).where(ENTRY.c.index == index)
    assert database.write_now(lambda connection: connection.execute(removed).rowcount) == 1


def rewrite(database: Database, start: int, entries: Sequence[Entry]) -> None:
    """Put `entries` in place of all from `start` on, with every hash, node and head made anew."""
    kept = all_of(database)[:start]

    def use_case(connection: Connection) -> None:
        for table in (ENTRY, NODE):
            connection.execute(delete(table))
        empty = update(HEAD).values(size=0, last="", frontier="")
        connection.execute(empty)
        frontier, last = Frontier(), ""
        records = [*kept]
        for added in entries:
            last = records[-1].leaf if records else ""
            records.append(recorded(added, len(records), last))
        for record in records:
            frontier, nodes = frontier.grown(bytes.fromhex(record.leaf))
            add(connection, record, nodes, frontier)

    database.write_now(use_case)
