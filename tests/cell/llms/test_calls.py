import asyncio
from typing import Any

import orjson
import pytest

from seatrial.cell.journal.domain.calls import Call, CallKind, CallState, Tokens
from seatrial.cell.llms.service.calls import CallBounds
from seatrial.contract.releases.components import Limits
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.tokens import Token
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError
from seatrial.kit.http.client import Timeouts
from tests.cell.door.cells import in_a_loop
from tests.cell.llms.inside import CHAT, CLAUDE, GPT, MESSAGES, Inside, inside, release_of

EMBED = {"model": "text-embedding-3-small", "input": "Hallo"}
RESPOND = {"model": GPT, "input": "Hallo"}
BODIES: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", CHAT),
    ("/v1/responses", RESPOND),
    ("/v1/embeddings", EMBED),
    ("/v1/messages", MESSAGES),
]
USAGE = {"stream": True, "stream_options": {"include_usage": True}}
STREAMS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", {**CHAT, **USAGE}),
    ("/v1/responses", {**RESPOND, "stream": True}),
    ("/v1/messages", {**MESSAGES, "stream": True}),
]


@pytest.fixture
def one(sqlite_url: str) -> Any:
    with Database.open(sqlite_url) as opened:
        yield opened


@pytest.mark.parametrize(("path", "body"), BODIES)
@in_a_loop
async def test_a_call_passes_byte_for_byte_both_ways(
    one: Database, path: str, body: dict[str, Any]
) -> None:
    raw = orjson.dumps(body, option=orjson.OPT_INDENT_2) + b"\n"
    async with inside(one) as cell:
        status, headers, answer = await cell.ask(path, raw)
        (seen,) = cell.provider.seen
        assert status == 200
        assert (seen.path, seen.body) == (path, raw)
        assert answer == cell.provider.sent[0]
        assert headers["content-type"] == "application/json"


@pytest.mark.parametrize(("path", "body"), STREAMS)
@in_a_loop
async def test_a_stream_passes_byte_for_byte(
    one: Database, path: str, body: dict[str, Any]
) -> None:
    async with inside(one) as cell:
        status, headers, answer = await cell.ask(path, body)
        assert status == 200
        assert headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer == cell.provider.sent[0]


@in_a_loop
async def test_a_stream_passes_as_it_comes(one: Database) -> None:
    body = orjson.dumps({**CHAT, "model": "gpt-slow", **USAGE})
    async with inside(one) as cell:
        loop = asyncio.get_running_loop()
        async with cell.client.send(cell.request("/v1/chat/completions", body)) as response:
            arrived = [loop.time() async for _ in response]
        assert len(arrived) > 5
        assert arrived[0] < arrived[-1] - 0.1


@in_a_loop
async def test_the_provider_sees_its_own_key_and_nothing_of_the_slot(one: Database) -> None:
    extra = (
        ("x-api-key", "sea_x"),
        ("cookie", "a=b"),
        ("openai-organization", "mine"),
        ("x-forwarded-for", "10.0.0.1"),
        ("accept-encoding", "gzip"),
        ("anthropic-version", "2023-06-01"),
        ("x-stainless-lang", "python"),
    )
    async with inside(one) as cell:
        await cell.ask("/v1/chat/completions", CHAT, headers=extra)
        await cell.ask("/v1/messages?beta=true", MESSAGES, headers=extra)
        first, second = cell.provider.seen
        assert first.header("authorization") == "Bearer key-of-openai"
        assert first.header("x-api-key") is None
        assert second.header("x-api-key") == "key-of-anthropic"
        assert second.header("authorization") is None
        assert second.query == "beta=true"
        for seen in (first, second):
            assert cell.token not in str(seen.headers)
            assert seen.header("accept-encoding") == "identity"
            assert seen.header("x-stainless-lang") == "python"
            assert seen.header("anthropic-version") == "2023-06-01"
            for dropped in ("cookie", "openai-organization", "x-forwarded-for"):
                assert seen.header(dropped) is None


@in_a_loop
async def test_the_agent_sees_the_providers_headers_but_not_whose_account_it_is(
    one: Database,
) -> None:
    async with inside(one) as cell:
        _, headers, _ = await cell.ask("/v1/chat/completions", CHAT)
        assert headers["x-ratelimit-remaining-requests"] == "41"
        assert {"openai-organization", "set-cookie"}.isdisjoint(headers)


@pytest.mark.parametrize(
    ("path", "body", "tokens"),
    [
        ("/v1/chat/completions", CHAT, Tokens(input=20, output=12, cache_read=5)),
        ("/v1/chat/completions", {**CHAT, **USAGE}, Tokens(input=20, output=12, cache_read=5)),
        ("/v1/responses", RESPOND, Tokens(input=20, output=12, cache_read=5)),
        ("/v1/responses", {**RESPOND, "stream": True}, Tokens(input=20, output=12, cache_read=5)),
        ("/v1/embeddings", EMBED, Tokens(input=8, output=0)),
        ("/v1/messages", MESSAGES, Tokens(input=18, output=12, cache_read=5, cache_write=3)),
        (
            "/v1/messages",
            {**MESSAGES, "stream": True},
            Tokens(input=18, output=12, cache_read=5, cache_write=3),
        ),
        ("/v1/chat/completions", {**CHAT, "stream": True}, None),
    ],
)
@in_a_loop
async def test_each_call_is_in_the_journal_with_what_it_used(
    one: Database, path: str, body: dict[str, Any], tokens: Tokens | None
) -> None:
    async with inside(one) as cell:
        await cell.ask(path, body)
        (call,) = await cell.calls()
        raw = orjson.dumps(body)
        assert (call.intent.kind, call.intent.name) == (CallKind.MODEL, body["model"])
        assert call.intent.provider == ("anthropic" if path == "/v1/messages" else "openai")
        assert (call.intent.request_digest, call.intent.request_bytes) == (
            str(Digest.of(raw)),
            len(raw),
        )
        assert call.result is not None
        assert (call.result.state, call.result.status) == (CallState.DONE, 200)
        assert call.result.answered == body["model"]
        assert call.result.response_bytes == len(cell.provider.sent[0])
        assert call.result.tokens == tokens
        assert (call.result.cost_usd is None) == (tokens is None)
        if tokens is not None:
            assert 0 < (call.result.cost_usd or 0) < 0.01


@in_a_loop
async def test_the_cost_is_that_of_the_price_list(database: Database) -> None:
    async with inside(database) as cell:
        await cell.ask("/v1/chat/completions", CHAT)
        (call,) = await cell.calls()
        assert call.result is not None
        # 15 tokens at 2.50, 5 from the cache at 1.25, 12 at 10 dollars a million
        assert call.result.cost_usd == pytest.approx(0.00016375)


@pytest.mark.parametrize("environment", ["test", "staging", "production", "anything-else"])
@in_a_loop
async def test_a_model_that_is_not_pinned_is_refused(one: Database, environment: str) -> None:
    async with inside(one, environment=environment) as cell:
        for path, body in (("/v1/chat/completions", CHAT), ("/v1/messages", MESSAGES)):
            status, headers, answer = await cell.ask(path, {**body, "model": "gpt-newest"})
            assert status == 403
            assert headers["x-should-retry"] == "false"
            assert orjson.loads(answer)["error"]["code"] == "model_not_pinned"
        assert cell.provider.seen == []
        assert [call.result and call.result.state for call in await cell.calls()] == [
            CallState.REFUSED,
            CallState.REFUSED,
        ]
        assert cell.figures.refused == {"model_not_pinned": 2}


@in_a_loop
async def test_in_dev_any_model_may_be_asked_for(one: Database) -> None:
    async with inside(one, environment="dev") as cell:
        for path, body in (("/v1/chat/completions", CHAT), ("/v1/messages", MESSAGES)):
            assert (await cell.ask(path, {**body, "model": "newest"}))[0] == 200


@pytest.mark.parametrize(
    "raw",
    [
        b'{"model":"%b","model":"gpt-newest"}',
        b'{"model":"gpt-newest","model":"%b"}',
        b'{"mod\\u0065l":"gpt-newest","model":"%b"}',
        b'{"model":"%b","\\u006Dodel":"gpt-newest"}',
        b'{"Model":"gpt-newest","model":"%b"}',
        b'{"model":"%b","MODEL":"gpt-newest"}',
        b'{"model":null}',
        b'{"model":["%b"]}',
        b'["%b"]',
        b"{",
        b'{"messages":[]}',
    ],
)
@in_a_loop
async def test_a_body_that_could_be_read_in_two_ways_never_reaches_a_provider(
    one: Database, raw: bytes
) -> None:
    async with inside(one) as cell:
        raw = raw.replace(b"%b", GPT.encode())
        status, _, answer = await cell.ask("/v1/chat/completions", raw)
        assert status == 400
        assert orjson.loads(answer)["error"]["type"] == "invalid_request_error"
        assert cell.provider.seen == []


@in_a_loop
async def test_a_key_named_model_elsewhere_in_the_body_is_none_of_our_business(
    one: Database,
) -> None:
    schema = {"type": "object", "properties": {"model": {"type": "string"}}}
    body = {**CHAT, "tools": [{"type": "function", "function": {"parameters": schema}}]}
    raw = orjson.dumps({**body, "seed": 2**63, "note": 'say "model" \\u006d'})
    async with inside(one) as cell:
        assert (await cell.ask("/v1/chat/completions", raw))[0] == 200
        assert cell.provider.seen[0].body == raw


@in_a_loop
async def test_a_provider_that_is_not_configured_or_speaks_otherwise_is_named(
    one: Database,
) -> None:
    async with inside(one) as cell:
        status, _, answer = await cell.ask("/v1/chat/completions", {**CHAT, "model": "gpt-lost"})
        assert (status, orjson.loads(answer)["error"]["code"]) == (500, "provider_unknown")
        status, _, answer = await cell.ask("/v1/chat/completions", {**CHAT, "model": CLAUDE})
        assert (status, orjson.loads(answer)["error"]["code"]) == (400, "provider_dialect_mismatch")


@in_a_loop
async def test_a_call_without_a_run_is_refused(one: Database) -> None:
    async with inside(one, run=None) as cell:
        for path, body in (*BODIES, ("/v1/models", None), ("/v1/prompts/greeting", None)):
            status, _, answer = await cell.ask(path, body)
            assert status == 409
            assert b"call_without_run" in answer
        assert cell.provider.seen == []


@in_a_loop
async def test_nobody_but_a_living_slot_of_this_environment_is_heard(one: Database) -> None:
    async with inside(one) as cell:
        for token, status, code in (
            (Token.mint("staging", "slot").reveal(), 401, b"slot_token_unknown"),
            (Token.mint("staging", "api").reveal(), 401, b"slot_token_unknown"),
            (Token.mint("staging", "local").reveal(), 401, b"slot_token_unknown"),
            (Token.mint("production", "slot").reveal(), 403, b"cell_token_foreign"),
            ("sk-proj-whatever", 401, b"slot_token_unknown"),
        ):
            for path, body in (*BODIES, ("/v1/models", None), ("/v1/run", None)):
                found, _, answer = await cell.ask(path, body, token=token)
                assert found == status
                assert code in answer
        assert cell.provider.seen == []


@in_a_loop
async def test_the_step_limit_of_a_run_holds(one: Database) -> None:
    async with inside(one, release=release_of(Limits(steps=2))) as cell:
        statuses = [(await cell.ask("/v1/chat/completions", CHAT))[0] for _ in range(4)]
        assert statuses == [200, 200, 429, 429]
        _, headers, answer = await cell.ask("/v1/messages", MESSAGES)
        assert orjson.loads(answer)["error"]["code"] == "step_limit_reached"
        assert headers["x-should-retry"] == "false"
        assert len(cell.provider.seen) == 2


@in_a_loop
async def test_calls_at_once_do_not_get_past_the_step_limit(one: Database) -> None:
    async with inside(one, release=release_of(Limits(steps=5))) as cell:
        asking = (cell.ask("/v1/chat/completions", CHAT) for _ in range(20))
        statuses = [status for status, _, _ in await asyncio.gather(*asking)]
        assert sorted(statuses) == [200] * 5 + [429] * 15
        assert len(cell.provider.seen) == 5


@in_a_loop
async def test_the_money_limit_of_a_run_holds(one: Database) -> None:
    async with inside(one, release=release_of(Limits(cost_usd=0.0003))) as cell:
        answers = [await cell.ask("/v1/chat/completions", CHAT) for _ in range(3)]
        assert [status for status, _, _ in answers] == [200, 200, 429]
        assert orjson.loads(answers[2][2])["error"]["code"] == "run_budget_spent"


@in_a_loop
async def test_a_loop_of_refused_calls_fills_no_disk(one: Database) -> None:
    async with inside(one) as cell:
        for _ in range(30):
            await cell.ask("/v1/chat/completions", {**CHAT, "model": "nope"})
        assert len(await cell.calls()) == 20


@pytest.mark.parametrize(("path", "body"), [BODIES[0], BODIES[3]])
@in_a_loop
async def test_what_a_provider_refuses_is_passed_on_as_it_is(
    one: Database, path: str, body: dict[str, Any]
) -> None:
    model = "c-overloaded" if path == "/v1/messages" else "gpt-overloaded"
    async with inside(one) as cell:
        status, headers, answer = await cell.ask(path, {**body, "model": model})
        assert (status, headers["retry-after"]) == (529, "7")
        assert answer == cell.provider.sent[0]
        (call,) = await cell.calls()
        assert call.result is not None
        assert (call.result.state, call.result.status) == (CallState.FAILED, 529)


@in_a_loop
async def test_an_answer_that_is_cut_off_is_told_as_such(one: Database) -> None:
    async with inside(one) as cell:
        status, _, answer = await cell.ask("/v1/chat/completions", {**CHAT, "model": "gpt-cut"})
        assert (status, orjson.loads(answer)["error"]["code"]) == (502, "answer_broken")
        (call,) = await cell.calls()
        assert call.result is not None
        assert (call.result.error or "").startswith("answer_broken")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {**CHAT, "model": "gpt-cut", "stream": True}),
        ("/v1/messages", {**MESSAGES, "model": "c-cut", "stream": True}),
    ],
)
@in_a_loop
async def test_a_stream_that_is_cut_off_is_cut_off_here_too(
    one: Database, path: str, body: dict[str, Any]
) -> None:
    async with inside(one) as cell:
        with pytest.raises(SeatrialError) as caught:
            await cell.ask(path, body)
        assert caught.value.code == "answer_broken"
        (call,) = await cell.calls()
        assert call.result is not None
        assert call.result.state is CallState.FAILED
        assert call.result.response_bytes > 0


@in_a_loop
async def test_a_provider_that_is_not_there_is_told_in_each_dialect(one: Database) -> None:
    async with inside(one, upstream="http://127.0.0.1:9") as cell:
        for path, body in BODIES:
            status, headers, answer = await cell.ask(path, body)
            assert (status, headers["x-should-retry"]) == (503, "true")
            assert orjson.loads(answer)["error"]["code"] == "peer_unreachable"


@in_a_loop
async def test_a_provider_that_says_nothing_runs_into_the_time_limit(one: Database) -> None:
    bounds = CallBounds(timeouts=Timeouts(first_byte=0.05))
    async with inside(one, bounds=bounds) as cell:
        status, _, answer = await cell.ask("/v1/messages", {**MESSAGES, "model": "c-silent"})
        assert status == 504
        assert orjson.loads(answer)["error"]["type"] == "timeout_error"


@in_a_loop
async def test_what_an_agent_gives_up_is_given_up_at_the_provider(one: Database) -> None:
    async with inside(one) as cell:
        asking = asyncio.create_task(
            cell.ask("/v1/chat/completions", {**CHAT, "model": "gpt-silent"})
        )
        await asyncio.wait_for(cell.provider.reached.wait(), 5)
        asking.cancel()
        await asyncio.wait_for(cell.provider.left.wait(), 5)
        call = await _ended(cell)
        assert call.result is not None
        assert (call.result.error or "").startswith("client_gone")


async def _ended(cell: Inside) -> Call:
    while True:
        found = await cell.calls()  # the intent may be on its way to the database still
        if found and found[0].result is not None:
            return found[0]
        await asyncio.sleep(0.01)


@in_a_loop
async def test_an_answer_that_is_no_json_is_passed_on_all_the_same(one: Database) -> None:
    async with inside(one) as cell:
        status, _, answer = await cell.ask("/v1/chat/completions", {**CHAT, "model": "gpt-garbage"})
        assert (status, answer) == (200, b"\xff\xfe no json {")
        (call,) = await cell.calls()
        assert call.result is not None
        assert (call.result.state, call.result.tokens) == (CallState.DONE, None)


@in_a_loop
async def test_an_answer_by_another_model_than_the_pin_is_noticed(
    one: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with inside(one) as cell:
        for body in ({**CHAT, "model": "gpt-other"}, {**CHAT, "model": "gpt-other", **USAGE}):
            await cell.ask("/v1/chat/completions", body)
        assert cell.figures.mismatches == {("openai", "gpt-other"): 2}
        (line,) = [r for r in caplog.records if getattr(r, "event", "") == "model_mismatch"]
        assert "gpt-9-2031-01-01" in line.getMessage()
        assert [c.result and c.result.answered for c in await cell.calls()] == [
            "gpt-9-2031-01-01"
        ] * 2


@in_a_loop
async def test_the_models_of_a_run_are_its_pins(one: Database) -> None:
    async with inside(one) as cell:
        _, _, answer = await cell.ask("/v1/models")
        listed = {each["id"]: each["owned_by"] for each in orjson.loads(answer)["data"]}
        assert (listed[GPT], listed[CLAUDE]) == ("openai", "anthropic")


@in_a_loop
async def test_a_run_can_ask_who_it_is(one: Database) -> None:
    async with inside(one) as cell:
        _, _, answer = await cell.ask("/v1/run")
        assert orjson.loads(answer) == {
            "run": "run_a",
            "attempt": 1,
            "agent": "support",
            "environment": "staging",
            "release": str(cell.slot.release),
            "slot": "slot_1",
        }


@in_a_loop
async def test_each_header_that_clients_use_for_a_key_is_understood(one: Database) -> None:
    async with inside(one) as cell:
        for name in ("x-api-key", "x-goog-api-key"):
            request = cell.request("/v1/run", b"")
            bare = [(name, cell.token)]
            async with cell.client.send(
                type(request)(url=request.url, headers=tuple(bare))
            ) as response:
                assert response.status == 200


@in_a_loop
async def test_a_body_that_is_too_large_is_refused(one: Database) -> None:
    async with inside(one, bounds=CallBounds(request=1000)) as cell:
        big = {**CHAT, "user": "x" * 2000}
        status, _, answer = await cell.ask("/v1/chat/completions", big)
        assert (status, orjson.loads(answer)["error"]["code"]) == (413, "body_too_large")


@in_a_loop
async def test_a_compressed_body_is_refused(one: Database) -> None:
    async with inside(one) as cell:
        headers = (("content-encoding", "gzip"),)
        status, _, _ = await cell.ask("/v1/chat/completions", CHAT, headers=headers)
        assert status == 400
