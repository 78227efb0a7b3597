"""Agent processes as other rooms of a cell ask for them: by release, under the rules in force."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Final

from seatrial.cell.hosts.service.hosts import Hosts
from seatrial.cell.hosts.service.plans import HostPlan
from seatrial.cell.hosts.service.slots import Slot
from seatrial.cell.runs.domain.refusals import ReleaseAway
from seatrial.cell.switch.domain import Current
from seatrial.cell.switch.service.admission import current, release_document
from seatrial.cell.switch.service.ports import Warmer
from seatrial.contract.releases.components import Limits
from seatrial.contract.releases.release import Release
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.errors import BadUpstream, TimedOut, Unavailable

_MOST: Final = 1_000  # releases remembered


class ReleaseHosts:
    """Hosts by release. Belongs to one event loop.

    Args:
        hosts: the processes.
        database: where releases are kept.
        warmer: builds and warms.
        plan: how a release is hosted; its parts must be here. It may block.
        fetch: brings a release's parts here; asked where a run comes before they do.
        expect: told of each release that runs may come for; returns at once.
    """

    def __init__(
        self,
        hosts: Hosts,
        database: Database,
        warmer: Warmer,
        *,
        plan: Callable[[Release], HostPlan],
        fetch: Callable[[Release], Awaitable[None]],
        expect: Callable[[Release], None],
    ) -> None:
        self._hosts = hosts
        self._database = database
        self._warmer = warmer
        self._planned = plan
        self._fetch = fetch
        self._expect = expect
        self._releases: dict[Digest, Release] = {}
        self._plans: dict[Digest, HostPlan] = {}
        self._isolated: bool | None = None

    async def release(self, digest: Digest) -> Release:
        """The release that this cell keeps under `digest`; raises as `release_document`."""
        known = self._releases.get(digest)
        if known is None:
            known = await self._database.read(
                lambda connection: release_document(connection, digest)
            )
            self._remember(known)
        return known

    def limits(self, connection: Connection, digest: Digest) -> Limits:
        """The limits of a release, inside a transaction."""
        known = self._releases.get(digest) or release_document(connection, digest)
        return known.limits

    async def warm(self, release: Release, *, isolated: bool) -> None:
        """See `Warmer.warm`; raises what that raises."""
        await self._warmer.warm(release, isolated=isolated)
        self._remember(release)
        self._expect(release)

    async def keep(self, releases: Collection[Digest]) -> None:
        """See `Warmer.keep`."""
        await self._warmer.keep(releases)

    async def clear(self, releases: Collection[Release]) -> None:
        """See `Warmer.clear`."""
        await self._warmer.clear(releases)

    def agent(self, release: Digest) -> str:
        """Whose release it is; empty where it is not remembered."""
        known = self._releases.get(release)
        return "" if known is None else known.manifest.agent

    @contextlib.asynccontextmanager
    async def slot(self, release: Digest) -> AsyncIterator[Slot]:
        """See `runs.service.ports.Hosts.slot`.

        Raises:
            IsolationMissing: the rules in force demand isolation, and the process has none.
            SeatrialError: no process can be started.
        """
        async with self._hosts.slot(await self.plan(release)) as slot:
            if slot.isolation is not None and await self._demanded():
                slot.isolation.demand()
            yield slot

    async def plan(self, digest: Digest) -> HostPlan:
        """How a release is hosted; its parts are here then.

        Raises:
            SeatrialError: it is not in this cell, or cannot be fetched.
        """
        return self._plans.get(digest) or await self._plan(await self.release(digest))

    def flipped(self, now: Current) -> None:
        """Other rules may be in force."""
        self._isolated = now.closure.rules.isolated

    async def _demanded(self) -> bool:
        """Whether the rules in force demand isolation; a run may come before `flipped` does."""
        if self._isolated is None:
            self._isolated = (await self._database.read(current)).closure.rules.isolated
        return self._isolated

    async def _plan(self, release: Release) -> HostPlan:
        known = self._plans.get(release.name)
        if known is None:
            await self._fetched(release)
            known = await asyncio.to_thread(self._planned, release)
            self._plans[release.name] = known
        return known

    async def _fetched(self, release: Release) -> None:
        """See that its parts are here: in a cell of several processes a run may come first."""
        try:
            await self._fetch(release)
        except (Unavailable, TimedOut, BadUpstream) as error:
            raise ReleaseAway(release=str(release.name), reason=error.message) from error

    def _remember(self, release: Release) -> None:
        if len(self._releases) >= _MOST:
            oldest = next(iter(self._releases))
            del self._releases[oldest]
            self._plans.pop(oldest, None)
        self._releases[release.name] = release
