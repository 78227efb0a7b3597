"""Applies what control wants: a level, so it may be told again, late, or out of order."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from seatrial.cell.switch import store
from seatrial.cell.switch.domain import (
    DesiredMalformed,
    DesiredMisdirected,
    Examined,
    Flip,
    KeyringForked,
    Prepare,
    Refusal,
    Refuse,
    Saying,
    Standing,
    Wanted,
    Why,
    decide,
    is_known,
    is_prepared,
    unsaid,
)
from seatrial.cell.switch.service.admission import current
from seatrial.cell.switch.service.ports import Control
from seatrial.cell.switch.service.preparing import Preparer
from seatrial.cell.switch.service.steps import (
    Writer,
    note_prepared,
    note_refused,
    put_in_force,
    standing_of,
    take_document,
    take_keyring,
)
from seatrial.cell.switch.verification import examined, judged, refusal_of
from seatrial.contract.evidence.keyring import Keyring, open_keyring
from seatrial.contract.evidence.statements import CellReport, instant
from seatrial.contract.switch.desired import Desired, Heard, Ordered
from seatrial.kit.clock import Clock
from seatrial.kit.crypto import dsse
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.signing import SigningKey, VerifyKey
from seatrial.kit.database.connection import Connection, Isolation
from seatrial.kit.database.database import Database
from seatrial.kit.errors import BadUpstream, SeatrialError, TimedOut, Unavailable
from seatrial.kit.failpoints import reach
from seatrial.kit.http.json_body import parse

LARGEST_DESIRED: Final = 32 << 20  # bytes
_T = TypeVar("_T")
_LOG: Final = logging.getLogger(__name__)
_MOST_STEPS: Final = 8  # of one document: prepare, flip, prepare what comes next, and as much again
_PATIENCE: Final = 3  # tries of a proposal that fails for a passing reason; commits have no end


@dataclass(frozen=True, kw_only=True)
class Myself:
    """Who this process is.

    Attributes:
        cell: its cell's name.
        environment: its cell's environment.
        key: signs what it says; no other process has it.
        roots: root keys that it pins.
        oldest: the lowest version of a keyring that it takes.
    """

    cell: str
    environment: str
    key: SigningKey
    roots: tuple[VerifyKey, ...]
    oldest: int = 1


class Switcher:
    """Takes one document after the other; only the holder of the lease calls `apply`.

    Attributes:
        trouble: why the last document was not followed, or not wholly; empty if it was.
        newest: the highest generation that control has proved to be committed.
    """

    def __init__(
        self,
        database: Database,
        myself: Myself,
        control: Control,
        preparer: Preparer,
        clock: Clock,
        flipped: Callable[[], None],
    ) -> None:
        self.trouble = ""
        self.newest = 0
        self._database = database
        self._myself = myself
        self._control = control
        self._preparer = preparer
        self._clock = clock
        self._flipped = flipped
        self._failures: dict[Digest, int] = {}
        self._settled: tuple[str, tuple[int, str], Heard] | None = None

    async def apply(self, text: str, epoch: int) -> bool:
        """Do what `text`, a `Desired` document, asks for, as far as it is proved.

        Cancelled at any point, it leaves one legal state, and the next call goes on from there.

        Args:
            text: as it came; nothing of it is believed.
            epoch: of the lease `LEASE`.

        Returns:
            False if something failed that may succeed later: call it again with the same text.

        Raises:
            DesiredMalformed, DesiredMisdirected: it is nothing for this cell.
            KeyringOlder, KeyringForked, EnvelopeUntrusted: its keyring is not one to be taken.
            LeaseLost: another process leads.
        """
        marks = await self._database.read(store.marks)
        if self._settled is not None and self._settled[:2] == (text, marks):
            return await self.say(self._settled[2])
        self._settled = None
        desired = read_desired(text)
        if (desired.cell, desired.environment) != (self._myself.cell, self._myself.environment):
            raise DesiredMisdirected(
                cell=desired.cell, environment=desired.environment, here=self._myself.cell
            )
        keyring = await self._take(desired.keyring, text, epoch)
        done, self.trouble = True, ""
        for _ in range(_MOST_STEPS):
            standing = await self._database.read(self._standing)
            # Not on the loop's own thread: thousands of envelopes take a second.
            committed = await asyncio.to_thread(_examined, desired.committed, standing, keyring)
            proposed = await asyncio.to_thread(_examined, desired.proposed, standing, keyring)
            self._note(committed, proposed)
            action = decide(standing, committed, proposed)
            if isinstance(action, Prepare):
                ordered = _ordered(desired, action.order, committed)
                done = await self._prepare(action.order, ordered, standing, keyring, epoch)
                if not done or action.order.committed is None:
                    break
                again = await self._database.read(self._standing)
                if not is_prepared(again, action.order):
                    break
            elif isinstance(action, Flip):
                await self._flip(action.order, epoch)
            elif isinstance(action, Refuse):
                await self._refuse(action.refusal, epoch)
            else:
                break
        if done:
            self._settled = text, await self._database.read(store.marks), desired.heard
        return await self.say(desired.heard) and done

    async def say(self, heard: Heard) -> bool:
        """Tell control what it has not heard; false if it cannot be told now."""
        standing, flipped = await self._database.read(
            lambda connection: (self._standing(connection), current(connection).flipped)
        )
        for saying in unsaid(standing, flipped, heard):
            reach("cell.report.before")
            try:
                await self._control.report(self._signed(saying))
            except SeatrialError as error:
                self.trouble = f"{error.code}: {error.message}"
                _LOG.warning("control did not take a report: %s", error)
                return False
            reach("cell.report.after")
        return True

    def _standing(self, connection: Connection) -> Standing:
        return standing_of(connection, self._myself.cell)

    def _note(self, *wanted: Wanted) -> None:
        for each in wanted:
            if isinstance(each, Refusal) and each.generation == 0:
                self.trouble = each.reason
            elif isinstance(each, Examined) and each.committed is not None:
                self.newest = max(self.newest, each.generation)

    async def _take(self, envelope: str, text: str, epoch: int) -> Keyring:
        """The keyring in `envelope`, once it and the document that brought it are written down."""
        known = await self._database.read(store.keyring)
        at_least = self._myself.oldest if known is None else max(known[0], self._myself.oldest)
        keyring = open_keyring(envelope.encode(), roots=self._myself.roots, at_least=at_least)
        fresh = known is None or known[0] < keyring.version
        if known is not None and not fresh and _payload(known[1]) != _payload(envelope):
            raise KeyringForked(version=keyring.version)
        if fresh or await self._database.read(store.desired) != text:
            payload, writer = Digest.of(_payload(envelope)), self._writer(epoch)

            def take(connection: Connection) -> None:
                take_keyring(connection, keyring.version, envelope, payload, writer)
                take_document(connection, text, writer)

            reach("cell.keyring.before")
            await self._written(take)
            reach("cell.keyring.after")
        return keyring

    async def _prepare(
        self,
        order: Examined,
        ordered: Ordered,
        standing: Standing,
        keyring: Keyring,
        epoch: int,
    ) -> bool:
        """Get `order` ready, or refuse it; false if it may succeed later."""
        reach("cell.prepare.before")
        isolated = order.closure.rules.isolated
        # Under other rules what runs already is prepared anew: they may ask more of the machine.
        kept = order.closure.rules == standing.closure.rules
        agents = order.closure.changed_from(standing.closure) if kept else order.closure.agents
        try:
            releases = await self._preparer.documents(each.release for each in agents.values())
        except SeatrialError as error:
            return await self._failed(order, Why.RELEASE, error, standing, epoch)
        now = self._clock.now()
        refusal = await asyncio.to_thread(
            judged, order, ordered.evidence, standing, keyring, releases, now
        )
        if refusal is not None:
            return await self._refused(refusal, standing, epoch)
        reach("cell.prepare.judged")
        try:
            for release in releases.values():
                await self._preparer.prepare(release, isolated=isolated)
        except SeatrialError as error:
            return await self._failed(order, Why.UNPREPARED, error, standing, epoch)
        self._failures.pop(order.proposal, None)
        reach("cell.prepare.warmed")
        writer = self._writer(epoch)
        await self._written(
            lambda connection: note_prepared(connection, order, standing.generation, writer)
        )
        reach("cell.prepare.after")
        return True

    async def _failed(
        self, order: Examined, why: Why, error: SeatrialError, standing: Standing, epoch: int
    ) -> bool:
        detail = f"{error.code}: {error.message}"
        if self._may_pass(order, error):
            self.trouble = detail
            _LOG.warning("generation %d is not prepared yet: %s", order.generation, error)
            return False
        return await self._refused(refusal_of(order, why, detail), standing, epoch)

    async def _refused(self, refusal: Refusal, standing: Standing, epoch: int) -> bool:
        self._failures.pop(refusal.proposal, None)
        if not is_known(standing, refusal):
            await self._refuse(refusal, epoch)
        self.trouble = refusal.reason
        return True

    def _may_pass(self, order: Examined, error: SeatrialError) -> bool:
        if not isinstance(error, Unavailable | TimedOut | BadUpstream):
            return False
        tries = self._failures[order.proposal] = self._failures.get(order.proposal, 0) + 1
        return order.committed is not None or tries < _PATIENCE

    async def _refuse(self, refusal: Refusal, epoch: int) -> None:
        writer = self._writer(epoch)
        reach("cell.refuse.before")
        await self._written(lambda connection: note_refused(connection, refusal, writer))
        reach("cell.refuse.after")
        self.trouble = refusal.reason
        _LOG.warning("generation %d is refused: %s", refusal.generation, refusal.reason)

    async def _flip(self, order: Examined, epoch: int) -> None:
        writer = self._writer(epoch)
        reach("cell.flip.before")
        done = await self._written(lambda connection: put_in_force(connection, order, writer))
        reach("cell.flip.after")
        if done:
            _LOG.info("generation %d is in force", order.generation)
            self._flipped()

    async def _written(self, step: Callable[[Connection], _T]) -> _T:
        return await self._database.write(step, isolation=Isolation.READ_COMMITTED)

    def _writer(self, epoch: int) -> Writer:
        myself = self._myself
        return Writer(cell=myself.cell, actor=myself.key.id, epoch=epoch, at=self._clock.now())

    def _signed(self, saying: Saying) -> bytes:
        report = CellReport(
            cell=self._myself.cell,
            environment=self._myself.environment,
            generation=saying.generation,
            step=saying.step,
            reason=saying.reason,
            at=instant(saying.at),
        )
        return report.signed(saying.closure, "closure", self._myself.key)


def read_desired(text: str) -> Desired:
    """The document in `text`; raises `DesiredMalformed`."""
    try:
        desired = Desired.read(parse(text.encode()))
    except (UnicodeEncodeError, SeatrialError) as error:
        raise DesiredMalformed(reason=str(error)) from None
    if desired.committed is not None and desired.committed.commit is None:
        raise DesiredMalformed(reason="it calls a generation committed that has no commit")
    return desired


def _examined(ordered: Ordered | None, standing: Standing, keyring: Keyring) -> Wanted:
    return None if ordered is None else examined(ordered, standing, keyring)


def _ordered(desired: Desired, order: Examined, committed: Wanted) -> Ordered:
    found = desired.committed if order is committed else desired.proposed
    if found is None:
        raise AssertionError("an order came out of a document that holds none")
    return found


def _payload(envelope: str) -> bytes:
    return dsse.Envelope.parse(envelope.encode()).payload
