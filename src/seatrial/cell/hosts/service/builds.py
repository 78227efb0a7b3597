"""Makes what a release runs on, offline: its source, and a virtual environment for its lock."""

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uv

from seatrial.cell.hosts.domain import (
    BuildImpossible,
    BuildTimedOut,
    InterpreterMissing,
    LockRefused,
    WheelsAltered,
    WheelsMissing,
)
from seatrial.cell.hosts.service.bundles import unpack
from seatrial.cell.hosts.service.makings import Makings, remove
from seatrial.cell.hosts.service.plans import HostPlan
from seatrial.kit.crypto.digests import Digest

_REQUIREMENT: Final = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[A-Za-z0-9._, -]+\])?\s*==\s*[A-Za-z0-9.+!_-]+"
    r"(?:\s*;[^#@/\\]*?)?(?P<hashes>(?:\s+--hash=sha256:[0-9a-f]{64})+)\s*\Z"
)
_COMMENT: Final = re.compile(r"(?:^|\s)#.*$")
_LONGEST_REASON: Final = 2_000  # characters of what the installer said


@dataclass(frozen=True, kw_only=True)
class Build:
    """What a release runs on.

    Attributes:
        bundle: the folder of its source, read-only.
        venv: the folder of its virtual environment.
    """

    bundle: Path
    venv: Path

    @property
    def python(self) -> Path:
        """The interpreter."""
        return self.venv / "bin" / "python"


class Builder:
    """Makes builds in one folder. Two releases with the same lock share an environment."""

    def __init__(self, folder: Path, seconds: float) -> None:
        """Build in `folder`; installing may take `seconds`."""
        self._bundles = folder / "bundles"
        self._venvs = folder / "venvs"
        self._home = folder / "home"
        self._makings = Makings(folder / "making")
        self._seconds = seconds
        self._locks: dict[Path, asyncio.Lock] = {}

    async def make(self, plan: HostPlan) -> Build:
        """The build of `plan`: made now, unless it is there.

        Raises:
            SeatrialError: as `unpack`, or `LockRefused`, `WheelsMissing`, `WheelsAltered`,
                `InterpreterMissing`, `BuildTimedOut`, `BuildImpossible`. Nothing half done is left.
        """
        build = self.place(plan)
        try:
            async with self._alone(build.bundle):
                await asyncio.to_thread(unpack, plan.bundle, plan.code, build.bundle, self._makings)
            async with self._alone(build.venv):
                if not build.venv.exists():
                    await self._install(plan, build.venv)
        except OSError as error:
            raise BuildImpossible(reason=str(error)) from error
        return build

    def place(self, plan: HostPlan) -> Build:
        """Where the build of `plan` lies, or will."""
        lock = Digest.of_json(
            {"lock": plan.lock, "python": plan.python, "cell": sys.version, "at": sys.base_prefix}
        )
        return Build(bundle=self._bundles / plan.code.hex, venv=self._venvs / lock.hex)

    def sweep(self) -> None:
        """Remove what builders left that were killed."""
        self._makings.sweep()

    def prune(self, plans: Iterable[HostPlan]) -> None:
        """Remove every build that none of `plans` needs."""
        builds = [self.place(plan) for plan in plans]
        wanted = {build.bundle for build in builds} | {build.venv for build in builds}
        for folder in (self._bundles, self._venvs):
            for each in folder.iterdir() if folder.is_dir() else ():
                if each not in wanted:
                    remove(each)

    def _alone(self, target: Path) -> asyncio.Lock:
        return self._locks.setdefault(target, asyncio.Lock())

    async def _install(self, plan: HostPlan, target: Path) -> None:
        requirements = list(checked_lock(plan.lock))
        with self._makings.making(target) as folder:
            try:
                async with asyncio.timeout(self._seconds):
                    await self._make_venv(plan.python, folder)
                    if requirements:
                        await self._fill(plan, folder)
            except TimeoutError:
                raise BuildTimedOut(seconds=self._seconds) from None
            # A rename is all or nothing for a kill; for a power cut only once the files are down.
            if requirements:
                await asyncio.to_thread(os.sync)

    async def _make_venv(self, python: str, folder: Path) -> None:
        own = f"{sys.version_info.major}.{sys.version_info.minor}"
        interpreter = getattr(sys, "_base_executable", sys.executable) if python == own else python
        failure = await self._uv(
            *("venv", "--python", interpreter, "--no-python-downloads", "--relocatable"),
            *("--no-project", "--allow-existing", str(folder)),
        )
        if failure is not None:
            raise InterpreterMissing(python=python, reason=failure)

    async def _fill(self, plan: HostPlan, folder: Path) -> None:
        lock = folder / "seatrial.lock"
        lock.write_text(plan.lock, encoding="utf-8")
        wheels = plan.wheels or folder / "no-wheels"
        wheels.mkdir(parents=True, exist_ok=True)
        failure = await self._uv(
            *("pip", "install", "--python", str(folder / "bin" / "python")),
            *("--no-index", "--find-links", str(wheels), "--only-binary", ":all:"),
            *("--require-hashes", "--no-deps", "--link-mode", "copy", "--compile-bytecode"),
            *("-r", str(lock)),
        )
        if failure is None:
            return
        if "hash mismatch" in failure.lower():
            raise WheelsAltered(reason=failure)
        raise WheelsMissing(reason=failure)

    async def _uv(self, *arguments: str) -> str | None:
        """None if it went well, else what `uv` said."""
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        process = await asyncio.create_subprocess_exec(
            *(uv.find_uv_bin(), *arguments),
            *("--offline", "--no-cache", "--no-config", "--no-progress", "--color", "never"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.defpath, "HOME": str(self._home), "LANG": "C.UTF-8"},
            cwd=self._home,
        )
        try:
            _, said = await process.communicate()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        if process.returncode == 0:
            return None
        return " ".join(said.decode("utf-8", "replace").split())[:_LONGEST_REASON]


def checked_lock(text: str) -> Iterator[str]:
    """The requirements of a lock, one by one.

    Raises:
        LockRefused: a line is more than a name, an exact version, a marker and SHA-256 hashes: an
            option or URL in it could reach beyond the wheels that were handed in.
    """
    whole = ""
    for number, line in enumerate(text.splitlines(), 1):
        part = _COMMENT.sub("", line).strip()
        whole = f"{whole} {part.removesuffix(chr(92)).strip()}".strip()
        if part.endswith("\\") or not whole:
            continue
        match = _REQUIREMENT.match(whole)
        if match is None:
            reason = f"{whole[:200]!r} is no `name==version --hash=sha256:…`"
            raise LockRefused(line=number, reason=reason)
        yield whole
        whole = ""
    if whole:
        raise LockRefused(line=len(text.splitlines()), reason="it ends in the middle")
