"""What every endpoint on runs needs: who calls, what he may see, and what each answer carries."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import orjson

from seatrial.cell.door.api.shown import sees, sees_payload, told_event
from seatrial.cell.door.domain import Operation, operation_allowed
from seatrial.cell.door.service.access import Admit
from seatrial.cell.door.service.prompts import TAG
from seatrial.cell.runs.domain.refusals import RunRefused, RunUnknown
from seatrial.cell.runs.domain.values import Run, RunEvent
from seatrial.cell.runs.service.feeds import Follower
from seatrial.cell.runs.service.judging import Judge
from seatrial.cell.runs.service.runs import Runs
from seatrial.contract.runs.access import Caller, CellPermission
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.errors import Denied
from seatrial.kit.http.asgi import Headers, Scope
from seatrial.kit.http.events import Event
from seatrial.kit.http.lifetime import Lifetime
from seatrial.kit.http.requests import QueryMalformed, header, query
from seatrial.kit.http.routes import path_values
from seatrial.kit.ids import Ids

GiveFixture: TypeAlias = Callable[[object, str, Digest | None], Awaitable[str]]
"""Keeps the fixture that a run of an agent is to be answered from, on a release; its digest."""

OnPayloadRead: TypeAlias = Callable[[Caller, Run], Awaitable[None]]
"""Told before a payload is shown by the permission for that. If it raises, nothing is shown."""

MOST_LISTED: Final = 200
_LISTED: Final = 50
_ENVELOPE: Final = 65_536  # bytes of a request around its input


@dataclass(kw_only=True)
class Desk:
    """What the endpoints on runs stand on.

    Attributes:
        runs: the cell's.
        judge: takes outcomes and feedback.
        admit: tells who calls.
        environment: the cell's.
        lifetime: when it drains, waits and streams end.
        ids: names sessions that their callers leave unnamed.
        on_payload_read: see there.
        give_fixture: see there.
    """

    runs: Runs
    judge: Judge
    admit: Admit
    environment: str
    lifetime: Lifetime
    ids: Ids
    on_payload_read: OnPayloadRead
    give_fixture: GiveFixture
    _told: "asyncio.Task[None] | None" = field(default=None, init=False)

    def counts(self, tags: Mapping[str, str]) -> bool:
        """Whether a run with these tags is evidence for its release; one that tries drafts is not.

        Where no drafts are allowed the tag does nothing, and takes no run out of the counts.
        """
        return TAG not in tags or not operation_allowed(self.environment, Operation.DRAFT_SET)

    @property
    def largest(self) -> int:
        """Bytes of the largest request."""
        return self.runs.bounds.input + _ENVELOPE

    async def caller(self, scope: Scope, *permissions: CellPermission) -> Caller:
        """Who calls, if he has one of `permissions`; else raises as `admit` for the last."""
        for permission in permissions[:-1]:
            try:
                return await self.admit(scope, permission)
            except Denied:
                continue
        return await self.admit(scope, permissions[-1])

    async def reader(self, scope: Scope) -> Caller:
        """Who calls, if he may see any run."""
        return await self.caller(
            scope, CellPermission.PAYLOAD, CellPermission.READ, CellPermission.INVOKE
        )

    async def run(self, scope: Scope, caller: Caller) -> Run:
        """The run in the path, if the caller may know of it; else raises `RunUnknown`."""
        run = await self.runs.get(path_values(scope)["id"])
        if not sees(caller, run):
            raise RunUnknown(run=run.id)
        return run

    async def payload(self, caller: Caller, run: Run) -> bool:
        """Whether the caller sees the run's payload; that he does is noted."""
        if not sees_payload(caller, run):
            return False
        if run.caller != caller.id:
            await self.on_payload_read(caller, run)
        return True

    async def ended(self, run: Run, follower: Follower, seconds: float) -> Run:
        """The run when it has ended, after `seconds`, or when this process is about to end."""
        waiting = asyncio.create_task(self.runs.ended(run, follower, seconds))
        try:
            await asyncio.wait({waiting, self._draining()}, return_when=asyncio.FIRST_COMPLETED)
            return waiting.result() if waiting.done() else await self.runs.get(run.id)
        finally:
            if not waiting.done():
                waiting.cancel()

    async def stream(
        self, events: AsyncIterator[RunEvent], *, payload: bool
    ) -> AsyncIterator[Event]:
        """A run's events as server-sent ones."""
        async for event in events:
            told = told_event(event, self.environment, payload=payload)
            yield Event(data=orjson.dumps(told).decode(), event=event.kind, id=str(event.seq))

    def _draining(self) -> "asyncio.Task[None]":
        if self._told is None or self._told.done():
            self._told = asyncio.create_task(self.lifetime.told_to_end())
        return self._told


def carried(run: Run) -> Headers:
    """The headers of every answer about a run."""
    release = run.release_name if run.release is None else str(run.release)
    return [
        (b"seatrial-run", run.id.encode()),
        (b"seatrial-release", release.encode()),
        (b"seatrial-generation", b"%d" % run.generation),
    ]


def seen_generation(scope: Scope) -> int | None:
    """The newest generation that the caller has met; raises `RunRefused`."""
    given = header(scope, b"seatrial-generation")
    if given is None:
        return None
    if not given.isdigit() or len(given) > 15:
        raise RunRefused(reason="`Seatrial-Generation` is no number")
    return int(given)


def idempotency_key(scope: Scope) -> str | None:
    """The idempotency key, as it was sent."""
    given = header(scope, b"idempotency-key")
    return None if given is None else given.decode("latin-1")


def asked_for(scope: Scope, *names: str) -> dict[str, str]:
    """The query, in which only `names` may stand; raises `QueryMalformed`."""
    found = query(scope)
    unknown = sorted(found.keys() - set(names))
    if unknown:
        raise QueryMalformed(reason=f"{unknown[0]!r} is unknown; there are {', '.join(names)}")
    return found


def page_size(found: dict[str, str]) -> int:
    """`limit` of a query; raises `QueryMalformed`."""
    text = found.get("limit", str(_LISTED))
    fits = text.isascii() and text.isdigit() and len(text) <= 4
    if not fits or not 1 <= int(text) <= MOST_LISTED:
        raise QueryMalformed(reason=f"`limit` is 1 to {MOST_LISTED}")
    return int(text)
