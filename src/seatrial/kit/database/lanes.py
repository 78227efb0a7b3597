"""Lanes: threads of the database's own that take use cases from a queue and settle them.

The caller's thread only queues and waits. A lane serves what it takes as a group, and wakes each
event loop once for a whole group: with 50 callers that is one wake-up instead of 50.
"""

import asyncio
import concurrent.futures
import contextvars
import logging
import queue
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import CoroutineType
from typing import Any, Final, Protocol

from sqlalchemy import Result

from seatrial.kit.clock import SystemClock
from seatrial.kit.database.connection import Connection, Durability, Isolation
from seatrial.kit.database.errors import DatabaseBusy, DatabaseClosed

UseCase = Callable[[Connection], Any]
Outcome = asyncio.Future[Any] | concurrent.futures.Future[Any]

REAL: Final = SystemClock()
"""For waits: servers and disks live in real time, whatever clock the process was given."""

_log: Final = logging.getLogger(__name__)
_END: Final = None


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Where a database stops. Times in seconds.

    Attributes:
        queue: use cases that may wait for a lane; one more is refused.
        patience: longest wait of one use case, retries and reconnections included, before it is
            refused. Real time, whatever the process's clock says: servers live in it.
        group: most use cases in one commit (SQLite).
        group_seconds: from here on a group takes no further member (SQLite).
        readers: threads that read, each with a connection of its own.
        writers: threads that write on PostgreSQL, likewise; SQLite has one.
        attempts: most runs of one use case that others keep getting in the way of (PostgreSQL).
        statement: longest run of a statement (PostgreSQL), of a use case's statements together
            (SQLite).
        lock: longest wait for another's lock.
        idle: longest pause between two statements of one use case (PostgreSQL).
        connect: longest wait for a connection.
    """

    queue: int = 10_000
    patience: float = 30.0
    group: int = 256
    group_seconds: float = 0.02
    readers: int = 4
    writers: int = 8
    attempts: int = 64
    statement: float = 30.0
    lock: float = 10.0
    idle: float = 10.0
    connect: float = 5.0

    def __post_init__(self) -> None:
        for name in ("queue", "group", "readers", "writers", "attempts"):
            if getattr(self, name) < 1:
                raise ValueError(f"a database needs {name} of at least 1")


@dataclass(kw_only=True)
class Tally:
    """What one thread has done; only that thread writes to it."""

    transactions: int = 0
    commits: int = 0
    largest_group: int = 0
    undone: int = 0
    repeated: int = 0
    connections: int = 0


@dataclass(frozen=True, kw_only=True)
class Terms:
    """On which terms a use case runs.

    Attributes:
        patience: seconds from now until it is refused.
        durability: of its commit.
        isolation: on PostgreSQL.
        alters: it changes tables.
    """

    patience: float
    durability: Durability = Durability.FULL
    isolation: Isolation = Isolation.SERIALIZABLE
    alters: bool = False


class Job:
    """One use case on its way through a lane. Run it, then `deliver` it.

    Args:
        use_case: what to run.
        terms: how.
        future: where the outcome goes.
        loop: the event loop of `future`; None for a thread that waits.
    """

    __slots__ = ("context", "deadline", "error", "future", "loop", "terms", "use_case", "value")

    def __init__(
        self,
        use_case: UseCase,
        terms: Terms,
        future: Outcome,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.use_case = use_case
        self.terms = terms
        self.future = future
        self.loop = loop
        self.deadline = REAL.steady() + terms.patience
        self.context = contextvars.copy_context()
        self.value: Any = None
        self.error: BaseException | None = None

    def call(self, connection: Connection) -> None:
        """Run the use case, in its caller's context, and keep what comes of it."""
        self.value, self.error = None, None
        try:
            self.value = _plain(self.context.run(self.use_case, connection))
        except BaseException as error:  # noqa: BLE001 - it belongs to the one who awaits it
            self.error = error
        if connection.failure is not None and (self.error is None or connection.lost):
            self.error = connection.failure
        connection.retire()

    def settle(self) -> None:
        """Tell the awaiter. Runs on its loop, or for a blocking caller on the lane's thread."""
        future = self.future
        if future.done():  # cancelled
            return
        error = self.error
        if error is None:
            future.set_result(self.value)
        elif isinstance(error, StopIteration):
            broken = RuntimeError("the use case raised StopIteration")
            broken.__cause__ = error
            future.set_exception(broken)
        else:
            future.set_exception(error)


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a use case returns
    if isinstance(value, Result | CoroutineType):
        value.close()
        raise TypeError(
            f"the use case returned a {type(value).__name__}, which is of no use once its"
            " transaction is over; return plain values"
        )
    return value


class Session(Protocol):
    """What one thread of a lane works with: its own connection to the database."""

    tally: Tally

    def serve(self, jobs: Sequence[Job]) -> None:
        """Give every job a value or an error. Raises nothing."""
        ...

    def close(self) -> None:
        """Let the connection go."""
        ...


def deliver(jobs: Sequence[Job]) -> None:
    """Settle `jobs`, waking each event loop once."""
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[Job]] = defaultdict(list)
    for job in jobs:
        if job.loop is None:
            job.settle()
        else:
            by_loop[job.loop].append(job)
    for loop, some in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle_all, some)
        except RuntimeError:  # the loop is closed: nobody awaits any more
            continue


def _settle_all(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.settle()


class _LaneThread(threading.Thread):
    """A thread on which use cases run."""


class Lane:
    """A bounded queue and the threads that serve it.

    Args:
        name: for the threads' names.
        open_session: makes what a thread works with; called on that thread.
        threads: most of them; they start as work comes.
        group: most jobs that one thread takes at once.
        limits: for the bound of the queue.
    """

    def __init__(
        self,
        name: str,
        open_session: Callable[[], Session],
        *,
        threads: int,
        group: int,
        limits: Limits,
    ) -> None:
        self._name = name
        self._open_session = open_session
        self._size = threads
        self._group = group
        self._limits = limits
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._threads: list[threading.Thread] = []
        self._tallies: list[Tally] = []
        self._refused = 0
        self._unfinished = 0

    @property
    def waiting(self) -> int:
        """Jobs in the queue."""
        return self._queue.qsize()

    @property
    def refused(self) -> int:
        """Jobs that found the queue full."""
        return self._refused

    @property
    def tallies(self) -> Sequence[Tally]:
        """What each thread has done."""
        return self._tallies

    def put(self, job: Job) -> None:
        """Queue `job`.

        Raises:
            DatabaseClosed: the lane takes nothing any more.
            DatabaseBusy: too many wait already.
            RuntimeError: called from inside a use case, which would wait for itself.
        """
        if isinstance(threading.current_thread(), _LaneThread):
            raise RuntimeError(  # noqa: TRY004 - a wrong place, not a wrong type
                "a use case may not use a database, but for its own connection"
            )
        with self._lock:
            if self._closed:
                raise DatabaseClosed
            waiting = self._queue.qsize()
            if waiting >= self._limits.queue:
                self._refused += 1
                raise DatabaseBusy(reason=f"{waiting} others wait already")
            if self._unfinished >= len(self._threads) < self._size:
                self._start_thread()
            self._queue.put(job)
            self._unfinished += 1

    def close(self) -> None:
        """Take nothing more, serve what waits, and return when all threads have ended."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for _ in self._threads:
                    self._queue.put(_END)
        for thread in self._threads:
            thread.join()

    def _start_thread(self) -> None:
        # A daemon: a process that ends without `close` must not hang on a queue for ever.
        name = f"{self._name}-{len(self._threads)}"
        thread = _LaneThread(target=self._work, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _work(self) -> None:
        session = self._open_session()
        self._tallies.append(session.tally)
        try:
            while self._round(session):
                pass
        finally:
            session.close()

    def _round(self, session: Session) -> bool:
        jobs = self._take()
        if jobs is None:
            return False
        wanted = [job for job in jobs if _wanted(job)]
        try:
            session.serve(wanted)
        except Exception as error:  # noqa: BLE001 - a defect: the thread lives, nobody waits
            _log.exception("a database session failed")
            for job in wanted:
                job.error = job.error or error
        with self._lock:
            self._unfinished -= len(jobs)
        deliver(jobs)
        return True

    def _take(self) -> list[Job] | None:
        """Wait for a job; take what else is there already; None at the end."""
        first = self._queue.get()
        if first is _END:
            return None
        jobs = [first]
        while len(jobs) < self._group:
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                break
            if job is _END:
                self._queue.put(_END)
                break
            jobs.append(job)
        return jobs


@dataclass(frozen=True, kw_only=True)
class Lanes:
    """The lanes of one database.

    Attributes:
        reads: for use cases that read.
        writes: for all others; None where nothing may be written.
        release: what to let go once both have ended.
    """

    reads: Lane
    writes: Lane | None
    release: Callable[[], None] = lambda: None

    def close(self) -> None:
        """End both lanes, the readers first: the last to let an SQLite file go tidies its log."""
        self.reads.close()
        if self.writes is not None:
            self.writes.close()
        self.release()


def _wanted(job: Job) -> bool:
    """Whether a job is still worth doing. A cancelled one has not begun, and never will."""
    if job.future.cancelled():
        return False
    if REAL.steady() > job.deadline:
        job.error = DatabaseBusy(reason="it waited in the queue for too long")
        return False
    return True
