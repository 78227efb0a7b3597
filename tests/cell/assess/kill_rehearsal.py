"""Kills a cell with SIGKILL while a fixture answers a call that nobody could ask after.

    python -m tests.cell.assess.kill_rehearsal sqlite|postgresql [waits]

The agent makes an irreversible call, or waits for an event. The first life of the cell dies before
the answer is there, the second when it is there and not recorded. Prints its figures as JSON.
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
import traceback
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NoReturn

from seatrial.cell.assess.service.fixtures import Fixtures
from seatrial.cell.journal.domain.rows import Mode
from seatrial.cell.tools.domain.values import Rehearsed, Told
from seatrial.contract.runs.states import RunState
from seatrial.data.fixtures.domain import Expectation, Fixture, Masking
from seatrial.kit.database.database import Database
from tests.cell.tools.stage import PATIENCE, Calling, cell
from tests.cell.tools.world import furnish
from tests.servers import postgres

_MOMENTS: Final = ("before", "after", "")
_FIXTURE: Final = Fixture(
    run="r",
    release="old",
    masking=Masking(rules="r", key=None, verdict="v"),
    messages=("hello",),
    expect=tuple(
        Expectation.parse(each)
        for each in (
            'may_call mail {"what": "a"} -> "mailed"',
            'may_call event:paid -> "mailed"',
            'may_call pay {"what": "b"} -> "b"',
        )
    ),
)


class Deadly(Fixtures):
    """The fixtures of a process that dies at one call."""

    moment = ""

    async def answer(self, call: Rehearsed) -> Told:
        """See `Fixtures`."""
        if self.moment == "before" and call.name != "pay":
            os.kill(os.getpid(), signal.SIGKILL)
        told = await super().answer(call)
        if self.moment == "after" and call.name != "pay":
            os.kill(os.getpid(), signal.SIGKILL)
        return told


async def _acts(calling: Calling) -> Any:
    return [await calling.call("mail", what="a"), await calling.call("pay", what="b")]


async def _waits(calling: Calling) -> Any:
    return [await calling.wait(event="paid"), await calling.call("pay", what="b")]


async def _life(urls: list[str], folder: Path, agent: Any) -> None:
    """From the start of a cell to its death, or to the end of the run."""
    with Database.open(urls[0]) as database, Database.open(urls[1]) as shop:
        async with cell(database, shop, agent, sole=True, fixtures=Deadly) as here:
            known = folder / "run"
            if not known.exists():
                follows = await here.fixtures.give(
                    _FIXTURE.model_dump(mode="json"), "support", None
                )
                run = await here.started(mode=Mode.FIXTURE, follows=follows, counted=False)
                known.write_text(run.id)
            run = await here.runs.get(known.read_text())
            async with asyncio.timeout(PATIENCE):
                run = await here.stands(run, RunState.WAITING, RunState.SUCCEEDED, RunState.FAILED)
            asked = await here.reviews.listed(tenant=None, limit=10)
            told = {"state": run.state, "output": run.output, "asked": len(asked)}
            (folder / "said").write_text(json.dumps(told))


def _child(urls: list[str], folder: Path, agent: Any) -> NoReturn:
    try:
        asyncio.run(_life(urls, folder, agent))
    except BaseException:  # noqa: BLE001 - the parent reads it
        (folder / "broken").write_text(traceback.format_exc())
        os._exit(1)
    os._exit(0)


def main(kind: str, agent: Any) -> dict[str, Any]:
    """One rehearsal on databases of `kind`."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sea-rehearsal-")))
        urls = [f"sqlite:///{folder}/{name}.db" for name in ("cell", "shop")]
        if kind == "postgresql":
            server = stack.enter_context(postgres.private("rehearsal"))
            urls = [server.url(stack.enter_context(server.database())) for _ in urls]
        with Database.open(urls[1]) as shop:
            furnish(shop)
        kills = 0
        for Deadly.moment in _MOMENTS:
            child = os.fork()
            if child == 0:
                _child(urls, folder, agent)
            _, status = os.waitpid(child, 0)
            assert not (folder / "broken").exists(), (folder / "broken").read_text()
            kills += os.WIFSIGNALED(status)
        return {"kills": kills, **json.loads((folder / "said").read_text())}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], _waits if "waits" in sys.argv else _acts)))
