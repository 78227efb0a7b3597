import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from seatrial.cell.journal.domain.calls import (
    CallKey,
    CallKind,
    CallState,
    Intent,
    Result,
    Tokens,
    Totals,
)
from seatrial.cell.journal.service.metering import Journal, Ledger, calls, totals, totals_of
from seatrial.cell.journal.store.calls import HISTORY
from seatrial.kit.database.database import Database
from seatrial.kit.database.migrations import migrate_now

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ASKED = Intent(
    kind=CallKind.MODEL,
    name="gpt-4o-2024-08-06",
    provider="openai",
    route="/v1/chat/completions",
    started=NOON,
    request_digest="sha256:" + "0" * 64,
    request_bytes=100,
)
TOLD = Result(
    state=CallState.DONE,
    ended=NOON + timedelta(seconds=1),
    latency_ms=1000.0,
    first_byte_ms=900.0,
    status=200,
    answered="gpt-4o-2024-08-06",
    response_bytes=300,
    tokens=Tokens(input=10, output=5, cache_read=4),
    cost_usd=0.25,
)


def _journal(database: Database) -> Journal:
    migrate_now(database, [HISTORY])
    return Journal(database)


async def _called(journal: Journal, run: str, attempt: int, result: Result | None) -> Ledger:
    ledger = await journal.ledger(run, attempt)
    key = ledger.next(CallKind.MODEL)
    await journal.begin(key, ASKED)
    if result is not None:
        await journal.end(key, result)
        ledger.book(result)
    return ledger


def test_a_call_comes_back_as_it_was_written(database: Database) -> None:
    journal = _journal(database)
    asyncio.run(_called(journal, "run_a", 1, TOLD))
    (call,) = database.read_now(lambda connection: calls(connection, "run_a"))
    assert call.key == CallKey(run="run_a", attempt=1, seq=1)
    assert call.intent == ASKED
    assert call.result == TOLD


def test_a_call_that_was_cut_stays_an_intent(database: Database) -> None:
    asyncio.run(_called(_journal(database), "run_a", 1, None))
    (call,) = database.read_now(lambda connection: calls(connection, "run_a"))
    assert call.result is None


def test_the_first_result_stays(database: Database) -> None:
    journal = _journal(database)

    async def twice() -> None:
        await _called(journal, "run_a", 1, TOLD)
        late = replace(TOLD, state=CallState.FAILED, error="late")
        await journal.end(CallKey(run="run_a", attempt=1, seq=1), late)

    asyncio.run(twice())
    (call,) = database.read_now(lambda connection: calls(connection, "run_a"))
    assert call.result == TOLD


def test_the_totals_of_a_run_count_every_attempt(database: Database) -> None:
    journal = _journal(database)

    async def work() -> None:
        unknown = replace(TOLD, tokens=None, cost_usd=None)
        await _called(journal, "run_a", 1, TOLD)
        await _called(journal, "run_a", 1, None)
        await _called(journal, "run_a", 2, TOLD)
        await _called(journal, "run_a", 2, unknown)
        await _called(journal, "run_b", 1, TOLD)

    asyncio.run(work())
    both = Totals(calls=4, input_tokens=20, output_tokens=10, cost_usd=0.5)
    one = Totals(calls=1, input_tokens=10, output_tokens=5, cost_usd=0.25)
    assert database.read_now(lambda connection: totals(connection, "run_a")) == both
    assert database.read_now(lambda connection: totals(connection, "run_c")) == Totals()
    found = database.read_now(lambda connection: totals_of(connection, ["run_a", "run_b", "x"]))
    assert found == {"run_a": both, "run_b": one}


def test_a_prompt_is_written_and_counts_as_no_step(database: Database) -> None:
    journal = _journal(database)

    async def fetch() -> None:
        ledger = await journal.ledger("run_a", 1)
        asked = replace(ASKED, kind=CallKind.PROMPT, name="greeting", provider=None)
        await journal.whole(ledger.next(CallKind.PROMPT), asked, replace(TOLD, tokens=None))
        assert ledger.totals.calls == 0

    asyncio.run(fetch())
    assert len(database.read_now(lambda connection: calls(connection, "run_a"))) == 1
    assert database.read_now(lambda connection: totals(connection, "run_a")).calls == 0


def test_a_process_that_takes_over_goes_on_counting(database: Database) -> None:
    journal = _journal(database)

    async def work() -> None:
        before = await _called(journal, "run_a", 1, TOLD)
        after = await Journal(database).ledger("run_a", 1)
        assert (after.seq, after.totals) == (before.seq, before.totals)
        next_attempt = await Journal(database).ledger("run_a", 2)
        assert (next_attempt.seq, next_attempt.totals) == (0, before.totals)

    asyncio.run(work())


def test_calls_that_come_at_once_get_numbers_of_their_own(database: Database) -> None:
    journal = _journal(database)

    async def work() -> None:
        await asyncio.gather(*(_called(journal, "run_a", 1, TOLD) for _ in range(20)))

    asyncio.run(work())
    found = database.read_now(lambda connection: calls(connection, "run_a"))
    assert [call.key.seq for call in found] == list(range(1, 21))
    known = asyncio.run(journal.ledger("run_a", 1)).totals
    assert known == database.read_now(lambda connection: totals(connection, "run_a"))
