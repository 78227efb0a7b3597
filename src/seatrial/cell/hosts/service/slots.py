"""A slot: one process of a release, with a token of its own, serving one run at a time."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from seatrial.cell.hosts import warden
from seatrial.cell.hosts.domain import (
    EntryBroken,
    EntryMissing,
    EntryUncallable,
    Error,
    HostEvent,
    HostExited,
    HostGarbled,
    HostStopped,
    HostTimedOut,
    HostUnstartable,
    Isolation,
    IsolationMissing,
    LogLine,
    Result,
    RunRequest,
    RunTimedOut,
    SlotIdentity,
    Stream,
)
from seatrial.cell.hosts.service.builds import Build
from seatrial.cell.hosts.service.isolation import isolation_of
from seatrial.cell.hosts.service.plans import HostPlan, HostSettings, Role
from seatrial.cell.hosts.service.processes import (
    GuestProcess,
    Warden,
    make_scratch,
    remove_scratch,
    spoken,
)
from seatrial.kit.crypto.tokens import Token
from seatrial.kit.errors import SeatrialError

_LAST_WORDS: Final = 0.5  # seconds between a closed connection and the exit status
_LONGEST_REASON: Final = 2_000  # characters
_MOST_TOOLS: Final = 256
_LONGEST_TRACE: Final = 20_000

OnLine = Callable[[LogLine], None]


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the slots of one cell share.

    Attributes:
        door: the URL of the cell, as agents see it; None for none.
        owner: the mark of this cell's process.
        scratch: the folder in which each slot has one of its own.
        on_line: is given every line that is printed.
        warden: is told of each process.
    """

    door: str | None
    owner: str
    scratch: Path
    on_line: OnLine
    warden: Warden


class Slot:
    """One process, ready. Callers get it from `Hosts.slot` and may run in it, one after another."""

    def __init__(self, plan: HostPlan, slot_id: str, token: Token) -> None:
        self.plan = plan
        self.id = slot_id
        self.stored_token = token.stored()
        self.kind = ""
        self.tools: tuple[str, ...] = ()
        self.isolation: Isolation | None = None
        self.idle_since = 0.0
        self._process: GuestProcess | None = None
        self._mark = ""
        self._scratch: Path | None = None
        self._warden: Warden | None = None
        self._current: RunRequest | None = None
        self._fit = False

    @property
    def identity(self) -> SlotIdentity:
        """Who is calling when this slot's token calls."""
        run = self._current
        return SlotIdentity(
            agent=self.plan.agent,
            environment=self.plan.environment,
            release=self.plan.release,
            slot=self.id,
            run=run.run if run else None,
            attempt=run.attempt if run else None,
        )

    @property
    def fit(self) -> bool:
        """Whether it may take a run: it is up, unbroken, and left alone by its last one."""
        return self._fit and self._current is None and self._guest.wire.broken is None

    @property
    def lost(self) -> "asyncio.Future[Any]":
        """Done when its connection is gone or broken."""
        return self._guest.wire.lost

    @property
    def resident_bytes(self) -> int:
        """Memory of its process."""
        return self._process.resident_bytes if self._process else 0

    @property
    def process_id(self) -> int | None:
        """The process; None before it is started."""
        return self._process.id if self._process else None

    async def run(self, request: RunRequest) -> AsyncIterator[HostEvent]:
        """Run the agent once: chunks as they come, then one `Result` or one `Error`.

        Nothing is raised for what the agent or its process does. If the caller stops early, the
        process is killed when the slot's context ends.
        """
        if self._current is not None:
            raise RuntimeError(f"slot {self.id} already holds run {self._current.run!r}")
        guest = self._guest
        self._current = request
        guest.renew_lines()
        late = asyncio.get_running_loop().call_later(
            request.deadline_seconds, self._expire, request.deadline_seconds
        )
        try:
            guest.wire.ask_run(_body(self.plan, request))
            while True:
                event = await guest.wire.event()
                if isinstance(event, Result | Error):
                    yield await self._ended(event)
                    return
                yield event
        finally:
            late.cancel()

    def reply(self, body: bytes) -> None:
        """Answer the chunk that came last. For processes that serve functions."""
        self._guest.wire.reply(body)

    async def start(
        self, build: Build, settings: HostSettings, token: Token, around: Surroundings
    ) -> None:
        """Start the process and wait until its agent is imported.

        Raises:
            SeatrialError: it did not become ready; `stop` must follow all the same.
        """
        self._mark = f"{around.owner}/{self.id}"
        try:
            self._scratch = await asyncio.to_thread(make_scratch, around.scratch / self.id)
        except OSError as error:
            raise HostUnstartable(reason=str(error)) from error

        def emit(stream: Stream, text: str) -> None:
            run = self._current.run if self._current else None
            around.on_line(
                LogLine(release=self.plan.release, slot=self.id, run=run, stream=stream, text=text)
            )

        limits = self.plan.limits
        functions = self.plan.role is Role.FUNCTIONS
        door = None if functions else around.door
        self._process = await GuestProcess.start(
            python=build.python,
            cwd=build.bundle,
            told={
                "entry": self.plan.entry,
                "bundle": str(build.bundle),
                "venv": str(build.venv),
                "scratch": str(self._scratch),
                "door_port": _port(door),
                "parent": os.getpid(),
                "require_isolation": settings.require_isolation,
                "memory_bytes": limits.memory_bytes,
                "open_files": limits.open_files,
                "file_bytes": limits.file_bytes,
                "child_processes": limits.child_processes,
                "functions": functions,
            },
            environment=_environment(self.plan, build, self._scratch, token, door)
            | {warden.VARIABLE: self._mark},
            limits=limits,
            emit=emit,
        )
        self._warden = around.warden
        self._warden.began(self._process.id)
        await self._become_ready(settings)

    def abort(self, reason: str) -> None:
        """End the run in it with `HostStopped`, and the process with it, at once."""
        self._guest.wire.fail(HostStopped(reason=reason))
        self._guest.kill()

    async def stop(self, grace: float) -> None:
        """End the process with all that it started, and remove its scratch folder."""
        self._fit = False
        if self._process is not None:
            self._process.drain_lines()
            self._current = None  # from now on its token is nobody's
            await self._process.stop(self._mark, grace)
            if self._warden is not None:
                self._warden.ended(self._process.id)
        if self._scratch is not None:
            await asyncio.to_thread(remove_scratch, self._scratch)

    async def _become_ready(self, settings: HostSettings) -> None:
        wire = self._guest.wire
        wire.ask_ready()
        try:
            async with asyncio.timeout(settings.ready_seconds):
                status, told = await wire.answer()
        except TimeoutError:
            raise HostTimedOut(seconds=settings.ready_seconds) from None
        except HostExited:
            raise HostExited(reason=await self._last_words()) from None
        finally:
            self._guest.drain_lines()
        try:
            if status != 200:
                raise _refusal(self.plan.entry, told["error"])
            self.kind = str(told["kind"])
            self.tools = tuple(str(each) for each in list(told.get("tools", ()))[:_MOST_TOOLS])
            self.isolation = isolation_of(told["isolation"])
            contract = told["contract"]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise HostGarbled(reason=f"its answer to /ready cannot be read: {error!r}") from None
        if contract != 1:
            raise HostGarbled(reason=f"it speaks contract {contract!r}, not 1")
        if settings.require_isolation and self.isolation.label != self.isolation.level:
            raise IsolationMissing(reason=", ".join(self.isolation.missing) or "unknown")
        self._fit = True

    async def _ended(self, event: Result | Error) -> Result | Error:
        guest = self._guest
        if isinstance(event, Error) and event.code == HostExited.code:
            told = HostExited(reason=await self._last_words())
            event = Error(code=told.code, message=told.message)
        guest.drain_lines()
        self._fit = guest.wire.broken is None and event.residue is None
        self._current = None
        return event

    async def _last_words(self) -> str:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                return spoken(await asyncio.shield(self._guest.exited))
        return "it closed its connection"

    def _expire(self, seconds: float) -> None:
        self._guest.wire.fail(RunTimedOut(seconds=seconds))

    @property
    def _guest(self) -> GuestProcess:
        if self._process is None:
            raise RuntimeError(f"slot {self.id} was not started")
        return self._process


def _body(plan: HostPlan, request: RunRequest) -> bytes:
    return orjson.dumps(
        {
            "run": request.run,
            "attempt": request.attempt,
            "agent": plan.agent,
            "release": str(plan.release),
            "environment": plan.environment,
            "session": request.session,
            "history": request.history,
            "input": request.input,
            "seed": request.seed,
            "deadline_seconds": request.deadline_seconds,
            "steps": request.steps,
        }
    )


def _environment(
    plan: HostPlan, build: Build, scratch: Path, token: Token, door: str | None
) -> dict[str, str]:
    """All that an agent's environment holds: nothing of this process, no proxy."""
    written = {
        "PATH": f"{build.venv / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "VIRTUAL_ENV": str(build.venv),
        "LANG": "C.UTF-8",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "USER": "agent",
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "SEATRIAL_ENVIRONMENT": plan.environment,
        "SEATRIAL_AGENT": plan.agent,
        "SEATRIAL_RELEASE": str(plan.release),
    }
    if door is None:
        return written
    key = token.reveal()
    return written | {
        "OPENAI_BASE_URL": f"{door}/v1",
        "OPENAI_API_KEY": key,
        "ANTHROPIC_BASE_URL": door,
        "ANTHROPIC_API_KEY": key,
        "SEATRIAL_URL": door,
        "SEATRIAL_TOKEN": key,
        "SEATRIAL_MCP_URL": f"{door}/mcp",
    }


def _port(door: str | None) -> int | None:
    if door is None:
        return None
    parts = urlsplit(door)
    return parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _refusal(entry: str, told: dict[str, Any]) -> SeatrialError:
    code, reason = str(told["code"]), str(told["message"])[:_LONGEST_REASON]
    if code == EntryMissing.code:
        return EntryMissing(entry=entry, reason=reason)
    if code == EntryUncallable.code:
        return EntryUncallable(entry=entry, reason=reason)
    if code == IsolationMissing.code:
        return IsolationMissing(reason=reason)
    broken = EntryBroken(entry=entry, reason=reason)
    broken.trace = str(told.get("trace", ""))[-_LONGEST_TRACE:]
    return broken
