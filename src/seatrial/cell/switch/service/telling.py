"""Tells control what became of runs: signed counts of each release, when they have changed."""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Final, TypeAlias

from seatrial.cell.switch import store
from seatrial.cell.switch.domain import ControlRefused, Counts
from seatrial.cell.switch.service.admission import current
from seatrial.cell.switch.service.ports import Control
from seatrial.cell.switch.service.switching import Myself
from seatrial.contract.evidence.statements import RunFacts, instant
from seatrial.kit.clock import Clock
from seatrial.kit.crypto.canonical import canonical
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError

Count: TypeAlias = Callable[[Connection, Digest], Counts]
"""Counts a release's runs inside a transaction."""

_DEBOUNCE: Final = 0.1  # seconds: runs that end together are told together
_LOOK: Final = 5.0  # seconds between looks, for what another process of the cell counted
_FIRST: Final = 0.2
_LONGEST: Final = 10.0
_LOG: Final = logging.getLogger(__name__)


class FactsTeller:
    """Signs and posts counts of the releases that are active or prepared, and of others on demand.

    Every process of a cell may run one: a statement's sequence rises in the transaction that
    counts, so whatever order they arrive in, the newest is known.
    """

    def __init__(
        self,
        database: Database,
        myself: Myself,
        control: Control,
        count: Count,
        clock: Clock,
        chance: random.Random,
    ) -> None:
        self._database = database
        self._myself = myself
        self._control = control
        self._count = count
        self._clock = clock
        self._chance = chance
        self._news = asyncio.Event()
        self._also: set[Digest] = set()

    def changed(self, release: Digest | None = None) -> None:
        """A run has ended, or an outcome has come: count again soon. On the event loop's thread.

        Args:
            release: whose run; it is counted even if it is no longer active.
        """
        if release is not None:
            self._also.add(release)
        self._news.set()

    async def run(self) -> None:
        """Tell for ever; what control does not take is told again."""
        failures = 0
        while True:
            try:
                failures = 0 if await self.tell() else failures + 1
            except SeatrialError as error:
                failures += 1
                _LOG.warning("runs cannot be counted now: %s", error)
            except Exception:  # noqa: BLE001 - tried again; a defect must not end it
                failures += 1
                _LOG.exception("runs cannot be counted now")
            await self._rested(failures)

    async def tell(self) -> bool:
        """Count, sign what has changed, and post all that control has not taken; false if not all.

        A statement is durable before it is posted, so that no sequence is ever used twice.
        """
        also, self._also = self._also, set()
        await self._database.write(lambda connection: self._sign(connection, also))
        said = await self._database.read(store.said)
        done = True
        for release, words in said.items():
            if words.heard >= words.sequence:
                continue
            try:
                await self._control.evidence(words.envelope.encode())
            except ControlRefused as error:  # this one; the others may be taken
                _LOG.info("control did not take facts: %s", error)
                done = False
                continue
            except SeatrialError as error:
                _LOG.debug("control cannot be told facts: %s", error)
                return False
            await self._heard(release, words.sequence)
        return done

    async def _heard(self, release: Digest, sequence: int) -> None:
        await self._database.write(lambda connection: store.heard(connection, release, sequence))

    def _sign(self, connection: Connection, also: set[Digest]) -> None:
        said = store.said(connection)
        closures = [current(connection).closure]
        ready = store.prepared(connection)
        if ready is not None:
            closures.append(ready.closure)
        active = {each.release for closure in closures for each in closure.agents.values()}
        for release in sorted(active | also):
            known = said.get(release)
            counts = self._count(connection, release)
            text = _text(counts)
            if known is not None and known.counts == text:
                continue
            sequence = 1 if known is None else known.sequence + 1
            words = store.Said(
                sequence=sequence,
                counts=text,
                envelope=self._signed(release, counts, sequence).decode(),
                heard=0 if known is None else known.heard,
            )
            store.keep_said(connection, release, words)

    def _signed(self, release: Digest, counts: Counts, sequence: int) -> bytes:
        facts = RunFacts(
            cell=self._myself.cell,
            environment=self._myself.environment,
            sequence=sequence,
            first=None if counts.first is None else instant(counts.first),
            until=instant(self._clock.now()),
            succeeded=counts.succeeded,
            failed=counts.failed,
            cancelled=counts.cancelled,
            good=counts.good,
            judged=counts.judged,
        )
        return facts.signed(release, "release", self._myself.key)

    async def _rested(self, failures: int) -> None:
        if failures:
            longest = min(_LONGEST, _FIRST * 2 ** min(failures, 16))
            await self._clock.sleep(self._chance.uniform(0.0, longest))
            return
        try:
            async with asyncio.timeout(_LOOK):
                await self._news.wait()
        except TimeoutError:
            return
        await self._clock.sleep(_DEBOUNCE)
        self._news.clear()


def _text(counts: Counts) -> str:
    first = None if counts.first is None else instant(counts.first).isoformat()
    return canonical(
        {
            "cancelled": counts.cancelled,
            "failed": counts.failed,
            "first": first,
            "good": counts.good,
            "judged": counts.judged,
            "succeeded": counts.succeeded,
        }
    ).decode()
