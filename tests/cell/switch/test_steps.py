"""Each durable step by itself: what it refuses though it was decided a moment ago."""

from dataclasses import replace

import pytest

from seatrial.cell.switch import store
from seatrial.cell.switch.domain import Examined
from seatrial.cell.switch.service.admission import current
from seatrial.cell.switch.service.steps import (
    LEASE,
    Writer,
    note_prepared,
    put_in_force,
    standing_of,
)
from seatrial.contract.evidence.statements import Verb
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection, Isolation
from seatrial.kit.database.database import Database
from seatrial.kit.leases.domain import LeaseLost
from seatrial.kit.leases.store import take
from tests.cell.switch.seamarks import HOUR
from tests.cell.switch.test_switching import ready
from tests.contract.making import NOW, closure, release

WRITER = Writer(cell="production", actor="ed25519:me", epoch=1, at=NOW)
ORDER = Examined(
    generation=1,
    previous=0,
    base=closure().digest,
    verb=Verb.PROMOTE,
    closure=closure([release()]),
    proposal=Digest.of(b"proposal"),
    committed=NOW,
)


@pytest.fixture
def led(database: Database) -> Database:
    ready(database)
    database.write_now(lambda connection: take(connection, LEASE, "me", HOUR))
    return database


def prepare(database: Database, order: Examined, base: int = 0, writer: Writer = WRITER) -> bool:
    return database.write_now(
        lambda connection: note_prepared(connection, order, base, writer),
        isolation=Isolation.READ_COMMITTED,
    )


def flip(database: Database, order: Examined, writer: Writer = WRITER) -> bool:
    return database.write_now(
        lambda connection: put_in_force(connection, order, writer),
        isolation=Isolation.READ_COMMITTED,
    )


def test_only_the_very_order_that_is_prepared_is_put_in_force(led: Database) -> None:
    assert not flip(led, ORDER)
    assert prepare(led, ORDER)
    for other in (
        replace(ORDER, proposal=Digest.of(b"other")),
        replace(ORDER, closure=closure()),
        replace(ORDER, generation=2),
    ):
        assert not flip(led, other)
    assert flip(led, ORDER)
    assert led.read_now(current).closure == ORDER.closure
    assert not flip(led, ORDER)


def test_what_is_in_force_is_never_put_back_by_an_older_order(led: Database) -> None:
    later = replace(ORDER, generation=5)
    assert prepare(led, later)
    assert flip(led, later)
    assert prepare(led, ORDER, base=5)
    assert not flip(led, ORDER)
    assert led.read_now(current).generation == 5


def test_what_was_made_ready_for_another_base_is_not_ready(led: Database) -> None:
    assert not prepare(led, ORDER, base=3)
    assert led.read_now(store.prepared) is None


def test_a_process_that_leads_no_longer_writes_no_step(led: Database) -> None:
    stale = replace(WRITER, epoch=0)
    with pytest.raises(LeaseLost):
        prepare(led, ORDER, writer=stale)
    assert prepare(led, ORDER)
    with pytest.raises(LeaseLost):
        flip(led, ORDER, writer=stale)
    assert led.read_now(current).generation == 0


def test_what_is_put_in_force_clears_what_was_prepared_and_remembers_what_was(
    led: Database,
) -> None:
    prepare(led, ORDER)
    flip(led, ORDER)

    def look(connection: Connection) -> None:
        standing = standing_of(connection, "production")
        assert (standing.prepared, standing.refused) == (None, None)
        assert len(standing.lived) == 2

    led.read_now(look)
