"""Runs the processes of an embedded Seatrial: starts them, keeps them up, ends them in order.

A child that dies is started again after a pause that doubles to a few seconds. A child whose
supervisor dies ends by itself: the supervisor holds the write end of a pipe, and the child drains
when it sees the pipe close, which a kill -9 closes too.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from seatrial.kit.errors import Failed
from seatrial.main.home import ADDRESS

_LOG: Final = logging.getLogger(__name__)
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0
_STEADY: Final = 10.0  # seconds up after which a death counts as the first again
_TAIL: Final = 4_000  # bytes of the log that an error quotes from


class ProcessFailed(Failed):
    """The process {name!r} ended with code {status}: {last} (its log is {log})."""

    code = "process_failed"
    cause = "A process of the system did not start; its log tells why, and its last line is here."
    remedy = "Mend what the line says; the file that is named holds all of it."


@dataclass(kw_only=True)
class Child:
    """One process.

    Attributes:
        name: for people.
        arguments: of the `seatrial` command.
        log: where its standard error goes.
        environment: its environment, written out.
        restarts: times it was started again.
        died: what to say of its last death; None while it has not died.
    """

    name: str
    arguments: tuple[str, ...]
    log: Path
    environment: dict[str, str]
    restarts: int = 0
    died: ProcessFailed | None = None
    _process: asyncio.subprocess.Process | None = field(default=None, repr=False)
    _leash: int = field(default=-1, repr=False)
    _wanted: bool = field(default=False, repr=False)
    _noted: int = field(default=0, repr=False)
    _keeper: asyncio.Task[None] | None = field(default=None, repr=False)

    async def start(self) -> None:
        """Start it, and start it again whenever it dies."""
        self._wanted = True
        await self._spawn()
        self._keeper = asyncio.create_task(self._keep())

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def status(self) -> int | None:
        """Its exit code, if it is not running."""
        return self._process.returncode if self._process else None

    @property
    def listens(self) -> bool:
        """Whether it has written down where it listens, in this life: who answers there is it."""
        return self._note() != self._noted

    def failure(self) -> ProcessFailed:
        """What to say of a child that ended before it served."""
        return ProcessFailed(
            name=self.name, status=self.status or 0, last=self._last_line(), log=str(self.log)
        )

    async def stop(self, grace: float) -> None:
        """Ask it to end, and make it end after `grace` seconds."""
        self._wanted = False
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(grace):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        self._let_go()

    async def _spawn(self) -> None:
        self._let_go()
        self._noted = self._note()
        ours, self._leash = os.pipe()
        try:
            with self.log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "seatrial.main",
                    *self.arguments,
                    "--leash",
                    str(ours),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self.environment,
                    pass_fds=(ours,),
                    start_new_session=True,  # Ctrl-C is for the supervisor, which ends us in order
                )
        finally:
            os.close(ours)

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE
        while self._wanted and self._process is not None:
            began = loop.time()
            await self._process.wait()
            self.died = self.failure()
            if loop.time() - began > _STEADY:
                pause = _FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)
            self.restarts += 1
            try:
                await self._spawn()
            except OSError as error:  # no room for now; the one that has ended is waited for again
                _LOG.warning("%s cannot be started again yet: %s", self.name, error)

    def _let_go(self) -> None:
        if self._leash >= 0:
            os.close(self._leash)
            self._leash = -1

    def _note(self) -> int:
        try:
            return (self.log.parent / ADDRESS).stat().st_mtime_ns
        except OSError:
            return 0

    def _last_line(self) -> str:
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - _TAIL))
                lines = log.read().decode(errors="replace").splitlines()
        except OSError:
            lines = []
        told = [line for line in lines if line.strip()]
        errors = [line for line in told if line.startswith("error ")]
        return (errors or told or ["it said nothing"])[-1]
