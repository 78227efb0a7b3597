"""Sessions on a PostgreSQL server: each a connection that comes back by itself."""

import contextlib
import random
import select
import time
from collections.abc import Sequence
from typing import Any, Final, cast

import orjson
import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from sqlalchemy import Engine, NullPool, PoolProxiedConnection, Table, create_engine

from seatrial.kit.database.address import PostgresAddress
from seatrial.kit.database.connection import Connection, Durability, Explain, explaining
from seatrial.kit.database.errors import (
    CommitUnknown,
    DatabaseAccessRefused,
    DatabaseTimedOut,
    DatabaseUnreachable,
    DatabaseVersionUnsupported,
)
from seatrial.kit.database.lanes import REAL, Job, Lane, Lanes, Limits, Tally
from seatrial.kit.database.translation import from_postgres
from seatrial.kit.errors import SeatrialError

_OLDEST: Final = 14
_READ_ONLY: Final = "25006"
_IDLE_TOO_LONG: Final = "25P03"
_IN_THE_WAY: Final = frozenset({"40001", "40P01"})  # serialization failure, deadlock
_ALTERING: Final = 0x5EA7_41A1  # the advisory lock under which one process changes tables
_FIRST_PAUSE: Final = 0.002  # seconds, before a use case is run again; doubled each time
_LONGEST_PAUSE: Final = 0.25
_LONGEST_PAUSE_AWAY: Final = 1.0  # the same while the server is away

_NETWORK: Final = {
    # A peer that vanishes without a word is noticed after 10 + 3 * 5 s, or 15 s while sending.
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}


def lanes(address: PostgresAddress, limits: Limits, *, read_only: bool) -> Lanes:
    """The lanes to the server; they connect when work comes."""

    def lane(name: str, threads: int, *, read_only: bool) -> Lane:
        engine = _engine(address, limits, read_only=read_only)
        rng = random.Random()  # noqa: S311 - it spreads pauses; it need not be unguessable
        return Lane(
            name,
            lambda: PostgresSession(address, engine, limits, rng, read_only=read_only),
            threads=threads,
            group=1,
            limits=limits,
        )

    return Lanes(
        reads=lane("database-read", limits.readers, read_only=True),
        writes=None if read_only else lane("database-write", limits.writers, read_only=False),
    )


def _engine(address: PostgresAddress, limits: Limits, *, read_only: bool) -> Engine:
    """What the sessions of one lane share: how to connect, and compiled statements."""
    made = create_engine(
        "postgresql+psycopg://",
        creator=lambda: _connected(address, limits),
        poolclass=NullPool,
        pool_reset_on_return=None,
        hide_parameters=True,
        use_native_hstore=False,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )
    explaining(made, _explained(address, limits, read_only=read_only))
    return made


def _explained(address: PostgresAddress, limits: Limits, *, read_only: bool) -> Explain:
    def explain(
        error: BaseException,
        _table: Table | None,
        connection: Connection | None,
        otherwise: BaseException,
    ) -> BaseException | None:
        """A statement of a use case failed: say it in our words."""
        meaning: BaseException | None = _meaning(error, address, limits)
        state = getattr(error, "sqlstate", None)
        if state == _READ_ONLY:
            meaning = (
                RuntimeError("a use case that reads may not write")
                if read_only
                else DatabaseUnreachable(database=str(address), reason="the server is read-only")
            )
        if connection is not None:
            away = isinstance(meaning, DatabaseUnreachable)
            connection.failed(
                meaning or otherwise,
                lost=away or state == _IDLE_TOO_LONG,
                again=away or state in _IN_THE_WAY,
            )
        return meaning

    return explain


class PostgresSession:
    """Runs one use case after the other, each as a transaction, again where it has to.

    Args:
        address: the database.
        engine: shared by the lane.
        limits: for patience and timeouts.
        rng: spreads the pauses, so that those who met once do not meet again.
        read_only: whether use cases get a snapshot to read instead.
    """

    def __init__(
        self,
        address: PostgresAddress,
        engine: Engine,
        limits: Limits,
        rng: random.Random,
        *,
        read_only: bool,
    ) -> None:
        self.tally = Tally()
        self._address = address
        self._engine = engine
        self._limits = limits
        self._rng = rng
        self._read_only = read_only
        self._explain = _explained(address, limits, read_only=read_only)
        self._held: PoolProxiedConnection | None = None

    def serve(self, jobs: Sequence[Job]) -> None:
        """See `lanes.Session`."""
        for job in jobs:
            attempt = 0
            while self._attempt(job):
                attempt += 1
                if not self._may_repeat(job, attempt):
                    break
                self.tally.repeated += 1
            if job.error is None:
                self.tally.transactions += 1
                self.tally.commits += 1
            else:
                self.tally.undone += 1

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._held is not None:
            with contextlib.suppress(psycopg.Error):
                self._held.close()
            self._held = None

    def _may_repeat(self, job: Job, attempt: int) -> bool:
        """Pause before the next attempt; false if there must be none."""
        if attempt >= self._limits.attempts:
            return False
        away = isinstance(job.error, DatabaseUnreachable)
        longest = _LONGEST_PAUSE_AWAY if away else _LONGEST_PAUSE
        pause = self._rng.uniform(0, min(longest, _FIRST_PAUSE * 2 ** min(attempt, 16)))
        if REAL.steady() + pause > job.deadline:
            return False
        time.sleep(pause)  # lint: SEA002 because a thread waits for a real server here
        return True

    def _attempt(self, job: Job) -> bool:
        """Run `job` once; whether nothing came of it, and it may be run again."""
        try:
            held = self._connection()
            self._command(self._beginning(job))
        except SeatrialError as error:
            job.error = error
            return False
        except psycopg.Error as error:
            self.close()
            job.error = _meaning(error, self._address, self._limits) or error
            return isinstance(job.error, DatabaseUnreachable)
        connection = Connection(self._engine, held, self._explain)
        began = REAL.steady()
        job.call(connection)
        if job.error is None and self._gone():
            return self._lost_before_commit(job, REAL.steady() - began)
        if job.error is None:
            return self._commit(job)
        if connection.lost:
            self.close()
        else:
            self._roll_back()
        return connection.again

    def _connection(self) -> PoolProxiedConnection:
        if self._held is None:
            self._held = self._engine.raw_connection()
            self.tally.connections += 1
        return self._held

    @property
    def _driver(self) -> "psycopg.Connection[Any]":
        held = self._held
        if held is None or held.driver_connection is None:
            raise psycopg.OperationalError("the connection is closed")
        return cast("psycopg.Connection[Any]", held.driver_connection)

    def _command(self, text: bytes) -> None:
        """Run statements without arguments, in one round trip, past the cursor's machinery."""
        result = self._driver.pgconn.exec_(text)
        if result.status not in {ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK}:
            raise error_from_result(result)

    def _beginning(self, job: Job) -> bytes:
        if self._read_only:
            return b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        if job.terms.alters:
            wait = int(self._limits.lock * 1000)
            return (
                b"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 0;"
                b" SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock(%d);"
                b" SET LOCAL lock_timeout = %d" % (_ALTERING, wait)
            )
        begin = b"BEGIN ISOLATION LEVEL %s" % job.terms.isolation.value.upper().encode()
        if job.terms.durability is Durability.LAZY:
            begin += b"; SET LOCAL synchronous_commit = off"
        return begin

    def _gone(self) -> bool:
        """Whether the server has ended the connection: 2 µs where it has not said anything."""
        poll = select.poll()
        try:
            poll.register(self._driver.pgconn.socket, select.POLLIN)
            if poll.poll(0):
                # It has spoken unasked: last words, or the news of a changed setting.
                self._command(b"SELECT 1")
        except psycopg.Error:
            return True
        return False

    def _lost_before_commit(self, job: Job, seconds: float) -> bool:
        """The commit was never sent, so nothing is kept; as `_attempt`."""
        self.close()
        if seconds >= self._limits.idle:
            job.error = DatabaseTimedOut(seconds=self._limits.idle)
            return False
        job.error = DatabaseUnreachable(
            database=str(self._address), reason="it ended the connection"
        )
        return True

    def _commit(self, job: Job) -> bool:
        """Commit; as `_attempt`, whether it may be run again."""
        if self._driver.pgconn.transaction_status != TransactionStatus.INTRANS:
            self._roll_back()
            job.error = RuntimeError(
                "the use case ended its transaction itself, or went on after a failed statement"
            )
            return False
        try:
            self._command(b"COMMIT")
        except psycopg.Error as error:
            meaning = _meaning(error, self._address, self._limits) or error
            if self._driver.pgconn.status != ConnStatus.OK:
                self.close()
                if not isinstance(meaning, DatabaseTimedOut):
                    meaning = CommitUnknown(database=str(self._address))
            job.error = meaning
            return error.sqlstate in _IN_THE_WAY
        return False

    def _roll_back(self) -> None:
        try:
            self._command(b"ROLLBACK")
        except psycopg.Error:
            self.close()


def _meaning(
    error: BaseException, address: PostgresAddress, limits: Limits
) -> SeatrialError | None:
    idle = getattr(error, "sqlstate", None) == _IDLE_TOO_LONG
    return from_postgres(error, address, limits.idle if idle else limits.statement)


def _connected(address: PostgresAddress, limits: Limits) -> "psycopg.Connection[Any]":
    settings = {
        "statement_timeout": int(limits.statement * 1000),
        "lock_timeout": int(limits.lock * 1000),
        "idle_in_transaction_session_timeout": int(limits.idle * 1000),
        "timezone": "UTC",
        "jit": "off",  # it pays for statements of seconds; ours take micro- to milliseconds
    }
    ours = " ".join(f"-c {name}={value}" for name, value in settings.items())
    given = address.parameters
    parameters = {
        "application_name": "seatrial",
        **_NETWORK,
        **given,
        "options": f"{given.get('options', '')} {ours}".strip(),
        "client_encoding": "UTF8",
        "connect_timeout": str(max(2, round(limits.connect))),
    }
    raw = psycopg.connect(make_conninfo("", **parameters), autocommit=True)
    try:
        _refuse_unfit(raw, address)
        # A server set to commit lazily must not make FULL lazy; what is stronger is left alone.
        raw.execute(
            "SELECT set_config('synchronous_commit', 'on', false)"
            " WHERE current_setting('synchronous_commit') = 'off'"
        )
    except BaseException:
        raw.close()
        raise
    return raw


def _refuse_unfit(raw: "psycopg.Connection[Any]", address: PostgresAddress) -> None:
    major = raw.info.server_version // 10_000
    if major < _OLDEST:
        raise DatabaseVersionUnsupported(found=major, needed=f"PostgreSQL {_OLDEST}")
    encoding = raw.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise DatabaseAccessRefused(
            database=str(address), reason=f"its encoding is {encoding}, which cannot hold all text"
        )
