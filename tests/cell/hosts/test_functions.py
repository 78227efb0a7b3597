"""Functions of a release run apart from its agent, with nothing but what they are given."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from seatrial.cell.hosts.domain import HostExited
from seatrial.cell.hosts.service.functions import FunctionCall, Functions, Returned, Session
from seatrial.cell.hosts.service.plans import HostPlan
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.errors import SeatrialError
from tests.cell.hosts.hosting import PATIENCE, Room, eventually, on_loop

SOURCE = """
    import os, random, sys, time

    async def later(text):
        return text * 2

    def add(a, b=1):
        return a + b

    def refuse(reason):
        raise ValueError(reason)

    def fault():
        return {}["missing"]

    def leave():
        sys.exit(3)

    def die():
        os._exit(1)

    def hang():
        time.sleep(60)

    def chance():
        return random.random()

    def environment():
        return sorted(os.environ)

    def process():
        return os.getpid()

    def peek(path):
        return open(path).read()

    def nothing_json():
        return object()

    def run(input):
        return input

    def move(db, frm, to):
        rows = db.execute("SELECT :x AS x", x=frm)
        changed = db.execute("UPDATE t SET x = :x", {"x": to}).changed
        return [rows[0]["x"], changed]

    def ignores(db):
        try:
            db.execute("BROKEN")
        except Exception as error:
            return str(error)
    """


class Answers:
    """A transaction that says what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def execute(self, statement: str, parameters: Mapping[str, Any]) -> Any:
        self.asked.append((statement, dict(parameters)))
        if statement == "BROKEN":
            raise LookupError("no such thing")
        rows = [dict(parameters)] if statement.startswith("SELECT") else []
        return type("Rows", (), {"rows": rows, "changed": 0 if rows else 3})()


def call(name: str, seconds: float = PATIENCE, seed: int = 7, **arguments: Any) -> FunctionCall:
    return FunctionCall(
        run="run_1",
        release=Digest.of(b"release"),
        function=f"agent.py:{name}",
        arguments=arguments,
        seconds=seconds,
        seed=seed,
    )


def within(room: Room, work: Callable[[Session], Any], **settings: Any) -> Any:
    """What `work`, on a thread, makes of a process that is ready."""

    async def main() -> Any:
        plan = room.plan(SOURCE)

        async def planned(_release: Digest) -> HostPlan:
            return plan

        async with room.hosts(**settings) as hosts:
            functions = Functions(hosts, planned)
            async with functions.session(plan.release) as session:
                return await asyncio.to_thread(work, session)

    return on_loop(main())


def test_a_function_returns_or_says_in_its_own_words_why_not(room: Room) -> None:
    def work(session: Session) -> list[Returned]:
        return [
            session.call_now(each, None)
            for each in (
                call("add", a=1),
                call("later", text="ab"),
                call("refuse", reason="Order not found"),
                call("fault"),
                call("leave"),
                call("nothing_json"),
                call("add", c=1),
                call("gone"),
            )
        ]

    found = within(room, work)
    assert [each.value for each in found[:2]] == [2, "abab"]
    said = [str(each.raised) for each in found[2:]]
    assert said[:3] == ["Order not found", "KeyError: 'missing'", "SystemExit: 3"]
    assert "not JSON" in said[3]
    assert "unexpected keyword argument 'c'" in said[4]
    assert "has no 'gone'" in said[5]


def test_statements_go_to_the_transaction_of_the_caller_and_nowhere_else(room: Room) -> None:
    transaction = Answers()
    found = within(room, lambda session: session.call_now(call("move", frm=1, to=2), transaction))
    assert found.value == [1, 3]
    assert transaction.asked == [
        ("SELECT :x AS x", {"x": 1}),
        ("UPDATE t SET x = :x", {"x": 2}),
    ]
    found = within(room, lambda session: session.call_now(call("ignores"), None))
    assert "no database" in found.value


def test_a_statement_that_fails_ends_the_call_whatever_the_function_makes_of_it(
    room: Room,
) -> None:
    with pytest.raises(LookupError):
        within(room, lambda session: session.call_now(call("ignores"), Answers()))


@pytest.mark.parametrize("name", ["die", "hang"])
def test_of_one_that_dies_or_hangs_nobody_can_tell_how_far_it_came(room: Room, name: str) -> None:
    seconds = 0.5 if name == "hang" else PATIENCE
    with pytest.raises(HostExited):
        within(room, lambda session: session.call_now(call(name, seconds), None))


def test_chance_is_the_same_for_the_same_call(room: Room) -> None:
    first, second, other = within(
        room,
        lambda session: [
            session.call_now(call("chance", seed=seed), None).value for seed in (1, 1, 2)
        ],
    )
    assert first == second != other


def test_it_has_no_key_no_door_and_no_file_but_its_own(room: Room) -> None:
    secret = room.folder / "secret.txt"
    secret.write_text("of the cell")
    names, peeked = within(
        room,
        lambda session: [
            session.call_now(call("environment"), None).value,
            session.call_now(call("peek", path=str(secret)), None).raised,
        ],
    )
    assert not [name for name in names if name.endswith(("_KEY", "_TOKEN", "_URL"))]
    assert "PermissionError" in str(peeked)


def test_it_is_not_the_agents_process_and_is_taken_again(room: Room) -> None:
    async def main() -> None:
        plan = room.plan(SOURCE)

        async def planned(_release: Digest) -> HostPlan:
            return plan

        async with room.hosts(slots=1) as hosts:
            functions = Functions(hosts, planned)
            ids = []
            async with hosts.slot(plan) as agent:  # holds the only process that agents may have
                for _ in range(2):
                    async with functions.session(plan.release) as session:
                        told = await asyncio.to_thread(session.call_now, call("process"), None)
                        ids.append(told.value)
                assert ids == [ids[0]] * 2
                assert agent.process_id not in ids
            assert [each.slots for each in hosts.status()] == [1]  # agents' alone are told
            async with functions.session(plan.release) as session:
                with pytest.raises(SeatrialError):
                    await asyncio.to_thread(session.call_now, call("die"), None)
            async with functions.session(plan.release) as session:
                told = await asyncio.to_thread(session.call_now, call("process"), None)
            assert told.value not in ids
            await eventually(lambda: hosts.status()[0].slots == 1)

    on_loop(main())
