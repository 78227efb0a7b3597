"""Calls of every kind, and what is left of them: nothing but a row in the book of the attempt."""

import asyncio
import gc
import types
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from seatrial.kit.errors import SeatrialError
from tests.cell.llms.inside import CHAT, Inside

CHATS = "/v1/chat/completions"
STREAM = {**CHAT, "stream": True}
_OF_A_CALL = (BaseException, types.FrameType, types.TracebackType, types.CoroutineType)
_MODULES = ("seatrial.", "asyncio", "_asyncio", "aiohttp")


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await holds():  # noqa: ASYNC110 - the condition is in a database
            await asyncio.sleep(0.005)


async def _mixed(cell: Inside, number: int) -> None:
    """One call of many kinds; whatever it raises is for the provider's faults."""
    text = [{"role": "user", "content": f"{number}"}]
    kind = number % 8
    if kind == 0:
        await cell.ask(CHATS, {**CHAT, "messages": text})
    elif kind == 1:
        await cell.ask(CHATS, {**STREAM, "messages": text})
    elif kind == 2:
        await cell.ask(CHATS, {**CHAT, "model": "gpt-overloaded", "messages": text})
    elif kind == 3:
        await cell.ask(CHATS, {**CHAT, "model": "gpt-cut", "messages": text})
    elif kind == 4:
        with pytest.raises(SeatrialError):
            await cell.ask(CHATS, {**STREAM, "model": "gpt-cut", "messages": text})
    elif kind == 5:
        await cell.ask(CHATS, {**CHAT, "model": "not-pinned", "messages": text})
    elif kind == 6:
        await cell.ask(CHATS, b"{")
    else:
        request = cell.request(
            CHATS, orjson.dumps({**STREAM, "model": "gpt-slow", "messages": text})
        )
        async with cell.client.send(request) as response:
            async for _ in response:
                break


async def leaks(cell: Inside, calls: int) -> None:
    """Make `calls` of every kind, and look for what is left of them."""

    async def some(first: int, last: int) -> None:
        for at in range(first, last, 16):
            await asyncio.gather(*(_mixed(cell, n) for n in range(at, min(at + 16, last))))

        async def quiet() -> bool:
            return all(call.result for call in await cell.calls()) and len(_working()) <= tasks

        await until(quiet)

    tasks = 1_000
    await some(0, 32)
    tasks = len(_working())
    attempt = await cell.books.of("run_a", 1)
    before = _objects(cell)
    await some(32, 32 + calls)
    more = _objects(cell) - before
    grown = more.total() / calls
    # A row in the book stays until its attempt ends: five objects for six calls of eight (3.75).
    # A task, an exception with its frames or a connection is more than that.
    assert grown < 4.5, f"{grown:.1f} objects stay for each call: {more.most_common(12)}"
    assert attempt.busy == 0
    assert len(cell.books) == 1
    cell.books.ended("run_a")
    await cell.books.written("run_a")
    assert len(cell.books) == 0


def _objects(cell: Inside) -> Counter[str]:
    """How many there are, by type, of what a call is made of; not what the provider keeps.

    Plain lists and tuples are not among them: how many SQLAlchemy keeps for its compiled statements
    goes by the sizes of the groups that the journal happened to write (2 a call, or 12 under load).
    """
    cell.provider.seen.clear()
    cell.provider.sent.clear()
    gc.collect()
    return Counter(
        f"{it.__module__}.{it.__qualname__}"
        for it in map(type, gc.get_objects())
        if issubclass(it, _OF_A_CALL) or str(it.__module__).startswith(_MODULES)
    )


def _working() -> set["asyncio.Task[Any]"]:
    return {task for task in asyncio.all_tasks() if not task.done()}
