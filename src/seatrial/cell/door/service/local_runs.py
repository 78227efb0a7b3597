"""Runs whose code is on its author's machine, with this cell's models, prompts and session."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from seatrial.cell.door.domain import LocalRunUnknown, LocalSlot
from seatrial.cell.door.service.prompts import refuse_unfit_prompt
from seatrial.cell.door.service.slots import LOCAL, Slots
from seatrial.cell.door.store import slots as rows
from seatrial.cell.runs.domain.values import Asked, Failure, Run
from seatrial.cell.runs.service.runs import Runs
from seatrial.cell.switch.domain import NothingActive
from seatrial.cell.switch.service.admission import current
from seatrial.contract.releases.components import Model
from seatrial.contract.runs.access import Caller, CellPermission
from seatrial.kit.clock import Clock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.tokens import Token
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database


@dataclass(frozen=True, kw_only=True)
class LocalOrder:
    """A local run as its author asks for it.

    Attributes:
        agent: the agent's slug.
        input: any JSON value.
        session: the thread of runs to go on with.
        prompts: texts that go before those of drafts and release, by name.
        models: pins that hold instead of the release's; None where those hold.
        tags: for search.
    """

    agent: str
    input: Any
    session: str | None
    prompts: Mapping[str, str]
    models: Mapping[str, Model] | None
    tags: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A local run that has begun.

    Attributes:
        run: as it stands.
        token: the key of its slot; told this once.
        expires: when it is left, without a sign of life before.
    """

    run: Run
    token: Token
    expires: datetime


@dataclass(frozen=True, kw_only=True)
class _Nearest:
    release: Digest | None
    name: str
    generation: int


class LocalRuns:
    """The local runs of one cell. Whoever began one ends it, and nobody else."""

    def __init__(
        self, database: Database, *, runs: Runs, slots: Slots, environment: str, clock: Clock
    ) -> None:
        self._database = database
        self._runs = runs
        self._slots = slots
        self._environment = environment
        self._clock = clock

    async def begin(self, order: LocalOrder, by: Caller) -> Opened:
        """Begin a run, and give it a slot of its own.

        Raises:
            DraftRefused: a prompt could be none of a release.
            SeatrialError: as `Runs.accept_local`.
        """
        for name, text in order.prompts.items():
            refuse_unfit_prompt(name, text)
        near = await self._database.read(lambda connection: _nearest(connection, order.agent))
        asked = Asked(
            agent=order.agent,
            input=order.input,
            caller=by.id,
            caller_name=by.name,
            payload=by.may(CellPermission.PAYLOAD),
            tenant=by.tenant,
            session=order.session,
            tags=order.tags,
            counted=False,
        )
        run = await self._runs.accept_local(
            asked, release=near.release, release_name=near.name, generation=near.generation
        )
        token, ttl = Token.mint(self._environment, LOCAL), self._ttl
        expires = self._clock.now() + ttl
        slot = LocalSlot(
            run=run.id,
            attempt=max(run.attempt, 1),
            agent=order.agent,
            release=near.release,
            prompts=order.prompts,
            models=order.models,
            owner=by.id,
            expires=expires,
        )
        stored = token.stored()

        def use_case(connection: Connection) -> None:
            rows.sweep(connection, ttl)
            rows.add(connection, slot, stored, ttl)

        await self._database.write(use_case)
        return Opened(run=run, token=token, expires=expires)

    async def beat(self, run: str, by: Caller) -> datetime:
        """Give a sign of life; until when it is good. Raises `LocalRunUnknown`."""
        ttl = self._ttl
        expires = self._clock.now() + ttl
        living = await self._database.write(
            lambda connection: rows.extend(connection, run, by.id, ttl)
        )
        if not living or not await self._runs.extend_local(run):
            raise LocalRunUnknown(run=run)
        return expires

    async def end(
        self,
        run: str,
        by: Caller,
        *,
        output: Any = None,  # noqa: ANN401 - any JSON value
        failure: Failure | None = None,
    ) -> Run:
        """End it with its output, or with a failure; its token opens nothing any more.

        Raises:
            LocalRunUnknown: there is none of this caller.
            SeatrialError: as `Runs.finish_local`.
        """
        found = await self._database.read(lambda connection: rows.by_run(connection, run))
        if found is None or found.owner != by.id:
            raise LocalRunUnknown(run=run)
        ended = await self._runs.finish_local(run, output, failure=failure)
        await self._database.write(lambda connection: rows.remove(connection, run))
        self._slots.forget()
        return ended

    @property
    def _ttl(self) -> timedelta:
        return timedelta(seconds=self._runs.bounds.local_lease)


def _nearest(connection: Connection, agent: str) -> _Nearest:
    """The release of the agent that is active here, if there is one."""
    try:
        found = current(connection)
    except NothingActive:
        return _Nearest(release=None, name="", generation=0)
    active = found.closure.agents.get(agent)
    if active is None:
        return _Nearest(release=None, name="", generation=found.generation)
    return _Nearest(release=active.release, name=active.name, generation=found.generation)
