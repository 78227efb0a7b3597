"""An agent and its clients over the real service, for as long as one attempt lives."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from seatrial.cell.journal.domain.keys import effect_key, masked
from seatrial.cell.journal.domain.matching import (
    AskWhatHappened,
    Diverged,
    FindMarker,
    GoLive,
    NeedsPerson,
    Park,
    Redo,
    RetrySameKey,
)
from seatrial.cell.journal.domain.records import Body
from seatrial.cell.journal.domain.rows import Kind, Row, RowState
from seatrial.cell.journal.service import answers
from seatrial.cell.journal.service.passages import Passage
from seatrial.cell.journal.service.recall import Attempt
from seatrial.cell.journal.store import records as store
from seatrial.kit.clock import Clock
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from tests.cell.journal.direct import call_of
from tests.cell.journal.programs import If, Manner, Many, Par, Say, Seq, Step, Taste
from tests.cell.journal.world import Deed, Told, World, digest

TASTE = Taste(manners=(Manner.PLAIN, Manner.DROPS, Manner.REPEATS), size=5)


def effect_of(row: Row) -> str:
    return effect_key("run_a", "do", row.key, row.occurrence)


class Agent:
    """One attempt at a program, with a cell around it that performs."""

    def __init__(
        self,
        attempt: Attempt,
        world: World,
        rng: random.Random,
        clock: Clock,
        *,
        pause: float = 0.1,
        reach: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._attempt = attempt
        self._world = world
        self._rng = rng
        self._clock = clock
        self._longest = pause
        self._reach = reach
        self._tasks: set[asyncio.Future[Any]] = set()
        self.parked: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.asked: list[int] = []

    async def run(self, step: Step) -> tuple[object, list[Any]]:
        seen: list[Any] = []
        agent = self._spawn(self._run(step, seen, ""))
        both: set[asyncio.Future[Any]] = {agent, self.parked}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if self.parked.done():
            return self.parked.result(), seen
        agent.result()
        return await self._attempt.finish(), seen

    async def die(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _pause(self) -> None:
        await self._clock.sleep(self._rng.random() * self._longest)

    async def _run(self, step: Step, seen: list[Any], account: str) -> None:
        match step:
            case Say():
                seen.append(await self._say(step, seen, account))
            case Many(say=say, times=times):
                calls = [self._say(say, seen, account) for _ in range(times)]
                seen.append(sorted(await asyncio.gather(*calls)))
            case Seq(steps=steps):
                for inner in steps:
                    await self._run(inner, seen, account)
            case If(then=then, otherwise=otherwise):
                odd = int(digest(seen[-1:]), 16) % 2
                await self._run(then if odd else otherwise, seen, account)
            case Par(branches=branches):
                own: list[list[Any]] = [[] for _ in branches]
                names = [f"{account}/{len(seen)}.{number}" for number in range(len(own))]
                await asyncio.gather(*map(self._run, branches, own, names))
                seen.append(own)

    async def _say(self, step: Say, seen: list[Any], account: str) -> tuple[str, str]:
        body: dict[str, Any] = {"name": step.name, "account": account}
        if step.context:
            body["context"] = digest(seen)
        if step.clock:
            stamp = f"2026-01-01T10:00:{self._rng.randrange(60):02d}Z"
            body["at"] = f"it is {stamp}, trace {self._rng.getrandbits(128):032x}"
        told = await self._sent(step, body, retry=False)
        if told.state is RowState.FAILED and step.kind is Kind.MODEL:
            told = await self._sent(step, body, retry=True)
        return told.state.value, told.text

    async def _sent(self, step: Say, body: dict[str, Any], *, retry: bool) -> Told:
        await self._pause()
        heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        door = self._spawn(self._door(step, body, heard, retry=retry))
        if step.manner is not Manner.PLAIN:
            await heard
            await self._pause()
            if not door.done():
                door.cancel()
                await asyncio.wait({door})
                flagged = step.manner is Manner.REPEATS
                door = self._spawn(self._door(step, body, None, retry=flagged or retry))
        told: Told = await door
        return told

    def _spawn(self, work: Any) -> "asyncio.Future[Any]":
        task: asyncio.Future[Any] = asyncio.ensure_future(work)
        self._tasks.add(task)
        return task

    async def _door(
        self, step: Say, body: dict[str, Any], heard: "asyncio.Future[None] | None", *, retry: bool
    ) -> Told:
        call = call_of(step, body)
        arriving = self._attempt.arrive(call, step.effect, retry=retry)
        if heard is not None:
            heard.set_result(None)
        passage = await arriving
        self._reach("matched")
        try:
            match passage.decision:
                case GoLive() | Redo() | RetrySameKey():
                    _ = self._spawn(self._perform(passage, step, body, look=False))
                case AskWhatHappened() | FindMarker():
                    _ = self._spawn(self._perform(passage, step, body, look=True))
                case NeedsPerson(row=row, asked=asked):
                    self.asked += [] if asked else [row.seq]
                    self._park(passage.decision)
                    await asyncio.Event().wait()
                case Park() | Diverged():
                    self._park(passage.decision)
                    await asyncio.Event().wait()
            answer = await passage.answer()
        except asyncio.CancelledError:
            passage.lost()
            raise
        passage.delivered()
        self._reach("delivered")
        return Told(state=RowState(answer.media), text=answer.content.decode())

    def _park(self, why: object) -> None:
        if not self.parked.done():
            self.parked.set_result(why)

    async def _perform(
        self, passage: Passage, step: Say, body: dict[str, Any], *, look: bool
    ) -> None:
        row = passage.row
        assert row is not None
        self._reach("intent.before")
        await passage.begin()
        self._reach("intent.after")
        await self._pause()
        if step.kind is Kind.WAIT:
            self.asked.append(row.seq)
            self._park(Park(row=row))
            return
        told = self._world.happened(effect_of(row)) if look else None
        if told is None:
            told = self._happen(row, step, body)
        self._reach("effect.after")
        await self._pause()
        await passage.settle(told.state, Body(content=told.text.encode(), media=told.state.value))
        self._reach("result.after")

    def _happen(self, row: Row, step: Say, body: dict[str, Any]) -> Told:
        account = body["account"]
        if step.kind is Kind.MODEL:
            return self._world.model(masked(call_of(step, body)), step.name, row.occurrence)
        if not row.binds:
            return self._world.read(account, step.name)
        deed = Deed(account=account, effect=row.effect, name=step.name, key=effect_of(row))
        return self._world.write(deed)


async def people(database: Database, clock: Clock, world: World, asked: Counter[int]) -> None:
    """Answer what is asked, truly."""
    for recorded in await database.read(lambda connection: store.rows(connection, "run_a")):
        row = recorded.row
        if row.kind is Kind.WAIT and row.state is RowState.INTENT:
            told = Told(state=RowState.DONE, text=f"yes {digest(row.key, row.occurrence)}")
        elif row.state is RowState.UNKNOWN:
            happened = world.happened(effect_of(row))
            told = happened or Told(state=RowState.CLEARED, text="")
            asked[row.seq] -= happened is None  # what is tried anew may have to be asked anew
        else:
            continue
        body = Body(content=told.text.encode(), media=told.state.value)
        kept = None if told.state is RowState.CLEARED else body
        await database.write(partial(_say, row.seq, told.state, kept, clock.now()))


def _say(
    seq: int, state: RowState, body: Body | None, now: datetime, connection: Connection
) -> None:
    answers.answer(connection, "run_a", seq, state, body, now)
