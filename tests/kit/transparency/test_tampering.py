"""Hands in the database: what `verify_log` finds, and at which entry."""

import dataclasses
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.transparency.checkpoints import Checkpoint
from seatrial.kit.transparency.domain import Head, LogTampered, Record
from seatrial.kit.transparency.merkle import Frontier
from seatrial.kit.transparency.records import leaf_of, recorded
from seatrial.kit.transparency.service import verify_log
from tests.kit.transparency.logs import (
    ORIGIN,
    START,
    all_of,
    edit,
    entry,
    fill,
    make,
    remove,
    rewrite,
    signed,
)

SIZE = 20
BAD = 7


def clean() -> list[Record]:
    records: list[Record] = []
    for number in range(SIZE):
        records.append(recorded(entry(number), number, records[-1].leaf if records else ""))
    return records


CLEAN = clean()


def vouching(*sizes: int) -> list[Checkpoint]:
    """The checkpoints of the clean log at these sizes."""
    found = []
    frontier = Frontier()
    for record in CLEAN:
        frontier, _ = frontier.grown(bytes.fromhex(record.leaf))
        if frontier.size in sizes:
            found.append(
                Checkpoint(origin=ORIGIN, head=Head(size=frontier.size, root=frontier.root))
            )
    return found


def relinked(records: list[Record], start: int) -> list[Record]:
    """All hashes from `start` on made anew, as one would who knows how the log works."""
    done = records[:start]
    for record in records[start:]:
        moved = dataclasses.replace(
            record, index=len(done), previous=done[-1].leaf if done else "", leaf=""
        )
        done.append(dataclasses.replace(moved, leaf=leaf_of(moved)))
    return done


@pytest.fixture
def ready(database: Database) -> Database:
    fill(make(database), SIZE)
    return database


def found_at(database: Database, last: Checkpoint) -> int:
    with pytest.raises(LogTampered) as caught:
        verify_log(all_of(database), [last])
    index = caught.value.fields["index"]
    assert isinstance(index, int)
    return index


def test_a_log_that_nobody_touched_is_whole(ready: Database) -> None:
    verified = verify_log(all_of(ready), [signed(ready)])
    assert (verified.covered, verified.head) == (SIZE, signed(ready).head)


@pytest.mark.parametrize(
    "values",
    [
        {"body": '{"number":8}'},
        {"body": ""},
        {"actor": "mallory"},
        {"kind": "release.refused"},
        {"subject": "rel_other"},
        {"at": START},
        {"leaf": "ab" * 32},
        {"leaf": ""},
        {"previous": "ab" * 32},
    ],
    ids=lambda values: next(iter(values)),
)
def test_an_edited_row_is_named(ready: Database, values: dict[str, object]) -> None:
    last = signed(ready)
    edit(ready, BAD, **values)
    assert found_at(ready, last) == BAD


def test_a_row_edited_with_its_hash_is_named_by_the_row_that_followed_it(ready: Database) -> None:
    last = signed(ready)
    edited = dataclasses.replace(all_of(ready)[BAD], actor="mallory")
    edit(ready, BAD, actor="mallory", leaf=leaf_of(edited))
    assert found_at(ready, last) == BAD + 1


@pytest.mark.parametrize("value", ["7", "X'00'", "NULL || 'no time'", "'no time'"])
@pytest.mark.parametrize("column", ["at", "actor", "body", "leaf"])
def test_a_row_with_a_value_that_is_no_value_is_named(
    sqlite_url: str, column: str, value: str
) -> None:
    """SQLite takes anything anywhere."""
    with Database.open(sqlite_url) as database:
        fill(make(database), SIZE)
        last = signed(database)
        statement = f'UPDATE log_entry SET "{column}" = coalesce({value}, \'?\') WHERE "index" = 7'  # noqa: S608

        def use_case(connection: Connection) -> int:
            return connection.execute(text(statement)).rowcount

        assert database.write_now(use_case) == 1
        assert found_at(database, last) == BAD


def test_a_removed_row_is_named(ready: Database) -> None:
    last = signed(ready)
    remove(ready, BAD)
    assert found_at(ready, last) == BAD


def test_a_removed_tail_is_named(ready: Database) -> None:
    last = signed(ready)
    for index in range(BAD, SIZE):
        remove(ready, index)
    assert found_at(ready, last) == BAD


def test_a_row_put_in_is_named(ready: Database) -> None:
    last = signed(ready)
    for index in reversed(range(BAD, SIZE)):
        edit(ready, index, index=index + 1)
    old = all_of(ready)
    rows = [*old[:BAD], recorded(entry(99), BAD, old[BAD - 1].leaf), *old[BAD:]]
    with pytest.raises(LogTampered, match=f"from entry {BAD + 1} on"):
        verify_log(rows, [last])
    assert found_at(ready, last) == BAD  # the place made for it


def test_a_rewritten_tail_is_found_after_the_last_checkpoint_before_it(database: Database) -> None:
    make(database)
    checkpoints = []
    for start in (0, 6, 12):
        fill(database, 6, start)
        checkpoints.append(signed(database))
    rewrite(database, BAD, [entry(number, actor="mallory") for number in range(BAD, SIZE)])
    with pytest.raises(LogTampered, match="from entry 6 on: rows before 12 were rewritten"):
        verify_log(all_of(database), checkpoints)
    with pytest.raises(LogTampered, match="from entry 0 on: rows before 18 were rewritten"):
        verify_log(all_of(database), checkpoints[-1:])


def test_what_no_checkpoint_covers_is_told_apart(ready: Database) -> None:
    last = signed(ready)
    fill(ready, 5, SIZE)
    verified = verify_log(all_of(ready), [last])
    assert (verified.head.size, verified.covered) == (SIZE + 5, SIZE)


Change = Callable[[list[Record], int, int], list[Record]]
CHANGES: dict[str, Change] = {
    "edit": lambda rows, a, b: [
        *rows[:a], dataclasses.replace(rows[a], actor=f"m{b}"), *rows[a + 1 :]
    ],
    "remove": lambda rows, a, _: rows[:a] + rows[a + 1 :],
    "repeat": lambda rows, a, _: rows[: a + 1] + rows[a:],
    "swap": lambda rows, a, b: [
        rows[b] if row is rows[a] else rows[a] if row is rows[b] else row for row in rows
    ],
    "cut": lambda rows, a, _: rows[:a],
}  # fmt: skip


@given(
    name=st.sampled_from(sorted(CHANGES)),
    first=st.integers(0, SIZE - 1),
    second=st.integers(0, SIZE - 1),
    anew=st.booleans(),
    sizes=st.sets(st.integers(1, SIZE - 1)),
)
def test_no_change_goes_unseen_and_none_is_told_after_its_place(
    name: str, first: int, second: int, anew: bool, sizes: set[int]
) -> None:
    """Also by one who makes all hashes anew, as long as a checkpoint of the end is out of reach."""
    changed = CHANGES[name](CLEAN, first, second)
    place = next((n for n, row in enumerate(changed) if row is not CLEAN[min(n, SIZE - 1)]), None)
    if changed == CLEAN:
        return
    place = len(changed) if place is None else place
    rows = relinked(changed, place) if anew else changed
    good = max([size for size in sizes if size <= place], default=0)
    with pytest.raises(LogTampered) as caught:
        verify_log(rows, vouching(*sizes, SIZE))
    told = caught.value.fields["index"]
    assert told == place or (anew and (good <= told <= place or told == len(rows) < SIZE))


@given(sizes=st.sets(st.integers(1, SIZE)))
def test_a_clean_log_agrees_with_all_its_checkpoints(sizes: set[int]) -> None:
    verified = verify_log(CLEAN, reversed(vouching(*sizes)))
    assert verified.covered == max(sizes, default=0)
