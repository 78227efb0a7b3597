"""What a cell keeps: what runs, what is prepared, and the closures that it may go back to."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from seatrial.cell.switch import store
from seatrial.cell.switch.service.admission import release_document
from seatrial.contract.releases.closure import Closure
from seatrial.contract.releases.release import Release
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection

KEPT: Final = 10
"""Closures that a rollback can reach without control, unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class Recall:
    """What is kept.

    Attributes:
        releases: by digest.
        documents: of those whose document is here.
        blobs: of these.
        closures: newest first: the one in force, then those before it.
    """

    releases: frozenset[Digest]
    documents: tuple[Release, ...]
    blobs: frozenset[Digest]
    closures: tuple[Closure, ...]


def recall(connection: Connection, busy: Iterable[Digest], closures: int = KEPT) -> Recall:
    """What to keep now.

    Args:
        connection: of a use case.
        busy: releases of runs that have not ended.
        closures: how many that were in force to keep besides the present one.
    """
    lived = store.last_lived(connection, closures + 1)
    ready = store.prepared(connection)
    named = [*lived, *((ready.closure,) if ready is not None else ())]
    releases = {active.release for each in named for active in each.agents.values()} | set(busy)
    here = sorted(releases & store.releases(connection))
    documents = tuple(release_document(connection, release) for release in here)
    return Recall(
        releases=frozenset(releases),
        documents=documents,
        blobs=frozenset(blob for each in documents for blob in each.blobs),
        closures=tuple(lived),
    )


def forget(connection: Connection, busy: Iterable[Digest], closures: int = KEPT) -> Recall:
    """Keep the documents of no other releases than `recall` names, and return that."""
    kept = recall(connection, busy, closures)
    store.forget_releases(connection, store.releases(connection) - kept.releases)
    return kept
