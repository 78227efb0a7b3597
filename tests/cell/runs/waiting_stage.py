"""A stage whose agents call through real books: they wait, write, ask, and may stray."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from seatrial.cell.hosts.domain import Error, HostEvent, Origin, Result, RunRequest, SlotIdentity
from seatrial.cell.journal.domain.keys import Call, Dialect
from seatrial.cell.journal.domain.matching import Answer, Attach, Decision, Refuse
from seatrial.cell.journal.domain.records import Body
from seatrial.cell.journal.domain.rows import Effect, Kind, RowState
from seatrial.cell.journal.service.books import Books
from seatrial.cell.journal.service.recall import Attempt
from seatrial.cell.journal.service.writing import Surroundings
from seatrial.cell.journal.store.tables import HISTORY as JOURNAL
from seatrial.cell.runs.domain.values import Bounds
from seatrial.cell.runs.service.ports import Ports
from seatrial.cell.runs.service.runs import Runs
from seatrial.cell.runs.service.waiting import fenced
from seatrial.cell.runs.store.tables import HISTORY
from seatrial.cell.tools.service.waits import Waits
from seatrial.kit.clock import SystemClock
from seatrial.kit.database.migrations import migrate_now
from seatrial.kit.ids import Ids
from seatrial.kit.transparency.store import HISTORY as LOG
from tests.cell.runs.stage import FAST, Scripted, Stage, release


class Refused(Exception):
    """A call was not answered."""


@dataclass
class Hand:
    """What an agent calls with.

    Attributes:
        request: its run.
        attempt: its book.
        waits: where it waits.
        world: how often each write was performed.
    """

    request: RunRequest
    attempt: Attempt
    waits: Waits
    world: dict[str, int]

    async def wait(self, **asked: Any) -> Any:
        """Wait for a time or an event."""
        slot = SlotIdentity(
            agent="support",
            environment="staging",
            release=release("support@1"),
            slot="slot_1",
            run=self.request.run,
            attempt=self.request.attempt,
        )
        return await self.waits.wait(slot, asked)

    async def write(self, name: str) -> Any:
        """Perform a write that nobody but a person could tell of."""
        call = Call(
            kind=Kind.ACTION,
            dialect=Dialect.ACTION,
            route=f"POST /v1/actions/{name}",
            name=name,
            body=b"{}",
        )
        with await self.attempt.arrive(call, Effect.IRREVERSIBLE) as passage:
            decision: Decision = passage.decision
            if isinstance(decision, Answer | Attach):
                body = await passage.answer()
                passage.delivered()
                return json.loads(body.content)
            if isinstance(decision, Refuse):
                raise Refused(str(decision.reason))
            if not hasattr(decision, "row") or type(decision).__name__ in {"Park", "NeedsPerson"}:
                self.attempt.halt(decision)  # type: ignore[arg-type] # one of those that halt
                await self.attempt.hold()
            await passage.begin(None)
            self.world[name] = self.world.get(name, 0) + 1
            answer = {"performed": self.world[name]}
            await passage.settle(RowState.DONE, Body(content=json.dumps(answer).encode()))
            passage.delivered()
            return answer


Agent = Callable[[Hand], Awaitable[Any]]


@dataclass
class WaitingStage(Stage):
    """One process of a cell, with books."""

    agent: Agent | None = None
    world: dict[str, int] = field(default_factory=dict)
    bounds: Bounds = FAST

    def __post_init__(self) -> None:
        migrate_now(self.database, [HISTORY, JOURNAL, LOG])
        around = Surroundings(database=self.database, fence=fenced, clock=self.clock)
        self.books = Books(around)
        self.waits = Waits(self.books, self.clock)
        self.hosts = Scripted(script=self._script)
        ports = Ports(
            hosts=self.hosts,
            admit=self.switch.admit,
            limits=self.switch.limits_of,
            changed=self._changed,
            ended=lambda run: self.books.ended(run.id),
            chance=lambda: self.chance,
            books=self.books,
        )
        clock = SystemClock()
        self.runs = Runs(
            self.database, ports, clock=clock, ids=Ids(clock), sole=self.sole, bounds=self.bounds
        )

    async def _script(self, request: RunRequest) -> AsyncIterator[HostEvent]:
        assert self.agent is not None
        attempt = await self.books.of(request.run, request.attempt)
        hand = Hand(request=request, attempt=attempt, waits=self.waits, world=self.world)
        try:
            output = await self.agent(hand)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - an agent may raise anything
            yield Error(code="agent_raised", message=str(error), origin=Origin.AGENT)
            return
        yield Result(output=output)
