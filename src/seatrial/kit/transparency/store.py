"""The tables of the log: entries, the inner nodes of the tree over them, and its head."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Column, Index, Table, Text, bindparam, insert, select, update

from seatrial.kit.database.connection import Connection
from seatrial.kit.database.dialects import Int64, UtcDateTime, metadata
from seatrial.kit.database.history import History
from seatrial.kit.transparency.domain import LogTampered, Record
from seatrial.kit.transparency.merkle import Frontier

HISTORY: Final = History.of("seatrial.kit.transparency.migrations")
METADATA: Final = metadata()
ENTRY: Final = Table(
    "log_entry",
    METADATA,
    Column("index", Int64, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("leaf", Text, nullable=False),
    Column("previous", Text, nullable=False),
)
Index(None, ENTRY.c.subject, ENTRY.c.index)
NODE: Final = Table(
    "log_node",
    METADATA,
    Column("position", Int64, primary_key=True, autoincrement=False),
    Column("hash", Text, nullable=False),
)
HEAD: Final = Table(
    "log_head",
    METADATA,
    Column("id", Int64, primary_key=True, autoincrement=False),
    Column("size", Int64, nullable=False),
    Column("last", Text, nullable=False),
    Column("frontier", Text, nullable=False),
)

_HEX: Final = 64  # digits of a hash
_THE_HEAD: Final = select(HEAD)
_THE_HEAD_LOCKED: Final = select(HEAD).with_for_update()
_NEW_ENTRY: Final = insert(ENTRY)
_NEW_NODE: Final = insert(NODE)
_NEW_HEAD: Final = update(HEAD).values(
    size=bindparam("size"), last=bindparam("last"), frontier=bindparam("frontier")
)


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredHead:
    """Where the log ends: what the next entry is put on."""

    frontier: Frontier
    last: str


def head(connection: Connection, *, lock: bool = False) -> StoredHead:
    """The head; with `lock` no other transaction can append before this one has ended.

    Raises:
        LogTampered: it is gone, or is no head.
    """
    row = connection.execute(_THE_HEAD_LOCKED if lock else _THE_HEAD).first()
    if row is None:
        raise LogTampered(index=0, reason="its head is gone")
    digits = row.frontier
    hashes = tuple(bytes.fromhex(digits[at : at + _HEX]) for at in range(0, len(digits), _HEX))
    if len(hashes) != row.size.bit_count():
        raise LogTampered(index=0, reason="its head does not fit its size")
    return StoredHead(frontier=Frontier(size=row.size, hashes=hashes), last=row.last)


def add(
    connection: Connection,
    record: Record,
    nodes: Iterable[tuple[int, bytes]],
    frontier: Frontier,
) -> None:
    """Keep `record`, the inner nodes that it completes, and the head after it."""
    connection.execute(
        _NEW_ENTRY,
        {
            "index": record.index,
            "at": record.at,
            "kind": record.kind,
            "subject": record.subject,
            "actor": record.actor,
            "body": record.body,
            "leaf": record.leaf,
            "previous": record.previous,
        },
    )
    rows = [{"position": position, "hash": made.hex()} for position, made in nodes]
    if rows:
        connection.execute(_NEW_NODE, rows)
    digits = "".join(made.hex() for made in frontier.hashes)
    after = {"size": frontier.size, "last": record.leaf, "frontier": digits}
    connection.execute(_NEW_HEAD, after)


def hashes(connection: Connection, positions: Sequence[int]) -> Mapping[int, bytes]:
    """The hashes of perfect subtrees; those that are not kept are left out."""
    inner = [position for position in positions if position & 1]
    leaves = [position >> 1 for position in positions if not position & 1]
    found: dict[int, bytes] = {}
    if inner:
        nodes = select(NODE.c.position, NODE.c.hash).where(NODE.c.position.in_(inner))
        for position, made in connection.execute(nodes):
            found[position] = bytes.fromhex(made)
    if leaves:
        entries = select(ENTRY.c.index, ENTRY.c.leaf).where(ENTRY.c.index.in_(leaves))
        for index, leaf in connection.execute(entries):
            found[index << 1] = bytes.fromhex(leaf)
    return found


def records(
    connection: Connection, start: int, limit: int, subject: str | None = None
) -> tuple[Record, ...]:
    """At most `limit` records from index `start` on, in order, about `subject` if it is given.

    Raises:
        LogTampered: a row's time is none.
    """
    rows = select(ENTRY).where(ENTRY.c.index >= start).order_by(ENTRY.c.index).limit(limit)
    if subject is not None:
        rows = rows.where(ENTRY.c.subject == subject)
    try:
        return tuple(Record(**row) for row in connection.execute(rows).mappings())
    except (AttributeError, TypeError, ValueError):
        # SQLite keeps times as text, and somebody put something else there.
        if limit == 1:
            raise LogTampered(index=start, reason="its time is none") from None
    first = records(connection, start, 1, subject)
    return first + records(connection, first[-1].index + 1, limit - 1, subject)
