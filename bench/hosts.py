"""What a run costs in an agent's process: bare pipes, our slots, and a process for each run."""

import asyncio
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from bench.harness import Comparison, Contender
from bench.work import Batch, Work
from seatrial.cell.hosts.domain import Result, RunRequest
from seatrial.cell.hosts.service.hosts import Hosts
from seatrial.cell.hosts.service.plans import HostPlan, HostSettings
from seatrial.kit.clock import SystemClock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.ids import Ids

_SOURCE: Final = b"def run(input): return input\n"
_CHUNKS: Final = b"def run(input):\n    for n in range(100): yield 'word '\n"
_ECHO: Final = """
import json, sys
for line in sys.stdin:
    print(json.dumps({"output": json.loads(line)["input"]}), flush=True)
"""
_INPUT: Final = {"question": "Where is my order?", "customer": "c-1042"}
_RUNS: Final = 2000


def pipe() -> Iterator[Work]:
    """The floor: a child that reads a line and writes a line, and no event loop on our side."""
    child = subprocess.Popen(
        [sys.executable, "-c", _ECHO],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONDONTWRITEBYTECODE": "1"},
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    request, answers = json.dumps({"input": _INPUT}), child.stdout

    def work() -> Batch:
        latencies = []
        for _ in range(_RUNS):
            begun = time.perf_counter()
            print(request, file=child.stdin, flush=True)
            assert json.loads(answers.readline()) == {"output": _INPUT}
            latencies.append((time.perf_counter() - begun) * 1e6)
        return Batch(_RUNS, latencies)

    yield work
    child.kill()
    child.communicate()


def process() -> Iterator[Work]:
    """A bare interpreter for each run."""

    def work() -> Batch:
        latencies = []
        for _ in range(20):
            begun = time.perf_counter()
            subprocess.run(
                [sys.executable, "-c", _ECHO],
                input=json.dumps({"input": _INPUT}).encode(),
                env={"PYTHONDONTWRITEBYTECODE": "1"},
                stdout=subprocess.DEVNULL,
                check=True,
            )
            latencies.append((time.perf_counter() - begun) * 1e6)
        return Batch(20, latencies)

    yield work


def one() -> Iterator[Work]:
    """One caller and a warm slot."""
    yield from _slots(_SOURCE, callers=1, runs=_RUNS)


def many() -> Iterator[Work]:
    """Fifty callers and two slots: what is told includes their wait."""
    yield from _slots(_SOURCE, callers=50, runs=_RUNS)


def chunks() -> Iterator[Work]:
    """One caller; each run streams a hundred words."""
    yield from _slots(_CHUNKS, callers=1, runs=200)


def _slots(source: bytes, *, callers: int, runs: int) -> Iterator[Work]:
    import uvloop  # noqa: PLC0415 - the floor must not pay for it

    clock = SystemClock()
    with (
        tempfile.TemporaryDirectory() as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        plan = _plan(Path(folder), source)
        hosts = Hosts(
            HostSettings(slots_per_release=2),
            directory=Path(folder) / "cell",
            door=None,
            clock=clock,
            ids=Ids(clock),
            on_line=lambda _: None,
        )
        runner.run(hosts.__aenter__())
        runner.run(hosts.prepare(plan))
        yield partial(_batch, runner, hosts, plan, callers, runs)
        runner.run(hosts.close())


def _batch(runner: asyncio.Runner, hosts: Hosts, plan: HostPlan, callers: int, runs: int) -> Batch:
    latencies: list[float] = []

    async def caller() -> None:
        for _ in range(runs // callers):
            begun, last = time.perf_counter(), None
            async with hosts.slot(plan) as slot:
                request = RunRequest(
                    run="run_1", attempt=1, input=_INPUT, seed=1, deadline_seconds=60.0
                )
                async for event in slot.run(request):
                    last = event
            assert isinstance(last, Result)
            latencies.append((time.perf_counter() - begun) * 1e6)

    async def all_callers() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(caller())

    runner.run(all_callers())
    return Batch(len(latencies), latencies)


def _plan(folder: Path, source: bytes) -> HostPlan:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("agent.py")
        member.size = len(source)
        archive.addfile(member, io.BytesIO(source))
    bundle = folder / "bundle.tar"
    bundle.write_bytes(out.getvalue())
    digest = Digest.of(out.getvalue())
    return HostPlan(
        release=digest,
        agent="bench",
        environment="staging",
        entry="agent.py:run",
        code=digest,
        bundle=bundle,
    )


COMPARISONS = (
    Comparison(
        name="hosts",
        question="What does a run of an agent that does nothing cost, beside a child that answers "
        "lines? (CPU is the cell's alone. A slot: a pool, a deadline, identity of the token, "
        "HTTP, seeded chance, a check of what was left behind.)",
        operation="run",
        contenders=(
            Contender(name="lines through a pipe", target="bench.hosts:pipe"),
            Contender(name="a warm slot", target="bench.hosts:one"),
            Contender(name="2 slots, 50 callers", target="bench.hosts:many"),
            Contender(name="a warm slot, 100 chunks", target="bench.hosts:chunks"),
            Contender(name="an interpreter for each run", target="bench.hosts:process"),
        ),
    ),
)
