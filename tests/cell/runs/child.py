"""A worker that can be killed: `python -m tests.cell.runs.child URL [FAILPOINTS]`.

Each line of its input is an order, each line of its output says what came of it.

    accept KEY SECONDS   accept a run that takes so long, under an idempotency key
    work                 begin to carry runs out
    active               how many are in hand
    drain                as at the end of the process
"""

import asyncio
import sys
from collections.abc import AsyncIterator

from seatrial.cell.hosts.domain import Chunk, HostEvent, Result, RunRequest
from seatrial.cell.runs.domain.values import Bounds
from seatrial.kit import failpoints
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError
from tests.cell.runs.stage import Scripted, Stage, asked


async def slow(request: RunRequest) -> AsyncIterator[HostEvent]:
    """Takes as long as its input says."""
    yield Chunk(data=request.attempt)
    await asyncio.sleep(request.input)
    yield Result(output=request.attempt)


def say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def obey(stage: Stage) -> None:
    work = None
    while order := (await asyncio.to_thread(sys.stdin.readline)).split():
        match order:
            case ["accept", key, seconds]:
                try:
                    accepted = await stage.runs.accept(asked(float(seconds), key=key))
                except SeatrialError as error:
                    say(error.code)
                else:
                    say(accepted.run.id)
            case ["work"]:
                work = asyncio.create_task(stage.runs.work())
                say("working")
            case ["active"]:
                say(stage.runs.active)
            case ["drain"]:
                await stage.runs.drain()
                say("drained")
    if work is not None:
        work.cancel()


def main() -> None:
    url, orders = sys.argv[1], "".join(sys.argv[2:])
    bounds = Bounds(lease=1.0, poll=0.05, chunks=0.01, grace=0.1)
    with Database.open(url) as database:
        failpoints.arm(orders)
        asyncio.run(obey(Stage(database, hosts=Scripted(script=slow), bounds=bounds)))


if __name__ == "__main__":
    main()
