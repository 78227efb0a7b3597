"""Hosts as the switch warms them, and a release as hosts take it."""

import asyncio
import logging
import os
import shutil
import tempfile
from collections.abc import Collection, Container
from dataclasses import replace
from pathlib import Path
from typing import Final

from seatrial.cell.hosts.domain import Limits
from seatrial.cell.hosts.service.hosts import Hosts
from seatrial.cell.hosts.service.plans import HostPlan
from seatrial.cell.switch.service.blobs import Blobs
from seatrial.contract.releases.release import Release
from seatrial.kit.crypto.digests import Digest

_LOG: Final = logging.getLogger(__name__)
_DRAFT: Final = ".draft-"
_USUAL: Final = Limits()


class HostWarmer:
    """A `Warmer` over the hosts of this process.

    Args:
        hosts: warmed.
        blobs: where a release's parts lie.
        wheels: a folder in which each release's wheels stand under their file names.
        environment: the cell's.
        limits: of processes whose release sets none.
    """

    def __init__(
        self,
        hosts: Hosts,
        blobs: Blobs,
        wheels: Path,
        environment: str,
        limits: Limits = _USUAL,
    ) -> None:
        self._hosts = hosts
        self._blobs = blobs
        self._wheels = wheels
        self._environment = environment
        self._limits = limits

    async def warm(self, release: Release, *, isolated: bool) -> None:
        """See `Warmer.warm`.

        Raises:
            IsolationMissing: that is asked for, and this machine has none.
            SeatrialError: what `Hosts.prepare` raises.
        """
        plan = await asyncio.to_thread(self._plan, release)
        warmed = await self._hosts.prepare(plan)
        undeclared = sorted(set(warmed.tools) - set(release.tools))
        if undeclared:
            _LOG.warning(
                "%s runs %s by itself, which seatrial.toml does not declare: nothing records it",
                release.manifest.agent,
                ", ".join(undeclared),
            )
        if isolated:
            warmed.isolation.demand()

    async def keep(self, releases: Collection[Digest]) -> None:
        """See `Warmer.keep`."""
        await self._hosts.retire(frozenset(releases))

    async def clear(self, releases: Collection[Release]) -> None:
        """See `Warmer.clear`."""
        plans = [self._plan(each) for each in releases]
        await self._hosts.prune(plans)
        await asyncio.to_thread(_clear, self._wheels, {each.name.hex for each in releases})

    def _plan(self, release: Release) -> HostPlan:
        return plan_of(release, self._blobs, self._wheels, self._environment, self._limits)


def plan_of(
    release: Release, blobs: Blobs, wheels: Path, environment: str, limits: Limits = _USUAL
) -> HostPlan:
    """The release as hosts take it; its blobs must be here.

    Args:
        release: what is to be hosted.
        blobs: where its parts lie.
        wheels: see `HostWarmer`.
        environment: the cell's.
        limits: where the release sets none.
    """
    code, memory = release.code, release.limits.memory_mb
    if memory is not None:
        limits = replace(limits, memory_bytes=memory << 20)
    return HostPlan(
        release=release.name,
        agent=release.manifest.agent,
        environment=environment,
        entry=code.entry,
        code=code.bundle,
        bundle=blobs.path(code.bundle),
        lock=code.lock,
        wheels=_named(release, blobs, wheels) if code.wheels else None,
        python=code.python,
        limits=limits,
    )


def _named(release: Release, blobs: Blobs, wheels: Path) -> Path:
    """A folder of the release's wheels under their names; it appears whole."""
    target = wheels / release.name.hex
    if target.is_dir():
        return target
    wheels.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=_DRAFT, dir=wheels) as draft:
        folder = Path(draft) / "wheels"
        folder.mkdir()
        for wheel in release.code.wheels:
            os.link(blobs.path(wheel.content), folder / wheel.file)
        try:
            folder.rename(target)
        except OSError:
            if not target.is_dir():  # else another process was faster
                raise
    return target


def _clear(wheels: Path, kept: Container[str]) -> None:
    if wheels.is_dir():
        for folder in wheels.iterdir():
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)
