"""Functions of releases, called by the cell in processes that are not their agents'."""

import asyncio
import contextlib
import queue
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import orjson

from seatrial.cell.hosts.domain import Chunk, Error, HostExited, Origin, Result, RunRequest
from seatrial.cell.hosts.service.hosts import Hosts
from seatrial.cell.hosts.service.plans import HostPlan, Role
from seatrial.cell.hosts.service.slots import Slot
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.errors import SeatrialError

_MARGIN: Final = 5.0  # seconds that a process has to be killed when its call is over its time


class Rows(Protocol):
    """What a statement gave.

    Attributes:
        rows: each as an object of JSON values.
        changed: how many rows it changed.
    """

    @property
    def rows(self) -> list[dict[str, Any]]:
        """See above."""
        ...

    @property
    def changed(self) -> int:
        """See above."""
        ...


class Statements(Protocol):
    """An open transaction, for the thread that calls."""

    def execute(self, statement: str, parameters: Mapping[str, Any]) -> Rows:
        """Run one statement."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class FunctionCall:
    """One call.

    Attributes:
        run: for whose log.
        release: whose function.
        function: `path/to/file.py:name`.
        arguments: by name.
        seconds: after which it is killed.
        seed: of `random` and `uuid.uuid4`.
    """

    run: str
    release: Digest
    function: str
    arguments: Mapping[str, Any]
    seconds: float
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Returned:
    """What a function came to.

    Attributes:
        value: any JSON value.
        raised: what it raised, as a sentence; None if it returned.
    """

    value: Any = None
    raised: str | None = None


class Session:
    """A process that is ready for one call; a transaction that is run again may call again."""

    def __init__(self, slot: Slot, loop: asyncio.AbstractEventLoop) -> None:
        self._slot = slot
        self._loop = loop

    def call_now(self, call: FunctionCall, statements: Statements | None) -> Returned:
        """Call the function and serve its statements; for a thread, which is blocked meanwhile.

        Raises:
            SeatrialError: the process died, was too slow or spoke nonsense: nobody can tell how
                far the function came.
            Exception: a statement raised it; the process is killed.
        """
        asked: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        running = asyncio.run_coroutine_threadsafe(self._run(call, asked), self._loop)
        try:
            while True:
                event = asked.get(timeout=call.seconds + _MARGIN)
                if not isinstance(event, Chunk):
                    return _returned(event)
                self._reply(_answer(event.data, statements))
        except queue.Empty:
            raise HostExited(reason="it gave no sign of life") from None
        finally:
            running.cancel()

    async def _run(self, call: FunctionCall, asked: "queue.SimpleQueue[_Event]") -> None:
        request = RunRequest(
            run=call.run,
            attempt=1,
            input={"function": call.function, "arguments": dict(call.arguments)},
            seed=call.seed,
            deadline_seconds=call.seconds,
        )
        try:
            async for event in self._slot.run(request):
                asked.put(event)
        except SeatrialError as error:
            asked.put(Error(code=error.code, message=error.message))

    def _reply(self, body: bytes) -> None:
        self._loop.call_soon_threadsafe(self._slot.reply, body)


_Event = Chunk | Result | Error


class Functions:
    """The function processes of one cell. Belongs to one event loop.

    Args:
        hosts: where processes are.
        plan: how a release is hosted.
    """

    def __init__(self, hosts: Hosts, plan: Callable[[Digest], Awaitable[HostPlan]]) -> None:
        self._hosts = hosts
        self._plan = plan

    @contextlib.asynccontextmanager
    async def session(self, release: Digest) -> AsyncIterator[Session]:
        """A process of a release for one call.

        Raises:
            SeatrialError: none can be started; nothing was called.
        """
        plan = replace(await self._plan(release), role=Role.FUNCTIONS)
        async with self._hosts.slot(plan) as slot:
            yield Session(slot, asyncio.get_running_loop())


def _answer(asked: Any, statements: Statements | None) -> bytes:  # noqa: ANN401 - what it sent
    """The rows of a statement. What a database raises goes on: its transaction is lost."""
    if statements is None:
        return orjson.dumps({"error": "the action names no database as its connector"})
    if (
        not isinstance(asked, dict)
        or not isinstance(asked.get("statement"), str)
        or not isinstance(asked.get("parameters"), dict)
    ):
        raise HostExited(reason="it asked for no statement")
    found = statements.execute(asked["statement"], asked["parameters"])
    return orjson.dumps({"rows": found.rows, "changed": found.changed})


def _returned(event: Result | Error) -> Returned:
    if isinstance(event, Result):
        return Returned(value=event.output)
    if event.origin is Origin.AGENT:
        return Returned(raised=event.message)
    raise HostExited(reason=event.message.rstrip("."))
