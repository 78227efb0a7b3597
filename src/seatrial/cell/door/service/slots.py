"""Who calls from inside: an agent in a slot of this cell, or local code with a slot of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from seatrial.cell.door.domain import (
    CellTokenForeign,
    LocalSlot,
    SlotTokenMissing,
    SlotTokenUnknown,
)
from seatrial.cell.door.service.access import presented
from seatrial.cell.door.store import slots
from seatrial.cell.hosts.domain import SlotIdentity
from seatrial.cell.llms.domain import Pins, pinned
from seatrial.contract.releases.components import Limits
from seatrial.kit.clock import Clock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.tokens import Token, TokenMistyped
from seatrial.kit.database.database import Database
from seatrial.kit.http.asgi import Scope
from seatrial.kit.http.requests import header

HOSTED: Final = "slot"
LOCAL: Final = "local"
NOTHING: Final = Digest.of(b"")
"""Stands for the release of local code whose agent has none."""

_FRESH: Final = 0.5  # seconds that a local slot is remembered
_MOST: Final = 1_000  # local slots remembered at once

Identify = Callable[[Token], SlotIdentity | None]
"""`Hosts.whose`."""


@dataclass(frozen=True, kw_only=True)
class Insider:
    """Who calls from inside.

    Attributes:
        slot: what its token stands for.
        local: whether the code runs on its author's machine.
        released: whether the agent has a release here; local code may have none.
        prompts: texts that it brought along, by name.
        pins: that it brought along; None where those of the release hold.
    """

    slot: SlotIdentity
    local: bool = False
    released: bool = True
    prompts: Mapping[str, str] = field(default_factory=dict)
    pins: Pins | None = None


class Slots:
    """The slots of one cell."""

    def __init__(
        self, database: Database, *, hosted: Identify, environment: str, clock: Clock
    ) -> None:
        self._database = database
        self._hosted = hosted
        self._environment = environment
        self._clock = clock
        self._known: dict[str, tuple[float, LocalSlot]] = {}

    async def caller(self, scope: Scope) -> Insider:
        """Who calls.

        Raises:
            SlotTokenMissing, SlotTokenUnknown: nobody known.
            CellTokenForeign: a slot of another environment.
        """
        given = presented(scope) or header(scope, b"x-goog-api-key")
        if given is None:
            raise SlotTokenMissing
        try:
            token = Token(given.decode("latin-1"))
        except TokenMistyped:
            raise SlotTokenUnknown from None
        if token.environment != self._environment:
            raise CellTokenForeign(given=token.environment, environment=self._environment)
        if token.kind == HOSTED:
            found = self._hosted(token)
            if found is None:
                raise SlotTokenUnknown
            return Insider(slot=found)
        if token.kind != LOCAL:
            raise SlotTokenUnknown
        return self._local(await self._look(token.stored()))

    def forget(self) -> None:
        """A local slot has changed in this process."""
        self._known.clear()

    async def _look(self, stored: str) -> LocalSlot:
        now = self._clock.steady()
        known = self._known.get(stored)
        if known is not None and now - known[0] < _FRESH:
            return known[1]
        self._known.pop(stored, None)
        found = await self._database.read(lambda connection: slots.by_token(connection, stored))
        if found is None:
            raise SlotTokenUnknown
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[stored] = (now, found)
        return found

    def _local(self, slot: LocalSlot) -> Insider:
        identity = SlotIdentity(
            agent=slot.agent,
            environment=self._environment,
            release=slot.release or NOTHING,
            slot=LOCAL,
            run=slot.run,
            attempt=slot.attempt,
        )
        released = slot.release is not None
        pins = None
        if slot.models is not None or not released:
            pins = pinned("local code", (slot.models or {}).values(), Limits())
        return Insider(
            slot=identity, local=True, released=released, prompts=slot.prompts, pins=pins
        )
