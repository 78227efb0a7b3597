"""The long loop of this room."""

import asyncio
import logging
import tempfile
from collections.abc import Mapping
from typing import Any, Final

from dev.soak import Soak
from seatrial.kit.database.database import Database
from tests.cell.llms.inside import inside
from tests.cell.llms.leaking import leaks


def _mixed(calls: int) -> Mapping[str, Any]:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        asyncio.run(_called(calls))
    finally:
        logging.disable(before)
    return {"calls": calls, "left behind": 0}


async def _called(calls: int) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="sea-llms-") as folder,
        Database.open(f"sqlite:///{folder}/cell.db") as database,
    ):
        async with inside(database) as cell:
            await leaks(cell, calls)


SOAKS: Final = (
    Soak(
        name="model calls of every kind",
        promise="no task, connection, open call or memory is left of calls, however they end",
        run=_mixed,
        full=10_000,
        short=320,
    ),
)
