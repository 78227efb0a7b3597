"""Model calls through the journal: answered again, made again, retried, replayed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import orjson
import pytest

from seatrial.cell.journal.domain.calls import CallState, Tokens
from seatrial.cell.journal.domain.records import Bounds
from seatrial.cell.journal.domain.rows import Mode, RowState
from seatrial.cell.journal.service.books import RunFacts
from seatrial.cell.journal.store import decisions
from seatrial.cell.journal.store import records as store
from seatrial.cell.journal.store.tables import ROW
from seatrial.cell.llms.service import sending
from seatrial.cell.llms.service.calls import CallBounds
from seatrial.contract.releases.components import Limits
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError
from seatrial.kit.http.boundary import ErrorBoundary
from seatrial.kit.http.client import Timeouts
from tests.cell.door.cells import in_a_loop
from tests.cell.llms.flaky import Fault, Flaky
from tests.cell.llms.inside import CHAT, IDS, MESSAGES, QUICK, Inside, inside, release_of
from tests.cell.llms.provider import serving
from tests.cell.llms.raw import chunked, saying

CHATS = "/v1/chat/completions"
STREAM = {**CHAT, "stream": True}
BODIES: list[tuple[str, dict[str, Any]]] = [
    (CHATS, CHAT),
    (CHATS, STREAM),
    ("/v1/responses", {"model": CHAT["model"], "input": "Hallo"}),
    ("/v1/responses", {"model": CHAT["model"], "input": "Hallo", "stream": True}),
    ("/v1/embeddings", {"model": "text-embedding-3-small", "input": "Hallo"}),
    ("/v1/messages", MESSAGES),
    ("/v1/messages", {**MESSAGES, "stream": True}),
]
_USED = Tokens(input=20, output=12, cache_read=5)  # as `Provider` tells it
AGAIN = (("x-stainless-retry-count", "1"),)


@pytest.fixture
def one(sqlite_url: str) -> Iterator[Database]:
    with Database.open(sqlite_url) as database:
        yield database


async def _states(cell: Inside, run: str = "run_a") -> list[RowState]:
    rows = await cell.database.read(lambda connection: store.rows(connection, run))
    return [it.row.state for it in rows]


async def _words(cell: Inside, run: str = "run_a") -> list[str]:
    await cell.books.written(run)
    found = await cell.database.read(lambda connection: decisions.listed(connection, run))
    return [it.told.word for _, it in found]


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await holds():  # noqa: ASYNC110 - the condition is in a database
            await asyncio.sleep(0.005)


async def _asked(flaky: Flaky, times: int) -> bool:
    return flaky.asked >= times


async def _has(cell: Inside, word: str) -> bool:
    return word in await _words(cell)


@contextlib.asynccontextmanager
async def _before(
    database: Database, flaky: Flaky, *, attempt: int = 1, **how: Any
) -> AsyncIterator[Inside]:
    bounds = CallBounds(timeouts=Timeouts(first_byte=1.0, chunk=1.0, total=None))
    async with (
        serving(ErrorBoundary(flaky, IDS)) as upstream,
        inside(database, upstream=upstream, attempt=attempt, bounds=bounds, **how) as cell,
    ):
        yield cell


@pytest.mark.parametrize(("path", "body"), BODIES)
@in_a_loop
async def test_the_next_attempt_gets_every_byte_again_and_nobody_is_asked(
    one: Database, path: str, body: dict[str, Any]
) -> None:
    async with inside(one) as first:
        status, headers, told = await first.ask(path, body)
    async with inside(one, attempt=2) as second:
        again = await second.ask(path, body)
        assert (again[0], again[2]) == (status, told)
        assert again[1]["content-type"] == headers["content-type"]
        assert again[1]["x-seatrial-answer"] == "recorded"
        assert second.provider.seen == []
        assert len(await second.calls()) == 1
        assert await _words(second) == ["sent", "answered"]


@in_a_loop
async def test_it_is_so_on_both_databases(database: Database) -> None:
    async with inside(database) as first:
        told = [await first.ask(path, body) for path, body in BODIES]
    async with inside(database, attempt=2) as second:
        again = [await second.ask(path, body) for path, body in BODIES]
        assert [each[2] for each in again] == [each[2] for each in told]
        assert second.provider.seen == []


@in_a_loop
async def test_a_recorded_answer_costs_nothing_and_is_no_step(one: Database) -> None:
    limits = release_of(Limits(steps=2, cost_usd=0.0003))
    async with inside(one, release=limits) as first:
        for _ in range(2):
            assert (await first.ask(CHATS, CHAT))[0] == 200
        assert (await first.ask(CHATS, CHAT))[0] == 429
    async with inside(one, release=limits, attempt=2) as second:
        statuses = [(await second.ask(CHATS, CHAT))[0] for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert second.provider.seen == []


@in_a_loop
async def test_a_pin_judges_what_is_recorded_too(one: Database) -> None:
    async with inside(one, environment="dev") as first:
        assert (await first.ask(CHATS, {**CHAT, "model": "gpt-any"}))[0] == 200
    async with inside(one, attempt=2) as second:
        assert (await second.ask(CHATS, {**CHAT, "model": "gpt-any"}))[0] == 403


@in_a_loop
async def test_samples_of_one_prompt_are_told_in_their_order(one: Database) -> None:
    async with inside(one) as first:
        await asyncio.gather(*(first.ask(CHATS, CHAT) for _ in range(3)))
        assert len(first.provider.seen) == 3
    async with inside(one, attempt=2) as second:
        assert [(await second.ask(CHATS, CHAT))[0] for _ in range(4)] == [200] * 4
        assert len(second.provider.seen) == 1


@pytest.mark.parametrize(
    "fault", [Fault.LIMITED, Fault.BROKEN, Fault.CUT_AT_ONCE, Fault.CUT_IN_BODY, Fault.STALLED]
)
@in_a_loop
async def test_a_failure_that_was_told_whole_is_told_again_where_the_agent_went_on(
    one: Database, fault: Fault
) -> None:
    async with _before(one, Flaky([fault])) as first:
        failed = await first.ask(CHATS, CHAT)
        assert failed[0] >= 400
        assert (await first.ask(CHATS, CHAT, headers=AGAIN))[0] == 200
        assert await _states(first) == [RowState.FAILED, RowState.DONE]
        assert [call.intent.row for call in await first.calls()] == [1, 2]
    flaky = Flaky()
    async with _before(one, flaky, attempt=2) as second:
        again = await second.ask(CHATS, CHAT)
        assert (again[0], again[2]) == (failed[0], failed[2])
        assert again[1].get("x-should-retry") == failed[1].get("x-should-retry")
        assert (await second.ask(CHATS, CHAT, headers=AGAIN))[0] == 200
        assert flaky.asked == 0


@in_a_loop
async def test_a_failure_that_ended_the_attempt_is_made_again(one: Database) -> None:
    async with _before(one, Flaky([Fault.BROKEN])) as first:
        assert (await first.ask(CHATS, CHAT))[0] == 500
    async with _before(one, Flaky(), attempt=2) as second:
        assert (await second.ask(CHATS, CHAT))[0] == 200
        assert await _states(second) == [RowState.DONE]
        assert [call.intent.row for call in await second.calls()] == [1, 1]
        assert await _words(second) == ["sent", "redone"]


@pytest.mark.parametrize("headers", [AGAIN, ()])
@in_a_loop
async def test_a_stream_that_was_cut_is_made_again_in_its_place(
    one: Database, headers: tuple[tuple[str, str], ...]
) -> None:
    flaky = Flaky([Fault.CUT_IN_STREAM])
    async with _before(one, flaky) as cell:
        with pytest.raises(SeatrialError):
            await cell.ask(CHATS, STREAM)
        status, _, told = await cell.ask(CHATS, STREAM, headers=headers)
        assert (status, told) == (200, flaky.good.sent[0])
        assert await _states(cell) == [RowState.DONE]
        assert [call.intent.row for call in await cell.calls()] == [1, 1]
        assert await _words(cell) == ["sent", "redone"]


@in_a_loop
async def test_both_tries_of_a_call_that_was_made_again_are_booked(one: Database) -> None:
    async with inside(one) as first:
        await first.ask(CHATS, CHAT)

        def undo(connection: Connection) -> None:
            """As if the process had been killed before the result was written."""
            row = store.rows(connection, "run_a")[0].row
            connection.execute(ROW.update().where(ROW.c.seq == row.seq).values(state="intent"))

        await first.database.write(undo)
    async with inside(one, attempt=2) as second:
        await second.ask(CHATS, CHAT)
        tries = await second.calls()
        assert [call.key.attempt for call in tries] == [1, 2]
        assert [call.intent.row for call in tries] == [1, 1]
        assert all(call.result and call.result.cost_usd for call in tries)


@in_a_loop
async def test_a_retry_while_the_first_is_under_way_gets_its_answer(one: Database) -> None:
    flaky = Flaky(held=asyncio.Event())
    async with _before(one, flaky) as cell:
        first = asyncio.create_task(cell.ask(CHATS, CHAT))
        await _until(lambda: _asked(flaky, 1))
        second = asyncio.create_task(cell.ask(CHATS, CHAT, headers=AGAIN))
        await _until(lambda: _has(cell, "attached"))
        assert flaky.held is not None
        flaky.held.set()
        told = await asyncio.gather(first, second)
        assert told[0][2] == told[1][2]
        assert told[1][1]["x-seatrial-answer"] == "attached"
        assert flaky.asked == 1


@in_a_loop
async def test_a_retry_whose_first_is_given_up_is_made_again(one: Database) -> None:
    flaky = Flaky(held=asyncio.Event())
    async with _before(one, flaky) as cell:
        first = asyncio.create_task(cell.ask(CHATS, CHAT))
        await _until(lambda: _asked(flaky, 1))
        second = asyncio.create_task(cell.ask(CHATS, CHAT, headers=AGAIN))
        await _until(lambda: _has(cell, "attached"))
        first.cancel()
        await _until(lambda: _asked(flaky, 2))
        assert flaky.held is not None
        flaky.held.set()
        assert (await second)[0] == 200
        assert await _words(cell) == ["sent", "attached", "redone"]


@in_a_loop
async def test_whoever_lost_a_whole_answer_gets_it_without_a_new_call(one: Database) -> None:
    async with inside(one) as cell:
        told = await cell.ask(CHATS, CHAT)
        again = await cell.ask(CHATS, CHAT, headers=AGAIN)
        assert (again[2], again[1]["x-seatrial-answer"]) == (told[2], "attached")
        assert len(cell.provider.seen) == 1


@in_a_loop
async def test_a_stale_attempt_is_told_so_and_calls_nobody(one: Database) -> None:
    async with inside(one, attempt=1) as cell:
        await cell.books.open("run_a", 2)
        status, headers, told = await cell.ask(CHATS, CHAT)
        assert (status, orjson.loads(told)["error"]["code"]) == (409, "attempt_stale")
        assert headers["x-should-retry"] == "false"
        assert cell.provider.seen == []


@in_a_loop
async def test_an_attempt_that_lost_its_run_is_told_nothing_of_the_answer(one: Database) -> None:
    async with inside(one, stands=lambda *_: False) as cell:
        status, _, told = await cell.ask(CHATS, CHAT)
        assert (status, orjson.loads(told)["error"]["code"]) == (409, "attempt_stale")
        assert await _states(cell) == []


@in_a_loop
async def test_a_call_whose_attempt_lost_its_run_meanwhile_is_paid_all_the_same(
    one: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_SOON", 60.0)
    async with inside(one, stands=lambda *_: False) as cell:
        assert (await cell.ask(CHATS, CHAT))[0] == 409
        (call,) = await cell.calls()
        assert call.result is not None
        assert (call.result.state, call.result.tokens) == (CallState.DONE, _USED)


@in_a_loop
async def test_while_a_model_works_its_call_is_there_to_be_seen(one: Database) -> None:
    flaky = Flaky(held=asyncio.Event())
    async with _before(one, flaky) as cell:
        asking = asyncio.ensure_future(cell.ask(CHATS, CHAT))
        await _until(lambda: _is(cell, [RowState.INTENT]))
        (call,) = await cell.calls()
        assert call.result is None
        assert flaky.held is not None
        flaky.held.set()
        assert (await asking)[0] == 200
        assert await _states(cell) == [RowState.DONE]


@pytest.mark.parametrize(("soon", "transactions"), [(60.0, 1), (0.0, 2)])
@in_a_loop
async def test_an_answer_that_is_faster_than_its_intent_takes_it_along(
    database: Database, monkeypatch: pytest.MonkeyPatch, soon: float, transactions: int
) -> None:
    monkeypatch.setattr(sending, "_SOON", soon)
    flaky = Flaky(held=asyncio.Event())
    async with _before(database, flaky) as cell:
        before = database.figures.writes
        asking = asyncio.ensure_future(cell.ask(CHATS, CHAT))
        await _until(lambda: _asked(flaky, 1))
        if not soon:
            await _until(lambda: _is(cell, [RowState.INTENT]))
        assert flaky.held is not None
        flaky.held.set()
        assert (await asking)[0] == 200
        assert database.figures.writes - before == transactions
        (recorded,) = await database.read(lambda connection: store.rows(connection, "run_a"))
        (call,) = await cell.calls()
        assert recorded.row.state is RowState.DONE
        assert recorded.begun is not None
        assert recorded.begun >= call.intent.started
        assert call.result is not None
        assert call.result.state is CallState.DONE


async def _is(cell: Inside, states: list[RowState]) -> bool:
    return await _states(cell) == states


async def _strict(run: str) -> RunFacts:
    return RunFacts(mode=Mode.STRICT, follows="run_a") if run == "run_b" else RunFacts()


@pytest.mark.parametrize(("path", "body"), BODIES)
@in_a_loop
async def test_a_strict_replay_is_answered_by_the_run_it_follows_and_goes_nowhere(
    one: Database, path: str, body: dict[str, Any]
) -> None:
    async with inside(one) as live:
        told = await live.ask(path, body)
    async with inside(one, run="run_b", facts=_strict) as strict:
        assert (await strict.ask(path, body))[2] == told[2]
        status, headers, answer = await strict.ask(path, {**body, "temperature": 1})
        error = orjson.loads(answer)["error"]
        assert (status, error["code"]) == (409, "model_call_unrecorded")
        assert body["model"] in error["message"]
        assert headers["x-should-retry"] == "false"
        assert strict.provider.seen == []
        assert await _states(strict, "run_b") == []
        assert await _words(strict, "run_b") == ["answered", "refused"]


@pytest.mark.parametrize("body", [CHAT, STREAM])
@in_a_loop
async def test_an_answer_too_large_to_keep_is_passed_on_and_asked_for_again(
    one: Database, body: dict[str, Any]
) -> None:
    small = Bounds(body=200, patience=QUICK.patience, quiet=QUICK.quiet)
    async with inside(one, kept=small) as first:
        status, _, told = await first.ask(CHATS, body)
        assert (status, told) == (200, first.provider.sent[0])
        (call,) = await first.calls()
        assert call.result is not None
        assert await _states(first) == [RowState.INTENT]
    async with inside(one, kept=small, attempt=2) as second:
        assert (await second.ask(CHATS, body))[2] == told
        assert len(second.provider.seen) == 1


@in_a_loop
async def test_the_last_event_of_a_stream_is_held_back_until_all_is_recorded(one: Database) -> None:
    async with inside(one) as cell:
        for path, body in (BODIES[1], BODIES[3], BODIES[6]):
            raw = orjson.dumps(body)
            async with cell.client.send(cell.request(path, raw)) as response:
                seen = b""
                async for part in response:
                    seen += part
                    if any(mark in seen for mark in (b"[DONE]", b".completed", b"message_stop")):
                        break  # as clients do: what follows is not read
            assert (await _states(cell))[-1] is RowState.DONE


@in_a_loop
async def test_a_text_that_looks_like_the_end_of_a_stream_holds_nothing_back(
    one: Database,
) -> None:
    """The last event comes only when the provider is let go; what is before it has come."""
    begun = b'data: {"choices":[{"delta":{"content":"\\ndata: [DONE] "}}]}\n\n'
    async with (
        saying(chunked(begun, over=False), close=False) as upstream,
        inside(one, upstream=upstream) as cell,
        cell.client.send(cell.request(CHATS, orjson.dumps(STREAM))) as response,
    ):
        async for part in response:
            assert part == begun
            break
