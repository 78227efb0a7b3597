"""Use cases at random, at the same time, against a model that runs them one after the other."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st
from sqlalchemy import delete, insert, select

from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.errors import IntegrityViolated
from tests.kit.database import tables

NAMES: Final = ("a", "b", "c")
_ORDER: Final = "order"  # the counter that tells in which order use cases took effect


class Abandoned(Exception):
    """The use case gave up by itself."""


@dataclass(frozen=True)
class Put:
    """A new counter; there may be one already."""

    name: str
    value: int


@dataclass(frozen=True)
class Copy:
    """What one counter stands at, put into another."""

    name: str
    to: str


@dataclass(frozen=True)
class Remove:
    """A counter, taken away."""

    name: str


@dataclass(frozen=True)
class Attempt:
    """Steps of which all are undone if one fails; the use case goes on."""

    steps: tuple["Step", ...]


@dataclass(frozen=True)
class GiveUp:
    """The end, without effect."""


Step = Put | Copy | Remove | Attempt | GiveUp
Plan = tuple[Step, ...]

_name: Final = st.sampled_from(NAMES)
_plain: Final = st.one_of(
    st.builds(Put, _name, st.integers(0, 9)),
    st.builds(Copy, _name, _name),
    st.builds(Remove, _name),
)
_steps: Final = st.one_of(
    _plain,
    _plain,
    st.builds(Attempt, st.lists(_plain, min_size=1, max_size=3).map(tuple)),
    st.builds(GiveUp),
)
PLANS: Final = st.lists(st.lists(_steps, min_size=1, max_size=4).map(tuple), min_size=1, max_size=8)


class Taken(Exception):
    """The model's word for a counter that is there already."""


def _model(state: dict[str, int], plan: Sequence[Step]) -> None:
    for step in plan:
        match step:
            case Put(name, value):
                if name in state:
                    raise Taken
                state[name] = value
            case Copy(name, to):
                if name in state and to in state:
                    state[to] = state[name]
            case Remove(name):
                state.pop(name, None)
            case Attempt(steps):
                trial = dict(state)
                with suppress(Taken):
                    _model(trial, steps)
                    state.clear()
                    state.update(trial)
            case GiveUp():
                raise Abandoned


def _real(connection: Connection, plan: Sequence[Step]) -> None:
    for step in plan:
        match step:
            case Put(name, value):
                tables.put(connection, name, value)
            case Copy(name, to):
                value_now = tables.value(connection, name)
                if value_now is not None:
                    tables.change(connection, to, value_now)
            case Remove(name):
                tables.remove(connection, name)
            case Attempt(steps):
                with suppress(IntegrityViolated), connection.begin_nested():
                    _real(connection, steps)
            case GiveUp():
                raise Abandoned


def _use_case(plan: Plan) -> Callable[[Connection], int]:
    """Run `plan`, then take the next number: the order in which use cases took effect."""

    def use_case(connection: Connection) -> int:
        _real(connection, plan)
        return tables.increment(connection, _ORDER)

    return use_case


def check(database: Database, plans: Sequence[Plan]) -> None:
    """Run `plans` at once; they must have done what they do in some order, one by one."""
    database.write_now(_clean)

    async def all_at_once() -> list[int | BaseException]:
        writes = (database.write(_use_case(plan)) for plan in plans)
        return await asyncio.gather(*writes, return_exceptions=True)

    outcomes = asyncio.run(all_at_once())
    done: dict[int, Plan] = {}
    for plan, outcome in zip(plans, outcomes, strict=True):
        if isinstance(outcome, int):
            done[outcome] = plan
        else:
            assert isinstance(outcome, IntegrityViolated | Abandoned), outcome
    assert sorted(done) == list(range(1, len(done) + 1)), "a number was given twice or lost"
    state: dict[str, int] = {}
    for number in sorted(done):
        _model(state, done[number])
    assert database.read_now(_rows) == state | {_ORDER: len(done)}


def _clean(connection: Connection) -> None:
    connection.execute(delete(tables.COUNTER))
    connection.execute(insert(tables.COUNTER).values(name=_ORDER, value=0))


def _rows(connection: Connection) -> Mapping[str, int]:
    rows = connection.execute(select(tables.COUNTER.c.name, tables.COUNTER.c.value))
    return {row.name: row.value for row in rows}
