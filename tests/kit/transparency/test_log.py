import asyncio
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import delete, func, select

from seatrial.kit.database.connection import Connection, Isolation
from seatrial.kit.database.database import Database
from seatrial.kit.transparency.domain import LogEntryUnfit, LogEntryUnknown, LogForked, LogTampered
from seatrial.kit.transparency.merkle import EMPTY_ROOT, verify_consistency, verify_inclusion
from seatrial.kit.transparency.service import (
    append,
    entries,
    head,
    head_at,
    prove,
    prove_growth,
    verify_log,
)
from seatrial.kit.transparency.store import HEAD, NODE
from tests.kit.transparency.logs import all_of, edit, entry, fill, make, rewrite, signed


class Abandoned(Exception):
    """What a use case of these tests raises."""


@pytest.fixture
def ready(database: Database) -> Database:
    return make(database)


def appending(number: int) -> Callable[[Connection], int]:
    return lambda connection: append(connection, entry(number))


def test_an_empty_log_has_a_head(ready: Database) -> None:
    found = ready.read_now(head)
    assert (found.size, found.root) == (0, EMPTY_ROOT)
    assert ready.read_now(lambda connection: head_at(connection, 0)) == found
    assert verify_log([], [signed(ready)]).covered == 0


def test_entries_come_back_in_order_and_as_they_went_in(ready: Database) -> None:
    fill(ready, 5)
    records = all_of(ready)
    assert [record.index for record in records] == list(range(5))
    assert [record.at for record in records] == [entry(number).at for number in range(5)]
    assert [record.previous for record in records] == ["", *(r.leaf for r in records[:-1])]
    assert ready.read_now(lambda c: entries(c, 2, 2)) == tuple(records[2:4])
    about = ready.read_now(lambda c: entries(c, 0, 9, subject="rel_1"))
    assert [record.index for record in about] == [1, 4]


def test_an_entry_of_a_use_case_that_fails_was_never_there(ready: Database) -> None:
    fill(ready, 3)

    def failing(connection: Connection) -> None:
        append(connection, entry(3))
        raise Abandoned

    with pytest.raises(Abandoned):
        ready.write_now(failing)
    with pytest.raises(LogEntryUnfit):
        ready.write_now(lambda connection: append(connection, entry(3, kind="")))
    assert len(all_of(ready)) == 3
    fill(ready, 1, start=3)
    assert verify_log(all_of(ready), [signed(ready)]).covered == 4


@pytest.mark.parametrize("isolation", Isolation)
def test_appends_at_once_leave_one_order_and_no_gap(ready: Database, isolation: Isolation) -> None:
    async def all_at_once() -> list[int]:
        writes = (ready.write(appending(n), isolation=isolation) for n in range(60))
        return await asyncio.gather(*writes)

    indices = asyncio.run(all_at_once())
    records = all_of(ready)
    assert sorted(indices) == list(range(60))
    assert [f'"number":{indices.index(record.index)},' in record.body for record in records]
    assert verify_log(records, [signed(ready)]).covered == 60


def test_processes_that_append_at_once_share_one_order(postgres_url: str) -> None:
    """Each with connections of its own, as on several machines."""
    with Database.open(postgres_url) as first, Database.open(postgres_url) as second:
        make(first)
        indices: list[int] = []

        def work(database: Database, start: int) -> None:
            for number in range(start, start + 10):
                indices.append(database.write_now(appending(number)))  # noqa: PERF401 - in threads

        threads = [
            threading.Thread(target=work, args=(database, start))
            for start, database in enumerate([first, second] * 2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(indices) == list(range(40))
        assert verify_log(all_of(first), [signed(second)]).covered == 40


def test_a_use_case_that_logs_twice_and_fails_a_savepoint_logs_what_stands(
    ready: Database,
) -> None:
    def use_case(connection: Connection) -> list[int]:
        first = append(connection, entry(0))
        savepoint = connection.begin_nested()
        append(connection, entry(1))
        savepoint.rollback()
        return [first, append(connection, entry(2))]

    assert ready.write_now(use_case) == [0, 1]
    assert ['"number":2' in record.body for record in all_of(ready)] == [False, True]
    assert verify_log(all_of(ready), [signed(ready)]).covered == 2


def test_of_a_thousand_entries_each_is_proved_and_each_size_is_continued(ready: Database) -> None:
    fill(ready, 1_000)
    records = all_of(ready)

    def prove_all(connection: Connection) -> None:
        now = head(connection)
        for record in records:
            leaf = bytes.fromhex(record.leaf)
            verify_inclusion(leaf, prove(connection, record.index), now.root)
        for old in range(1, 1_000, 7):
            before = head_at(connection, old)
            verify_consistency(before.root, prove_growth(connection, old), now.root)
            proof = prove(connection, old - 1, old)
            verify_inclusion(bytes.fromhex(records[old - 1].leaf), proof, before.root)

    ready.read_now(prove_all)
    assert verify_log(records, [signed(ready)]).head == ready.read_now(head)


def test_what_is_kept_beside_the_entries_grows_as_they_do(ready: Database) -> None:
    fill(ready, 100)
    nodes = ready.read_now(lambda c: c.execute(select(func.count()).select_from(NODE)).scalar())
    digits = ready.read_now(lambda c: c.execute(select(HEAD.c.frontier)).scalar())
    assert nodes == 100 - (100).bit_count()
    assert digits is not None
    assert len(digits) == 64 * (100).bit_count()


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (3, None), (0, 4), (0, 0)])
def test_what_is_not_there_is_not_proved(ready: Database, index: int, size: int | None) -> None:
    fill(ready, 3)
    with pytest.raises(LogEntryUnknown):
        ready.read_now(lambda connection: prove(connection, index, size))
    with pytest.raises(LogEntryUnknown):
        ready.read_now(lambda connection: prove_growth(connection, index + 1, size))


@pytest.mark.parametrize("size", [-1, 4])
def test_of_a_size_it_never_had_a_log_says_nothing(ready: Database, size: int) -> None:
    fill(ready, 3)
    with pytest.raises(LogEntryUnknown):
        ready.read_now(lambda connection: head_at(connection, size))


def test_each_checkpoint_continues_the_one_before(ready: Database) -> None:
    last = signed(ready)
    for start in range(0, 20, 4):
        fill(ready, 4, start)
        last = signed(ready, since=last)
    assert last.head.size == 20
    assert signed(ready, since=last) == last


@pytest.mark.parametrize("length", [7, 13, 20])
def test_a_rewritten_log_is_not_signed_for(ready: Database, length: int) -> None:
    fill(ready, 13)
    last = signed(ready)
    rewrite(ready, 6, [entry(number, actor="mallory") for number in range(6, length)])
    with pytest.raises(LogForked, match="does not continue the checkpoint of 13"):
        signed(ready, since=last)


def test_a_log_whose_head_is_gone_takes_nothing_more(ready: Database) -> None:
    fill(ready, 2)
    ready.write_now(lambda connection: connection.execute(delete(HEAD)).rowcount)
    with pytest.raises(LogTampered, match="head is gone"):
        ready.write_now(appending(2))


def test_a_head_that_does_not_fit_its_size_takes_nothing_more(ready: Database) -> None:
    fill(ready, 2)
    shrunk = HEAD.update().values(size=3)
    ready.write_now(lambda connection: connection.execute(shrunk).rowcount)
    with pytest.raises(LogTampered, match="does not fit"):
        ready.write_now(appending(2))


def test_a_proof_that_lacks_a_hash_names_the_entry(ready: Database) -> None:
    fill(ready, 8)
    ready.write_now(lambda connection: connection.execute(delete(NODE)).rowcount)
    with pytest.raises(LogTampered, match="from entry 2 on: a hash of the tree is gone"):
        ready.read_now(lambda connection: prove(connection, 0))


def test_a_hash_altered_in_the_database_proves_nothing(ready: Database) -> None:
    fill(ready, 8)
    last = signed(ready)
    edit(ready, 0, leaf="ab" * 32)
    with pytest.raises(LogTampered, match="from entry 0 on"):
        verify_log(all_of(ready), [last])
