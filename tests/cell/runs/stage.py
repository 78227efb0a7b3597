"""A cell's runs on a real database, with agents that are functions of this process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from seatrial.cell.hosts.domain import Chunk, Error, HostEvent, Origin, Result, RunRequest
from seatrial.cell.runs.domain.values import Asked, Bounds, Run
from seatrial.cell.runs.service.ports import Ports
from seatrial.cell.runs.service.runs import Runs
from seatrial.cell.runs.store.tables import HISTORY
from seatrial.cell.switch.domain import Admission, AgentUnknown, ReleaseAbsent
from seatrial.contract.environments.rules import GateRule, Profile, Rules
from seatrial.contract.releases.components import Limits
from seatrial.kit.clock import Clock, SystemClock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.migrations import migrate_now
from seatrial.kit.ids import Ids

CLOSURE = Digest.of(b"closure")
FAST = Bounds(lease=1.0, poll=0.05, chunks=0.01, grace=0.2)


def release(name: str) -> Digest:
    """The release that is named so."""
    return Digest.of(name.encode())


Script = Callable[[RunRequest], AsyncIterator[HostEvent]]


async def echo(request: RunRequest) -> AsyncIterator[HostEvent]:
    """An agent that returns its input."""
    yield Result(output=request.input)


async def hang(request: RunRequest) -> AsyncIterator[HostEvent]:
    """An agent that never ends."""
    yield Chunk(data="begun")
    await asyncio.sleep(3600)
    yield Result(output=request.input)


async def raising(request: RunRequest) -> AsyncIterator[HostEvent]:
    """An agent that fails by itself."""
    yield Error(code="agent_raised", message=f"no {request.input}", origin=Origin.AGENT)


async def dying(request: RunRequest) -> AsyncIterator[HostEvent]:
    """An agent whose process dies while it runs, with a chunk told."""
    yield Chunk(data=request.attempt)
    yield Error(code="host_exited", message="it is gone")


@dataclass
class Scripted:
    """Hosts whose agents are functions; notes what was asked, and which runs were cut off."""

    script: Script = echo
    requests: list[RunRequest] = field(default_factory=list)
    killed: list[str] = field(default_factory=list)
    running: int = 0
    most: int = 0

    @contextlib.asynccontextmanager
    async def slot(self, release: Digest) -> AsyncIterator["_Slot"]:
        slot = _Slot(self, release)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            yield slot
        finally:
            self.running -= 1
            if slot.request is not None and not slot.over:
                self.killed.append(slot.request.run)


class _Slot:
    def __init__(self, hosts: Scripted, release: Digest) -> None:
        self._hosts = hosts
        self.release = release
        self.request: RunRequest | None = None
        self.over = False

    async def run(self, request: RunRequest) -> AsyncIterator[HostEvent]:
        self.request = request
        self._hosts.requests.append(request)
        async for event in self._hosts.script(request):
            self.over = isinstance(event, Result | Error)
            yield event


@dataclass
class Switch:
    """What is active, to be changed by a test."""

    generation: int = 1
    moved_at: int = 0
    idle: int = 1_800
    active: dict[str, str] = field(default_factory=lambda: {"support": "support@1"})
    limits: dict[str, Limits] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def admit(self, _connection: Connection, agent: str) -> Admission:
        if agent not in self.active:
            raise AgentUnknown(agent=agent, environment="staging")
        gate = GateRule(gate="provenance")
        return Admission(
            generation=self.generation,
            closure=CLOSURE,
            release=release(self.active[agent]),
            release_name=self.active[agent],
            rules=Rules(profile=Profile.SOLO, gates=(gate,), session_idle_seconds=self.idle),
            moved_at=self.moved_at,
        )

    def limits_of(self, _connection: Connection, digest: Digest) -> Limits:
        for name in self.gone:
            if digest == release(name):
                raise ReleaseAbsent(release=str(digest))
        named = {release(name): limits for name, limits in self.limits.items()}
        return named.get(digest, Limits())


@dataclass
class Stage:
    """One process of a cell."""

    database: Database
    hosts: Scripted = field(default_factory=Scripted)
    switch: Switch = field(default_factory=Switch)
    bounds: Bounds = FAST
    clock: Clock = field(default_factory=SystemClock)
    sole: bool = False
    chance: float = 0.0
    changes: int = 0

    def __post_init__(self) -> None:
        ports = Ports(
            hosts=self.hosts,
            admit=self.switch.admit,
            limits=self.switch.limits_of,
            changed=self._changed,
            chance=lambda: self.chance,
        )
        self.runs = Runs(
            self.database,
            ports,
            clock=self.clock,
            ids=Ids(self.clock),
            sole=self.sole,
            bounds=self.bounds,
        )

    def _changed(self, _release: Digest | None) -> None:
        self.changes += 1

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[Runs]:
        """Its runs, with its worker at work."""
        work = asyncio.create_task(self.runs.work())
        try:
            yield self.runs
            await self.runs.drain(0.0)
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work


def made(database: Database) -> Database:
    """`database`, with the tables."""
    migrate_now(database, [HISTORY])
    return database


def asked(
    input: Any = "hello",  # noqa: A002 - it is called so
    **more: Any,
) -> Asked:
    common = {"agent": "support", "input": input, "caller": "tok_1", "caller_name": "shop"}
    return Asked(**{**common, **more})


async def done(runs: Runs, request: Asked, seconds: float = 20.0) -> Run:
    """The run that was asked for, when it has ended."""
    accepted, follower = await runs.start(request, end_only=True)
    return await runs.ended(accepted.run, follower, seconds)


async def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    """Return once `condition` holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for may be in a database
            await asyncio.sleep(0.005)
