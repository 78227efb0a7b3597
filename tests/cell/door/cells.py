"""A cell's database with the door's tables, and callers of it."""

import asyncio
import functools
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ParamSpec

from seatrial.cell.door.service.access import Access
from seatrial.cell.door.store.tables import HISTORY
from seatrial.kit.clock import Clock, SystemClock
from seatrial.kit.database.database import Database
from seatrial.kit.database.history import History
from seatrial.kit.database.migrations import migrate_now
from seatrial.kit.http.asgi import Scope
from seatrial.kit.ids import Ids
from seatrial.kit.transparency.store import HISTORY as LOG

_P = ParamSpec("_P")
CLOCK = SystemClock()
IDS = Ids(CLOCK)


def in_a_loop(test: Callable[_P, Coroutine[Any, Any, None]]) -> Callable[_P, None]:
    """`test`, run to its end on an event loop of its own."""

    @functools.wraps(test)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


def migrated(database: Database, histories: Sequence[History] = (LOG, HISTORY)) -> Database:
    migrate_now(database, histories)
    return database


def access_to(database: Database, environment: str = "staging", clock: Clock = CLOCK) -> Access:
    return Access(database, environment=environment, clock=clock, ids=IDS)


def bearing(token: str) -> Scope:
    """A request that carries `token`."""
    return {"type": "http", "headers": [(b"authorization", f"Bearer {token}".encode())]}
