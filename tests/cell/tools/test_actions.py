"""Actions, from an agent's call to what they act on and back."""

import asyncio
from typing import Any

import pytest

from seatrial.cell.journal.domain.calls import CallState
from seatrial.contract.releases.actions import SqlCall
from seatrial.contract.releases.components import Limits
from seatrial.contract.runs.states import WaitReason
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError
from tests.cell.door.cells import in_a_loop
from tests.cell.tools.stage import SECRET, Calling, cell, release_of, tool
from tests.cell.tools.world import ledger

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what no database has a part in."""


async def _each(calling: Calling) -> Any:
    """Makes the calls that its input lists."""
    return [await calling.call(name, **arguments) for name, arguments in calling.input]


@in_a_loop
async def test_every_class_is_performed_and_told(database: Database, shop: Database) -> None:
    async with cell(database, shop, _each) as here:
        here.functions.known["shop.py:sum"] = lambda given, _: sum(given["of"])
        here.functions.known["shop.py:charge"] = lambda given, db: (
            db.execute(  # type: ignore[union-attr]
                "INSERT INTO ledger (what) VALUES (:what)", {"what": given["what"]}
            ).changed
        )
        told = await here.output(
            [
                ("look", {"order": "W1"}),
                ("note", {"what": "called"}),
                ("pay", {"what": "paid"}),
                ("charge", {"what": "charged"}),
                ("sum", {"of": [1, 2]}),
                ("mail", {"what": "hello"}),
                ("ticket", {"what": "one"}),
                ("put", {"what": "thing"}),
                ("fetch", {"what": "thing", "page": 2}),
            ]
        )
        assert told == [
            [{"name": "W1", "cents": 500}],
            {"changed": 1},
            {"changed": 1},
            1,
            3,
            {"did": "/mail/hello"},
            {"did": "/tickets/one"},
            {"did": "/things/thing"},
            {"did": "/things/thing"},
        ]
        assert ledger(shop) == ["charged", "paid"]
        assert ledger(shop, "notes") == ["called"]
        assert [path for _, path in here.desk.deeds] == [
            "/mail/hello",
            "/tickets/one",
            "/things/thing",
        ]


@ON_SQLITE
@in_a_loop
async def test_a_request_carries_secret_key_body_and_query(
    database: Database, shop: Database
) -> None:
    async with cell(database, shop, _each) as here:
        wanted = {"what": "a/b c", "page": 2}
        await here.output([("mail", {**wanted, "cc": ["x"]}), ("fetch", wanted)])
        mail, fetch = here.desk.seen
        assert (mail.method, mail.path) == ("POST", "/mail/a%2Fb%20c")
        assert mail.body == {"page": 2, "cc": ["x"]}
        assert mail.headers["authorization"] == f"Bearer {SECRET}"
        assert len(mail.headers["idempotency-key"]) == 64
        assert (fetch.method, fetch.query, fetch.body) == ("GET", "page=2", None)
        assert "idempotency-key" not in fetch.headers


@ON_SQLITE
@in_a_loop
async def test_equal_writes_have_keys_of_their_own(database: Database, shop: Database) -> None:
    async with cell(database, shop, _each) as here:
        await here.output([("mail", {"what": "hello"})] * 3)
        assert len({key for key, _ in here.desk.deeds}) == 3


@ON_SQLITE
@in_a_loop
async def test_arguments_that_do_not_fit_reach_nothing(database: Database, shop: Database) -> None:
    bad: list[dict[str, Any]] = [{}, {"order": 7}, {"order": None}]
    async with cell(database, shop, _each) as here:
        run = await here.ended(await here.started([("look", each) for each in bad]))
        assert run.output == ["action_arguments_refused"] * 3
        states = [call.result.state for call in await here.calls(run.id) if call.result]
        assert states == [CallState.REFUSED] * 3


@ON_SQLITE
@in_a_loop
async def test_what_cannot_be_performed_is_refused_before_anything_is_done(
    database: Database, shop: Database
) -> None:
    wanted = {
        "nix": "action_unknown",
        "calc": "action_unperformed",
        "bare": "action_unperformed",
        "lost": "connector_unbound",
        "odd": "connector_unfit",
        "broken": "action_schema_refused",
        "away": "action_schema_refused",
    }

    async def trying(calling: Calling) -> Any:
        found = {}
        for name in wanted:
            with pytest.raises(SeatrialError) as raised:
                await calling.call(name, what="x")
            found[name] = raised.value.code
        return found

    async with cell(database, shop, trying) as here:
        run = await here.ended(await here.started())
        assert run.output == wanted
        assert await here.calls(run.id) == []
        assert ledger(shop) == []


@ON_SQLITE
@in_a_loop
async def test_an_unbound_connector_names_the_table_to_add(
    database: Database, shop: Database
) -> None:
    async with cell(database, shop, _each) as here:
        run = await here.ended(await here.started([("lost", {"what": "x"})]))
        assert run.failure is not None
        assert "staging's cell has no `[connectors.nowhere]`" in run.failure.message


@ON_SQLITE
@in_a_loop
async def test_what_the_agent_runs_by_itself_is_not_listed(
    database: Database, shop: Database
) -> None:
    async def listing(calling: Calling) -> Any:
        return [each.name for each in await calling.cell.actions.listed(calling.slot)]

    async with cell(database, shop, listing) as here:
        names = await here.output()
        assert "look" in names
        assert "calc" not in names
        assert names == sorted(names)


@in_a_loop
async def test_a_failure_without_effect_is_told_and_the_agent_goes_on(
    database: Database, shop: Database
) -> None:
    def refuse(_given: Any, db: Any) -> None:
        db.execute("INSERT INTO ledger (what) VALUES (:what)", {"what": "half"})
        raise ValueError("no such order")

    async with cell(database, shop, _each) as here:
        here.functions.known["shop.py:charge"] = refuse
        here.desk.moods = ["400"]
        told = await here.output(
            [("charge", {"what": "x"}), ("mail", {"what": "bad"}), ("pay", {"what": "paid"})]
        )
        assert told == ["action_failed", "action_failed", {"changed": 1}]
        assert ledger(shop) == ["paid"]
        assert here.desk.deeds == []


@ON_SQLITE
@pytest.mark.parametrize("mood", ["500", "cut"])
@in_a_loop
async def test_a_read_is_asked_again_and_then_told_away(
    database: Database, shop: Database, mood: str
) -> None:
    async with cell(database, shop, _each) as here:
        here.desk.moods = [mood]
        assert await here.output([("fetch", {"what": "x"})]) == [{"did": "/things/x"}]
        here.desk.moods = [mood] * 3
        assert await here.output([("fetch", {"what": "x"})]) == ["action_unreachable"]


@ON_SQLITE
@pytest.mark.parametrize(
    ("mood", "told"),
    [
        ("text", "plain \ufffd"),
        ("broken", "{"),
        ("empty", None),
        ("redirect", "action_failed"),
        ("large", "action_unreachable"),
    ],
)
@in_a_loop
async def test_answers_of_any_kind_are_told_within_bounds(
    database: Database, shop: Database, mood: str, told: object
) -> None:
    async with cell(database, shop, _each) as here:
        here.desk.moods = [mood] * 3
        assert await here.output([("fetch", {"what": "x"})]) == [told]


@ON_SQLITE
@in_a_loop
async def test_an_argument_never_leaves_its_place_in_the_path(
    database: Database, shop: Database
) -> None:
    async with cell(database, shop, _each) as here:
        told = await here.output([("mail", {"what": what}) for what in ("..", ".", "")])
        assert told == ["action_failed"] * 3
        assert here.desk.seen == []


@ON_SQLITE
@in_a_loop
async def test_a_secret_stands_in_no_record(database: Database, shop: Database) -> None:
    async with cell(database, shop, _each) as here:
        here.desk.moods = ["", "400"]
        run = await here.ended(
            await here.started([("mail", {"what": "hello"}), ("put", {"what": "x"})])
        )
        assert SECRET not in repr((run, await here.calls(run.id)))


@ON_SQLITE
@in_a_loop
async def test_a_run_that_goes_round_in_circles_is_stopped(
    database: Database, shop: Database
) -> None:
    async with cell(database, shop, _each, release=release_of(limits=Limits(steps=2))) as here:
        told = await here.output([("pay", {"what": str(n)}) for n in range(4)])
        assert told == [*[{"changed": 1}] * 2, *["step_limit_reached"] * 2]
        assert ledger(shop) == ["0", "1"]


@ON_SQLITE
@in_a_loop
async def test_a_caller_that_vanishes_cuts_nothing_off(database: Database, shop: Database) -> None:
    async def leaving(calling: Calling) -> Any:
        desk = calling.cell.desk
        first = asyncio.ensure_future(calling.call("mail", what="hello"))
        await desk.reached.wait()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        desk.let.set()
        return await calling.call("mail", what="hello")

    async with cell(database, shop, leaving) as here:
        here.desk.moods = ["hang"]
        assert await here.output() == {"did": "/mail/hello"}
        assert len(here.desk.deeds) == 1


@ON_SQLITE
@in_a_loop
async def test_what_a_lost_caller_had_asked_answers_its_repetition_and_no_later_call(
    database: Database, shop: Database
) -> None:
    async def reading(calling: Calling) -> Any:
        desk = calling.cell.desk
        first = asyncio.ensure_future(calling.call("fetch", what="W1"))
        await desk.reached.wait()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        again = asyncio.ensure_future(calling.call("fetch", what="W1"))
        await asyncio.sleep(0.05)
        desk.let.set()
        await again
        counts = [len(desk.seen)]
        await calling.call("fetch", what="W1")  # a read of its own: the world may have changed
        return [*counts, len(desk.seen)]

    async with cell(database, shop, reading) as here:
        here.desk.moods = ["hang"]
        assert await here.output() == [1, 2]


@ON_SQLITE
@in_a_loop
async def test_a_wait_whose_caller_vanishes_ends_the_segment_all_the_same(
    database: Database, shop: Database
) -> None:
    async def waiting(calling: Calling) -> Any:
        first = asyncio.ensure_future(calling.wait(event="paid"))
        await asyncio.sleep(0)
        for _ in range(1_000):  # until its question is on its way to the disk
            attempt = await calling.cell.books.of(calling.slot.run or "", calling.slot.attempt or 0)
            if attempt.busy:
                break
            await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        return await calling.wait(event="paid")

    async with cell(database, shop, waiting) as here:
        run = await here.parked(await here.started())
        await here.runs.tell_event(run.id, "paid", {"sum": 5})
        assert (await here.ended(run)).output == {"sum": 5}


@pytest.mark.parametrize("effect", ["read", "transactional", "irreversible"])
@in_a_loop
async def test_a_statement_that_is_wrong_has_had_no_effect(
    database: Database, shop: Database, effect: str
) -> None:
    wrong = {
        "missing": "SELECT * FROM nowhere",
        "column": "SELECT nothing FROM orders",
        "grammar": "SELECT FROM WHERE",
        "twice": "INSERT INTO orders (name, cents) VALUES ('W1', 1)",
        "kind": "INSERT INTO orders (name, cents) VALUES ('W9', NULL)",
    }
    schema = {"type": "object"}
    tools = {
        name: tool(effect, SqlCall(statement=statement), "shop", schema=schema)
        for name, statement in wrong.items()
    }
    async with cell(database, shop, _each, release=release_of(tools)) as here:
        told = await here.output([(name, {}) for name in wrong])
        refused = "action_unreachable" if effect == "read" else "action_failed"
        assert told == [*["action_failed"] * 3, *[refused] * 2]
        assert ledger(shop) == []


@in_a_loop
async def test_calls_side_by_side_are_performed_once_each(
    database: Database, shop: Database
) -> None:
    async def wide(calling: Calling) -> Any:
        made = (calling.call("pay", what=f"{number:02}") for number in range(20))
        return len(await asyncio.gather(*made))

    async with cell(database, shop, wide) as here:
        assert await here.output() == 20
        assert ledger(shop) == [f"{number:02}" for number in range(20)]


@pytest.mark.parametrize("mood", ["cut", "after 500"])
@in_a_loop
async def test_a_write_of_which_nobody_can_tell_waits_for_a_person(
    database: Database, shop: Database, mood: str
) -> None:
    async with cell(database, shop, _each) as here:
        here.desk.moods = [mood]
        run = await here.parked(await here.started([("mail", {"what": "hello"})]))
        assert run.waits is not None
        assert run.waits.reason is WaitReason.UNKNOWN
        assert len(here.desk.deeds) == 1


@in_a_loop
async def test_a_lost_answer_is_asked_for_where_that_can_be_done(
    database: Database, shop: Database
) -> None:
    async with cell(database, shop, _each) as here:
        here.desk.moods = ["cut"]
        assert await here.output([("ticket", {"what": "one"})]) == [{"did": "/tickets/one"}]
        assert len(here.desk.deeds) == 1
