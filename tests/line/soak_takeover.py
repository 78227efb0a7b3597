"""One of two processes of a cell dies for good, or freezes and thaws, and the other takes over."""

import asyncio
import random
import time
from collections.abc import Mapping
from functools import partial
from typing import Final

from dev.soak import Soak
from tests.line.load import percentile
from tests.line.system import Shape, System, system

_AGENT: Final = """
    import time

    def run(input, context):
        time.sleep(input["seconds"])
        return {"release": context.release, "version": "{version}", "attempt": context.attempt}
    """
_SHAPE: Final = Shape(database="postgresql", processes=2)
_RUNS: Final = 4
_LASTS: Final = 0.5  # seconds
_PROMISED: Final = 10.0  # seconds until the other has ended them


def taken_over(loops: int) -> Mapping[str, object]:
    """Kill or freeze the process that has runs, `loops` times in turn."""
    return asyncio.run(_taken_over(loops))


async def _taken_over(loops: int) -> Mapping[str, object]:
    rng, delays, runs = random.Random(loops), [], 0  # noqa: S311
    async with system(_SHAPE) as line:
        await line.deploy(_AGENT)
        await line.soaked(data={"seconds": 0})
        await line.promote()
        for loop in range(loops):
            delays.append(await _once(line, loop % 2, freezes=loop % 4 > 1, at=rng.random()))
            runs += _RUNS
    assert max(delays) < _PROMISED, delays
    return {
        "runs": runs,
        "p50 ms": percentile(delays, 0.5) * 1_000,
        "longest ms": max(delays) * 1_000,
    }


async def _once(line: System, victim: int, *, freezes: bool, at: float) -> float:
    """Seconds from the death to the end of the last run that had begun."""
    process, other = line.cells["production"][victim], 1 - victim
    begun = [
        (await line.run("production", data={"seconds": _LASTS}, process=victim, mode="async")).value
        for _ in range(_RUNS)
    ]
    await asyncio.sleep(at * _LASTS)
    process.stop() if freezes else process.kill()
    died = time.monotonic()
    for each in begun:
        await line.until(partial(_ended, line, other, each["id"]), "the other to go on")
    lasted = time.monotonic() - died
    ends = {each["id"]: await line.cell("production", other).run(each["id"]) for each in begun}
    assert {run["state"] for run in ends.values()} == {"succeeded"}, ends
    process.wake() if freezes else process.start()
    await line.until_ready(process)
    await asyncio.sleep(_LASTS)  # whoever thaws would end its runs in this time
    for run, end in ends.items():
        assert await line.cell("production", victim).run(run) == end, "an end was written again"
    return lasted


async def _ended(line: System, process: int, run: str) -> bool:
    return bool((await line.cell("production", process).run(run))["ended"])


SOAKS: Final = (
    Soak(
        name="takeover",
        promise=(
            "Of two processes of a cell one is killed for good, or frozen and thawed, with runs in "
            "hand: the other has ended them within 10 s, and no end is written twice."
        ),
        run=taken_over,
        full=20,
        short=2,
    ),
)
