"""What the model door does with what nobody should send: agents, providers, clients that vanish."""

import logging
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from seatrial.cell.hosts.domain import SlotIdentity
from seatrial.cell.journal.domain.rows import RowState
from seatrial.cell.journal.store import records as store
from seatrial.cell.llms.service.calls import CallBounds
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError
from seatrial.kit.http.client import Timeouts
from tests.cell.door.cells import in_a_loop
from tests.cell.llms.inside import CHAT, GPT, Inside, inside
from tests.cell.llms.leaking import CHATS, STREAM, leaks, until
from tests.cell.llms.raw import JSON, chunked, saying, whole

QUICK = CallBounds(timeouts=Timeouts(first_byte=0.5, chunk=0.3, total=None))
DEEP = 100_000
DONE = b"data: [DONE]\n\n"


@pytest.fixture
def one(sqlite_url: str) -> Iterator[Database]:
    with Database.open(sqlite_url) as database:
        yield database


@pytest.fixture
def unlogged() -> Iterator[None]:
    """Captured lines hold exceptions, and so the frames that raised them."""
    logging.disable(logging.CRITICAL)  # the function alone: loggers remember what they let pass
    yield
    logging.disable(logging.NOTSET)


async def _states(cell: Inside, run: str = "run_a") -> list[RowState]:
    rows = await cell.database.read(lambda connection: store.rows(connection, run))
    return [it.row.state for it in rows]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"no json", "json_malformed"),
        (b'{"model": "%b", "temperature": NaN}', "json_malformed"),
        (b'{"model": "%b", "messages": "\xff"}', "json_malformed"),
        (b'{"model": "%b", "messages": ' + b"[" * DEEP + b"]" * DEEP + b"}", "json_too_deep"),
        (b'{"model": "%b"' + b"}" * 3, "json_malformed"),
        (b"", "json_malformed"),
    ],
    ids=["words", "nan", "no utf-8", "deep", "too much", "nothing"],
)
@in_a_loop
async def test_what_is_no_json_is_refused_and_leaves_no_row(
    one: Database, raw: bytes, code: str
) -> None:
    async with inside(one) as cell:
        request = cell.request(CHATS, raw.replace(b"%b", GPT.encode()) or b" ")
        async with cell.client.send(request) as response:
            told = orjson.loads(await response.read(1 << 20))
        assert (response.status, told["error"]["code"]) == (400, code)
        assert cell.provider.seen == []
        assert await _states(cell) == []


@in_a_loop
async def test_a_body_that_names_a_member_twice_is_known_by_its_bytes_alone(one: Database) -> None:
    twice = b'{"model":"%b","seed":1,"seed":2,"messages":[]}' % GPT.encode()
    other = b'{"model":"%b","seed":2,"seed":2,"messages":[]}' % GPT.encode()
    async with inside(one) as cell:
        assert (await cell.ask(CHATS, twice))[0] == 200
        assert cell.provider.seen[0].body == twice
    async with inside(one, attempt=2) as cell:
        assert (await cell.ask(CHATS, twice))[1]["x-seatrial-answer"] == "recorded"
        assert (await cell.ask(CHATS, other))[0] == 200
        assert len(cell.provider.seen) == 1


@in_a_loop
async def test_a_body_of_fifty_megabytes_passes_and_one_byte_more_does_not(one: Database) -> None:
    limit = CallBounds().request
    start = b'{"model":"%b","messages":[{"role":"user","content":"' % GPT.encode()
    end = b'"}]}'
    async with inside(one) as cell:
        raw = start + b"x" * (limit - len(start) - len(end)) + end
        assert (await cell.ask(CHATS, raw))[0] == 200
        assert await _states(cell) == [RowState.DONE]
        status, _, told = await cell.ask(CHATS, raw.replace(b"}]}", b"}]} "))
        assert (status, orjson.loads(told)["error"]["code"]) == (413, "body_too_large")
        assert len(cell.provider.seen) == 1


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (CHAT, whole(b'{"id":', length=100)),
        (CHAT, chunked(b'{"id":', over=False, media=JSON)),
        (CHAT, b"HTTP/1.1 200 OK\r\ncontent-length: lots\r\n\r\n"),
        (CHAT, whole(b'{"id":1}more', length=8)),
        (CHAT, b"HELLO\r\n\r\n"),
        (CHAT, b""),
    ],
    ids=[
        "short of its length",
        "cut in chunks",
        "no length",
        "beyond its length",
        "no http",
        "nothing",
    ],
)
@in_a_loop
async def test_an_answer_that_breaks_http_is_told_as_a_failure_and_recorded_as_one(
    one: Database, body: dict[str, Any], answer: bytes
) -> None:
    async with saying(answer) as upstream, inside(one, upstream=upstream, bounds=QUICK) as cell:
        status, headers, told = await cell.ask(CHATS, body)
        code = orjson.loads(told)["error"]["code"]
        assert (status, headers["x-should-retry"]) in {(502, "true"), (503, "true")}
        assert code in {"answer_broken", "peer_unreachable"}
        assert await _states(cell) == [RowState.FAILED]
        (call,) = await cell.calls()
        assert call.result is not None
        assert (call.result.error or "").startswith(code)


@pytest.mark.parametrize("close", [True, False], ids=["cut", "stalled"])
@in_a_loop
async def test_a_stream_that_ends_in_the_middle_is_no_answer(one: Database, close: bool) -> None:
    part = b'data: {"model":"m"}\n\n'
    async with (
        saying(chunked(part, over=False), close=close) as upstream,
        inside(one, upstream=upstream, bounds=QUICK) as cell,
    ):
        with pytest.raises(SeatrialError) as caught:
            await cell.ask(CHATS, STREAM)
        assert caught.value.code == "answer_broken"

        async def over() -> bool:
            (call,) = await cell.calls()
            return call.result is not None

        await until(over)
        assert await _states(cell) == [RowState.INTENT]


@pytest.mark.parametrize(
    ("body", "answer", "told"),
    [
        (CHAT, whole(b'{"a":"\xff\xfe"}', length=10), b'{"a":"\xff\xfe"}'),
        (
            STREAM,
            chunked(b"data: \xff\n\n", b"data: [DONE]\n\n"),
            b"data: \xff\n\ndata: [DONE]\n\n",
        ),
        (STREAM, chunked(b"\x00\r\r\n: "), b"\x00\r\r\n: "),
        (STREAM, chunked(b"data: [DO", b"NE]\n\nno end"), b"data: [DONE]\n\nno end"),
        (STREAM, chunked(), b""),
    ],
    ids=["json", "events", "noise", "after the end", "nothing"],
)
@in_a_loop
async def test_bytes_that_are_no_text_pass_and_come_back_as_they_were(
    one: Database, body: dict[str, Any], answer: bytes, told: bytes
) -> None:
    async with saying(answer) as upstream, inside(one, upstream=upstream, bounds=QUICK) as cell:
        assert (await cell.ask(CHATS, body))[2] == told
    async with inside(one, attempt=2) as cell:
        _, headers, again = await cell.ask(CHATS, body)
        assert (again, headers["x-seatrial-answer"]) == (told, "recorded")
        assert cell.provider.seen == []


@in_a_loop
async def test_a_client_that_vanishes_in_the_middle_of_a_stream_leaves_no_answer(
    one: Database,
) -> None:
    slow = {**STREAM, "model": "gpt-slow"}
    async with inside(one) as cell:
        async with cell.client.send(cell.request(CHATS, orjson.dumps(slow))) as response:
            async for _ in response:
                break

        async def over() -> bool:
            (call,) = await cell.calls()
            return call.result is not None and (call.result.error or "").startswith("client_gone")

        await until(over)
        assert await _states(cell) == [RowState.INTENT]
        status, _, told = await cell.ask(CHATS, slow)  # the same once more: made again in its place
        assert (status, told) == (200, cell.provider.sent[-1])
        assert await _states(cell) == [RowState.DONE]


@in_a_loop
async def test_a_call_belongs_to_the_run_of_the_key_that_it_brings(one: Database) -> None:
    async with inside(one) as first, inside(one, run="run_b") as second:
        assert isinstance(second.slot, SlotIdentity)
        await first.ask(CHATS, CHAT)
        status, headers, _ = await second.ask(CHATS, CHAT)
        assert (status, headers.get("x-seatrial-answer")) == (200, None)
        assert await _states(first, "run_b") == [RowState.DONE]
        status, _, told = await second.ask(CHATS, CHAT, token=first.token)
        assert (status, orjson.loads(told)["error"]["code"]) == (401, "slot_token_unknown")


@pytest.mark.usefixtures("unlogged")
@in_a_loop
async def test_hundreds_of_calls_of_every_kind_leave_nothing_behind(one: Database) -> None:
    async with inside(one) as cell:
        await leaks(cell, 320)
