"""Sessions on an SQLite file: one that writes, several that read.

One connection writes and moves the log into the file (a checkpoint); the others only read. So the
only writer never meets a lock, and a fault of SQLite before 3.51.3, which could damage a file when
two connections did either at the same moment, has no place to happen.
"""

import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final
from urllib.parse import quote

import orjson
from sqlalchemy import (
    Engine,
    NullPool,
    PoolProxiedConnection,
    Table,
    create_engine,
)

from seatrial.kit.clock import Clock
from seatrial.kit.database.address import SqliteAddress
from seatrial.kit.database.connection import Connection, Durability, Explain, explaining
from seatrial.kit.database.dialects import CLOCK_FUNCTION, as_text
from seatrial.kit.database.errors import (
    CommitUnknown,
    DatabasePathUnusable,
    DatabaseVersionUnsupported,
)
from seatrial.kit.database.lanes import REAL, Job, Lane, Lanes, Limits, Tally
from seatrial.kit.database.ownership import Ownership
from seatrial.kit.database.probe import SQLITE, SQLITE_IS_NEW_ENOUGH
from seatrial.kit.database.translation import from_sqlite
from seatrial.kit.errors import SeatrialError

_ALL: Final = (
    "foreign_keys = ON",
    "trusted_schema = OFF",
    "cell_size_check = ON",
    "temp_store = MEMORY",
    "cache_size = -16384",  # KiB of pages for each connection
)
_READING: Final = ("query_only = ON", *_ALL)
_WRITING: Final = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "fullfsync = ON",  # macOS: else "synchronous" stops at the disk's own memory
    "checkpoint_fullfsync = ON",
    "journal_size_limit = 67108864",  # bytes to which the log is cut after a checkpoint
    *_ALL,
)
_UNKNOWN: Final = frozenset({sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC})
_STEPS_BETWEEN_LOOKS: Final = 100_000  # of SQLite's machine: about 1 ms
_STATEMENTS: Final = 512  # prepared statements kept by each connection


def lanes(address: SqliteAddress, clock: Clock, limits: Limits, *, read_only: bool) -> Lanes:
    """Open the file, and the lanes to it.

    Raises:
        SeatrialError: in one of the ways of `errors.py`.
    """
    if not SQLITE_IS_NEW_ENOUGH:
        raise DatabaseVersionUnsupported(found=SQLITE, needed="SQLite 3.37")
    reading = _engine(address, clock, limits, read_only=True)
    reads = Lane(
        "database-read",
        lambda: SqliteReader(address, reading, limits, read_only=True),
        threads=limits.readers,
        group=1,
        limits=limits,
    )
    if read_only:
        return Lanes(reads=reads, writes=None)
    ownership = Ownership(address)
    writer = SqliteWriter(address, _engine(address, clock, limits, read_only=False), limits)
    try:
        writer.connect()
    except BaseException:
        ownership.release()
        raise

    def release() -> None:
        writer.close()
        ownership.release()

    writes = Lane("database-write", lambda: writer, threads=1, group=limits.group, limits=limits)
    return Lanes(reads=reads, writes=writes, release=release)


def _engine(address: SqliteAddress, clock: Clock, limits: Limits, *, read_only: bool) -> Engine:
    """What the sessions of one lane share: how to connect, and compiled statements."""
    made = create_engine(
        "sqlite://",
        creator=lambda: _connected(address, clock, limits, read_only=read_only),
        poolclass=NullPool,
        pool_reset_on_return=None,
        hide_parameters=True,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )
    explaining(made, _explained(address, limits, read_only=read_only))
    return made


def _explained(address: SqliteAddress, limits: Limits, *, read_only: bool) -> Explain:
    def explain(
        error: BaseException,
        table: Table | None,
        connection: Connection | None,
        otherwise: BaseException,
    ) -> BaseException | None:
        """A statement of a use case failed: say it in our words."""
        meaning: BaseException | None
        if read_only and getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY:
            meaning = RuntimeError("a use case that reads may not write")
        else:
            meaning = from_sqlite(error, address, limits.statement, table)
        if connection is not None:
            raw = _driver(connection.connection)
            lost = not raw.in_transaction
            if lost:
                # On some errors SQLite undoes everything by itself. What the use case may still do
                # must not commit statement by statement: open a transaction that will be undone.
                raw.execute("BEGIN")
            connection.failed(meaning or otherwise, lost=lost)
        return meaning

    return explain


class _Session:
    """A connection, made when it is first needed, and what both sessions do alike."""

    def __init__(
        self, address: SqliteAddress, engine: Engine, limits: Limits, *, read_only: bool
    ) -> None:
        self.tally = Tally()
        self._address = address
        self._engine = engine
        self._explain = _explained(address, limits, read_only=read_only)
        self._limits = limits
        self._overdue = float("inf")
        self._held: PoolProxiedConnection | None = None

    def connect(self) -> PoolProxiedConnection:
        """The connection.

        Raises:
            SeatrialError: the file cannot be opened, in one of the ways of `errors.py`.
        """
        if self._held is None:
            try:
                self._held = self._engine.raw_connection()
            except sqlite3.Error as error:
                raise self._meaning(error) from error
            _driver(self._held).set_progress_handler(self._is_overdue, _STEPS_BETWEEN_LOOKS)
            self.tally.connections += 1
        return self._held

    def close(self) -> None:
        """Close the connection; the last one to close moves the log into the file."""
        if self._held is not None:
            self._held.close()
            self._held = None

    @property
    def _raw(self) -> sqlite3.Connection:
        return _driver(self.connect())

    def _run(self, job: Job) -> Connection:
        connection = Connection(self._engine, self.connect(), self._explain)
        if not job.terms.alters:  # copying a large table may take its time
            self._overdue = REAL.steady() + self._limits.statement
        job.call(connection)
        self._overdue = float("inf")
        return connection

    def _is_overdue(self) -> bool:
        return REAL.steady() > self._overdue

    def _roll_back(self) -> None:
        if self._raw.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._raw.execute("ROLLBACK")

    def _meaning(self, error: BaseException) -> BaseException:
        return from_sqlite(error, self._address, self._limits.statement) or error


class SqliteReader(_Session):
    """Runs each use case on a snapshot of its own, beside the writer."""

    def serve(self, jobs: Sequence[Job]) -> None:
        """See `lanes.Session`."""
        for job in jobs:
            try:
                self._raw.execute("BEGIN")
                self._run(job)
                self._raw.execute("ROLLBACK")
            except sqlite3.Error as error:
                job.error = self._meaning(error)
                self._roll_back()
            except SeatrialError as error:
                job.error = error
            if job.error is None:
                self.tally.transactions += 1
            else:
                self.tally.undone += 1


class SqliteWriter(_Session):
    """Runs use cases one after the other, each in its savepoint, and commits them in groups.

    Where a group as a whole cannot be committed, its members are run again, each in a transaction
    of its own: one that asks for what cannot be done harms no neighbour.
    """

    def __init__(self, address: SqliteAddress, engine: Engine, limits: Limits) -> None:
        super().__init__(address, engine, limits, read_only=False)
        self._durability = Durability.FULL

    def serve(self, jobs: Sequence[Job]) -> None:
        """See `lanes.Session`."""
        waiting = deque(jobs)
        while len(waiting) > 1 and not any(job.terms.alters for job in waiting):
            self._together(waiting)
        for job in waiting:
            if job.terms.alters:
                self._alter(job)
            else:
                self._alone(job)

    def _alter(self, job: Job) -> None:
        # SQLite changes a table by copying it; with keys on, dropping the old one deletes rows.
        self._raw.execute("PRAGMA foreign_keys = OFF")
        self._alone(job, last=self._check_foreign_keys)
        self._raw.execute("PRAGMA foreign_keys = ON")

    def _together(self, waiting: deque[Job]) -> None:
        """Take a group from the front of `waiting`, run and commit it."""
        full = any(job.terms.durability is Durability.FULL for job in waiting)
        try:
            self._begin(Durability.FULL if full else Durability.LAZY)
        except sqlite3.Error as error:
            for job in waiting:
                job.error = self._meaning(error)
            waiting.clear()
            return
        well: list[Job] = []
        stands = True
        until = REAL.steady() + self._limits.group_seconds
        while stands and waiting:
            job = waiting.popleft()
            stands = self._member(job)
            if job.error is None:
                well.append(job)
            if REAL.steady() > until:
                break
        if stands and self._commit():
            self._count(len(well))
        else:
            for job in well:
                self._alone(job)

    def _member(self, job: Job) -> bool:
        """Run `job` in a savepoint; whether the group's transaction still stands."""
        try:
            self._raw.execute("SAVEPOINT member")
            lost = self._run(job).lost
            if not lost:
                if job.error is not None:
                    self._raw.execute("ROLLBACK TO member")
                    self.tally.undone += 1
                self._raw.execute("RELEASE member")
        except sqlite3.Error as error:  # the use case has ended what it did not begin
            job.error = job.error or self._meaning(error)
            lost = True
        if lost:
            self._roll_back()
        return not lost

    def _commit(self) -> bool:
        try:
            self._raw.execute("COMMIT")
        except sqlite3.Error:
            self._roll_back()
            return False
        return True

    def _alone(self, job: Job, *, last: Callable[[], None] = lambda: None) -> None:
        """Run `job` in a transaction of its own; `last` may refuse the commit by raising."""
        committing = False
        try:
            self._begin(job.terms.durability)
            self._run(job)
            if job.error is None:
                last()
                committing = True
                self._raw.execute("COMMIT")
                self._count(1)
        except sqlite3.Error as error:
            unknown = committing and getattr(error, "sqlite_errorcode", None) in _UNKNOWN
            job.error = (
                CommitUnknown(database=str(self._address)) if unknown else self._meaning(error)
            )
        if job.error is not None:
            self.tally.undone += 1
        self._roll_back()

    def _begin(self, durability: Durability) -> None:
        if durability is not self._durability:
            word = "FULL" if durability is Durability.FULL else "NORMAL"
            self._raw.execute(f"PRAGMA synchronous = {word}")
            self._durability = durability
        self._raw.execute("BEGIN IMMEDIATE")

    def _count(self, members: int) -> None:
        self.tally.commits += 1
        self.tally.transactions += members
        self.tally.largest_group = max(self.tally.largest_group, members)

    def _check_foreign_keys(self) -> None:
        if self._raw.execute("PRAGMA foreign_key_check").fetchone():
            raise sqlite3.IntegrityError("the change leaves rows whose foreign keys lead nowhere")


def _connected(
    address: SqliteAddress, clock: Clock, limits: Limits, *, read_only: bool
) -> sqlite3.Connection:
    raw = sqlite3.connect(
        # Readers too may have to write to the log's index; `query_only` keeps them from more.
        f"file:{quote(str(address.path))}?mode=rw",
        uri=True,
        timeout=limits.lock,
        isolation_level=None,
        check_same_thread=False,  # opened where the database is, used on its lane's thread
        cached_statements=_STATEMENTS,
    )
    try:
        for pragma in _READING if read_only else _WRITING:
            raw.execute(f"PRAGMA {pragma}")
        _refuse_other_logs(raw, address)
    except BaseException:
        raw.close()
        raise

    def database_now(after: float) -> str:
        return as_text(clock.now() + timedelta(seconds=after))

    raw.create_function(CLOCK_FUNCTION, 1, database_now)
    return raw


def _refuse_other_logs(raw: sqlite3.Connection, address: SqliteAddress) -> None:
    (mode,) = raw.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal":
        raise DatabasePathUnusable(
            path=str(address.path), reason=f"its journal mode stays {mode!r}, not 'wal'"
        )


def _driver(held: PoolProxiedConnection) -> sqlite3.Connection:
    raw = held.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        raise TypeError(f"a connection of {type(raw)} came from an SQLite engine")
    return raw
