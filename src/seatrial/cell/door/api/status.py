"""`/v1/status`: what runs in this cell, on what it stands, and how well agents are confined."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from seatrial.cell.door.service.access import Admit
from seatrial.cell.hosts.domain import ReleaseFigures
from seatrial.cell.runs.service.runs import Runs
from seatrial.cell.switch.domain import Current, Figures
from seatrial.contract.runs.access import CellPermission
from seatrial.kit.http.answers import answer_json
from seatrial.kit.http.asgi import App, Receive, Scope, Send

Standing = Callable[[], Awaitable[tuple[Figures, Current]]]
Processes = Callable[[], Iterable[ReleaseFigures]]


def status_routes(
    admit: Admit, place: dict[str, str], standing: Standing, processes: Processes, runs: Runs
) -> list[tuple[str, str, App]]:
    """The endpoint, for `Routes`.

    Args:
        admit: tells who calls.
        place: `cell`, `environment` and `region`.
        standing: how the switch stands.
        processes: of agents.
        runs: of this process.
    """

    async def show(scope: Scope, _receive: Receive, send: Send) -> None:
        """What is in force here, how the switch stands, and the agents' processes."""
        await admit(scope, CellPermission.READ)
        figures, current = await standing()
        hosts = tuple(processes())
        await answer_json(
            send,
            {
                **place,
                "generation": figures.generation,
                "closure": str(figures.closure),
                "since": figures.flipped,
                "profile": current.closure.rules.profile,
                "agents": {slug: each.name for slug, each in current.closure.agents.items()},
                "switch": _switch(figures),
                "isolation": _isolation(hosts),
                "hosts": [_host(each) for each in hosts],
                "runs": {"active": runs.active, "waiting": runs.waiting},
            },
        )

    return [("GET", "/v1/status", show)]


def _switch(figures: Figures) -> dict[str, Any]:
    return {
        "prepared": figures.prepared,
        "refused": figures.refused,
        "reason": figures.reason,
        "behind": figures.behind,
        "keyring": figures.keyring,
        "enrolled": figures.enrolled,
        "leads": figures.leads,
        "control_seconds": figures.control_seconds,
        "trouble": figures.trouble,
    }


def _isolation(hosts: tuple[ReleaseFigures, ...]) -> dict[str, Any]:
    """The weakest of all; the level is unknown until an agent has been started here."""
    found = [each.isolation for each in hosts if each.isolation is not None]
    if not found:
        return {"level": "unknown", "missing": []}
    weakest = min(found, key=lambda each: each.level)
    return {"level": weakest.level, "landlock": weakest.landlock, "missing": weakest.missing}


def _host(figures: ReleaseFigures) -> dict[str, Any]:
    return {
        "agent": figures.agent,
        "release": str(figures.release),
        "kept": figures.kept,
        "slots": figures.slots,
        "busy": figures.busy,
        "starting": figures.starting,
        "waiting": figures.waiting,
        "resident_bytes": figures.resident_bytes,
    }
