"""A room of agent processes for a test: an agent's source is written down, hosted and run."""

import asyncio
import io
import tarfile
import textwrap
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from seatrial.cell.hosts.domain import (
    Chunk,
    Error,
    HostEvent,
    Limits,
    LogLine,
    Result,
    RunRequest,
)
from seatrial.cell.hosts.service.hosts import Hosts
from seatrial.cell.hosts.service.plans import HostPlan, HostSettings
from seatrial.cell.hosts.service.slots import Slot
from seatrial.kit.clock import SystemClock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.ids import Ids

PATIENCE = 20.0  # seconds; only a broken test waits so long
DOOR = "http://127.0.0.1:4117"
_T = TypeVar("_T")


@dataclass
class Room:
    """A folder in which agents are hosted, and every line that they print."""

    folder: Path
    lines: list[LogLine] = field(default_factory=list)
    settings: HostSettings = field(default_factory=HostSettings)
    door: str | None = DOOR

    def plan(self, source: str | Mapping[str, str], **changes: Any) -> HostPlan:
        """A plan for an agent whose file `agent.py` has this text and a function `run`."""
        files = {"agent.py": source} if isinstance(source, str) else source
        data = bundle({name: textwrap.dedent(text).encode() for name, text in files.items()})
        digest = Digest.of(data)
        path = self.folder / f"{digest.hex}.tar"
        path.write_bytes(data)
        plan = HostPlan(
            release=digest,
            agent="support",
            environment="staging",
            entry="agent.py:run",
            code=digest,
            bundle=path,
        )
        return replace(plan, **changes)

    def limited(self, source: str, **limits: Any) -> HostPlan:
        return self.plan(source, limits=Limits(**limits))

    @asynccontextmanager
    async def hosts(self, **settings: Any) -> AsyncIterator[Hosts]:
        clock = SystemClock()
        async with Hosts(
            replace(self.settings, grace_seconds=0.1, **settings),
            directory=self.folder / "cell",
            door=self.door,
            clock=clock,
            ids=Ids(clock),
            on_line=self.lines.append,
        ) as hosts:
            yield hosts

    def text(self) -> list[str]:
        return [line.text for line in self.lines]

    def answers(self, plan: HostPlan, *inputs: Any, **request: Any) -> list[Result | Error]:
        """The last event of one run for each input, all in one slot after the other."""

        async def work() -> list[Result | Error]:
            async with self.hosts() as hosts:
                return [last(await run(hosts, plan, each, **request)) for each in inputs]

        return on_loop(work())

    def output(self, source: str, value: Any = None, **changes: Any) -> Any:
        (answer,) = self.answers(self.plan(source, **changes), value)
        assert isinstance(answer, Result), answer
        return answer.output

    def failure(self, plan: HostPlan, value: Any = None, **request: Any) -> Error:
        """How the agent fails; the process after it must serve again."""
        (answer,) = self.answers(plan, value, **request)
        assert isinstance(answer, Error), answer
        return answer


def request(value: Any = None, **changes: Any) -> RunRequest:
    given = RunRequest(run="run_1", attempt=1, input=value, seed=7, deadline_seconds=PATIENCE)
    return replace(given, **changes)


async def run(hosts: Hosts, plan: HostPlan, value: Any = None, **changes: Any) -> list[HostEvent]:
    async with hosts.slot(plan) as slot:
        return await run_in(slot, value, **changes)


async def run_in(slot: Slot, value: Any = None, **changes: Any) -> list[HostEvent]:
    return [event async for event in slot.run(request(value, **changes))]


def last(events: list[HostEvent]) -> Result | Error:
    assert all(isinstance(event, Chunk) for event in events[:-1]), events
    end = events[-1]
    assert not isinstance(end, Chunk)
    return end


def on_loop(work: Coroutine[Any, Any, _T]) -> _T:
    return asyncio.run(asyncio.wait_for(work, 4 * PATIENCE))


def on_uvloop(work: Coroutine[Any, Any, _T]) -> _T:
    return uvloop.run(asyncio.wait_for(work, 4 * PATIENCE))


async def eventually(holds: Callable[[], bool]) -> None:
    """Return when `holds()`; a test that waits in vain fails."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.01)


def bundle(files: Mapping[str, bytes]) -> bytes:
    """A tar as bundles are."""
    members = []
    for name, data in sorted(files.items()):
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(data), 0o644
        members.append((member, data))
    return tar(*members)


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member, data in members:
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()
