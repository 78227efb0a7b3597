"""The passage of each call of an attempt: matched, written, performed by the caller, and settled.

One `Attempt` lives in the process that runs it, for as long as it runs. Whoever serves a call asks
`arrive` and gets a `Passage` with the rule's decision, does what the decision says, and tells the
passage how it went. Nothing is awaited between a decision and its claim, so that no two calls are
ever decided by the same state of the book.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NoReturn

from seatrial.cell.journal.domain import keys
from seatrial.cell.journal.domain.book import Book
from seatrial.cell.journal.domain.decisions import Told, told
from seatrial.cell.journal.domain.matching import (
    Decision,
    Diverged,
    Ending,
    Finished,
    GoLive,
    HoldWrite,
    NeedsPerson,
    Park,
    Patience,
    Wait,
    decide,
    finish,
)
from seatrial.cell.journal.domain.records import (
    AnswerNotKept,
    AttemptStale,
    Body,
    CallGivenUp,
    Halt,
    Recorded,
)
from seatrial.cell.journal.domain.resuming import resumed
from seatrial.cell.journal.domain.rows import (
    CLOSED,
    OPEN,
    Arrival,
    Claim,
    Effect,
    Facts,
    Kind,
    Mode,
    Row,
    RowState,
)
from seatrial.cell.journal.service.passages import Begun, Ended, Passage
from seatrial.cell.journal.service.writing import Pen, Surroundings
from seatrial.cell.journal.store import records as store
from seatrial.contract.runs.states import WaitReason
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection

_MOST_UNKEPT: Final = 4  # bodies too large for the database that wait in memory to be delivered
_LONG: Final = 1 << 18  # bytes of a body that is not read on the loop: 1 MB takes about 10 ms


@dataclass(frozen=True, kw_only=True)
class Found:
    """What an attempt finds when it opens its book.

    Attributes:
        own: rows of its run.
        follows: the run whose results it may take; None for none.
        lent: rows of that run.
        decided: decisions that it has written already, in another process.
    """

    own: Sequence[Recorded]
    follows: str | None = None
    lent: Sequence[Recorded] = ()
    decided: int = 0


class Attempt:
    """One attempt at a run: its book, and those who wait for it to change.

    Attributes:
        run: its run.
        number: which attempt.
        mode: what it may do.
        diverged: a call went out while recorded results had not been met.
        halted: resolved once, when the segment must end before its agent does.
    """

    def __init__(
        self, around: Surroundings, run: str, number: int, mode: Mode, found: Found
    ) -> None:
        self.run: Final = run
        self.number: Final = number
        self.mode: Final = mode
        self.diverged = False
        self.halted: asyncio.Future[Halt] = asyncio.get_running_loop().create_future()
        self._around = around
        self._follows = found.follows
        self._shift = max((it.row.seq for it in found.own), default=0)
        self._names = {it.row.seq: it.name for it in found.own}
        self._book = Book(
            attempt=number,
            rows=self._rows(found),
            waived=[it.row.seq for it in found.own if it.waived],
        )
        self._unkept: dict[int, Body] = {}
        self._asking: dict[int, asyncio.Future[None]] = {}  # rows that are being made unknown
        self._broken: Exception | None = None
        self._moving = 0
        self._moved = around.clock.steady()
        self._changed: asyncio.Event = asyncio.Event()
        self._pen = Pen(around, run, number, decided=found.decided, failed=self._break)

    def _rows(self, found: Found) -> list[Row]:
        """Those of the run, then those that it follows, numbered after its own.

        A closed run has none of its own, ever: what it follows answers as if it had made it.
        """
        if self.mode in CLOSED and found.follows is not None:
            return [it.row for it in found.lent]
        own = resumed(found.own) if self.mode in OPEN else found.own
        lent = [replace(it.row, seq=self._shift + it.row.seq, borrowed=True) for it in found.lent]
        return [*(it.row for it in own), *lent]

    def _place(self, row: Row) -> tuple[str, int]:
        """Where the bodies of a row are kept: its run, and its number there."""
        if self._follows is None:
            return self.run, row.seq
        if self.mode in CLOSED:
            return self._follows, row.seq
        return (self._follows, row.seq - self._shift) if row.borrowed else (self.run, row.seq)

    def halt(self, decision: Park | NeedsPerson | Diverged) -> None:
        """The segment must end, for nothing in this process can answer. The first reason stays."""
        if self.halted.done():
            return
        if isinstance(decision, Diverged):
            self.halted.set_result(
                Halt(reason=WaitReason.DIVERGED, seq=None, detail=told(decision).reason)
            )
            return
        seq = decision.row.seq
        name = self._names.get(seq, "")
        reason = _REASONS[name.partition(":")[0]] if isinstance(decision, Park) else _UNKNOWN
        self.halted.set_result(Halt(reason=reason, seq=seq, detail=name))

    async def hold(self) -> NoReturn:
        """Wait, for a call that no answer comes for in this segment, until the attempt is closed.

        Raises:
            AttemptStale: it is.
        """
        while True:
            await self._change(None)

    def close(self) -> None:
        """Nobody runs this attempt any more: whoever waits in it is released."""
        if self._broken is None:
            self._broken = AttemptStale(run=self.run, attempt=self.number)
        self._move()

    async def arrive(
        self, call: keys.Call, effect: Effect, *, retry: bool = False, shadowed: bool = False
    ) -> "Passage":
        """Match a call. It returns when the rule has decided, which may take a while.

        Whoever is cancelled while it waits has made no call.

        Args:
            call: what arrives.
            effect: by the release in hand.
            retry: the client says that it sends this again.
            shadowed: a shadow run may make this read itself.

        Raises:
            AttemptStale: another attempt has the run; or whatever kept a record from being written.
        """
        self._refuse_broken()
        if self._pen.full:
            await self._pen.flush()
        key = await self._key(call)
        arrival = self._book.receive(
            Arrival(kind=call.kind, effect=effect, key=key, retry=retry, shadowed=shadowed)
        )
        began, waits, held = self._around.clock.steady(), False, False
        try:
            while True:
                arrival = await self._masked(arrival, call)
                decision = self._decision(arrival, began)
                if waits:
                    self._book.go(arrival)
                    waits = False
                if not isinstance(decision, Wait | HoldWrite):
                    break
                if not held:
                    held = True
                    self._decide(str(call.kind), call.name, key, decision)
                self._book.wait(arrival)
                waits = True
                await self._change(self._patience(decision, began))
        except BaseException:
            if waits:
                self._book.go(arrival, dropped=True)
                self._move()
            raise
        return await self._claimed(decision, arrival, call)

    @property
    def broken(self) -> Exception | None:
        """What kept a record from being written, or who else has the run; None for nothing."""
        return self._broken

    @property
    def largest(self) -> int:
        """Bytes of a body that is kept."""
        return self._around.bounds.body

    @property
    def busy(self) -> int:
        """Calls that are answered at this moment; those that wait for a decision not among them."""
        return self._moving

    async def finish(self) -> Ending:
        """What becomes of the run now that its agent has returned.

        Raises:
            AttemptStale: another attempt has the run; or whatever kept a record from being written.
        """
        while isinstance(ending := self._finish(), Wait):
            await self._change(None)
        self._decide("end", "", "", ending)
        await self._pen.flush()
        return ending

    def _finish(self) -> Ending:
        """A closed run writes nothing, so its end leaves nothing for a person to say."""
        return Finished() if self.mode in CLOSED else finish(self._book)

    async def still(self) -> None:
        """Wait until no write is under way: only then may a segment end that could go on."""
        while any(row.kind is not Kind.WAIT for row in self._book.under_way):
            await self._change(None)
        await self._pen.flush()

    async def write(self) -> None:
        """Write the decisions that no other transaction has taken along."""
        await self._pen.flush()

    async def _key(self, call: keys.Call) -> str:
        key_of = keys.scripted if self.mode is Mode.SCRIPTED else keys.exact
        if len(call.body) > _LONG:
            return await asyncio.to_thread(key_of, call)
        return key_of(call)

    def _decision(self, arrival: Arrival, began: float) -> Decision:
        now, bounds = self._around.clock.steady(), self._around.bounds
        facts = Facts(
            mode=self.mode,
            quiet=not self._moving and now - self._moved >= bounds.quiet,
            diverged=self.diverged,
        )
        if now - began >= bounds.patience:
            arrival = replace(arrival, waited=True)
        return decide(self._book, arrival, facts)

    def _patience(self, decision: Decision, began: float) -> float | None:
        """Seconds until the decision may be another one by itself."""
        now, bounds = self._around.clock.steady(), self._around.bounds
        if isinstance(decision, HoldWrite):
            return None if self._moving else max(0.0, self._moved + bounds.quiet - now)
        rest = isinstance(decision, Wait) and decision.reason is Patience.REST
        return max(0.0, began + bounds.patience - now) if rest else None

    async def _masked(self, arrival: Arrival, call: keys.Call) -> Arrival:
        if not self._book.wants_mask(arrival):
            return arrival
        left = {row.seq: row for row in self._book if self._book.unclaimed(row)}
        masks = await self._masks(left, call)
        self._book.learn_masks(lambda row: masks.get(row.seq))
        return replace(arrival, mask=keys.masked(call))

    async def _masks(self, left: Mapping[int, Row], call: keys.Call) -> dict[int, str]:
        """Of recorded requests, read as `call` is; one of another kind finds nothing by it."""
        places: dict[str, dict[int, int]] = {}
        for row in left.values():
            run, there = self._place(row)
            places.setdefault(run, {})[there] = row.seq

        def use_case(connection: Connection) -> dict[int, Body]:
            return {
                numbers[seq]: body
                for run, numbers in places.items()
                for seq, body in store.requests(connection, run, list(numbers))
            }

        bodies = await self._around.database.read(use_case)
        return {
            seq: keys.masked(replace(call, kind=left[seq].kind, body=body.content))
            for seq, body in bodies.items()
        }

    async def _claimed(self, decision: Decision, arrival: Arrival, call: keys.Call) -> "Passage":
        row: Row | None = getattr(decision, "row", None)
        passage = Passage(self, decision, row, call)
        if row is not None:
            self._book.open(row, arrival)
            self._names[row.seq] = call.name
        self._decide(str(call.kind), call.name, arrival.key, decision)
        if isinstance(decision, GoLive):
            self.diverged = self.diverged or decision.diverged
        self._move(1)
        if isinstance(decision, NeedsPerson):
            try:
                await self._asked(decision)
            except BaseException:  # the caller is gone, and with it the passage
                passage.lost()
                raise
        return passage

    async def _asked(self, decision: NeedsPerson) -> None:
        """A person's question is on the disk when this returns, and even if it is cut off."""
        seq = decision.row.seq
        if not decision.asked:
            asking = self._asking[seq] = asyncio.ensure_future(self.unknown(decision.row))
            asking.add_done_callback(partial(self._was_asked, seq))
        if seq in self._asking:
            await asyncio.shield(self._asking[seq])

    def _was_asked(self, seq: int, asking: "asyncio.Future[None]") -> None:
        del self._asking[seq]
        if not asking.cancelled():
            asking.exception()  # it has broken the attempt, and whoever waits is told

    def refuse(self, row: Row, call: keys.Call, why: str) -> None:
        """A limit refuses what the rule would have sent."""
        self._pen.note(str(call.kind), call.name, row.key, Told(word="refused", reason=why))

    def _decide(self, kind: str, name: str, key: str, decision: Decision | Ending) -> None:
        self._pen.note(kind, name, key, told(decision))

    async def begin(self, row: Row, call: keys.Call, tried: Begun | None) -> None:
        """Write an intent, and the try that goes out with it.

        Raises:
            AttemptStale: another attempt has the run.
            CallSettled: somebody has said what became of it.
        """
        await self._pen.begin(row, call, tried)

    async def settle(
        self,
        row: Row,
        call: keys.Call,
        state: RowState,
        body: Body,
        ended: Ended | None,
        unwritten: Begun | None,
    ) -> None:
        """Write a result. Callers that wait for it are told when it is written.

        Raises:
            AttemptStale: another attempt has the run. What was performed is resolved by it.
        """
        kept = len(body.content) <= self._around.bounds.body
        settled = replace(row, state=state, answer=_digest(body), attempt=self.number)
        if kept or row.binds:
            request = None if row.binds else call.body
            intent = None if unwritten is None else (row, call, unwritten)
            await self._pen.settle(settled, body if kept else None, ended, request, intent)
        else:
            if unwritten is not None:
                await self._pen.begin(row, call, unwritten)
            await self._pen.end(ended)
        if not kept:
            self._unkept[row.seq] = body
            while len(self._unkept) > _MOST_UNKEPT:
                del self._unkept[next(iter(self._unkept))]
        self._book.settle(row.seq, state, settled.answer)
        self._move()

    def pass_by(self, row: Row, state: RowState) -> None:
        """It had a result that went by unkept: for this attempt it is over."""
        self._book.settle(row.seq, state)
        self._move()

    async def unknown(self, row: Row) -> None:
        """Write that a person must say what became of a row."""
        await self._pen.settle(self._book.settle(row.seq, RowState.UNKNOWN), None)
        self._move()

    async def answered(self, row: Row) -> Body:
        """The result of a row, when there is one."""
        while not self._book[row.seq].settled:
            if self._book.claim_of(row) is Claim.CUT:
                raise CallGivenUp(run=self.run, seq=row.seq)
            await self._change(None)
        if row.seq in self._unkept:
            return self._unkept[row.seq]
        run, seq = self._place(row)
        found = await self._around.database.read(
            lambda connection: store.body(connection, run, seq, store.ANSWER)
        )
        if found is None:
            raise AnswerNotKept(run=run, seq=seq)
        return found

    def leave(self, row: Row | None, *, delivered: bool, cut: bool) -> None:
        """A caller is gone, with the whole result or without it."""
        if row is not None and delivered:
            self._book.deliver(row.seq)
        elif row is not None:
            self._book.lose(row.seq)
            if cut and not row.binds and not self._book[row.seq].settled:
                self._book.give_up(row.seq)
        self._move(-1)

    def _move(self, by: int = 0) -> None:
        """Something of the agent has moved: all who wait ask again."""
        self._moving += by
        self._moved = self._around.clock.steady()
        self._changed.set()
        self._changed = asyncio.Event()

    async def _change(self, patience: float | None) -> None:
        self._refuse_broken()
        waiter = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({waiter}, timeout=patience)
        finally:
            waiter.cancel()
        self._refuse_broken()

    def _break(self, error: Exception) -> None:
        self._broken = error
        self._move()

    def _refuse_broken(self) -> None:
        if self._broken is not None:
            raise self._broken


_UNKNOWN: Final = WaitReason.UNKNOWN
_REASONS: Final[Mapping[str, WaitReason]] = {
    "review": WaitReason.REVIEW,
    "timer": WaitReason.TIMER,
    "event": WaitReason.EVENT,
}


def _digest(body: Body) -> str:
    return str(Digest.of(body.content))
