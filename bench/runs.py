"""What a run of an agent that does nothing costs, end to end: accepted, carried out, ended.

Both the acceptance and the end are on disk before anybody is told of them. DBOS's one-step
workflow stands beside it: its own queue-less start, one step, both recorded.
"""

import asyncio
import contextlib
import io
import tarfile
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import uvloop

from bench.harness import Comparison, Contender
from bench.work import Batch, Work
from seatrial.cell.hosts.domain import HostEvent, Result, RunRequest
from seatrial.cell.hosts.service.hosts import Hosts as Processes
from seatrial.cell.hosts.service.plans import HostPlan, HostSettings
from seatrial.cell.runs.domain.values import Asked, Bounds
from seatrial.cell.runs.service.ports import Hosts, Ports
from seatrial.cell.runs.service.runs import Runs
from seatrial.cell.runs.store.tables import HISTORY as RUNS
from seatrial.cell.switch.domain import Admission
from seatrial.contract.environments.rules import GateRule, Profile, Rules
from seatrial.contract.releases.components import Limits
from seatrial.kit.clock import SystemClock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.migrations import migrate_now
from seatrial.kit.ids import Ids
from tests.servers import postgres

_SOURCE: Final = b"def run(input): return input\n"
_INPUT: Final = {"question": "Where is my order?", "customer": "c-1042"}
_ONE: Final = {"callers": 1, "times": 500}
_MANY: Final = {"callers": 50, "times": 2_000}
_RULES: Final = Rules(profile=Profile.SOLO, gates=(GateRule(gate="provenance"),))
_MakeHosts: TypeAlias = Callable[[Path], contextlib.AbstractAsyncContextManager[Hosts]]


class _Slot:
    async def run(self, request: RunRequest) -> AsyncIterator[HostEvent]:
        yield Result(output=request.input)


class _Nothing:
    """Agents without a process: what is left is the cost of the run itself."""

    @contextlib.asynccontextmanager
    async def slot(self, release: Digest) -> AsyncIterator[_Slot]:
        del release
        yield _Slot()


class _Real:
    """Agents in processes of their own."""

    def __init__(self, processes: Processes, plan: HostPlan) -> None:
        self._processes = processes
        self._plan = plan

    @contextlib.asynccontextmanager
    async def slot(self, release: Digest) -> AsyncIterator[Any]:
        del release
        async with self._processes.slot(self._plan) as slot:
            yield slot


@contextlib.asynccontextmanager
async def _nothing(_folder: Path) -> AsyncIterator[Hosts]:
    yield _Nothing()


@contextlib.asynccontextmanager
async def _processes(folder: Path) -> AsyncIterator[Hosts]:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("agent.py")
        member.size = len(_SOURCE)
        archive.addfile(member, io.BytesIO(_SOURCE))
    bundle = folder / "bundle.tar"
    bundle.write_bytes(out.getvalue())
    digest, clock = Digest.of(out.getvalue()), SystemClock()
    plan = HostPlan(
        release=digest,
        agent="bench",
        environment="staging",
        entry="agent.py:run",
        code=digest,
        bundle=bundle,
    )
    settings = HostSettings(slots_per_release=2)
    async with Processes(
        settings,
        directory=folder / "cell",
        door=None,
        clock=clock,
        ids=Ids(clock),
        on_line=lambda _: None,
    ) as processes:
        await processes.prepare(plan)
        yield _Real(processes, plan)


def _admit(_connection: Connection, _agent: str) -> Admission:
    return Admission(
        generation=1,
        closure=Digest.of(b"closure"),
        release=Digest.of(b"release"),
        release_name="bench@1",
        rules=_RULES,
        moved_at=0,
    )


def sqlite_one() -> Iterator[Work]:
    yield from _on_sqlite(_nothing, **_ONE)


def sqlite_many() -> Iterator[Work]:
    yield from _on_sqlite(_nothing, **_MANY)


def sqlite_process_one() -> Iterator[Work]:
    yield from _on_sqlite(_processes, **_ONE)


def sqlite_process_many() -> Iterator[Work]:
    yield from _on_sqlite(_processes, **_MANY)


def postgres_one() -> Iterator[Work]:
    yield from _on_postgres(_nothing, **_ONE)


def postgres_many() -> Iterator[Work]:
    yield from _on_postgres(_nothing, **_MANY)


def postgres_process_one() -> Iterator[Work]:
    yield from _on_postgres(_processes, **_ONE)


def postgres_process_many() -> Iterator[Work]:
    yield from _on_postgres(_processes, **_MANY)


def _on_sqlite(hosts: _MakeHosts, *, callers: int, times: int) -> Iterator[Work]:
    with tempfile.TemporaryDirectory(prefix="sea-bench-") as folder:
        yield from _runs(f"sqlite:///{folder}/cell.db", hosts, callers, times, sole=True)


def _on_postgres(hosts: _MakeHosts, *, callers: int, times: int) -> Iterator[Work]:
    with postgres.private("bench") as server, server.database() as name:
        yield from _runs(server.url(name), hosts, callers, times, sole=False)


def _runs(url: str, make: _MakeHosts, callers: int, times: int, *, sole: bool) -> Iterator[Work]:
    clock = SystemClock()
    with (
        tempfile.TemporaryDirectory(prefix="sea-bench-") as folder,
        Database.open(url) as database,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        migrate_now(database, [RUNS])
        stack = contextlib.AsyncExitStack()
        hosts = runner.run(stack.enter_async_context(make(Path(folder))))
        runs = Runs(
            database,
            Ports(hosts=hosts, admit=_admit, limits=lambda *_: Limits()),
            clock=clock,
            ids=Ids(clock),
            sole=sole,
            bounds=Bounds(concurrency=64, per_agent=64),
        )
        work = runner.run(_working(runs))
        yield partial(_batch, runner, runs, callers, times)
        runner.run(_ended(runs, work, stack))


async def _working(runs: Runs) -> "asyncio.Task[None]":
    return asyncio.create_task(runs.work())


async def _ended(runs: Runs, work: "asyncio.Task[None]", stack: contextlib.AsyncExitStack) -> None:
    await runs.drain(0)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await stack.aclose()


def _batch(runner: asyncio.Runner, runs: Runs, callers: int, times: int) -> Batch:
    latencies: list[float] = []
    asked = Asked(agent="bench", input=_INPUT, caller="tok_1", caller_name="bench")

    async def caller() -> None:
        for _ in range(times // callers):
            begun = time.perf_counter()
            accepted, follower = await runs.start(asked, end_only=True)
            run = await runs.ended(accepted.run, follower, 60)
            assert run.output == _INPUT, run
            latencies.append((time.perf_counter() - begun) * 1e6)

    async def all_callers() -> None:
        await asyncio.gather(*(caller() for _ in range(callers)))

    runner.run(all_callers())
    return Batch(len(latencies), latencies_us=latencies)


def _comparison(database: str, suffix: str) -> Comparison:
    who = "one caller" if suffix == "one" else "50 callers at once"
    return Comparison(
        name=f"runs-{database}-{suffix}",
        question=f"What does a run of an agent that does nothing cost on {database}, for {who}, "
        "beside a bare DBOS workflow of one step? (Ours is durable when accepted and when ended, "
        "through a power loss; DBOS on SQLite runs with WAL and `synchronous` NORMAL, for as "
        "shipped it does not finish.)",
        operation="run",
        contenders=(
            Contender(
                name="DBOS, one step",
                target=f"bench.peers.dbos_steps:{database}_{suffix}",
                peer="dbos",
            ),
            Contender(name="a run, no process", target=f"bench.runs:{database}_{suffix}"),
            Contender(
                name="a run in 2 agent processes", target=f"bench.runs:{database}_process_{suffix}"
            ),
        ),
    )


COMPARISONS = tuple(
    _comparison(database, suffix)
    for database in ("sqlite", "postgres")
    for suffix in ("one", "many")
)
