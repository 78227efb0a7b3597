"""The database of a process: use cases go in, what they return comes out once it is committed."""

import asyncio
import concurrent.futures
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self, TypeVar

from sqlalchemy import literal, select

from seatrial.kit.clock import Clock, SystemClock
from seatrial.kit.database import postgresql, sqlite
from seatrial.kit.database.address import SqliteAddress, parse
from seatrial.kit.database.connection import Connection, Durability, Isolation
from seatrial.kit.database.lanes import REAL, Job, Lane, Lanes, Limits, Terms

_T = TypeVar("_T")

_ONE: Final = select(literal(1))


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a database has done since it was opened.

    Attributes:
        waiting_writes: use cases in the queue now.
        waiting_reads: likewise.
        writes: use cases committed.
        reads: use cases that read.
        commits: groups committed; one group holds one use case or more (SQLite).
        largest_group: most use cases in one commit.
        undone: use cases that failed.
        repeated: runs made again because another transaction was in the way, or a server away.
        refused: use cases that found a queue full.
        connections: connections made.
    """

    waiting_writes: int
    waiting_reads: int
    writes: int
    reads: int
    commits: int
    largest_group: int
    undone: int
    repeated: int
    refused: int
    connections: int


class Database:
    """One database, SQLite or PostgreSQL, behind the same promises.

    A use case is a function of a `Connection`: it runs as one transaction on a thread of the
    database's own, and its caller awaits the commit. It must have no effect but through its
    connection, because it may be run again from its beginning; and it must wait for nothing
    outside, because others wait for it. Make one with `Database.open`.
    """

    def __init__(self, shown: str, lanes: Lanes, limits: Limits, *, blocking: bool) -> None:
        self._shown = shown
        self._lanes = lanes
        self._patience = limits.patience
        self._short = Terms(patience=limits.connect)
        self._blocking = blocking

    @classmethod
    def open(
        cls,
        url: str,
        *,
        clock: Clock | None = None,
        limits: Limits | None = None,
        read_only: bool = False,
        blocking: bool = False,
    ) -> "Database":
        """Open the database at `url`, making the SQLite file if there is none.

        Args:
            url: `sqlite:///path` or `postgresql://user:password@host:port/name`.
            clock: what `dialects.now` tells on SQLite.
            limits: bounds of queues, groups, threads and waits.
            read_only: take no lock and refuse writes: for a look at a database that another
                process owns. SQLite: by the same user, on the same machine.
            blocking: let the caller's event loop stand still while a use case runs. For virtual
                time, which would else run ahead of the database's threads.

        Raises:
            DatabaseUrlInvalid: the URL is wrong.
            DatabaseInUse: another process owns the SQLite file.
            DatabasePathUnusable: the SQLite file cannot be made or opened.
            DatabaseCorrupt: the file is no SQLite database.
            DatabaseUnreachable: no server answers.
            DatabaseAccessRefused: the server refuses.
            DatabaseVersionUnsupported: the server is too old.
        """
        address, limits = parse(url), limits or Limits()
        if isinstance(address, SqliteAddress):
            lanes = sqlite.lanes(address, clock or SystemClock(), limits, read_only=read_only)
        else:
            lanes = postgresql.lanes(address, limits, read_only=read_only)
        database = cls(str(address), lanes, limits, blocking=blocking)
        try:
            database._finished(lanes.reads, _one, database._short)
        except BaseException:
            lanes.close()
            raise
        return database

    def __str__(self) -> str:
        return self._shown

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close_now()

    async def write(
        self,
        use_case: Callable[[Connection], _T],
        *,
        durability: Durability = Durability.FULL,
        isolation: Isolation = Isolation.SERIALIZABLE,
    ) -> _T:
        """Run `use_case` as one transaction; what it returns, once committed.

        If it raises, nothing of it is kept and the exception comes out here. A caller that is
        cancelled may not learn the outcome; the transaction is committed whole or not at all.

        Args:
            use_case: what to do. It may be run several times; only the last run counts.
            durability: what the commit outlives.
            isolation: what it may see of others, on PostgreSQL.

        Raises:
            DatabaseBusy: too many wait, or others were in the way for too long.
            DatabaseFull: there is no room.
            DatabaseUnreachable: the server stayed away for longer than `Limits.patience`.
            DatabaseTimedOut: it ran longer than `Limits.statement`.
            CommitUnknown: the server went away during the commit.
            IntegrityViolated: it broke a constraint.
            DatabaseClosed: the database is closed.
        """
        terms = Terms(durability=durability, isolation=isolation, patience=self._patience)
        return await self._awaited(self._writable, use_case, terms)

    def write_now(
        self,
        use_case: Callable[[Connection], _T],
        *,
        durability: Durability = Durability.FULL,
        isolation: Isolation = Isolation.SERIALIZABLE,
    ) -> _T:
        """`write`, for a thread that has no event loop."""
        terms = Terms(durability=durability, isolation=isolation, patience=self._patience)
        return self._finished(self._writable, use_case, terms)

    async def read(self, use_case: Callable[[Connection], _T]) -> _T:
        """Run `use_case` on one snapshot of what is committed; it may not write.

        Readers wait for nobody and nobody waits for them. The rest is as with `write`.
        """
        return await self._awaited(self._lanes.reads, use_case, Terms(patience=self._patience))

    def read_now(self, use_case: Callable[[Connection], _T]) -> _T:
        """`read`, for a thread that has no event loop."""
        return self._finished(self._lanes.reads, use_case, Terms(patience=self._patience))

    def alter_now(self, use_case: Callable[[Connection], _T]) -> _T:
        """Run a use case that changes tables, alone among all processes. For migrations."""
        terms = Terms(patience=self._patience, alters=True)
        return self._finished(self._writable, use_case, terms)

    async def ping(self) -> float:
        """Seconds that a statement takes to come back, its wait in the queue included.

        Raises:
            DatabaseUnreachable: the server does not answer within `Limits.connect`.
            DatabaseBusy: all readers are busy for so long.
        """
        started = REAL.steady()
        await self._awaited(self._lanes.reads, _one, self._short)
        return REAL.steady() - started

    async def close(self) -> None:
        """Take nothing more, finish what waits, and let go. A second call does nothing."""
        if self._blocking:
            self.close_now()
        else:
            await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        """`close`, for a thread that has no event loop."""
        self._lanes.close()

    @property
    def read_only(self) -> bool:
        """Whether writes are refused."""
        return self._lanes.writes is None

    @property
    def figures(self) -> Figures:
        """What it has done so far."""
        reads, writes = self._lanes.reads, self._lanes.writes
        written = writes.tallies if writes is not None else ()
        every = (*reads.tallies, *written)
        return Figures(
            waiting_writes=writes.waiting if writes is not None else 0,
            waiting_reads=reads.waiting,
            writes=sum(tally.transactions for tally in written),
            reads=sum(tally.transactions for tally in reads.tallies),
            commits=sum(tally.commits for tally in written),
            largest_group=max((tally.largest_group for tally in written), default=0),
            undone=sum(tally.undone for tally in every),
            repeated=sum(tally.repeated for tally in every),
            refused=reads.refused + (writes.refused if writes is not None else 0),
            connections=sum(tally.connections for tally in every),
        )

    @property
    def _writable(self) -> Lane:
        if self._lanes.writes is None:
            raise RuntimeError(f"the database {self._shown!r} was opened to be read only")
        return self._lanes.writes

    async def _awaited(self, lane: Lane, use_case: Callable[[Connection], _T], terms: Terms) -> _T:
        if self._blocking:
            return self._finished(lane, use_case, terms)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_T] = loop.create_future()
        lane.put(Job(use_case, terms, future, loop))
        return await future

    def _finished(self, lane: Lane, use_case: Callable[[Connection], _T], terms: Terms) -> _T:
        future: concurrent.futures.Future[_T] = concurrent.futures.Future()
        lane.put(Job(use_case, terms, future))
        return future.result()


def _one(connection: Connection) -> None:
    connection.execute(_ONE)
