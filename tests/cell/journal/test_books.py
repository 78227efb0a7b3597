"""Open books, halts, questions and decisions, on real databases."""

import asyncio
from datetime import UTC, datetime

import pytest

from seatrial.cell.journal.domain.keys import Call, Dialect
from seatrial.cell.journal.domain.matching import (
    Answer,
    Diverged,
    Divergence,
    Finished,
    GoLive,
    NeedsPerson,
    Park,
    Redo,
    Refuse,
)
from seatrial.cell.journal.domain.records import AttemptStale, Body, CallGivenUp
from seatrial.cell.journal.domain.rows import Effect, Kind, Mode, RowState
from seatrial.cell.journal.service import answers
from seatrial.cell.journal.service.books import Books, RunFacts
from seatrial.cell.journal.service.recall import Attempt
from seatrial.cell.journal.service.writing import Surroundings
from seatrial.cell.journal.store import decisions
from seatrial.cell.journal.store import records as store
from seatrial.contract.runs.states import WaitReason
from seatrial.kit.clock import SystemClock
from seatrial.kit.database.database import Database
from tests.cell.journal.test_recall import DONE, FAILED, QUICK, Cell, _action, _done, _model, _told


@pytest.fixture
def cell(database: Database) -> Cell:
    return Cell(database)


def _question(name: str = "review:pay") -> Call:
    return Call(kind=Kind.WAIT, dialect=Dialect.ACTION, route="wait", name=name, body=b'{"to":"x"}')


async def _failed(attempt: Attempt, call: Call) -> None:
    passage = await attempt.arrive(call, Effect.READ)
    await passage.begin()
    await passage.settle(FAILED, Body(content=b"overloaded", status=529))
    passage.delivered()


def test_an_attempt_that_nobody_opened_is_opened_when_it_calls(cell: Cell) -> None:
    async def scenario() -> None:
        cell.attempts["run_a"] = 1
        first, second = await asyncio.gather(*(cell.books.of("run_a", 1) for _ in range(2)))
        assert first is second is await cell.books.open("run_a", 1)
        assert len(cell.books) == 1

    asyncio.run(scenario())


def test_a_run_that_nobody_opened_follows_whom_its_facts_name(cell: Cell) -> None:
    async def facts(run: str) -> RunFacts:
        return RunFacts(mode=Mode.STRICT, follows="run_a") if run == "run_b" else RunFacts()

    async def scenario() -> None:
        books = Books(
            Surroundings(
                database=cell.database, fence=lambda *_: True, clock=SystemClock(), bounds=QUICK
            ),
            facts,
        )
        await _done(await books.of("run_a", 1), _model(), Effect.READ, b"hello")
        strict = await books.of("run_b", 1)
        assert strict.mode is Mode.STRICT
        assert await _told(strict, _model(), Effect.READ) == b"hello"

    asyncio.run(scenario())


def test_a_newer_attempt_closes_the_older_one_and_releases_who_waits_in_it(cell: Cell) -> None:
    async def scenario() -> None:
        old = await cell.claim()
        held = asyncio.ensure_future(old.hold())
        await asyncio.sleep(0)
        new = await cell.claim()
        with pytest.raises(AttemptStale):
            await held
        with pytest.raises(AttemptStale):
            await cell.books.of("run_a", 1)
        assert await cell.books.of("run_a", 2) is new

    asyncio.run(scenario())


def test_a_closed_attempt_is_not_opened_again_by_a_late_call(cell: Cell) -> None:
    async def scenario() -> None:
        attempt = await cell.claim()
        held = asyncio.ensure_future(attempt.hold())
        await asyncio.sleep(0)
        cell.books.close(attempt)
        for late in (held, cell.books.of("run_a", 1), attempt.arrive(_model(), Effect.READ)):
            with pytest.raises(AttemptStale):
                await late
        assert len(cell.books) == 0

    asyncio.run(scenario())


def test_a_run_that_ended_leaves_no_book_open(cell: Cell) -> None:
    async def scenario() -> None:
        cell.attempts["run_a"] = 1
        await cell.books.of("run_a", 1)
        cell.books.ended("run_a")
        cell.books.ended("run_of_another_process")
        assert len(cell.books) == 0

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("review:pay", WaitReason.REVIEW),
        ("timer", WaitReason.TIMER),
        ("event:paid", WaitReason.EVENT),
    ],
)
def test_a_question_halts_the_segment_until_it_is_answered(
    cell: Cell, name: str, reason: WaitReason
) -> None:
    async def scenario() -> None:
        first = await cell.claim()
        passage = await first.arrive(_question(name), Effect.READ)
        assert isinstance(passage.decision, GoLive)
        await passage.begin()
        assert passage.row is not None
        first.halt(Park(row=passage.row))
        halt = await first.halted
        assert (halt.reason, halt.seq, halt.detail) == (reason, 1, name)
        await first.still()
        (asked,) = await cell.database.read(lambda it: answers.questions(it, "run_a"))
        assert (asked.seq, asked.name, asked.unknown) == (1, name, False)
        assert asked.request == Body(content=b'{"to":"x"}')
        assert asked.since is not None
        second = await cell.claim()
        again = await second.arrive(_question(name), Effect.READ)
        assert isinstance(again.decision, Park)
        assert await cell.say("run_a", 1, DONE, Body(content=b"yes"))
        assert await cell.database.read(lambda it: answers.questions(it, "run_a")) == []
        assert await _told(await cell.claim(), _question(name), Effect.READ) == b"yes"

    asyncio.run(scenario())


def test_a_write_that_is_unknown_halts_and_its_arguments_are_shown(cell: Cell) -> None:
    async def scenario() -> None:
        passage = await (await cell.claim()).arrive(_action(), Effect.IRREVERSIBLE)
        await passage.begin()
        second = await cell.claim()
        again = await second.arrive(_action(), Effect.IRREVERSIBLE)
        assert isinstance(again.decision, NeedsPerson)
        second.halt(again.decision)
        second.halt(Diverged(reason=Divergence.RETURNED, blockers=()))
        halt = await second.halted
        assert (halt.reason, halt.seq, halt.detail) == (WaitReason.UNKNOWN, 1, "pay")
        (asked,) = await cell.database.read(lambda it: answers.questions(it, "run_a"))
        assert asked.unknown
        assert asked.request == Body(content=b'{"to":"x"}')

    asyncio.run(scenario())


def test_the_writes_that_an_agent_has_not_come_back_to_are_known(cell: Cell) -> None:
    async def scenario() -> None:
        first = await cell.claim()
        for name in ("a", "b", "c"):
            await _done(first, _action(name), Effect.IDEMPOTENT, b"1")
        second = await cell.claim()
        assert await _told(second, _action("b"), Effect.IDEMPOTENT) == b"1"
        ending = await second.finish()
        assert isinstance(ending, Diverged)
        left = await cell.database.read(lambda it: answers.unmet(it, "run_a"))
        assert [row.seq for row in left] == [row.seq for row in ending.blockers] == [1, 3]
        await cell.database.write(lambda it: answers.waive(it, "run_a", [1, 3]))
        assert await cell.database.read(lambda it: answers.unmet(it, "run_a")) == []
        third = await cell.claim()
        assert await _told(third, _action("b"), Effect.IDEMPOTENT) == b"1"
        assert await third.finish() == Finished()

    asyncio.run(scenario())


def test_an_agent_that_never_calls_has_met_nothing(cell: Cell) -> None:
    async def scenario() -> None:
        await _done(await cell.claim(), _action("a"), Effect.IDEMPOTENT, b"1")
        assert isinstance(await (await cell.claim()).finish(), Diverged)
        (left,) = await cell.database.read(lambda it: answers.unmet(it, "run_a"))
        assert left.seq == 1

    asyncio.run(scenario())


def test_a_failure_that_nothing_followed_is_made_again(cell: Cell) -> None:
    async def scenario() -> None:
        first = await cell.claim()
        await _failed(first, _model("a"))
        await _done(first, _model("b"), Effect.READ, b"went on")
        await _failed(first, _model("c"))
        second = await cell.claim()
        assert isinstance((await second.arrive(_model("a"), Effect.READ)).decision, Answer)
        again = await second.arrive(_model("c"), Effect.READ)
        assert isinstance(again.decision, Redo)
        await again.begin()
        await again.settle(DONE, Body(content=b"well"))
        again.delivered()
        assert await _told(await cell.claim(), _model("c"), Effect.READ) == b"well"

    asyncio.run(scenario())


def test_a_strict_replay_tells_the_last_failure_too(cell: Cell) -> None:
    async def scenario() -> None:
        await _failed(await cell.claim(), _model())
        strict = await cell.claim("run_b", mode=Mode.STRICT, follows="run_a")
        assert await _told(strict, _model(), Effect.READ) == b"overloaded"

    asyncio.run(scenario())


def test_a_strict_replay_copies_nothing_and_ends_however_it_went(cell: Cell) -> None:
    async def scenario() -> None:
        run = await cell.claim()
        await _done(run, _model("at 10:00:00"), Effect.READ, b"hello")
        await _done(run, _action(), Effect.IRREVERSIBLE, b"paid")
        for _ in range(2):  # a second attempt at the replay finds what the first found
            strict = await cell.claim("run_b", mode=Mode.STRICT, follows="run_a")
            met = await strict.arrive(_model("at 11:11:11"), Effect.READ)
            assert isinstance(met.decision, Answer)
            assert met.decision.approximate
            assert (await met.answer()).content == b"hello"
            met.delivered()
            other = await strict.arrive(_action("other"), Effect.IRREVERSIBLE)
            assert isinstance(other.decision, Refuse)
            other.delivered()
            assert await strict.finish() == Finished()

        assert await cell.database.read(lambda it: store.rows(it, "run_b")) == []

    asyncio.run(scenario())


def test_whoever_waits_for_a_call_that_is_given_up_is_told_and_may_ask_again(cell: Cell) -> None:
    async def scenario() -> None:
        attempt = await cell.claim()
        first = await attempt.arrive(_model(), Effect.READ)
        await first.begin()
        second = await attempt.arrive(_model(), Effect.READ, retry=True)
        waiting = asyncio.ensure_future(second.answer())
        await asyncio.sleep(0)
        first.lost(cut=True)
        with pytest.raises(CallGivenUp):
            await waiting
        second.lost()
        again = await attempt.arrive(_model(), Effect.READ, retry=True)
        assert isinstance(again.decision, Redo)
        await again.begin()
        await again.settle(DONE, Body(content=b"1"))
        again.delivered()
        assert isinstance((await attempt.arrive(_model(), Effect.READ)).decision, GoLive)

    asyncio.run(scenario())


def test_every_arrival_is_kept_with_what_became_of_it_and_why(cell: Cell) -> None:
    async def scenario() -> None:
        first = await cell.claim()
        await _done(first, _model("at 10:00:00"), Effect.READ, b"hello")
        await _done(first, _action("a"), Effect.IDEMPOTENT, b"1")
        second = await cell.claim()
        held = asyncio.ensure_future(second.arrive(_action("b"), Effect.IDEMPOTENT))
        await asyncio.sleep(0.02)
        (await second.arrive(_model("at 11:11:11"), Effect.READ)).delivered()
        await _told(second, _action("a"), Effect.IDEMPOTENT)
        passage = await held
        await passage.begin()
        await passage.settle(DONE, Body(content=b"2"))
        passage.delivered()
        assert await second.finish() == Finished()

    asyncio.run(scenario())
    found = cell.database.read_now(lambda connection: decisions.listed(connection, "run_a"))
    assert [(attempt, it.n, it.name, it.told.word, it.told.seq) for attempt, it in found] == [
        (1, 1, "m", "sent", 1),
        (1, 2, "a", "sent", 2),
        (2, 1, "b", "held", None),
        (2, 2, "m", "approximated", 1),
        (2, 3, "a", "answered", 2),
        (2, 4, "b", "sent", 3),
        (2, 5, "", "finished", None),
    ]
    assert "2" in found[2][1].told.reason
    assert found[0][1].key != found[3][1].key
    assert all(it.at <= datetime.now(UTC) for _, it in found)


def test_what_an_attempt_only_answers_is_kept_when_it_is_closed(cell: Cell) -> None:
    async def scenario() -> None:
        await _done(await cell.claim(), _model(), Effect.READ, b"hello")
        second = await cell.claim()
        await _told(second, _model(), Effect.READ)
        cell.books.close(second)
        await cell.books.written("run_a")

    asyncio.run(scenario())
    found = cell.database.read_now(lambda connection: decisions.listed(connection, "run_a"))
    assert [it.told.word for _, it in found] == ["sent", "answered"]


def test_many_runs_that_nobody_opened_do_not_stay_open_for_ever(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seatrial.cell.journal.service.books._MOST_UNASKED", 3)

    async def scenario() -> None:
        kept = await cell.claim("run_kept")
        for number in range(6):
            cell.attempts[f"run_{number}"] = 1
            await cell.books.of(f"run_{number}", 1)
        assert len(cell.books) == 4
        assert await cell.books.of("run_kept", 1) is kept
        assert (await cell.books.of("run_0", 1)).number == 1  # what is dropped opens again

    asyncio.run(scenario())


def test_a_person_may_answer_only_what_is_there(cell: Cell) -> None:
    async def scenario() -> None:
        assert not await cell.say("run_a", 7, RowState.CLEARED, None)

    asyncio.run(scenario())
