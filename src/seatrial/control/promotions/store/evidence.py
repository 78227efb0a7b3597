"""Envelopes by digest: orders, facts of cells, and copies of what generations rest on."""

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, delete, or_, select, update

from seatrial.control.promotions.store.tables import EVIDENCE
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.dialects import upsert

_CHUNK: Final = 500  # digests in one IN: SQLite takes 32,766 parameters, PostgreSQL 65,535


class Kind(enum.StrEnum):
    """What an envelope is, for look-ups."""

    ORDER = "order"
    FACTS = "facts"
    PROVENANCE = "provenance"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One envelope.

    Attributes:
        subject: digest that it is about.
        statement: digest of what was signed; a second envelope of it says nothing new.
        cell: who counted; for facts.
        sequence: of the facts.
        until: when an order lapses.
    """

    kind: Kind
    subject: Digest
    envelope: str
    statement: Digest
    cell: str | None = None
    sequence: int | None = None
    until: datetime | None = None

    @property
    def digest(self) -> Digest:
        """Its name."""
        return Digest.of(self.envelope.encode())


def keep(connection: Connection, pieces: Iterable[Piece]) -> None:
    """Keep envelopes; those that are there already stay as they are."""
    rows = [_row(piece, held=False) for piece in pieces]
    if rows:
        kept = upsert(EVIDENCE).on_conflict_do_nothing(index_elements=[EVIDENCE.c.digest])
        connection.execute(kept, rows)


def hold(connection: Connection, pieces: Iterable[Piece]) -> None:
    """Keep envelopes for good: a generation rests on them."""
    # In an order of their own, so that two who hold the same ones cannot wait for each other.
    rows = [_row(piece, held=True) for piece in sorted(set(pieces), key=lambda each: each.digest)]
    if rows:
        held = upsert(EVIDENCE).on_conflict_do_update(
            index_elements=[EVIDENCE.c.digest], set_={"held": True}
        )
        connection.execute(held, rows)


def _row(piece: Piece, *, held: bool) -> dict[str, object]:
    return {
        "digest": str(piece.digest),
        "kind": piece.kind.value,
        "subject": str(piece.subject),
        "envelope": piece.envelope,
        "statement": str(piece.statement),
        "cell": piece.cell,
        "sequence": piece.sequence,
        "until": piece.until,
        "held": held,
    }


def spend(connection: Connection, digests: Sequence[str], generation: int) -> None:
    """Note what the orders among these were carried out as."""
    for part in _parts(digests):
        orders = update(EVIDENCE).where(
            EVIDENCE.c.digest.in_(part), EVIDENCE.c.kind == Kind.ORDER.value
        )
        connection.execute(orders.values(generation=generation))


def carried_out(connection: Connection, statement: Digest) -> int | None:
    """The generation that an order with this statement was last carried out as."""
    row = select(EVIDENCE.c.generation).where(
        EVIDENCE.c.statement == str(statement), EVIDENCE.c.generation.is_not(None)
    )
    return connection.execute(row.order_by(EVIDENCE.c.generation.desc())).scalars().first()


def orders(connection: Connection, closure: Digest) -> tuple[tuple[Piece, int | None], ...]:
    """Orders for a closure, each with the generation that it was carried out as."""
    rows = select(EVIDENCE).where(
        EVIDENCE.c.subject == str(closure), EVIDENCE.c.kind == Kind.ORDER.value
    )
    found = connection.execute(rows.order_by(EVIDENCE.c.digest))
    return tuple((_piece(row), row.generation) for row in found)


def facts(connection: Connection, releases: Sequence[Digest]) -> dict[Digest, list[Piece]]:
    """The newest count of each cell, by release."""
    found: dict[Digest, dict[str, Piece]] = {}
    for part in _parts([str(each) for each in releases]):
        rows = select(EVIDENCE).where(
            EVIDENCE.c.subject.in_(part), EVIDENCE.c.kind == Kind.FACTS.value
        )
        rising = rows.order_by(EVIDENCE.c.subject, EVIDENCE.c.cell, EVIDENCE.c.sequence)
        for row in connection.execute(rising):
            piece = _piece(row)
            found.setdefault(piece.subject, {})[row.cell] = piece
    return {subject: list(by_cell.values()) for subject, by_cell in found.items()}


def newest_sequence(connection: Connection, release: Digest, cell: str) -> int | None:
    """The sequence of the newest count of a release by a cell."""
    rows = select(EVIDENCE.c.sequence).where(
        EVIDENCE.c.subject == str(release),
        EVIDENCE.c.kind == Kind.FACTS.value,
        EVIDENCE.c.cell == cell,
    )
    return connection.execute(rows.order_by(EVIDENCE.c.sequence.desc()).limit(1)).scalar()


def prune_facts(connection: Connection, release: Digest, cell: str, below: int) -> None:
    """Drop counts that newer ones replace, unless a generation rests on them."""
    connection.execute(
        delete(EVIDENCE).where(
            EVIDENCE.c.subject == str(release),
            EVIDENCE.c.kind == Kind.FACTS.value,
            EVIDENCE.c.cell == cell,
            EVIDENCE.c.sequence < below,
            EVIDENCE.c.held.is_(False),
        )
    )


def prune_orders(connection: Connection, now: datetime) -> None:
    """Drop orders that lapsed without being carried out."""
    connection.execute(
        delete(EVIDENCE).where(
            EVIDENCE.c.kind == Kind.ORDER.value,
            EVIDENCE.c.held.is_(False),
            or_(EVIDENCE.c.until.is_(None), EVIDENCE.c.until < now),
        )
    )


def envelopes(connection: Connection, digests: Sequence[str]) -> dict[str, str]:
    """Envelopes by digest; what is not there is left out."""
    found: dict[str, str] = {}
    for part in _parts(digests):
        rows = select(EVIDENCE.c.digest, EVIDENCE.c.envelope).where(EVIDENCE.c.digest.in_(part))
        for row in connection.execute(rows):
            found[row.digest] = row.envelope
    return found


def _piece(row: Row[Any]) -> Piece:
    return Piece(
        kind=Kind(row.kind),
        subject=Digest.parse(row.subject),
        envelope=row.envelope,
        statement=Digest.parse(row.statement),
        cell=row.cell,
        sequence=row.sequence,
        until=row.until,
    )


def _parts(digests: Sequence[str]) -> Iterable[Sequence[str]]:
    return (digests[start : start + _CHUNK] for start in range(0, len(digests), _CHUNK))
