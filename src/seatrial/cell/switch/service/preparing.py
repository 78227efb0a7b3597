"""Gets a release ready in this process: its document, its blobs, its warm host."""

import asyncio
from collections.abc import Iterable

from seatrial.cell.switch import store
from seatrial.cell.switch.service.blobs import Blobs
from seatrial.cell.switch.service.ports import Control, Warmer
from seatrial.contract.releases.closure import Closure
from seatrial.contract.releases.release import Release, opened
from seatrial.kit.clock import Clock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database


class Preparer:
    """Makes releases ready, each once at a time.

    Attributes:
        ready: releases that this process has warmed and still keeps.
    """

    def __init__(
        self, database: Database, control: Control, blobs: Blobs, warmer: Warmer, clock: Clock
    ) -> None:
        self.ready: set[Digest] = set()
        self._database = database
        self._control = control
        self._blobs = blobs
        self._warmer = warmer
        self._clock = clock
        self._locks: dict[Digest, asyncio.Lock] = {}

    async def documents(self, digests: Iterable[Digest]) -> dict[Digest, Release]:
        """The releases of these names, fetched where they are not kept; each is verified.

        Raises:
            ReleaseAltered, DocumentInvalid: what came is something else. Nothing is kept of it.
            SeatrialError: control does not answer, or refuses.
        """
        return {digest: await self._document(digest) for digest in sorted(set(digests))}

    async def prepare(self, release: Release, *, isolated: bool) -> None:
        """Fetch the blobs of `release` and warm its host, where that is not done.

        Args:
            release: what is to be run.
            isolated: the rules that it will run under demand it. What is warm is then looked at
                again: it may have become so under others.

        Raises:
            BlobAltered, BlobTooLarge: what came is something else.
            SeatrialError: control or the host; see `Warmer.warm`.
        """
        async with self._locks.setdefault(release.name, asyncio.Lock()):
            if release.name in self.ready and not isolated:
                return
            await self._fetch(release)
            await self._warmer.warm(release, isolated=isolated)
            self.ready.add(release.name)

    async def fetch(self, release: Release) -> None:
        """Fetch the blobs of `release` that are not here; raises as `prepare`."""
        async with self._locks.setdefault(release.name, asyncio.Lock()):
            await self._fetch(release)

    async def keep(self, closures: Iterable[Closure]) -> None:
        """Hold ready only what one of `closures` names; raises what `Warmer.keep` raises."""
        named = {active.release for each in closures for active in each.agents.values()}
        self.ready &= named
        for digest in [each for each, lock in self._locks.items() if not lock.locked()]:
            if digest not in named:
                del self._locks[digest]
        await self._warmer.keep(named)

    async def _fetch(self, release: Release) -> None:
        for digest in release.blobs:
            if not await asyncio.to_thread(self._blobs.has, digest):
                await self._blobs.keep(digest, self._control.blob(digest))

    async def _document(self, digest: Digest) -> Release:
        kept = await self._database.read(lambda connection: store.release(connection, digest))
        if kept is not None:
            return opened(kept, digest)
        release = opened(await self._control.release(digest), digest)
        now = self._clock.now()

        def keep(connection: Connection) -> None:
            store.keep_release(connection, digest, release.model_dump(mode="json"), now)

        await self._database.write(keep)
        return release
