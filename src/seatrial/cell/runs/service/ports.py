"""What runs need of other rooms; `main` hands it in."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from seatrial.cell.hosts.domain import HostEvent, RunRequest
from seatrial.cell.journal.domain.matching import Ending, Finished
from seatrial.cell.journal.domain.records import Halt  # noqa: TC001 - read at run time
from seatrial.cell.journal.domain.rows import Mode
from seatrial.cell.runs.domain.values import Run, Usage
from seatrial.cell.switch.domain import Admission
from seatrial.contract.releases.components import Limits
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection


class Slot(Protocol):
    """An agent process that takes one run at a time."""

    def run(self, request: RunRequest) -> AsyncIterator[HostEvent]:
        """Run the agent once: chunks, then one `Result` or `Error`."""
        ...


class Hosts(Protocol):
    """Agent processes by release."""

    def slot(self, release: Digest) -> AbstractAsyncContextManager[Slot]:
        """A process of `release` for one run. One that is left in the middle of a run is killed.

        Raises:
            SeatrialError: none can be had.
        """
        ...


class Book(Protocol):
    """What one attempt records.

    Attributes:
        halted: resolved once, when the segment must end before its agent does.
    """

    @property
    def halted(self) -> "asyncio.Future[Halt]":
        """See above."""
        ...

    @property
    def broken(self) -> Exception | None:
        """What has kept it from recording; None while nothing has."""
        ...

    async def still(self) -> None:
        """Wait until no write is under way."""
        ...

    async def finish(self) -> Ending:
        """What becomes of the run now that its agent has returned."""
        ...


class Books(Protocol):
    """Where attempts are recorded: `journal.service.books.Books`."""

    async def open(self, run: str, number: int, *, mode: Mode, follows: str | None) -> Book:
        """Open the book of an attempt."""
        ...

    def close(self, attempt: Any) -> None:  # noqa: ANN401 - the book that was opened
        """Nobody runs it any more."""
        ...


class Unrecorded:
    """Keeps no book: nothing halts, and whatever an agent returns counts."""

    @property
    def halted(self) -> "asyncio.Future[Halt]":
        """Never."""
        return asyncio.get_running_loop().create_future()

    @property
    def broken(self) -> None:
        """Nothing: there is nothing to be kept."""

    async def still(self) -> None:
        """Nothing is under way."""

    async def finish(self) -> Ending:
        """It has finished."""
        return Finished()

    async def open(self, run: str, number: int, *, mode: Mode, follows: str | None) -> "Unrecorded":  # noqa: ARG002
        """Itself."""
        return self

    def close(self, attempt: Any) -> None:  # noqa: ANN401
        """Nothing was opened."""


Admit: TypeAlias = Callable[[Connection, str], Admission]
"""On which release a run of an agent is admitted: `switch.service.admission.admitted`."""

LimitsOf: TypeAlias = Callable[[Connection, Digest], Limits]
"""The limits of a release. Asked in each transaction that accepts a run: let it be quick."""

UsageOf: TypeAlias = Callable[[Connection, str], Usage]
"""What a run has used so far. Asked in the transaction that ends it."""


def no_usage(_connection: Connection, _run: str) -> Usage:
    """Nobody counts."""
    return Usage()


def nobody_told(_release: Digest | None) -> None:
    """Nobody wants to know."""


def nobody_shown(_run: Run) -> None:
    """Nobody wants to see."""


@dataclass(frozen=True, kw_only=True)
class Ports:
    """What runs stand on.

    Attributes:
        hosts: where agents run.
        admit: see `Admit`.
        limits: see `LimitsOf`.
        usage: see `UsageOf`.
        changed: told the release after a run of it has ended or was judged; must return at once.
        ended: given each run that has ended in this process; likewise.
        chance: from [0, 1), anew at each call; spreads retries.
        books: see there.
    """

    hosts: Hosts
    admit: Admit
    limits: LimitsOf
    usage: UsageOf = no_usage
    changed: Callable[[Digest | None], None] = nobody_told
    ended: Callable[[Run], None] = nobody_shown
    chance: Callable[[], float] = random.random
    books: Books = field(default_factory=Unrecorded)
