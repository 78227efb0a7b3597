"""Kills a cell with SIGKILL around each action of one run, and counts what happened outside.

    python -m tests.cell.tools.kill_actions sqlite|postgresql

The agent calls one action of each class. Every life of the cell but the last dies at the next point
of the list: when the intent is written and nothing has been performed, or when the effect is there
and the journal does not know it. Where nobody can tell, the run waits, and a person who has looked
at the ledger says what happened. Prints its figures as JSON.
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
import traceback
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from seatrial.cell.tools.domain.values import Performing, Told
from seatrial.cell.tools.service.ports import Connector, Statements
from seatrial.cell.tools.service.reviews import Word
from seatrial.contract.runs.states import RunState, WaitReason
from seatrial.kit.database.database import Database
from seatrial.kit.http.boundary import ErrorBoundary
from tests.cell.llms.provider import serving
from tests.cell.tools.stage import IDS, PATIENCE, Calling, Cell, cell
from tests.cell.tools.world import Desk, furnish, ledger
from tests.servers import postgres

WRITES: Final = ("note", "pay", "charge", "mail", "ticket", "put")
MOMENTS: Final = ("before", "after")
_POINTS: Final = [(name, moment) for name in WRITES for moment in MOMENTS]


@dataclass(frozen=True)
class Deadly:
    """A connector of a process that dies at one call."""

    inner: Connector
    point: tuple[str, str] | None
    kind: str = "deadly"

    async def perform(self, call: Performing) -> Told:
        """See `Connector`."""
        self._die_at(call.action, "before")
        told = await self.inner.perform(call)
        self._die_at(call.action, "after")
        return told

    async def lookup(self, call: Performing) -> Told | None:
        """See `Connector`."""
        return await self.inner.lookup(call)

    async def close(self) -> None:
        """See `Connector`."""
        await self.inner.close()

    def _die_at(self, action: str, moment: str) -> None:
        if self.point == (action, moment):
            os.kill(os.getpid(), signal.SIGKILL)


def _charge(given: Any, database: Statements | None) -> Any:
    assert database is not None
    return database.execute("INSERT INTO ledger (what) VALUES (:what)", given).changed


async def _agent(calling: Calling) -> Any:
    return [await calling.call(name, what=name) for name in WRITES]


def _happened(folder: Path, shop: Database) -> list[str]:
    """What the world has seen, by the action that did it."""
    file = folder / "desk"
    lines = file.read_text().splitlines() if file.exists() else []
    told = [json.loads(line)[1].rpartition("/")[2] for line in lines]
    return sorted([*told, *ledger(shop), *ledger(shop, "notes")])


async def _life(urls: tuple[str, str], folder: Path, point: tuple[str, str] | None) -> None:
    """From the start of a cell to its death, or to the end of the run."""
    desk = Desk(file=folder / "desk")
    with Database.open(urls[0]) as database, Database.open(urls[1]) as shop:
        async with (
            serving(ErrorBoundary(desk, IDS)) as address,
            cell(
                database,
                shop,
                _agent,
                desk=desk,
                base_url=address,
                wrap=lambda _, connector: Deadly(connector, point),
                sole=True,
            ) as here,
        ):
            here.functions.known["shop.py:charge"] = _charge
            known = folder / "run"
            if not known.exists():
                known.write_text((await here.started()).id)
            await asyncio.wait_for(_seen_through(here, folder, shop), PATIENCE)


async def _seen_through(here: Cell, folder: Path, shop: Database) -> None:
    run = await here.runs.get((folder / "run").read_text())
    while True:
        run = await here.stands(run, RunState.WAITING, RunState.SUCCEEDED, RunState.FAILED)
        if run.over:
            assert run.state is RunState.SUCCEEDED, run.failure
            (folder / "said").write_text(json.dumps(run.output))
            return
        assert run.waits is not None
        assert run.waits.reason is WaitReason.UNKNOWN
        [asked] = await here.reviews.listed(tenant=None, limit=10)
        with (folder / "asked").open("a") as file:
            file.write(f"{asked.action}\n")
        word, seq = Word(by="tok_person"), asked.question.seq
        if asked.action in _happened(folder, shop):
            await here.reviews.happened(run.id, seq, word, {"did": f"/{asked.action}"})
        else:
            await here.reviews.not_happened(run.id, seq, word)


def _child(urls: tuple[str, str], folder: Path, point: tuple[str, str] | None) -> NoReturn:
    try:
        asyncio.run(_life(urls, folder, point))
    except BaseException:  # noqa: BLE001 - the parent reads it
        (folder / "broken").write_text(traceback.format_exc())
        os._exit(1)
    os._exit(0)


def main(kind: str) -> dict[str, Any]:
    """One run on databases of `kind`."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sea-actions-")))
        urls = (f"sqlite:///{folder}/cell.db", f"sqlite:///{folder}/shop.db")
        if kind == "postgresql":
            server = stack.enter_context(postgres.private("actions"))
            names = [stack.enter_context(server.database()) for _ in urls]
            urls = (server.url(names[0]), server.url(names[1]))
        with Database.open(urls[1]) as shop:
            furnish(shop)
        kills = 0
        for point in (*_POINTS, None):
            child = os.fork()
            if child == 0:
                _child(urls, folder, point)
            _, status = os.waitpid(child, 0)
            assert not (folder / "broken").exists(), (point, (folder / "broken").read_text())
            kills += os.WIFSIGNALED(status)
            assert (folder / "said").exists() is (point is None), point
        asked = (folder / "asked").read_text().split()
        with Database.open(urls[1]) as shop:
            happened = _happened(folder, shop)
        return {"kills": kills, "happened": happened, "asked": asked}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1])))
