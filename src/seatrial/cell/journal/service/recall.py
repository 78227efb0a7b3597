"""The passage of each call of an attempt: matched, written, performed by the caller, and settled.

One `Attempt` lives in the process that runs it, for as long as it runs. Whoever serves a call asks
`arrive` and gets a `Passage` with the rule's decision, does what the decision says, and tells the
passage how it went. Nothing is awaited between a decision and its claim, so that no two calls are
ever decided by the same state of the book.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Self

from seatrial.cell.journal.domain import keys
from seatrial.cell.journal.domain.book import Book
from seatrial.cell.journal.domain.matching import (
    Decision,
    Ending,
    GoLive,
    HoldWrite,
    NeedsPerson,
    Patience,
    Wait,
    decide,
    finish,
)
from seatrial.cell.journal.domain.records import (
    AnswerNotKept,
    AttemptStale,
    Body,
    Bounds,
    CallSettled,
    Recorded,
)
from seatrial.cell.journal.domain.retention import Held, Retention, Sweep, sweep
from seatrial.cell.journal.domain.rows import (
    Arrival,
    Claim,
    Effect,
    Facts,
    Kind,
    Mode,
    Row,
    RowState,
)
from seatrial.cell.journal.store import records as store
from seatrial.kit.clock import Clock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.connection import Connection, Durability, Isolation
from seatrial.kit.database.database import Database

_MOST_UNKEPT: Final = 4  # bodies too large for the database that wait in memory to be delivered

Fence = Callable[[Connection, str, int], bool]
"""Whether an attempt is the one in hand, and stays so until the transaction has ended."""

Ended = Callable[[Connection, Collection[str]], Mapping[str, datetime]]
"""When each of some runs ended; those that have not are not in it."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What recording stands on.

    Attributes:
        database: the cell's.
        fence: of the cell's runs.
        clock: for times and patience.
        bounds: see there.
    """

    database: Database
    fence: Fence
    clock: Clock
    bounds: Bounds = field(default_factory=Bounds)


class Recall:
    """The recorded calls of one cell's runs."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    async def attempt(
        self, run: str, number: int, *, mode: Mode = Mode.LIVE, shadows: str | None = None
    ) -> "Attempt":
        """The book of an attempt, as its predecessors left it.

        Args:
            run: its run.
            number: the attempt that has claimed it.
            mode: what it may do.
            shadows: the run whose results a shadow may take.
        """

        def use_case(connection: Connection) -> tuple[list[Recorded], list[Recorded]]:
            lent = store.rows(connection, shadows) if shadows else []
            return store.rows(connection, run), lent

        own, lent = await self._around.database.read(use_case)
        return Attempt(self._around, run, number, mode, own, _Lent(run=shadows, rows=lent))

    async def answer(self, run: str, seq: int, state: RowState, body: Body | None) -> bool:
        """What somebody outside says of a call: of a question, or of a write that is unknown.

        Args:
            run: of which run.
            seq: which of its rows.
            state: done or failed with a body; cleared if it did not happen and may be performed.
            body: what the agent is answered.

        Returns:
            Whether it was still to be said: the first answer stays.
        """

        def use_case(connection: Connection) -> bool:
            found = next((it.row for it in store.rows(connection, run) if it.row.seq == seq), None)
            if found is None:
                return False
            row = replace(found, state=state, answer=None if body is None else _digest(body))
            said = store.settle(connection, run, row, self._around.clock.now())
            if said and body is not None:
                store.keep(connection, run, seq, store.ANSWER, body)
            return said

        return await self._around.database.write(use_case)

    async def waive(self, run: str, seqs: Collection[int]) -> None:
        """A person has said that the agent need not come back to these writes."""
        await self._around.database.write(lambda connection: store.waive(connection, run, seqs))

    async def sweep(self, retention: Retention, ended: Ended) -> Sweep:
        """Forget bodies that are too old or too many."""

        def use_case(connection: Connection) -> Sweep:
            stored = store.held(connection)
            over = ended(connection, list(stored))
            known = (Held(run=run, stored=n, ended=over.get(run)) for run, n in stored.items())
            found = sweep(known, retention, self._around.clock.now())
            store.drop(connection, found.drop)
            return found

        return await self._around.database.write(use_case, durability=Durability.LAZY)


@dataclass(frozen=True, kw_only=True)
class _Lent:
    run: str | None
    rows: list[Recorded]

    def to(self, own: Iterable[Recorded]) -> list[Row]:
        """The rows, numbered after those of the run that borrows them."""
        first = max((it.row.seq for it in own), default=0)
        return [replace(it.row, seq=first + it.row.seq, borrowed=True) for it in self.rows]


class Attempt:
    """One attempt at a run: its book, and those who wait for it to change."""

    def __init__(
        self,
        around: Surroundings,
        run: str,
        number: int,
        mode: Mode,
        own: list[Recorded],
        lent: _Lent,
    ) -> None:
        self.run: Final = run
        self.number: Final = number
        self.diverged = False
        self._around = around
        self._mode = mode
        self._lent = lent
        self._shift = max((it.row.seq for it in own), default=0)
        self._book = Book(
            attempt=number,
            rows=[*(it.row for it in own), *lent.to(own)],
            waived=[it.row.seq for it in own if it.waived],
        )
        self._unkept: dict[int, Body] = {}
        self._broken: Exception | None = None
        self._moving = 0
        self._moved = around.clock.steady()
        self._changed: asyncio.Event = asyncio.Event()

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
        key = keys.scripted(call) if self._mode is Mode.SCRIPTED else keys.exact(call)
        arrival = self._book.receive(
            Arrival(kind=call.kind, effect=effect, key=key, retry=retry, shadowed=shadowed)
        )
        began, waits = self._around.clock.steady(), False
        try:
            while True:
                arrival = await self._masked(arrival, call)
                decision = self._decided(arrival, began)
                if waits:
                    self._book.go(arrival)
                    waits = False
                if not isinstance(decision, Wait | HoldWrite):
                    break
                self._book.wait(arrival)
                waits = True
                await self._change(self._patience(decision, began))
        except BaseException:
            if waits:
                self._book.go(arrival, dropped=True)
                self._move()
            raise
        return await self._claimed(decision, arrival, call)

    async def finish(self) -> Ending:
        """What becomes of the run now that its agent has returned.

        Raises:
            AttemptStale: another attempt has the run; or whatever kept a record from being written.
        """
        while isinstance(ending := finish(self._book), Wait):
            await self._change(None)
        return ending

    async def still(self) -> None:
        """Wait until no write is under way: only then may a segment end that could go on."""
        while any(row.kind is not Kind.WAIT for row in self._book.under_way):
            await self._change(None)

    def _decided(self, arrival: Arrival, began: float) -> Decision:
        now, bounds = self._around.clock.steady(), self._around.bounds
        facts = Facts(
            mode=self._mode,
            quiet=not self._moving and now - self._moved >= bounds.quiet,
            diverged=self.diverged,
        )
        waited = now - began >= bounds.patience
        return decide(self._book, replace(arrival, waited=waited), facts)

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
        own = [seq for seq, row in left.items() if not row.borrowed]
        lent = [seq - self._shift for seq, row in left.items() if row.borrowed]
        shadows = self._lent.run

        def use_case(connection: Connection) -> dict[int, Body]:
            found = dict(store.requests(connection, self.run, own))
            if shadows is not None:
                bodies = store.requests(connection, shadows, lent)
                found.update({seq + self._shift: body for seq, body in bodies})
            return found

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
        if isinstance(decision, GoLive):
            self.diverged = self.diverged or decision.diverged
        self._move(1)
        if isinstance(decision, NeedsPerson) and not decision.asked:
            await self.unknown(decision.row)
        return passage

    async def begin(self, row: Row, call: keys.Call) -> None:
        """Write an intent.

        Raises:
            AttemptStale: another attempt has the run.
        """
        at, bounds = self._around.clock.now(), self._around.bounds

        def use_case(connection: Connection) -> None:
            self._fenced(connection)
            if not store.begin(connection, self.run, Recorded(row=row, name=call.name), at):
                raise CallSettled(run=self.run, seq=row.seq)
            if not row.binds and len(call.body) <= bounds.body:
                request = Body(content=call.body)
                store.keep(connection, self.run, row.seq, store.REQUEST, request)

        await self._written(use_case, durable=row.binds)

    async def settle(self, row: Row, state: RowState, body: Body) -> None:
        """Write a result. Callers that wait for it are told when it is written.

        Raises:
            AttemptStale: another attempt has the run. What was performed is resolved by it.
        """
        kept = len(body.content) <= self._around.bounds.body
        settled = replace(row, state=state, answer=_digest(body), attempt=self.number)
        if kept or row.binds:
            await self._write(settled, body if kept else None)
        if not kept:
            self._unkept[row.seq] = body
            while len(self._unkept) > _MOST_UNKEPT:
                del self._unkept[next(iter(self._unkept))]
        self._book.settle(row.seq, state, settled.answer)
        self._move()

    async def unknown(self, row: Row) -> None:
        """Write that a person must say what became of a row."""
        await self._write(self._book.settle(row.seq, RowState.UNKNOWN), None)
        self._move()

    async def _write(self, row: Row, body: Body | None) -> None:
        at = self._around.clock.now()

        def use_case(connection: Connection) -> None:
            self._fenced(connection)
            if store.settle(connection, self.run, row, at) and body is not None:
                store.keep(connection, self.run, row.seq, store.ANSWER, body)

        lasting = row.binds and (row.effect is Effect.IRREVERSIBLE or row.state is RowState.UNKNOWN)
        await self._written(use_case, durable=lasting)

    async def answered(self, row: Row) -> Body:
        """The result of a row, when there is one."""
        while not self._book[row.seq].settled:
            await self._change(None)
        if row.seq in self._unkept:
            return self._unkept[row.seq]
        run, seq = self.run, row.seq
        if row.borrowed and self._lent.run is not None:
            run, seq = self._lent.run, row.seq - self._shift
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
            if cut and self._book.claim_of(row) is Claim.LOST and not row.binds:
                self._book.give_up(row.seq)
        self._move(-1)

    async def _written(self, use_case: Callable[[Connection], None], *, durable: bool) -> None:
        try:
            await self._around.database.write(
                use_case,
                durability=Durability.FULL if durable else Durability.LAZY,
                isolation=Isolation.READ_COMMITTED,
            )
        except Exception as error:
            # An attempt that cannot write its record must not go on beside it.
            self._broken = error
            self._move()
            raise

    def _fenced(self, connection: Connection) -> None:
        if not self._around.fence(connection, self.run, self.number):
            raise AttemptStale(run=self.run, attempt=self.number)

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

    def _refuse_broken(self) -> None:
        if self._broken is not None:
            raise self._broken


class Passage:
    """One call on its way through an attempt. As a context, it is left when its caller is.

    Attributes:
        decision: what is to be done.
        row: the row that it has claimed; None where it has none.
    """

    def __init__(
        self, attempt: Attempt, decision: Decision, row: Row | None, call: keys.Call
    ) -> None:
        self.decision: Final = decision
        self.row: Final = row
        self._attempt = attempt
        self._call = call
        self._left = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.lost()

    async def begin(self) -> None:
        """Write the intent. An effect may begin only when this has returned.

        Raises:
            AttemptStale: another attempt has the run: nothing may begin.
            CallSettled: somebody has said what became of it: nothing may begin.
        """
        await self._attempt.begin(self._own, self._call)

    async def settle(self, state: RowState, body: Body) -> None:
        """Write the result: done, or failed where it is sure that it had no effect."""
        await self._attempt.settle(self._own, state, body)

    async def unknown(self) -> None:
        """Write that it may have happened, and nobody but a person can tell: the segment ends."""
        await self._attempt.unknown(self._own)

    async def answer(self) -> Body:
        """The recorded result, or the one that is under way.

        Raises:
            AnswerNotKept: it is recorded that there was one, and no more.
        """
        return await self._attempt.answered(self._own)

    def delivered(self) -> None:
        """The caller has all of it."""
        self._leave(delivered=True, cut=False)

    def lost(self, *, cut: bool = False) -> None:
        """The caller is gone. `cut`: what was asked for it was given up; never for a write."""
        self._leave(delivered=False, cut=cut)

    @property
    def _own(self) -> Row:
        if self.row is None:
            raise RuntimeError(f"{type(self.decision).__name__} has no row")
        return self.row

    def _leave(self, *, delivered: bool, cut: bool) -> None:
        if not self._left:
            self._left = True
            self._attempt.leave(self.row, delivered=delivered, cut=cut)


def _digest(body: Body) -> str:
    return str(Digest.of(body.content))
