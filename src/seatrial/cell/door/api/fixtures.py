"""`/v1/runs/{id}/fixture`: a run as a masked test; `/v1/fixtures`: what is kept, and proposed."""

from typing import Annotated, Any, Final

from pydantic import Field

from seatrial.cell.assess.domain.fixtures import Acted, Held, Proposed
from seatrial.cell.assess.service.fixtures import Fixtures
from seatrial.cell.door.api.desk import MOST_LISTED, asked_for, page_size
from seatrial.cell.door.api.operations import Operating
from seatrial.cell.door.api.shown import told_run
from seatrial.cell.door.domain import Operation
from seatrial.cell.door.service.access import Admit
from seatrial.cell.runs.domain.refusals import CursorMalformed
from seatrial.contract.documents import Document
from seatrial.contract.runs.access import CellPermission
from seatrial.kit.http.answers import answer_json
from seatrial.kit.http.asgi import App, Receive, Scope, Send
from seatrial.kit.http.requests import read_json
from seatrial.kit.http.routes import path_values
from seatrial.kit.ids import IdMalformed, born

_LARGEST: Final = 1 << 20  # bytes of a request
_Line = Annotated[str, Field(max_length=65_536)]


class FixtureOrder(Document):
    """A run is to become a fixture.

    Attributes:
        expect: what must hold of each replay, in words of the run: they are masked with it. Each is
            `succeeds`, `says TEXT`, `never_says TEXT`, `never_called TOOL` or
            `called TOOL {ARGUMENTS} -> RESULT`. None are needed where the run failed.
    """

    expect: Annotated[list[_Line], Field(max_length=100)] = Field(default_factory=list)


def fixture_routes(
    fixtures: Fixtures, admit: Admit, environment: str
) -> list[tuple[str, str, App]]:
    """The endpoints, for `Routes`."""

    async def make(scope: Scope, receive: Receive, send: Send) -> None:
        """Make a masked, verified fixture of a run that has ended, and answer it."""
        await admit(scope, CellPermission.OPERATE)
        caller = await admit(scope, CellPermission.PAYLOAD)
        order = FixtureOrder.read(await read_json(scope, receive, limit=_LARGEST))
        made = await fixtures.make(path_values(scope)["id"], order.expect, caller)
        told = {
            "fixture": made.fixture.model_dump(mode="json"),
            "digest": str(made.fixture.digest),
            "people": made.people,
            "dropped": list(made.dropped),
        }
        await answer_json(send, told, status=201)

    async def proposed(scope: Scope, _receive: Receive, send: Send) -> None:
        """One page of runs that went wrong and have no fixture, the newest first."""
        caller = await admit(scope, CellPermission.READ)
        found = asked_for(scope, "agent", "after", "limit")
        listed, after = await fixtures.proposed(
            caller, agent=found.get("agent"), after=_cursor(found), limit=page_size(found)
        )
        told = [_proposed(each, environment) for each in listed]
        await answer_json(send, {"proposed": told, "next": after})

    async def held(scope: Scope, _receive: Receive, send: Send) -> None:
        """The fixtures that runs of this cell were given and that it still has, newest first."""
        await admit(scope, CellPermission.READ)
        found = await fixtures.held()
        told = [_held(each) for each in found[:MOST_LISTED]]
        size = sum(each.size for each in found)
        await answer_json(send, {"fixtures": told, "count": len(found), "bytes": size})

    async def actions(scope: Scope, _receive: Receive, send: Send) -> None:
        """The actions of a run with their arguments and results."""
        caller = await admit(scope, CellPermission.PAYLOAD)
        run = path_values(scope)["id"]
        found = await fixtures.acted(run, caller)
        await answer_json(send, {"run": run, "actions": [_acted(each) for each in found]})

    return [
        ("POST", "/v1/runs/{id}/fixture", Operating(environment, Operation.FIXTURE_MAKE, make)),
        ("GET", "/v1/runs/{id}/actions", actions),
        ("GET", "/v1/fixtures", held),
        ("GET", "/v1/fixtures/proposed", proposed),
    ]


def _proposed(each: Proposed, environment: str) -> dict[str, Any]:
    return {
        "run": told_run(each.run, environment, payload=False),
        "reason": each.reason,
        "at": each.at,
    }


def _held(each: Held) -> dict[str, Any]:
    return {
        "fixture": each.digest,
        "bytes": each.size,
        "given": each.at,
        "needed": each.needed,
    }


def _acted(each: Acted) -> dict[str, Any]:
    return {
        "tool": each.tool,
        "arguments": dict(each.arguments),
        "ok": each.ok,
        "value": each.value,
        "error": each.error,
        "code": each.code,
    }


def _cursor(found: dict[str, str]) -> str | None:
    after = found.get("after")
    if after is not None:
        try:
            born(after, "run")
        except IdMalformed:
            raise CursorMalformed(text=after) from None
    return after
