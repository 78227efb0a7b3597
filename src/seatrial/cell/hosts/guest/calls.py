"""One run: the agent is called, its chunks are handed on, and what it leaves behind is noticed."""

import asyncio
import contextvars
import inspect
import json
import os
import random
import sys
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from .entry import Entry
from .failures import GuestError, raised
from .objects import Whole
from .residue import Residue

DEEPEST: Final = 100  # lists and objects one inside the other, in an output or a chunk
_WORKERS: Final = 32

Emit = Callable[[bytes], None]


@dataclass(frozen=True, kw_only=True)
class Context:
    """What an agent may know of its run, as its second argument.

    Attributes:
        run: the run's id.
        attempt: counts from 1; a run that was cut off is tried again with the next.
        session: the thread of runs that this one belongs to; None for none.
        history: earlier runs of the session, each `{"input": …, "output": …}`, oldest first.
        agent: the agent's slug.
        release: the digest of the release.
        environment: where this is.
        seed: what `random` and `uuid.uuid4` are seeded with, the same on every attempt.
        deadline_seconds: how long the run may take; None for no limit.
        steps: how many model and tool calls it may make; None for no limit.
    """

    run: str
    attempt: int
    session: str | None
    history: tuple[dict[str, Any], ...]
    agent: str
    release: str
    environment: str
    seed: int
    deadline_seconds: float | None
    steps: int | None


class Calls:
    """Calls one agent, again and again, never two at once."""

    def __init__(self, entry: Entry, bundle: str) -> None:
        self._entry = entry
        self._bundle = bundle
        # One loop for the process's life: clients that an agent keeps are bound to theirs.
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._residue = Residue(self._loop)

    @property
    def kind(self) -> str:
        """The form of the callable."""
        return self._entry.kind

    @property
    def tools(self) -> tuple[str, ...]:
        """What an object of a framework runs in this process."""
        return self._entry.tools

    def run(self, request: dict[str, Any], emit: Emit) -> bytes:
        """Serve one run; chunks go to `emit` as lines, the last line is the answer."""
        self._residue.look()
        executor = ThreadPoolExecutor(_WORKERS)  # its threads start when first needed
        self._loop.set_default_executor(executor)
        seed_all(request["seed"])
        os.chdir(self._bundle)  # the last run may have gone elsewhere
        try:
            output = self._output(request, emit)
            last = {"type": "result", "output": output}
            line = encoded(last)
        except GuestError as error:
            last = {"type": "error", **error.told()}
            line = encoded(last)
        executor.shutdown(wait=False, cancel_futures=True)
        left = self._residue.left()
        if left is not None:
            line = encoded({**last, "tainted": True, "residue": left})
        flush_output()
        return line

    def _output(self, request: dict[str, Any], emit: Emit) -> Any:  # noqa: ANN401 - any JSON
        arguments = (request["input"], _context(request))[: 2 if self._entry.takes_context else 1]
        try:
            # A context of its own: what an agent puts into a variable ends with the run.
            value = contextvars.copy_context().run(self._entry.function, *arguments)
            if hasattr(value, "__anext__") or inspect.isawaitable(value):
                return self._loop.run_until_complete(_awaited(value, emit))
            return _gathered(value, emit) if inspect.isgenerator(value) else value
        except GuestError:
            raise
        except BaseException as error:  # noqa: BLE001 - an agent may raise anything, SystemExit too
            raise raised("agent_raised", error) from None


def seed_all(seed: int) -> None:
    """Make `random` and `uuid.uuid4` give the same again: a replay must ask the same questions."""
    random.seed(seed)  # lint: SEA003 because this is what seeds it, for the agent
    generator = random.Random(seed)  # noqa: S311 - names for the agent's things, no secrets

    def seeded() -> uuid.UUID:
        return uuid.UUID(int=generator.getrandbits(128), version=4)

    _replace_uuid4(seeded)


def encoded(event: dict[str, Any]) -> bytes:
    """One line of an answer.

    Raises:
        GuestError: `output_not_json`.
    """
    try:
        line = json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        data = line.encode() + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise GuestError("output_not_json", f"the output is not JSON: {error}") from None
    if line.count("{") + line.count("[") > DEEPEST and not _is_flat(event):
        raise GuestError("output_not_json", f"the output nests deeper than {DEEPEST} levels")
    return data


def flush_output() -> None:
    """Send on what was printed, so that it is logged as part of this run."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # the agent may have closed it
            continue


async def _awaited(value: Any, emit: Emit) -> Any:  # noqa: ANN401 - whatever the agent returned
    if not hasattr(value, "__anext__"):
        value = await value
        if not hasattr(value, "__anext__"):
            return _gathered(value, emit) if inspect.isgenerator(value) else value
    chunks: list[Any] = []
    async for chunk in value:
        if isinstance(chunk, Whole):
            return chunk.value
        _send(chunk, emit)
        chunks.append(chunk)
    return _joined(chunks)


def _gathered(values: Iterable[Any], emit: Emit) -> Any:  # noqa: ANN401 - any JSON
    chunks = []
    for chunk in values:
        _send(chunk, emit)
        chunks.append(chunk)
    return _joined(chunks)


def _send(chunk: Any, emit: Emit) -> None:  # noqa: ANN401 - any JSON
    emit(encoded({"type": "chunk", "data": chunk}))


def _joined(chunks: list[Any]) -> Any:  # noqa: ANN401 - any JSON
    if chunks and all(isinstance(chunk, str) for chunk in chunks):
        return "".join(chunks)
    return chunks


def _context(request: dict[str, Any]) -> Context:
    return Context(
        run=request["run"],
        attempt=request["attempt"],
        session=request.get("session"),
        history=tuple(request.get("history") or ()),
        agent=request["agent"],
        release=request["release"],
        environment=request["environment"],
        seed=request["seed"],
        deadline_seconds=request.get("deadline_seconds"),
        steps=request.get("steps"),
    )


_seeded: list[Callable[[], uuid.UUID]] = []


def _replace_uuid4(seeded: Callable[[], uuid.UUID]) -> None:
    """Keep one function under the name: an agent that imported it by name gets each new seed."""
    _seeded[:] = [seeded]
    uuid.uuid4 = _uuid4  # lint: SEA003 because replacing it is the point


def _uuid4() -> uuid.UUID:
    return _seeded[0]()


def _is_flat(value: object) -> bool:
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            child
            for item in level
            for child in _children(item)
            if isinstance(child, dict | list | tuple)
        ]
        if not level:
            return True
    return False


def _children(item: object) -> Iterable[object]:
    if isinstance(item, dict):
        return item.values()
    return item if isinstance(item, list | tuple) else ()
