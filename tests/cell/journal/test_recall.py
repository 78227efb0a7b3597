"""Recorded calls on real databases."""

import asyncio
import json
import threading
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from seatrial.cell.journal.domain.keys import Call, Dialect, effect_key
from seatrial.cell.journal.domain.matching import (
    Answer,
    AskWhatHappened,
    Attach,
    Diverged,
    Divergence,
    FindMarker,
    Finished,
    GoLive,
    NeedsPerson,
    Redo,
    Refusal,
    Refuse,
    RetrySameKey,
    Sink,
)
from seatrial.cell.journal.domain.records import (
    AnswerNotKept,
    AttemptStale,
    Body,
    Bounds,
    CallSettled,
)
from seatrial.cell.journal.domain.retention import Retention
from seatrial.cell.journal.domain.rows import Effect, Kind, Mode, RowState
from seatrial.cell.journal.service import answers
from seatrial.cell.journal.service.books import Books
from seatrial.cell.journal.service.passages import Passage
from seatrial.cell.journal.service.recall import Attempt
from seatrial.cell.journal.service.sweeping import Sweeper
from seatrial.cell.journal.service.writing import Pen, Surroundings
from seatrial.cell.journal.store import records as store
from seatrial.kit.clock import SystemClock
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.database.migrations import migrate_now

DONE, FAILED = RowState.DONE, RowState.FAILED
QUICK = Bounds(patience=0.05, quiet=0.1, body=1_000)


class Cell:
    """The journal of a cell whose runs are known by their attempt alone."""

    def __init__(self, database: Database) -> None:
        migrate_now(database, [store.HISTORY])
        self.database = database
        self.attempts: dict[str, int] = {}
        self.flows = threading.Event()
        self.flows.set()
        self.books = Books(
            Surroundings(database=database, fence=self._stands, clock=SystemClock(), bounds=QUICK)
        )

    def _stands(self, connection: Connection, run: str, attempt: int) -> bool:
        del connection
        self.flows.wait(10)
        return self.attempts[run] == attempt

    async def claim(self, run: str = "run_a", **how: Any) -> Attempt:
        self.attempts[run] = self.attempts.get(run, 0) + 1
        return await self.books.open(run, self.attempts[run], **how)

    async def say(self, run: str, seq: int, state: RowState, body: Body | None) -> bool:
        return await self.database.write(
            lambda connection: answers.answer(connection, run, seq, state, body, datetime.now(UTC))
        )


@pytest.fixture
def cell(database: Database) -> Cell:
    return Cell(database)


def _model(text: str = "q") -> Call:
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    return Call(
        kind=Kind.MODEL,
        dialect=Dialect.OPENAI_CHAT,
        route="POST /v1/chat/completions",
        name="m",
        body=json.dumps(body).encode(),
    )


def _action(name: str = "pay") -> Call:
    return Call(
        kind=Kind.ACTION, dialect=Dialect.ACTION, route="action", name=name, body=b'{"to":"x"}'
    )


async def _done(attempt: Attempt, call: Call, effect: Effect, said: bytes) -> Passage:
    passage = await attempt.arrive(call, effect)
    await passage.begin()
    await passage.settle(DONE, Body(content=said, status=200))
    passage.delivered()
    return passage


async def _told(attempt: Attempt, call: Call, effect: Effect) -> bytes:
    passage = await attempt.arrive(call, effect)
    assert isinstance(passage.decision, Answer)
    content = (await passage.answer()).content
    passage.delivered()
    return content


def test_the_next_attempt_is_told_the_same_bytes(cell: Cell) -> None:
    async def scenario() -> None:
        first = await cell.claim()
        stream = b"data: {}\n\ndata: \xff\n\n"
        await _done(first, _model(), Effect.READ, stream)
        await _done(first, _action(), Effect.IRREVERSIBLE, b"paid")
        second = await cell.claim()
        assert await _told(second, _model(), Effect.READ) == stream
        assert isinstance(await second.finish(), Diverged)
        assert await _told(second, _action(), Effect.IRREVERSIBLE) == b"paid"
        assert await second.finish() == Finished()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("effect", "decision"),
    [
        (Effect.READ, Redo),
        (Effect.IDEMPOTENT, RetrySameKey),
        (Effect.RECONCILABLE, AskWhatHappened),
        (Effect.TRANSACTIONAL, FindMarker),
        (Effect.IRREVERSIBLE, NeedsPerson),
    ],
)
def test_an_intent_is_settled_by_its_class(
    cell: Cell, effect: Effect, decision: type[object]
) -> None:
    async def scenario() -> None:
        first = await (await cell.claim()).arrive(_action(), effect)
        await first.begin()
        again = await (await cell.claim()).arrive(_action(), effect)
        assert isinstance(again.decision, decision)
        assert first.row is not None
        assert again.row is not None
        keys = [effect_key("run_a", "pay", it.key, it.occurrence) for it in (first.row, again.row)]
        assert keys[0] == keys[1]

    asyncio.run(scenario())


def test_a_stale_attempt_writes_nothing_and_begins_nothing(cell: Cell) -> None:
    async def scenario() -> None:
        old = await cell.claim()
        open_ = await old.arrive(_action("a"), Effect.IDEMPOTENT)
        await open_.begin()
        fresh = await old.arrive(_action("b"), Effect.IDEMPOTENT)
        await cell.claim()
        for late in (fresh.begin(), open_.settle(DONE, Body(content=b"late"))):
            with pytest.raises(AttemptStale):
                await late
        with pytest.raises(AttemptStale):
            await old.arrive(_action("c"), Effect.IDEMPOTENT)

    asyncio.run(scenario())
    (left,) = cell.database.read_now(lambda connection: store.rows(connection, "run_a"))
    assert left.row.state is RowState.INTENT


def test_an_attempt_that_cannot_write_its_record_stops_all_who_wait_in_it(cell: Cell) -> None:
    async def scenario() -> None:
        old = await cell.claim()
        first = await old.arrive(_action(), Effect.IDEMPOTENT)
        await first.begin()
        first.lost()
        again = await old.arrive(_action(), Effect.IDEMPOTENT)
        waiters = [asyncio.ensure_future(it) for it in (again.answer(), old.finish(), old.still())]
        await asyncio.sleep(0.02)
        await cell.claim()
        with pytest.raises(AttemptStale):
            await first.settle(DONE, Body(content=b"late"))
        for result in await asyncio.gather(*waiters, return_exceptions=True):
            assert isinstance(result, AttemptStale)
        for late in (again.answer(), old.still(), old.arrive(_model(), Effect.READ)):
            with pytest.raises(AttemptStale):
                await late

    asyncio.run(scenario())


def test_a_segment_ends_when_its_writes_have(cell: Cell) -> None:
    async def scenario() -> None:
        attempt = await cell.claim()
        write = await attempt.arrive(_action(), Effect.IDEMPOTENT)
        await write.begin()
        still = asyncio.ensure_future(attempt.still())
        await asyncio.sleep(0.02)
        assert not still.done()
        await write.settle(DONE, Body(content=b"1"))
        await still

    asyncio.run(scenario())


def test_whoever_leaves_a_passage_without_its_answer_has_lost_it(cell: Cell) -> None:
    async def scenario() -> None:
        attempt = await cell.claim()
        with await attempt.arrive(_action(), Effect.IDEMPOTENT) as passage:
            await passage.begin()
        assert isinstance((await attempt.arrive(_action(), Effect.IDEMPOTENT)).decision, Attach)
        with await attempt.arrive(_model(), Effect.READ) as passage:
            await passage.begin()
            await passage.settle(DONE, Body(content=b"1"))
            passage.delivered()
        assert isinstance((await attempt.arrive(_model(), Effect.READ)).decision, GoLive)

    asyncio.run(scenario())


def test_the_result_that_came_first_stays(cell: Cell) -> None:
    async def scenario() -> None:
        first = await cell.claim()
        passage = await _done(first, _model(), Effect.READ, b"one")
        await passage.settle(FAILED, Body(content=b"two"))
        assert await _told(await cell.claim(), _model(), Effect.READ) == b"one"

    asyncio.run(scenario())


def test_equal_writes_at_once_are_performed_one_after_the_other(cell: Cell) -> None:
    async def scenario() -> None:
        attempt = await cell.claim()
        first = await attempt.arrive(_action(), Effect.IDEMPOTENT)
        second = asyncio.ensure_future(attempt.arrive(_action(), Effect.IDEMPOTENT))
        await first.begin()
        await asyncio.sleep(0.1)
        assert not second.done()
        await first.settle(DONE, Body(content=b"1"))
        first.delivered()
        row = (await second).row
        assert row is not None
        assert row.occurrence == 2

    asyncio.run(scenario())


def test_whoever_comes_back_for_a_lost_answer_gets_it(cell: Cell) -> None:
    async def scenario() -> None:
        attempt = await cell.claim()
        first = await attempt.arrive(_action(), Effect.IRREVERSIBLE)
        await first.begin()
        first.lost()
        again = await attempt.arrive(_action(), Effect.IRREVERSIBLE)
        assert isinstance(again.decision, Attach)
        answer = asyncio.ensure_future(again.answer())
        await first.settle(DONE, Body(content=b"paid"))
        assert (await answer).content == b"paid"

    asyncio.run(scenario())


def test_a_model_call_that_was_given_up_is_made_again(cell: Cell) -> None:
    async def scenario() -> None:
        attempt = await cell.claim()
        first = await attempt.arrive(_model(), Effect.READ)
        await first.begin()
        first.lost(cut=True)
        again = await attempt.arrive(_model(), Effect.READ)
        assert isinstance(again.decision, Redo)
        assert first.row is not None
        assert again.row is not None
        assert again.row.seq == first.row.seq

    asyncio.run(scenario())


def test_a_write_that_is_not_recorded_is_held_until_the_recorded_one_is_met(cell: Cell) -> None:
    async def scenario() -> None:
        await _done(await cell.claim(), _action("a"), Effect.IDEMPOTENT, b"1")
        second = await cell.claim()
        held = asyncio.ensure_future(second.arrive(_action("b"), Effect.IDEMPOTENT))
        await asyncio.sleep(0.02)
        assert not held.done()
        assert await _told(second, _action("a"), Effect.IDEMPOTENT) == b"1"
        assert isinstance((await held).decision, GoLive)

    asyncio.run(scenario())


def test_an_agent_that_stays_away_from_its_write_diverges_until_a_person_waives_it(
    cell: Cell,
) -> None:
    async def scenario() -> None:
        await _done(await cell.claim(), _action("a"), Effect.IDEMPOTENT, b"1")
        strayed = await (await cell.claim()).arrive(_action("b"), Effect.IDEMPOTENT)
        assert isinstance(strayed.decision, Diverged)
        assert strayed.decision.reason is Divergence.OTHER_WRITE
        seqs = [row.seq for row in strayed.decision.blockers]
        await cell.database.write(lambda connection: answers.waive(connection, "run_a", seqs))
        third = await cell.claim()
        assert isinstance((await third.arrive(_action("b"), Effect.IDEMPOTENT)).decision, GoLive)

    asyncio.run(scenario())


def test_whoever_goes_while_it_waits_has_made_no_call(cell: Cell) -> None:
    async def scenario() -> None:
        await _done(await cell.claim(), _action("a"), Effect.IDEMPOTENT, b"1")
        second = await cell.claim()
        held = asyncio.ensure_future(second.arrive(_action("b"), Effect.IDEMPOTENT))
        await asyncio.sleep(0.02)
        held.cancel()
        with pytest.raises(asyncio.CancelledError):
            await held
        await _told(second, _action("a"), Effect.IDEMPOTENT)
        assert await second.finish() == Finished()

    asyncio.run(scenario())


def test_who_is_cut_off_while_decisions_are_written_leaves_nothing_behind(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        attempt = await cell.claim()
        with monkeypatch.context() as slow:
            slow.setattr(Pen, "full", True)
            slow.setattr(Pen, "flush", lambda _: asyncio.Event().wait())
            cut = asyncio.ensure_future(attempt.arrive(_model(), Effect.READ))
            await asyncio.sleep(0.02)
            cut.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cut
        assert attempt.busy == 0
        again = await attempt.arrive(_model(), Effect.READ)
        assert isinstance(again.decision, GoLive)  # not `Attach`, to a call that nobody makes
        again.lost(cut=True)

    asyncio.run(scenario())


def test_who_is_cut_off_while_a_question_is_written_has_put_it(cell: Cell) -> None:
    async def scenario() -> None:
        first = await (await cell.claim()).arrive(_action(), Effect.IRREVERSIBLE)
        await first.begin()
        attempt = await cell.claim()
        cell.flows.clear()
        cut = asyncio.ensure_future(attempt.arrive(_action(), Effect.IRREVERSIBLE))
        await asyncio.sleep(0.02)
        cut.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cut
        assert attempt.busy == 0
        again = asyncio.ensure_future(attempt.arrive(_action(), Effect.IRREVERSIBLE, retry=True))
        await asyncio.sleep(0.02)
        assert not again.done()  # who parks a run first makes sure that the question is kept
        cell.flows.set()
        decision = (await again).decision
        assert isinstance(decision, NeedsPerson)
        assert decision.asked
        (left,) = await cell.database.read(lambda connection: store.rows(connection, "run_a"))
        assert left.row.state is RowState.UNKNOWN

    asyncio.run(scenario())


def test_a_person_is_asked_once_and_the_first_answer_stays(cell: Cell) -> None:
    async def scenario() -> None:
        first = await (await cell.claim()).arrive(_action(), Effect.IRREVERSIBLE)
        await first.begin()
        asked = []
        for _ in range(2):
            again = await (await cell.claim()).arrive(_action(), Effect.IRREVERSIBLE)
            assert isinstance(again.decision, NeedsPerson)
            asked.append(again.decision.asked)
        assert asked == [False, True]
        assert first.row is not None
        seq = first.row.seq
        assert await cell.say("run_a", seq, DONE, Body(content=b"it was paid"))
        assert not await cell.say("run_a", seq, FAILED, Body(content=b"no"))
        assert not await cell.say("run_b", seq, FAILED, Body(content=b"no"))
        told = await _told(await cell.claim(), _action(), Effect.IRREVERSIBLE)
        assert told == b"it was paid"

    asyncio.run(scenario())


def test_what_a_person_has_settled_meanwhile_does_not_begin(cell: Cell) -> None:
    async def scenario() -> None:
        first = await (await cell.claim()).arrive(_action(), Effect.IDEMPOTENT)
        await first.begin()
        again = await (await cell.claim()).arrive(_action(), Effect.IDEMPOTENT)
        assert first.row is not None
        assert await cell.say("run_a", first.row.seq, DONE, Body(content=b"paid"))
        with pytest.raises(CallSettled):
            await again.begin()

    asyncio.run(scenario())


def test_what_a_person_has_cleared_is_performed(cell: Cell) -> None:
    async def scenario() -> None:
        attempt = await cell.claim()
        first = await attempt.arrive(_action(), Effect.IRREVERSIBLE)
        await first.begin()
        await first.unknown()
        assert first.row is not None
        assert await cell.say("run_a", first.row.seq, RowState.CLEARED, None)
        second = await cell.claim()
        again = await second.arrive(_action(), Effect.IRREVERSIBLE)
        assert isinstance(again.decision, RetrySameKey)
        await again.begin()
        third = await (await cell.claim()).arrive(_action(), Effect.IRREVERSIBLE)
        assert isinstance(third.decision, NeedsPerson)
        assert not third.decision.asked

    asyncio.run(scenario())


def test_a_prompt_with_another_time_is_met_by_its_mask(cell: Cell) -> None:
    async def scenario() -> None:
        await _done(await cell.claim(), _model("at 10:00:00"), Effect.READ, b"hello")
        second = await cell.claim()
        passage = await second.arrive(_model("at 11:11:11"), Effect.READ)
        assert isinstance(passage.decision, Answer)
        assert passage.decision.approximate
        assert (await passage.answer()).content == b"hello"

    asyncio.run(scenario())


def test_another_prompt_goes_out_after_a_while_and_marks_the_attempt(cell: Cell) -> None:
    async def scenario() -> None:
        await _done(await cell.claim(), _model("a"), Effect.READ, b"hello")
        second = await cell.claim()
        assert isinstance((await second.arrive(_model("b"), Effect.READ)).decision, GoLive)
        assert second.diverged

    asyncio.run(scenario())


def test_what_is_too_large_is_not_kept_and_says_so(cell: Cell) -> None:
    large = b"x" * (QUICK.body + 1)

    async def scenario() -> None:
        first = await cell.claim()
        for call, effect in ((_model(), Effect.READ), (_action(), Effect.IDEMPOTENT)):
            passage = await first.arrive(call, effect)
            await passage.begin()
            await passage.settle(DONE, Body(content=large))
            assert (await passage.answer()).content == large
            passage.delivered()
        second = await cell.claim()
        assert isinstance((await second.arrive(_model(), Effect.READ)).decision, Redo)
        write = await second.arrive(_action(), Effect.IDEMPOTENT)
        assert isinstance(write.decision, Answer)
        with pytest.raises(AnswerNotKept):
            await write.answer()

    asyncio.run(scenario())


def test_a_strict_replay_goes_nowhere(cell: Cell) -> None:
    async def scenario() -> None:
        await _done(await cell.claim(), _model(), Effect.READ, b"hello")
        strict = await cell.claim("run_b", mode=Mode.STRICT, follows="run_a")
        assert await _told(strict, _model(), Effect.READ) == b"hello"
        passage = await strict.arrive(_model("b"), Effect.READ)
        assert passage.decision == Refuse(reason=Refusal.UNRECORDED)
        passage.delivered()

    asyncio.run(scenario())


def test_a_shadow_takes_reads_and_writes_from_the_run_it_follows(cell: Cell) -> None:
    async def scenario() -> None:
        run = await cell.claim("run_a")
        await _done(run, _model(), Effect.READ, b"hello")
        await _done(run, _action("look at 10:00"), Effect.READ, b"seen")
        await _done(run, _action("pay"), Effect.IRREVERSIBLE, b"paid")
        shadow = await cell.claim("run_b", mode=Mode.SHADOW, follows="run_a")
        model = await shadow.arrive(_model(), Effect.READ)
        assert isinstance(model.decision, GoLive)
        await model.begin()
        await model.settle(DONE, Body(content=b"other"))
        assert await _told(shadow, _action("look at 10:00"), Effect.READ) == b"seen"
        assert await _told(shadow, _action("pay"), Effect.IRREVERSIBLE) == b"paid"
        sunk = await shadow.arrive(_action("pay"), Effect.IRREVERSIBLE)
        assert isinstance(sunk.decision, Sink)

    asyncio.run(scenario())


def test_bodies_go_and_rows_stay(cell: Cell) -> None:
    ended: dict[str, datetime] = {"run_a": datetime.now(UTC) - timedelta(days=2)}

    def known(connection: Connection, runs: object) -> Mapping[str, datetime]:
        del connection, runs
        return ended

    async def scenario() -> None:
        for run in ("run_a", "run_b"):
            await _done(await cell.claim(run), _model(), Effect.READ, b"hello")
        old = Retention(after=timedelta(days=1))
        found = await Sweeper(cell.database, old, known, SystemClock()).sweep()
        assert found.drop == ("run_a",)
        assert await _told(await cell.claim("run_b"), _model(), Effect.READ) == b"hello"
        passage = await (await cell.claim("run_a")).arrive(_model(), Effect.READ)
        assert isinstance(passage.decision, Answer)
        with pytest.raises(AnswerNotKept):
            await passage.answer()

    asyncio.run(scenario())


def test_migrations_and_store_agree(database: Database) -> None:
    migrate_now(database, [store.HISTORY])

    def differences(connection: Connection) -> list[str]:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_name": lambda name, kind, _: (
                    kind != "table" or name in store.METADATA.tables
                ),
                "compare_type": True,
            },
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what reflection says of types is not asked here
            return [str(each) for each in compare_metadata(context, store.METADATA)]

    assert database.read_now(differences) == []
