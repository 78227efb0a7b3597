"""A process of a cell with nothing but its switch: `python -m tests.cell.switch.child ORDER`.

ORDER is JSON: `database`, `control`, `folder`, `root`, `holder`, `failpoints`. It says
`generation N` on standard output for each that comes into force, and lives until it is killed.
"""

import asyncio
import random
import sys
from pathlib import Path
from typing import Any

import orjson

from seatrial.cell.switch import store
from seatrial.cell.switch.domain import Counts, Current
from seatrial.cell.switch.service.blobs import Blobs
from seatrial.cell.switch.service.cell import CellSwitch, Surroundings
from seatrial.cell.switch.service.enrolling import Application, own_keys
from seatrial.contract.environments.rules import Profile
from seatrial.kit.clock import SystemClock
from seatrial.kit.crypto.signing import VerifyKey
from seatrial.kit.database.database import Database
from seatrial.kit.database.migrations import migrate_now
from seatrial.kit.failpoints import arm
from seatrial.kit.http.by_aiohttp import aiohttp_client
from seatrial.kit.leases import store as leases
from seatrial.kit.transparency import store as log
from tests.cell.switch.seamarks import FakeWarmer


def _say(now: Current) -> None:
    sys.stdout.write(f"generation {now.generation}\n")
    sys.stdout.flush()


async def _main(order: dict[str, Any]) -> None:
    folder = Path(order["folder"])
    with Database.open(order["database"]) as database:
        migrate_now(database, [leases.HISTORY, log.HISTORY, store.HISTORY])
        async with aiohttp_client() as client:
            around = Surroundings(
                database=database,
                client=client,
                blobs=Blobs(folder / "blobs"),
                warmer=FakeWarmer(),
                count=lambda _connection, _release: Counts(),
                busy=lambda _connection: frozenset(),
                on_flip=_say,
                clock=SystemClock(),
                chance=random.Random(),  # noqa: S311 - of pauses
            )
            application = Application(
                folder=folder,
                token_file=folder / "enrolment.token",
                control=order["control"],
                url="http://production.localhost:1",
                cell="production",
                environment="production",
                profile=Profile.SOLO,
            )
            roots = (VerifyKey.parse(order["root"]),)
            switch = CellSwitch(
                around, application, own_keys(folder), roots, holder=order["holder"]
            )
            switch.begin_now()
            arm(order["failpoints"])
            await switch.run()


if __name__ == "__main__":
    asyncio.run(_main(orjson.loads(sys.argv[1])))
