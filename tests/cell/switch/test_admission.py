from datetime import UTC, datetime

import pytest

from seatrial.cell.switch import store
from seatrial.cell.switch.domain import AgentUnknown, NothingActive
from seatrial.cell.switch.service.admission import admitted, begin, current
from seatrial.contract.environments.profiles import rules_of
from seatrial.contract.environments.rules import Profile
from seatrial.contract.releases.closure import Active, Closure
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection, Isolation
from seatrial.kit.database.database import Database
from seatrial.kit.database.migrations import migrate_now

AT = datetime(2030, 1, 1, tzinfo=UTC)
RULES = rules_of(Profile.SOLO, "staging")
EMPTY = Closure(environment="staging", agents={}, rules=RULES)


def closure(**releases: int) -> Closure:
    return Closure(
        environment="staging",
        agents={
            slug: Active(release=Digest.of(b"%d" % number), name=f"{slug}@{number}")
            for slug, number in releases.items()
        },
        rules=RULES,
    )


@pytest.fixture
def ready(database: Database) -> Database:
    migrate_now(database, [store.HISTORY])
    database.write_now(lambda connection: begin(connection, EMPTY, AT))
    return database


def flip(connection: Connection, generation: int, to: Closure, *, moves: bool = False) -> None:
    store.shut(connection)
    store.activate(connection, generation, to, AT, moves=moves)


@pytest.mark.parametrize("isolation", Isolation)
def test_a_run_is_admitted_on_what_is_in_force(ready: Database, isolation: Isolation) -> None:
    ready.write_now(lambda connection: flip(connection, 1, closure(support=1, sales=4)))
    ready.write_now(lambda connection: flip(connection, 2, closure(support=2), moves=True))
    found = ready.write_now(lambda connection: admitted(connection, "support"), isolation=isolation)
    assert (found.generation, found.release_name, found.moved_at) == (2, "support@2", 2)
    assert found.release == Digest.of(b"2")
    assert found.closure == closure(support=2).digest
    assert found.rules == RULES
    with pytest.raises(AgentUnknown, match="'sales' is active in 'staging'"):
        ready.write_now(lambda connection: admitted(connection, "sales"), isolation=isolation)


def test_before_the_first_switch_nothing_is_admitted(ready: Database) -> None:
    assert not ready.write_now(lambda connection: begin(connection, closure(a=1), AT))
    with pytest.raises(NothingActive):
        ready.write_now(lambda connection: admitted(connection, "support"))
    assert ready.read_now(current).closure == EMPTY
