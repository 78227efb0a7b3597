"""What a use case gets: a connection inside a transaction that is not the use case's to end."""

import enum
from collections.abc import Callable
from typing import Any, NoReturn

import sqlalchemy
from sqlalchemy import Engine, ExceptionContext, PoolProxiedConnection, Table, event


class Durability(enum.StrEnum):
    """What a commit outlives, once its awaiter has seen it.

    |                                             | LAZY        | FULL |
    | ------------------------------------------- | ----------- | ---- |
    | kill -9 of this process                     | yes         | yes  |
    | kill -9 of the PostgreSQL server            | nearly: (1) | yes  |
    | power loss, or a crash of the kernel        | (2)         | yes  |

    (1) Commits of about the last 0.6 s (three times the server's `wal_writer_delay`) may be lost.
    (2) SQLite: commits since the last FULL one or the last checkpoint (about every 4 MB) may be
    lost. PostgreSQL: as (1).

    What is lost is always the newest, never one from the middle: a FULL commit carries every
    earlier LAZY one to disk with it. Nothing is ever half there. All of this trusts the disk to
    keep what it has acknowledged, and a server to run with `fsync` on, as it does by default.
    """

    LAZY = "lazy"
    FULL = "full"


class Isolation(enum.StrEnum):
    """What a use case on PostgreSQL may see of others that run beside it.

    On SQLite writers run one after the other, and this changes nothing.
    """

    SERIALIZABLE = "serializable"
    """As if it ran alone. Where that cannot be kept up, it is undone and run again."""

    READ_COMMITTED = "read committed"
    """Each statement sees what was committed before it. For claims (`dialects.unclaimed`) and
    single-row writes that are right whatever runs beside them: they never have to run again
    because another one moved first."""


class Connection(sqlalchemy.Connection):
    """A connection inside the one transaction of its use case.

    It is valid until the use case returns. `begin_nested` opens a savepoint, the only way to live
    on after a statement that failed: outside one, the first failure dooms the whole use case,
    as it does on PostgreSQL, even if the exception is swallowed.

    Attributes:
        failure: the first failed statement outside a savepoint.
        again: another transaction got in the way; this one must be run again.
        lost: the database has undone the whole transaction by itself.
    """

    def __init__(self, engine: Engine, session: PoolProxiedConnection, explain: "Explain") -> None:
        super().__init__(engine, session, _allow_revalidate=False)
        super().begin()  # sends nothing; SQLAlchemy would else begin by itself, and ask us
        self.failure: BaseException | None = None
        self.again = False
        self.lost = False
        self._explain = explain

    def driven(self, text: str, values: Any, table: Table | None) -> Any:  # noqa: ANN401 - the driver's
        """Give a statement to the driver as it is; a failure is that of any other statement.

        Args:
            text: in the driver's own form.
            values: likewise; a list of such for as many runs.
            table: that it changes, for the words of a failure.

        Returns:
            The driver's cursor.
        """
        cursor = self.connection.cursor()
        try:
            run = cursor.executemany if isinstance(values, list) else cursor.execute
            run(text, values)
        except Exception as error:
            meaning = self._explain(error, table, self, error)
            if meaning is None:
                raise
            raise meaning from error
        return cursor

    def failed(self, error: BaseException, *, lost: bool = False, again: bool = False) -> None:
        """Note that a statement failed with `error`."""
        self.lost = self.lost or lost
        self.again = self.again or again
        if self.failure is None and (self.lost or not self.in_nested_transaction()):
            self.failure = error

    def retire(self) -> None:
        """Refuse every further statement: the use case is over."""
        # Not `close`: that would give the session back to a pool, 16 µs for each use case.
        self._dbapi_connection = None

    def begin(self) -> NoReturn:
        """Refused: the transaction is already open."""
        raise _not_yours("begin", "it is open already; `begin_nested` opens a savepoint")

    def commit(self) -> NoReturn:
        """Refused: the transaction commits when the use case returns."""
        raise _not_yours("commit", "return, and it commits")

    def rollback(self) -> NoReturn:
        """Refused: the transaction is undone when the use case raises."""
        raise _not_yours("rollback", "raise, and it is undone")

    def close(self) -> NoReturn:
        """Refused: the connection outlives the use case."""
        raise _not_yours("close", "return, and it is taken back")

    def detach(self) -> NoReturn:
        """Refused: the connection outlives the use case."""
        raise _not_yours("detach", "return, and it is taken back")

    def invalidate(self, exception: BaseException | None = None) -> NoReturn:
        """Refused: the database itself finds out which connections are dead."""
        raise _not_yours("invalidate", "raise, and it is undone") from exception

    def execution_options(self, **options: Any) -> NoReturn:
        """Refused: options would outlive nothing, or change the transaction."""
        raise _not_yours("execution_options", f"give {sorted(options)} to the statement")


Explain = Callable[
    [BaseException, Table | None, Connection | None, BaseException], BaseException | None
]
"""Says a driver's error in our words, or None where it is a defect, and notes on the connection
that a statement failed. It gets the error, the statement's table, the connection, and what stays
the failure where it has no words."""


def explaining(engine: Engine, explain: Explain) -> None:
    """Let what fails on `engine` be said by `explain`."""

    def failed(context: ExceptionContext) -> BaseException | None:
        # Else SQLAlchemy would close a connection that is not its own.
        context.is_disconnect = False
        original = context.original_exception
        connection = context.connection if isinstance(context.connection, Connection) else None
        otherwise = context.sqlalchemy_exception or original
        return explain(original, _table(context), connection, otherwise)

    event.listen(engine, "handle_error", failed, retval=True)


def _table(context: ExceptionContext) -> Table | None:
    """The table of the statement that failed, where it is known."""
    execution = context.execution_context
    compiled = execution.compiled if execution is not None else None
    table = getattr(compiled.statement if compiled is not None else None, "table", None)
    return table if isinstance(table, Table) else None


def _not_yours(what: str, instead: str) -> RuntimeError:
    return RuntimeError(f"a use case may not {what} its transaction: {instead}")
