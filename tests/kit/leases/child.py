"""A leader that acts whenever it is told to: `python -m tests.kit.leases.child URL`.

Each line of its input is an order, each line of its output says what came of it.

    act     do a deed
    pause   do a deed, but wait inside the transaction, after the fence, for one line more
    count   whether it counts itself as the leader
"""

import asyncio
import sys

from seatrial.kit.clock import SystemClock
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.lanes import Limits
from seatrial.kit.errors import SeatrialError
from seatrial.kit.leases.service import Lease
from tests.kit.leases.tables import NAME, act


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def _obey(database: Database) -> None:
    lease = Lease(database, NAME, "child", SystemClock(), ttl=0.5, renew=0.1)
    epoch = await lease.acquire()
    assert epoch is not None
    _say(f"leads {epoch}")

    def plain(connection: Connection) -> None:
        act(connection, "child", epoch)

    def paused(connection: Connection) -> None:
        act(connection, "child", epoch)
        _say("inside")
        sys.stdin.readline()

    for order in sys.stdin:
        if order == "count\n":
            _say(str(lease.held))
            continue
        try:
            await database.write(paused if order == "pause\n" else plain)
        except SeatrialError as error:
            _say(error.code)
        else:
            _say("done")


with Database.open(sys.argv[1], limits=Limits(idle=1.0)) as opened:
    asyncio.run(_obey(opened))
