"""Values of agent processes, what they tell, and everything that can go wrong with one."""

import enum
from dataclasses import dataclass
from typing import Any, Final

from seatrial.kit.crypto.digests import Digest
from seatrial.kit.errors import (
    BadUpstream,
    Conflict,
    Denied,
    Failed,
    Invalid,
    NotFound,
    TimedOut,
    TooLarge,
    Unavailable,
)

ISOLATED: Final = "L1"


class Stream(enum.StrEnum):
    """Where a line was written."""

    OUTPUT = "stdout"
    ERROR = "stderr"


class Origin(enum.StrEnum):
    """Whose failure it is: a run that fails by its agent is not tried again for the host's sake."""

    AGENT = "agent"
    HOST = "host"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one agent process may use.

    Attributes:
        memory_bytes: of data; 0 for no limit.
        open_files: descriptors at once.
        file_bytes: the largest file it may write to its scratch folder.
        child_processes: whether it may start any, where the kernel can forbid it; they end with
            it. They could run little but its own interpreter, and without end they stop a machine.
        line_bytes: the longest event, and the longest output.
        output_bytes: all events of a run together.
        log_bytes: of printed lines in one run that are kept; the rest is dropped.
    """

    memory_bytes: int = 2 << 30
    open_files: int = 1024
    file_bytes: int = 256 << 20
    child_processes: bool = False
    line_bytes: int = 16 << 20
    output_bytes: int = 64 << 20
    log_bytes: int = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Isolation:
    """How far a process is cut off from everything else, as data.

    Attributes:
        level: `L1`, or `L0` for not isolated.
        landlock: the kernel's version of it; 0 for none.
        seccomp: whether system calls are filtered.
        missing: what could not be had.
    """

    level: str
    landlock: int
    seccomp: bool
    missing: tuple[str, ...]

    @property
    def label(self) -> str:
        """The level for a badge."""
        return self.level if self.level == ISOLATED else f"{self.level} not isolated"

    def demand(self) -> None:
        """Raise `IsolationMissing` unless the process is isolated."""
        if self.level != ISOLATED:
            raise IsolationMissing(reason=", ".join(self.missing) or "unknown")


@dataclass(frozen=True, kw_only=True)
class Warmed:
    """A release that is ready to be run.

    Attributes:
        release: its digest.
        kind: the callable's form: `sync`, `async`, `generator`, `async_generator`; or the
            framework whose object it is.
        isolation: of its processes.
        tools: names of what it runs by itself, as far as an object of a framework tells.
    """

    release: Digest
    kind: str
    isolation: Isolation
    tools: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """One attempt at a run, as the agent gets it.

    Attributes:
        run: its id.
        attempt: counts from 1.
        input: any JSON value.
        seed: for `random` and `uuid4`; the same on every attempt.
        deadline_seconds: after so many the process is killed.
        session: the thread of runs it belongs to.
        history: earlier runs of the session, each with `input` and `output`, oldest first.
        steps: how many model and tool calls the agent is told that it may make.
    """

    run: str
    attempt: int
    input: Any
    seed: int
    deadline_seconds: float
    session: str | None = None
    history: tuple[dict[str, Any], ...] = ()
    steps: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """A part of the output, as soon as it is there."""

    data: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The output; the last event of a run that ended well.

    Attributes:
        output: any JSON value.
        residue: tasks and threads that were left, so that the process is replaced; None for none.
    """

    output: Any
    residue: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Error:
    """A failure; the last event of a run that did not end well.

    Attributes:
        code: such as `agent_raised`, or that of an error of this room.
        message: one sentence.
        trace: the agent's own lines, where there are any.
        origin: whose failure it is.
        residue: as in `Result`.
    """

    code: str
    message: str
    trace: str = ""
    origin: Origin = Origin.HOST
    residue: str | None = None


HostEvent = Chunk | Result | Error


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """A line that an agent printed.

    Attributes:
        release: whose process.
        slot: which one.
        run: in which run; None between runs.
        stream: `stdout` or `stderr`.
        text: without its line end, and cut where it is too long.
    """

    release: Digest
    slot: str
    run: str | None
    stream: Stream
    text: str


@dataclass(frozen=True, kw_only=True)
class SlotIdentity:
    """Who is calling from inside: what a slot's token stands for at this instant.

    Attributes:
        agent: the agent's slug.
        environment: where.
        release: the digest of what runs in the slot.
        slot: its id.
        run: the run in it; None if there is none, and then the call must be refused.
        attempt: of that run.
    """

    agent: str
    environment: str
    release: Digest
    slot: str
    run: str | None
    attempt: int | None


@dataclass(frozen=True, kw_only=True)
class ReleaseFigures:
    """The processes of one release.

    Attributes:
        release: its digest.
        agent: its agent's slug.
        kept: whether it is still wanted; else it goes when its runs have ended.
        slots: processes that are up.
        busy: how many of them hold a run.
        starting: how many are on their way.
        waiting: callers who wait for one.
        resident_bytes: memory of the processes themselves.
        isolation: of the process started last; None before the first.
    """

    release: Digest
    agent: str
    kept: bool
    slots: int
    busy: int
    starting: int
    waiting: int
    resident_bytes: int
    isolation: Isolation | None


class EntryMissing(NotFound):
    """The entry {entry!r} is missing: {reason}."""

    code = "entry_missing"
    cause = "`entry` in seatrial.toml names a file or an object that the bundle does not hold."
    remedy = "Set `entry` to `path/to/file.py:object`, and look that `exclude` leaves the file in."


class EntryUncallable(Invalid):
    """The entry {entry!r} cannot be called as an agent: {reason}."""

    code = "entry_uncallable"
    cause = "An agent is a function, or an object with `__call__`, of (input) or (input, context)."
    remedy = "Wrap what you have: `async def run(input): return await graph.ainvoke(input)`."


class EntryBroken(Failed):
    """The entry {entry!r} fails while it is imported: {reason}."""

    code = "entry_broken"
    cause = "The agent's own code, or a package that it imports, raises before it can be called."
    remedy = "Read the trace, and import the file in a fresh virtual environment of its lock."
    trace: str = ""


class HostExited(Failed):
    """The agent's process is gone: {reason}."""

    code = "host_exited"
    cause = "The agent called `os._exit`, crashed in native code, or used up its memory."
    remedy = "Look at the lines it printed last; raise its memory limit if it was killed."


class HostGarbled(BadUpstream):
    """The agent's process broke the host contract: {reason}."""

    code = "host_garbled"
    cause = "Something in that process wrote to the connection that carries runs and answers."
    remedy = "Let the agent print to standard output alone, and return its output."


class HostOverflowed(TooLarge):
    """The agent's {what} is larger than {limit} bytes."""

    code = "host_overflowed"
    cause = "An output or a stream of chunks grows without end, or carries a file."
    remedy = "Return less, or a reference to what is large."


class HostStopped(Conflict):
    """The agent's process was stopped: {reason}."""

    code = "host_stopped"
    cause = "What it ran had been taken over, cancelled or stopped, and it went on."
    remedy = "Nothing need be done: the run ends, or goes on elsewhere."


class HostTimedOut(TimedOut):
    """The agent was not ready within {seconds} s."""

    code = "host_timed_out"
    cause = "Importing the entry takes long: big packages, a slow disk, or a call on import."
    remedy = "Move work from the module's top into the function; look at the lines it printed."


class RunTimedOut(TimedOut):
    """The agent did not end within {seconds} s, and its process was killed."""

    code = "run_timed_out"
    cause = "The run waits for something that does not come, or does too much."
    remedy = "Read the run's last calls; raise its timeout if the work is really that long."


class HostUnstartable(Unavailable):
    """No agent process could be started: {reason}."""

    code = "host_unstartable"
    cause = "The machine has no memory, processes or descriptors left, or the interpreter is gone."
    remedy = "Free memory or raise the limits of the cell's process, then try again."


class IsolationMissing(Denied):
    """An agent process cannot be isolated here: {reason}."""

    code = "isolation_missing"
    cause = "This environment demands isolation, and the kernel has no Landlock of version 4 or up."
    remedy = "Use Linux 6.7 or later with Landlock on, or allow level L0 where nothing is real."


class HostsClosed(Unavailable):
    """The agent processes of this cell are ending."""

    code = "hosts_closed"
    cause = "The cell was told to stop."
    remedy = "Send the run again; another process or the next one takes it."


class BuildImpossible(Unavailable):
    """The release could not be built here: {reason}."""

    code = "build_impossible"
    cause = "The disk is full, or this cell's directory cannot be written to."
    remedy = (
        "Make room or correct the directory's owner, then try again; nothing half done is left."
    )


class BundleAltered(Invalid):
    """The bundle {digest} is not what its name says: its content has the digest {found}."""

    code = "bundle_altered"
    cause = "The file was cut off or changed after it was named by its digest."
    remedy = "Fetch it again; if it repeats, the store was altered."


class BundleMissing(NotFound):
    """The bundle {digest} is not at {path!r}."""

    code = "bundle_missing"
    cause = "It was never fetched to this cell, or was removed."
    remedy = "Deploy the release again, or let the cell fetch it."


class BundleUnreadable(Invalid):
    """The bundle {digest} cannot be unpacked: {reason}."""

    code = "bundle_unreadable"
    cause = "A bundle is an uncompressed tar of regular files, and holds no links and no devices."
    remedy = "Deploy again with `seatrial deploy`, which makes bundles as they must be."


class InterpreterMissing(Unavailable):
    """This machine has no Python {python} for the agent: {reason}."""

    code = "interpreter_missing"
    cause = "A release pins the Python version that its wheels were chosen for."
    remedy = "Install that version here, or deploy from a project on a version that is here."


class LockRefused(Invalid):
    """Line {line} of the dependency lock is refused: {reason}."""

    code = "lock_refused"
    cause = "A cell installs `name==version --hash=sha256:…` alone: no URLs, options or sources."
    remedy = "Deploy again with `seatrial deploy`, which writes the lock."


class WheelsMissing(NotFound):
    """The dependencies cannot be installed: {reason}."""

    code = "wheels_missing"
    cause = "A wheel that the lock names is not here, or is not for this machine and Python."
    remedy = "Deploy again from a machine of the same kind, so that the right wheels are fetched."


class WheelsAltered(Invalid):
    """A wheel is not the one that was locked: {reason}."""

    code = "wheels_altered"
    cause = "Its file has another digest than the lock pins: it was cut off or changed."
    remedy = "Fetch it again; if it repeats, the store or the index was altered."


class BuildTimedOut(TimedOut):
    """The dependencies were not installed within {seconds} s."""

    code = "build_timed_out"
    cause = "The disk is slow or full of other work, or there are very many packages."
    remedy = "Try again; what was half done has been removed."
