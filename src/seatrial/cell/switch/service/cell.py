"""The cell's half of the switch as one thing to start: enrolment, line, mirror, facts, tidying."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeAlias

from seatrial.cell.switch import store
from seatrial.cell.switch.domain import Current, EnrolmentMissing, Figures
from seatrial.cell.switch.service.admission import begin, current
from seatrial.cell.switch.service.blobs import Blobs
from seatrial.cell.switch.service.calling import HttpControl
from seatrial.cell.switch.service.enrolling import Application, OwnKeys, enrolled
from seatrial.cell.switch.service.following import Follower
from seatrial.cell.switch.service.mirroring import Mirror
from seatrial.cell.switch.service.ports import Answer, Control, Warmer
from seatrial.cell.switch.service.preparing import Preparer
from seatrial.cell.switch.service.retention import forget
from seatrial.cell.switch.service.steps import LEASE
from seatrial.cell.switch.service.switching import Myself, Switcher
from seatrial.cell.switch.service.telling import Count, FactsTeller
from seatrial.contract.environments.profiles import rules_of
from seatrial.contract.releases.closure import Closure
from seatrial.contract.releases.release import Release
from seatrial.kit.clock import Clock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.signing import VerifyKey
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError
from seatrial.kit.http.client import HttpClient
from seatrial.kit.leases.service import Lease

Busy: TypeAlias = Callable[[Connection], frozenset[Digest]]
"""The releases of runs that have not ended, by a use case that reads."""

_TTL: Final = 4.0  # seconds that a cell is without a leader after one died; work is idempotent
_RENEW: Final = 1.0
_TIDY: Final = 3_600.0  # seconds between removals, and the age from which a blob can be removed
_FIRST: Final = 0.2
_LONGEST: Final = 5.0
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the switch of a cell stands in.

    Attributes:
        database: the cell's.
        client: for calls to control.
        blobs: the cell's folder of blobs.
        warmer: of this process's hosts.
        count: counts a release's runs.
        busy: releases of runs that have not ended.
        on_flip: told on the event loop of what came into force, and once at the start. It must
            return at once.
        clock: time.
        chance: of pauses.
    """

    database: Database
    client: HttpClient
    blobs: Blobs
    warmer: Warmer
    count: Count
    busy: Busy
    on_flip: Callable[[Current], None]
    clock: Clock
    chance: random.Random


class CellSwitch:
    """The switch in one process of a cell. `run` it; everything else may be called meanwhile."""

    def __init__(
        self,
        around: Surroundings,
        application: Application,
        keys: OwnKeys,
        roots: tuple[VerifyKey, ...],
        *,
        holder: str,
        oldest: int = 1,
    ) -> None:
        """The switch of the cell that `application` names.

        Args:
            around: see there.
            application: what it is enrolled with.
            keys: of this process.
            roots: root keys that are pinned.
            holder: unique among the processes of the cell that run at once.
            oldest: the lowest version of a keyring that it takes.
        """
        database, clock = around.database, around.clock
        self._around = around
        self._application = application
        self._keys = keys
        self._line = _Line(application.token_file)
        myself = Myself(
            cell=application.cell,
            environment=application.environment,
            key=keys.signing,
            roots=roots,
            oldest=oldest,
        )
        preparer = Preparer(database, self._line, around.blobs, around.warmer, clock)
        self._preparer = preparer
        self._mirror = Mirror(database, preparer, clock, self._told)
        self._switcher = Switcher(database, myself, self._line, preparer, clock, self._mirror.wake)
        self._follower = Follower(database, self._line, self._switcher, clock, around.chance)
        self._teller = FactsTeller(database, myself, self._line, around.count, clock, around.chance)
        self._lease = Lease(database, LEASE, holder, clock, ttl=_TTL, renew=_RENEW)
        self._trouble = ""

    def begin_now(self) -> None:
        """Put the empty closure in force where nothing is. Call it before anything is served."""
        application = self._application
        empty = Closure(
            environment=application.environment,
            agents={},
            rules=rules_of(application.profile, application.environment),
        )
        at = self._around.clock.now()
        self._around.database.write_now(lambda connection: begin(connection, empty, at))

    async def run(self) -> None:
        """Follow control for ever; the cell serves what is in force, whatever becomes of this."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._mirror.run())
            tasks.create_task(self._follow())

    def changed(self, release: Digest | None = None) -> None:
        """A run has ended, or an outcome has come; see `FactsTeller.changed`."""
        self._teller.changed(release)

    async def fetch(self, release: Release) -> None:
        """Bring the parts of a release into this process's folder; raises as `Preparer.fetch`.

        For runs that came to the cell before the release came to this process.
        """
        await self._preparer.fetch(release)

    async def figures(self) -> Figures:
        """How things stand."""
        return await self._around.database.read(self._figures)

    async def tidy(self) -> int:
        """Forget releases, builds and blobs that nothing can need; how many blobs went."""
        before = self._around.clock.now() - timedelta(seconds=_TIDY)
        kept = await self._around.database.write(
            lambda connection: forget(connection, self._around.busy(connection))
        )
        await self._around.warmer.clear(kept.documents)
        return await asyncio.to_thread(self._around.blobs.clear, kept.blobs, before.timestamp())

    def _told(self, now: Current) -> None:
        self._teller.changed()
        self._around.on_flip(now)

    async def _follow(self) -> None:
        await self._enrol()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._teller.run())
            tasks.create_task(self._lease.run(self._lead))

    async def _lead(self, epoch: int) -> None:
        tidying = asyncio.create_task(self._tidy())
        try:
            await self._follower.lead(epoch)
        finally:
            tidying.cancel()
            await asyncio.wait({tidying})

    async def _enrol(self) -> None:
        """Be enrolled, however long it takes: at the first start control may come later."""
        failures = 0
        while not await self._is_enrolled():
            failures += 1
            longest = min(_LONGEST, _FIRST * 2 ** min(failures, 16))
            await self._around.clock.sleep(self._around.chance.uniform(0.0, longest))

    async def _is_enrolled(self) -> bool:
        client, application = self._around.client, self._application
        try:
            answer = await enrolled(client, application, self._keys)
        except SeatrialError as error:
            text = f"{error.code}: {error.message}"
            level = logging.DEBUG if text == self._trouble else logging.WARNING
            _LOG.log(level, "not enrolled yet: %s", error)
            self._trouble = text
            return False
        self._trouble = ""
        self._line.control = HttpControl(client, application.control, answer.cell, answer.token)
        return True

    async def _tidy(self) -> None:
        while True:
            await self._around.clock.sleep(_TIDY)
            try:
                await self.tidy()
            except (SeatrialError, OSError) as error:
                _LOG.warning("nothing was tidied up: %s", error)

    def _figures(self, connection: Connection) -> Figures:
        now = current(connection)
        ready, refused = store.prepared(connection), store.refused(connection)
        keyring = store.keyring(connection)
        heard = self._follower.heard_at
        return Figures(
            generation=now.generation,
            closure=now.closure.digest,
            moved_at=now.moved_at,
            flipped=now.flipped,
            prepared=ready.generation if ready is not None else None,
            refused=refused.generation if refused is not None else None,
            reason=refused.reason if refused is not None else "",
            behind=max(0, self._switcher.newest - now.generation),
            keyring=keyring[0] if keyring is not None else 0,
            enrolled=self._line.control is not None,
            leads=self._lease.held,
            control_seconds=None if heard is None else self._around.clock.steady() - heard,
            trouble=self._trouble or self._follower.trouble or self._switcher.trouble,
        )


class _Line:
    """Control, once this process is enrolled."""

    def __init__(self, token_file: Path) -> None:
        self.control: Control | None = None
        self._token_file = token_file

    async def desired(self, etag: str, current: int) -> Answer | None:
        return await self._there().desired(etag, current)

    def changes(self) -> AsyncGenerator[None, None]:
        return self._there().changes()

    async def release(self, digest: Digest) -> object:
        return await self._there().release(digest)

    def blob(self, digest: Digest) -> AsyncGenerator[bytes, None]:
        return self._there().blob(digest)

    async def report(self, envelope: bytes) -> None:
        await self._there().report(envelope)

    async def evidence(self, envelope: bytes) -> None:
        await self._there().evidence(envelope)

    def _there(self) -> Control:
        if self.control is None:
            raise EnrolmentMissing(path=str(self._token_file))
        return self.control
