import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from seatrial.cell.journal.domain.calls import (
    Call,
    CallKey,
    CallKind,
    CallState,
    Intent,
    Result,
    Tokens,
    Totals,
)
from seatrial.cell.journal.service.metering import Journal
from seatrial.cell.journal.store.calls import HISTORY
from seatrial.cell.runs.domain.values import Failure, Run
from seatrial.cell.telemetry.otlp import Span, spans
from seatrial.cell.telemetry.service import traces
from seatrial.cell.telemetry.service.traces import Collector, Traces
from seatrial.contract.runs.states import RunState
from seatrial.kit.clock import SystemClock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.database.database import Database
from seatrial.kit.database.migrations import migrate_now
from seatrial.kit.http.answers import answer_empty
from seatrial.kit.http.asgi import Receive, Scope, Send
from seatrial.kit.http.boundary import ErrorBoundary
from seatrial.kit.http.by_aiohttp import aiohttp_client
from seatrial.kit.http.requests import read_body
from seatrial.kit.ids import Ids
from tests.cell.door.cells import in_a_loop
from tests.cell.llms.provider import serving

NOON = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
CLOCK = SystemClock()
RUN = Run(
    id="run_a",
    agent="support",
    release=Digest.of(b""),
    release_name="support@14",
    generation=3,
    session="s1",
    tenant="acme",
    caller="tok_1",
    state=RunState.SUCCEEDED,
    input={"secret": "payload-in"},
    output="payload-out",
    attempt=1,
    created=NOON,
    started=NOON,
    ended=NOON + timedelta(seconds=2),
    timeout_seconds=60,
)
INTENT = Intent(
    kind=CallKind.MODEL,
    name="gpt-4o-2024-08-06",
    provider="openai",
    route="/v1/chat/completions",
    started=NOON,
)
RESULT = Result(
    state=CallState.DONE,
    ended=NOON + timedelta(seconds=1),
    latency_ms=1000.0,
    status=200,
    answered="gpt-4o-2024-08-06",
    tokens=Tokens(input=10, output=5),
    cost_usd=0.25,
)


@dataclass
class Receiver:
    """A collector that keeps what it gets."""

    status: int = 200
    seen: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(scope, receive, limit=1 << 30)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.seen.append((scope["path"], headers, orjson.loads(body)))
        await answer_empty(send, status=self.status)

    @property
    def spans(self) -> list[dict[str, Any]]:
        return [
            span
            for _, _, body in self.seen
            for resource in body["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]


@asynccontextmanager
async def telling(
    database: Database, receiver: Receiver, url: str | None = None
) -> AsyncIterator[Traces]:
    migrate_now(database, [HISTORY])
    resource = {"deployment.environment.name": "staging", "service.name": "seatrial-cell"}
    async with (
        serving(ErrorBoundary(receiver, Ids(CLOCK))) as address,
        aiohttp_client() as client,
    ):
        collector = Collector(
            url=url or f"{address}/v1/traces", headers=(("x-key", "k"),), resource=resource
        )
        yield Traces(database, client=client, collector=collector, clock=CLOCK)


async def _called(database: Database) -> None:
    journal = Journal(database)
    ledger = await journal.ledger("run_a", 1)
    await journal.whole(ledger.next(CallKind.MODEL), INTENT, RESULT)


def _attributes(span: dict[str, Any]) -> dict[str, Any]:
    return {each["key"]: each["value"] for each in span["attributes"]}


@in_a_loop
async def test_a_run_and_its_calls_are_told_in_the_form_of_otlp(database: Database) -> None:
    receiver = Receiver()
    async with telling(database, receiver) as told:
        await _called(database)
        told.ended(RUN)
        await told.flush()
    ((path, headers, body),) = receiver.seen
    assert (path, headers["content-type"], headers["x-key"]) == (
        "/v1/traces",
        "application/json",
        "k",
    )
    (resource,) = body["resourceSpans"]
    assert resource["resource"]["attributes"][0] == {
        "key": "deployment.environment.name",
        "value": {"stringValue": "staging"},
    }
    run, call = receiver.spans
    assert (len(run["traceId"]), len(run["spanId"]), "parentSpanId" in run) == (32, 16, False)
    assert call["traceId"] == run["traceId"]
    assert call["parentSpanId"] == run["spanId"]
    assert (run["kind"], call["kind"]) == (2, 3)
    assert run["startTimeUnixNano"] == "1767268800123456000"
    assert int(run["endTimeUnixNano"]) - int(run["startTimeUnixNano"]) == 2_000_000_000
    assert run["status"] == {"code": 1}
    own, model = _attributes(run), _attributes(call)
    assert own["gen_ai.operation.name"] == {"stringValue": "invoke_agent"}
    assert own["gen_ai.agent.version"] == {"stringValue": "support@14"}
    assert own["seatrial.run.local"] == {"boolValue": False}
    assert own["seatrial.generation"] == {"intValue": "3"}
    assert model["gen_ai.request.model"] == {"stringValue": "gpt-4o-2024-08-06"}
    assert model["gen_ai.usage.input_tokens"] == {"intValue": "10"}
    assert model["seatrial.cost.usd"] == {"doubleValue": 0.25}
    assert told.sent == 2


@in_a_loop
async def test_no_payload_is_told(database: Database) -> None:
    receiver = Receiver()
    failure = Failure(code="agent_raised", message="payload-error")
    async with telling(database, receiver) as told:
        told.ended(RUN)
        told.ended(replace(RUN, state=RunState.FAILED, failure=failure))
        await told.flush()
    assert "payload" not in str(receiver.seen)
    assert receiver.spans[1]["status"] == {"code": 2, "message": "agent_raised"}


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:9/v1/traces"])
@in_a_loop
async def test_a_collector_that_is_away_costs_spans_and_nothing_else(
    database: Database, url: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Receiver(status=503)
    async with telling(database, receiver, url) as told:
        for _ in range(3):
            told.ended(RUN)
            await told.flush()
        assert (told.sent, told.dropped) == (0, 3)
    lines = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(lines) == 1


@in_a_loop
async def test_it_tells_again_when_the_collector_is_back(database: Database) -> None:
    receiver = Receiver(status=500)
    async with telling(database, receiver) as told:
        told.ended(RUN)
        await told.flush()
        receiver.status = 200
        told.ended(RUN)
        await told.flush()
        assert (told.sent, told.dropped) == (1, 1)


@in_a_loop
async def test_the_queue_has_an_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "_RUNS", 5)
    receiver = Receiver()
    async with telling(database, receiver) as told:
        for _ in range(8):
            told.ended(RUN)
        await told.flush()
        assert (told.sent, told.dropped) == (5, 3)


@in_a_loop
async def test_it_works_on_by_itself(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "_PAUSE", 0.01)
    receiver = Receiver()
    with Database.open(sqlite_url) as database:
        async with telling(database, receiver) as told:
            working = asyncio.create_task(told.work())
            told.ended(RUN)
            async with asyncio.timeout(5):
                while not receiver.seen:  # noqa: ASYNC110 - what is waited for is another's doing
                    await asyncio.sleep(0.01)
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)


def _told(*calls: Call) -> list[Span]:
    return spans(RUN, calls, _TOTALS)


_TOTALS = Totals(calls=1, input_tokens=1, output_tokens=1)


def test_a_call_that_was_cut_or_failed_is_a_span_with_its_error() -> None:
    key = CallKey(run="run_a", attempt=1, seq=1)
    failed = replace(RESULT, state=CallState.FAILED, error="answer_broken: it broke", tokens=None)
    _, cut, broken = _told(
        Call(key=key, intent=INTENT, result=None),
        Call(key=replace(key, seq=2), intent=INTENT, result=failed),
    )
    assert (cut.error, broken.error) == ("call_cut", "answer_broken")
    assert cut.end == RUN.ended
    assert cut.id != broken.id


def test_a_prompt_is_told_by_its_digest() -> None:
    asked = replace(INTENT, kind=CallKind.PROMPT, name="greeting", provider="release")
    call = Call(
        key=CallKey(run="run_a", attempt=1, seq=1),
        intent=asked,
        result=replace(RESULT, answered="sha256:1", tokens=None, cost_usd=None),
    )
    span = _told(call)[1]
    assert span.name == "prompt greeting"
    assert span.attributes["seatrial.prompt.digest"] == "sha256:1"


def test_a_run_told_twice_is_the_same_span() -> None:
    assert _told()[0].id == _told()[0].id
    assert spans(replace(RUN, id="run_b"), (), _TOTALS)[0].trace != _told()[0].trace
