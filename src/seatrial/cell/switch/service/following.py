"""Follows control: listens, asks, applies, says again; lives on when control is gone or hostile."""

import asyncio
import contextlib
import logging
import random
from collections import deque
from typing import Final

from seatrial.cell.switch import store
from seatrial.cell.switch.service.ports import Control
from seatrial.cell.switch.service.switching import Switcher, read_desired
from seatrial.contract.switch.desired import Ordered
from seatrial.kit.clock import Clock
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError
from seatrial.kit.leases.domain import LeaseLost

FLOOR: Final = 5.0  # seconds between questions, whatever is heard
_FIRST: Final = 0.1  # seconds, of a backoff with full jitter
_LONGEST: Final = 5.0
_BURST: Final = 40  # questions at once; a switch takes about five
_BURST_SECONDS: Final = 4.0
_LOG: Final = logging.getLogger(__name__)
_Wish = tuple[str, str, str, str]


class Follower:
    """One process's line to control. Only while its process leads the cell does it apply.

    Attributes:
        heard_at: steady time of control's last answer; None for never.
        behind: how far the newest commit that control told of is ahead; known to `figures`.
    """

    def __init__(
        self,
        database: Database,
        control: Control,
        switcher: Switcher,
        clock: Clock,
        chance: random.Random,
    ) -> None:
        self.heard_at: float | None = None
        self.trouble = ""
        self._database = database
        self._control = control
        self._switcher = switcher
        self._clock = clock
        self._chance = chance
        self._ask = asyncio.Event()
        self._news = asyncio.Event()
        self._times: deque[float] = deque(maxlen=_BURST)
        self._latest = ""
        self._etag = ""
        self._wish: _Wish | None = None

    async def lead(self, epoch: int) -> None:
        """Follow control for ever, under `epoch`; begins with what was heard before the start."""
        known = await self._database.read(store.desired)
        self._latest, self._etag = known or "", ""
        self._wish = None if known is None else _remembered(known)
        self._ask.set()
        self._news.set()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen())
                tasks.create_task(self._poll())
                tasks.create_task(self._apply(epoch))
        except* LeaseLost as lost:
            raise lost.exceptions[0] from None

    async def _listen(self) -> None:
        """Ask at once when control says that there is news, and when the line is cut."""
        failures = 0
        while True:
            try:
                async with contextlib.aclosing(self._control.changes()) as changes:
                    async for _ in changes:
                        failures = 0
                        self._ask.set()
            except SeatrialError as error:
                _LOG.debug("the line to control is cut: %s", error)
            except Exception:  # noqa: BLE001 - a defect must not end the line
                _LOG.exception("the line to control is cut")
            failures += 1
            self._ask.set()
            await self._clock.sleep(self._backoff(failures))

    async def _poll(self) -> None:
        """Ask when there may be news, and every `FLOOR` seconds."""
        failures = 0
        while True:
            self._ask.clear()
            try:
                await self._asked()
            except SeatrialError as error:
                failures += 1
                self.trouble = f"{error.code}: {error.message}"
                _LOG.log(logging.INFO if failures == 1 else logging.DEBUG, "control: %s", error)
            except Exception:  # noqa: BLE001 - a defect must not end the line
                failures += 1
                _LOG.exception("control cannot be asked")
            else:
                failures, self.trouble, self.heard_at = 0, "", self._clock.steady()
                await _waited(self._ask, FLOOR)
                await self._calm()
                continue
            await self._clock.sleep(self._backoff(failures))

    async def _calm(self) -> None:
        """Wait where control would have this cell do nothing but ask."""
        self._times.append(self._clock.steady())
        if len(self._times) == _BURST and self._times[-1] - self._times[0] < _BURST_SECONDS:
            await self._clock.sleep(_BURST_SECONDS / _BURST)

    async def _asked(self) -> None:
        current, _ = await self._database.read(store.marks)
        answer = await self._control.desired(self._etag, max(0, current))
        if answer is not None:
            self._wish = _wish(answer.text)
            self._latest, self._etag = answer.text, answer.etag
        self._news.set()  # without an answer too: what failed, or was not heard, is tried again

    async def _apply(self, epoch: int) -> None:
        """Apply the newest document; one that wants something else cuts a preparation short."""
        failures = 0
        while True:
            await self._news.wait()
            self._news.clear()
            text = self._latest
            if not text:
                continue
            work = asyncio.create_task(self._applied(text, epoch))
            try:
                await self._until_done_or_other(work)
            finally:
                work.cancel()
                await asyncio.wait({work})
            if self._latest != text:
                self._news.set()
            if work.cancelled() or work.result():
                failures = 0
                continue
            failures += 1
            await _waited(self._news, self._backoff(failures))
            self._ask.set()
            self._news.set()

    async def _until_done_or_other(self, work: "asyncio.Task[bool]") -> None:
        wish = self._wish
        while not work.done() and self._wish == wish:
            self._news.clear()
            news = asyncio.create_task(self._news.wait())
            try:
                await asyncio.wait({work, news}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()

    async def _applied(self, text: str, epoch: int) -> bool:
        try:
            return await self._switcher.apply(text, epoch)
        except LeaseLost:
            raise
        except SeatrialError as error:
            self._etag = ""  # whatever this was, let control say it anew
            self._switcher.trouble = f"{error.code}: {error.message}"
            _LOG.warning("what control wants is not followed: %s", error)
        except Exception as error:  # noqa: BLE001 - a defect must not end the line
            self._switcher.trouble = f"internal_fault: {type(error).__name__}"
            _LOG.exception("what control wants is not followed")
        return False

    def _backoff(self, failures: int) -> float:
        return self._chance.uniform(0.0, min(_LONGEST, _FIRST * 2 ** min(failures, 16)))


async def _waited(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


def _remembered(text: str) -> _Wish | None:
    """The wish of a document that was kept; None where another version of this program kept it."""
    try:
        return _wish(text)
    except SeatrialError as error:
        _LOG.warning("what was heard before the start is not understood: %s", error)
        return None


def _wish(text: str) -> _Wish:
    """What a document wants, apart from what control has heard; raises `DesiredMalformed`."""
    desired = read_desired(text)
    committed, proposed = desired.committed, desired.proposed
    return (desired.keyring, _commit_of(committed), _proposal_of(committed), _proposal_of(proposed))


def _proposal_of(ordered: Ordered | None) -> str:
    return "" if ordered is None else ordered.proposal


def _commit_of(ordered: Ordered | None) -> str:
    return "" if ordered is None else ordered.commit or ""
