"""The chunks of one attempt: kept first, told then, in batches."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

Keep: TypeAlias = Callable[[int, tuple[Any, ...]], Awaitable[None]]
"""Keeps and tells a batch that begins with the given seq."""


class Chunks:
    """Chunks on their way from an agent to those who listen.

    Nothing is told before it is kept: a listener who comes back after a crash must find what he
    has seen. While one batch is written the next gathers.

    Args:
        first: seq of the first chunk.
        keep: see `Keep`.
        pause: seconds between two batches.
    """

    def __init__(self, first: int, keep: Keep, pause: float) -> None:
        self._next = first
        self._keep = keep
        self._pause = pause
        self._gathered: list[Any] = []
        self._writing: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def add(self, data: Any) -> None:  # noqa: ANN401 - any JSON value
        """One more chunk."""
        self._gathered.append(data)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def flush(self) -> None:
        """Return when every chunk is kept and told; raises what keeping the last ones raised."""
        self._closing.set()
        if self._writing is not None:
            await self._writing

    async def drop(self) -> None:
        """Keep nothing more: the attempt is over without an end of its own."""
        self._gathered.clear()
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)

    async def _write(self) -> None:
        while self._gathered:
            batch, self._gathered = tuple(self._gathered), []
            first, self._next = self._next, self._next + len(batch)
            await self._keep(first, batch)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause):
                    await self._closing.wait()
