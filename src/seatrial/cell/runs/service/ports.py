"""What runs need of other rooms; `main` hands it in."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from seatrial.cell.hosts.domain import HostEvent, RunRequest
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
    """

    hosts: Hosts
    admit: Admit
    limits: LimitsOf
    usage: UsageOf = no_usage
    changed: Callable[[Digest | None], None] = nobody_told
    ended: Callable[[Run], None] = nobody_shown
    chance: Callable[[], float] = random.random
