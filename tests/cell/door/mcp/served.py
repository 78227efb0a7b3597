"""An MCP door with actions that are written down here."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from seatrial.cell.door.domain import SlotTokenMissing, SlotTokenUnknown
from seatrial.cell.door.mcp.api import mcp_routes
from seatrial.cell.door.mcp.service import Tools
from seatrial.cell.door.service.slots import Insider, Slots
from seatrial.cell.hosts.domain import SlotIdentity
from seatrial.cell.tools.domain.refusals import ActionUnknown, ConnectorUnbound
from seatrial.cell.tools.domain.values import Shown, Told
from seatrial.cell.tools.service.actions import Actions  # noqa: TC001 - named in a cast
from seatrial.contract.releases.actions import Effect
from seatrial.kit.clock import SystemClock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.http.asgi import Scope
from seatrial.kit.http.boundary import ErrorBoundary
from seatrial.kit.http.requests import header
from seatrial.kit.http.routes import Routes
from seatrial.kit.ids import Ids
from tests.cell.llms.provider import serving

TOKEN = "sea_staging_slot_of_a_run"
EMPTY = "sea_staging_slot_without_a_run"
_OBJECT = {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]}


@dataclass
class Call:
    """A call that was answered, and whether its caller had the answer."""

    told: Told
    ends: list[str]

    def delivered(self) -> None:
        self.ends.append("delivered")

    def lost(self) -> None:
        self.ends.append("lost")


@dataclass
class Written:
    """Actions that find orders, cancel them, and take their time."""

    made: list[tuple[str, Any]] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    many: int = 0

    async def listed(self, _caller: SlotIdentity) -> tuple[Shown, ...]:
        named = [("cancel", Effect.TRANSACTIONAL), ("find", Effect.READ), ("slow", Effect.READ)]
        more = [(f"more_{number:03}", Effect.IDEMPOTENT) for number in range(self.many)]
        return tuple(
            Shown(name=name, description=f"To {name}.", input_schema=_OBJECT, effect=effect)
            for name, effect in [*named, *more]
        )

    async def call(
        self, caller: SlotIdentity, name: str, arguments: dict[str, Any], *, retry: bool = False
    ) -> Call:
        assert not retry
        names = [each.name for each in await self.listed(caller)]
        if name not in names:
            raise ActionUnknown(action=name, known=", ".join(names))
        self.made.append((name, arguments))
        if name == "slow":
            await self.go.wait()
        if name == "cancel" or arguments.get("order") == "W8":
            raise ConnectorUnbound(action=name, connector="shop", environment="staging")
        if arguments.get("order") == "W9":
            return Call(Told(ok=False, error="Order not found", code="action_failed"), self.ends)
        return Call(Told(ok=True, value={"order": arguments.get("order")}), self.ends)


class _Slots:
    async def caller(self, scope: Scope) -> Insider:
        given = header(scope, b"authorization")
        if given is None:
            raise SlotTokenMissing
        token = given.decode().removeprefix("Bearer ")
        if token not in {TOKEN, EMPTY}:
            raise SlotTokenUnknown
        run = "run_1" if token == TOKEN else None
        return Insider(
            slot=SlotIdentity(
                agent="support",
                environment="staging",
                release=Digest.of(b"release"),
                slot="slot_1",
                run=run,
                attempt=1 if run else None,
            )
        )


def door(actions: Written, *, quiet: float = 10.0) -> Routes:
    """A door for `actions`, to be served."""
    tools = Tools(cast("Actions", actions))
    return Routes(mcp_routes(cast("Slots", _Slots()), tools, quiet=quiet))


@asynccontextmanager
async def served(actions: Written, *, quiet: float = 10.0) -> AsyncIterator[str]:
    """The address of a door for `actions`."""
    async with serving(ErrorBoundary(door(actions, quiet=quiet), Ids(SystemClock()))) as address:
        yield f"{address}/mcp"
