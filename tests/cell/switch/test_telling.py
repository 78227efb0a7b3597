"""Counts of runs as signed statements: each once, in order, until control has it."""

import random

import pytest

from seatrial.cell.switch.domain import Counts
from seatrial.cell.switch.service.steps import revoke
from seatrial.cell.switch.service.switching import Myself
from seatrial.cell.switch.service.telling import FactsTeller
from seatrial.kit.clock import VirtualClock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.database import Database
from tests.cell.switch.seamarks import FakeControl
from tests.cell.switch.test_switching import ready
from tests.contract.making import NOW, Crew, release
from tests.kit.leases.looped import in_a_loop

ONE = release().name


@pytest.fixture
def control() -> FakeControl:
    return FakeControl(crew=Crew())


def teller(database: Database, control: FakeControl, counts: dict[Digest, Counts]) -> FactsTeller:
    myself = Myself(
        cell="production", environment="production", key=control.crew.production, roots=()
    )
    return FactsTeller(
        database,
        myself,
        control,
        lambda _connection, name: counts.get(name, Counts()),
        VirtualClock(NOW),
        random.Random(1),  # noqa: S311 - of pauses
    )


@in_a_loop
async def test_what_has_not_changed_is_not_said_again(
    database: Database, control: FakeControl
) -> None:
    counts = {ONE: Counts(succeeded=1)}
    one = teller(ready(database), control, counts)
    for _ in range(3):
        one.changed(ONE)
        assert await one.tell()
    counts[ONE] = Counts(succeeded=2, first=NOW)
    one.changed(ONE)
    assert await one.tell()
    assert [(facts.sequence, facts.succeeded) for _, facts in control.facts] == [(1, 1), (2, 2)]
    assert control.facts[-1][1].first == NOW


@in_a_loop
async def test_what_control_did_not_take_is_said_after_a_restart_and_only_the_newest(
    database: Database, control: FakeControl
) -> None:
    counts = {ONE: Counts(succeeded=1)}
    one = teller(ready(database), control, counts)
    control.gone = True
    for number in (1, 2, 3):
        counts[ONE] = Counts(succeeded=number)
        one.changed(ONE)
        assert not await one.tell()
    control.gone = False
    assert await teller(database, control, counts).tell()
    assert [(facts.sequence, facts.succeeded) for _, facts in control.facts] == [(3, 3)]


def test_a_revocation_is_known_once(database: Database) -> None:
    ready(database)
    assert database.write_now(lambda c: revoke(c, ONE, "it lies", "Ada", NOW))
    assert not database.write_now(lambda c: revoke(c, ONE, "it lies", "Ada", NOW))
