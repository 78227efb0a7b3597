"""What performs actions, and what this room needs of others."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from seatrial.cell.tools.domain.values import Performing, Rehearsed, Told
from seatrial.contract.releases.release import Release
from seatrial.kit.crypto.digests import Digest

Releases = Callable[[Digest], Awaitable[Release]]
"""The release of a digest."""

Secrets = Callable[[str], Awaitable[str]]
"""`Vault.secret`."""


class Connector(Protocol):
    """What actions are performed on: one instance for each environment.

    Attributes:
        kind: `sql` or `http`.
    """

    @property
    def kind(self) -> str:
        """See above."""
        ...

    async def perform(self, call: Performing) -> Told:
        """Perform it; with the same key a second time where its class says that this is harmless.

        Returns:
            The result; or an error that is sure to mean that it had no effect.

        Raises:
            OutcomeUnknown: it may have had its effect.
        """
        ...

    async def lookup(self, call: Performing) -> Told | None:
        """What became of a call that was begun before; None if it did not happen.

        Raises:
            OutcomeUnknown: that cannot be told now.
        """
        ...

    async def close(self) -> None:
        """Let it go."""
        ...


Recording = Callable[[Rehearsed], Awaitable[Told]]
"""What a run's fixture answers a call with. An answer that it has not is an error for the agent."""


class Rows(Protocol):
    """What a statement gave.

    Attributes:
        rows: each as an object.
        changed: how many rows it changed.
    """

    @property
    def rows(self) -> list[dict[str, Any]]:
        """See above."""
        ...

    @property
    def changed(self) -> int:
        """See above."""
        ...


class Statements(Protocol):
    """An open transaction, for a thread."""

    def execute(self, statement: str, parameters: Mapping[str, Any]) -> Rows:
        """Run one statement; raises the database's errors."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Returned:
    """What a function came to.

    Attributes:
        value: any JSON value.
        raised: what it raised, as a sentence; None if it returned.
    """

    value: Any = None
    raised: str | None = None


class FunctionSession(Protocol):
    """A process that is ready for one call."""

    def call_now(self, call: Performing, statements: Statements | None) -> Returned:
        """Call a function and serve its statements; for a thread that may block.

        Raises:
            OutcomeUnknown: the process died or took too long after it had begun.
            SeatrialError: a statement's.
        """
        ...


class Functions(Protocol):
    """Where functions of releases run."""

    def session(self, call: Performing) -> AbstractAsyncContextManager[FunctionSession]:
        """A process for one call, which may be called again in a transaction that is run again.

        Raises:
            ActionUnreachable: none can be had; nothing was called.
        """
        ...
