"""Starting a run, and waiting for it."""

from typing import Any, Final

from seatrial.cli.servers.cell import Cell
from seatrial.cli.servers.domain import AnswerUnexpected
from seatrial.cli.servers.peer import Headers
from seatrial.cli.talk import say
from seatrial.contract.runs.states import ENDED
from seatrial.kit.clock import SystemClock

Row = dict[str, Any]
WAIT: Final = 25.0  # seconds that one call waits; below what proxies cut off
_ENDED: Final = frozenset(str(state) for state in ENDED)
_GLANCE: Final = 1.0  # seconds between looks at a long run


async def started(cell: Cell, agent: str, body: Row, headers: Headers) -> Row:
    """The run that `body` begins, or began under its idempotency key."""
    run = (await cell.start(agent, body, headers)).value
    if not isinstance(run, dict) or "id" not in run:
        raise AnswerUnexpected(peer=cell.peer.name, reason="it is no run")
    return run


async def ended(cell: Cell, run: Row) -> Row:
    """The run at its end, however long that takes; Ctrl-C leaves it running."""
    clock = SystemClock()
    said = False
    while run.get("state") not in _ENDED:
        if not said:
            say(f"{run['id']} is {run.get('state')}; waiting (Ctrl-C leaves it running)")
            said = True
        await clock.sleep(_GLANCE)
        run = await cell.run(str(run["id"]))
    return run


async def had(cell: Cell, agent: str, given: object, key: str, **more: object) -> Row:
    """A run of `agent` at its end.

    Args:
        cell: where.
        agent: whose.
        given: its input.
        key: of idempotency.
        more: further members of the request.
    """
    body: Row = {"input": given, "mode": "wait", "wait_seconds": WAIT} | more
    return await ended(cell, await started(cell, agent, body, (("idempotency-key", key),)))


def how(run: Row) -> str:
    """How a run that did not succeed has ended: its state, and its error where it has one."""
    error = run.get("error")
    told = f": {error.get('code')}: {error.get('message', '')}" if error else ""
    return f"{run.get('state')}{told}"
