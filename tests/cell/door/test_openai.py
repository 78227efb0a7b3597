"""An agent behind OpenAI's APIs, asked by their own client and by hand."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from seatrial.cell.hosts.domain import Chunk, Error, HostEvent, Origin, Result, RunRequest
from seatrial.kit.database.database import Database
from seatrial.kit.http.lifetime import Lifetime
from seatrial.kit.http.listening import listen
from seatrial.kit.http.server import Server, serve
from tests.cell.door.rooms import Door
from tests.cell.runs.stage import Stage, hang, made, until
from tests.contract.flags.reference import python_of
from tests.kit.leases.looped import in_a_loop

CLIENT: Final = Path(__file__).parent / "openai" / "client.py"
CHAT: Final = "/v1/chat/completions"
RESPONSES: Final = "/v1/responses"


async def by_words(request: RunRequest) -> AsyncIterator[HostEvent]:
    """An agent that does what the last word of its input says."""
    given = request.input
    last = given["messages"][-1]["content"] if "messages" in given else given["input"]
    if last == "stream":
        for word in ("one ", "two ", "three"):
            yield Chunk(data=word)
        yield Result(output="one two three")
    elif last == "fail":
        yield Error(code="agent_raised", message="it cannot be done", origin=Origin.AGENT)
    elif last == "die":
        yield Chunk(data="half")
        yield Error(code="host_exited", message="gone")
    elif last == "history":
        yield Result(output=[turn["output"] for turn in request.history])
    else:
        yield Result(output=last)


@pytest.fixture
def door(sqlite_url: str) -> Iterator[Door]:
    with Database.open(sqlite_url) as database:
        made_door = Door(Stage(made(database)))
        made_door.stage.hosts.script = by_words
        yield made_door


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What OpenAI's client understood; and of the runs, what the agent was given."""
    try:
        python = python_of("openai")
    except (OSError, subprocess.CalledProcessError) as fault:
        pytest.skip(f"bench/peers/openai.txt cannot be installed: {fault}")
    folder = tmp_path_factory.mktemp("openai")

    async def main() -> tuple[int, str, str, Door]:
        with Database.open(f"sqlite:///{folder}/cell.db") as database:
            door = Door(Stage(made(database)))
            door.stage.hosts.script = by_words
            server, lifetime = Server(door.app, listen("127.0.0.1", 0)), Lifetime()
            serving = asyncio.create_task(serve([server], lifetime, grace=1))
            async with door.open():
                port = server.address.rpartition(":")[2]
                child = await asyncio.create_subprocess_exec(
                    python,
                    str(CLIENT),
                    f"http://127.0.0.1:{port}/v1",
                    env={"HOME": str(folder), "LANG": "C.UTF-8"},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                )
                out, problems = await child.communicate()
            lifetime.drain()
            await serving
            return child.returncode or 0, out.decode(), problems.decode(), door

    code, out, problems, door = asyncio.run(main())
    assert code == 0, problems
    return json.loads(out) | {"requests": door.stage.hosts.requests}


@pytest.mark.parametrize(
    ("what", "expected"),
    {
        "models": ["support"],
        "model": "support",
        "chat": ["hello", "assistant", "stop", 0, "support"],
        "chat_stream": ["", "one ", "two ", "three", None],
        "chat_finish": "stop",
        "chat_usage": 0,
        "response": ["hello", "completed", "support", "be kind"],
        "follow_up": ['["hello"]', True],
        "unstored": "[]",
        "response_stream": [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            *["response.output_text.delta"] * 3,
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ],
        "response_numbers": list(range(11)),
        "response_text": ["one two three", "one two three"],
        "response_final": "plain",
        "chat_final": "one two three",
        "failed": ["InternalServerError", 500, "agent_raised", None, "server_error"],
        "failed_stream": ["APIError", "it cannot be done", "agent_raised"],
        "response_failed": ["response.failed", "failed", "it cannot be done"],
        "response_restarted": ["error", "run_restarted"],
        "unknown": ["NotFoundError", 404, "model_not_found", "model", "invalid_request_error"],
        "unknown_model": [
            "NotFoundError",
            404,
            "model_not_found",
            "model",
            "invalid_request_error",
        ],
        "previous": [
            "NotFoundError",
            404,
            "previous_response_not_found",
            None,
            "invalid_request_error",
        ],
        "tools": ["BadRequestError", 400, "parameter_refused", "tools", "invalid_request_error"],
        "stranger": [
            "AuthenticationError",
            401,
            "cell_token_missing",
            None,
            "authentication_error",
        ],
        "reader": [
            "PermissionDeniedError",
            403,
            "cell_permission_missing",
            None,
            "permission_error",
        ],
    }.items(),
)
def test_their_client_understands(told: Any, what: str, expected: Any) -> None:
    assert told[what] == expected


def test_a_stream_whose_agent_is_begun_again_ends_with_an_error(told: Any) -> None:
    kind, message, code = told["restarted"]
    assert (kind, code) == ("APIError", "run_restarted")
    assert "begun again" in message


def test_a_failed_run_is_not_sent_again_by_the_client(told: Any) -> None:
    failed = [r for r in told["requests"] if r.input == {"messages": [_user("fail")]}]
    assert len(failed) == 2  # one whole, one streamed


def test_the_agent_is_given_what_was_sent_and_its_session(told: Any) -> None:
    first, second = told["requests"][:2]
    assert first.input == {"messages": [_user("hello")]}
    assert (first.session, second.session) == ("s1", "s1")
    assert [turn["output"] for turn in second.history] == ["hello"]
    third = next(r for r in told["requests"] if "input" in r.input)
    assert third.input == {"input": "hello", "instructions": "be kind"}


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


MESSAGES: Final = [_user("hello")]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (CHAT, [], "body"),
        (CHAT, {"messages": MESSAGES}, "model"),
        (CHAT, {"model": 5, "messages": MESSAGES}, "model"),
        (CHAT, {"model": "support"}, "messages"),
        (CHAT, {"model": "support", "messages": []}, "messages"),
        (CHAT, {"model": "support", "messages": "hello"}, "messages"),
        (CHAT, {"model": "support", "messages": ["hello"]}, "messages"),
        (CHAT, {"model": "support", "messages": MESSAGES, "stream": "yes"}, "stream"),
        (CHAT, {"model": "support", "messages": MESSAGES, "n": 2}, "n"),
        (CHAT, {"model": "support", "messages": MESSAGES, "functions": [{}]}, "functions"),
        (CHAT, {"model": "support", "messages": MESSAGES, "metadata": {"a": 1}}, "metadata"),
        (CHAT, {"model": "support", "messages": MESSAGES, "metadata": []}, "metadata"),
        (RESPONSES, {"model": "support"}, "input"),
        (RESPONSES, {"model": "support", "input": ""}, "input"),
        (RESPONSES, {"model": "support", "input": {"a": 1}}, "input"),
        (RESPONSES, {"model": "support", "input": "x", "instructions": 1}, "instructions"),
        (RESPONSES, {"model": "support", "input": "x", "background": True}, "background"),
        (RESPONSES, {"model": "support", "input": "x", "conversation": 5}, "conversation"),
        (
            RESPONSES,
            {"model": "support", "input": "x", "previous_response_id": 5},
            "previous_response_id",
        ),
    ],
)
@in_a_loop
async def test_wrong_parameters_are_named(door: Door, path: str, body: Any, param: str) -> None:
    answer = await door.ask("POST", path, body)
    assert answer.status == 400
    error = answer.json["error"]
    assert (error["code"], error["param"]) == ("parameter_refused", param)
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", {}, 400, "json_malformed"),
        (b"[" * 100_000, {}, 400, "json_too_deep"),
        (b'{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}", {}, 400, "json_too_deep"),
        (b'"' + b"x" * (2 << 20) + b'"', {}, 413, "body_too_large"),
        (b"{}", {"content-type": "text/plain"}, 415, "not_json"),
        (None, {"seatrial-generation": "5"}, 503, "generation_behind"),
        (None, {"seatrial-session": "a/b"}, 400, "run_refused"),
        (None, {"seatrial-session": "é"}, 400, "header_malformed"),
    ],
)
@in_a_loop
async def test_bad_requests_are_told_in_their_form(
    door: Door, body: bytes | None, headers: dict[str, str], status: int, code: str
) -> None:
    given = {"model": "support", "messages": MESSAGES} if body is None else body
    async with door.open():
        answer = await door.ask("POST", CHAT, given, headers=headers)
    assert (answer.status, answer.json["error"]["code"]) == (status, code)
    assert ("retry-after" in answer.headers) == (status == 503)


@in_a_loop
async def test_an_answer_that_is_not_text_comes_as_json(door: Door) -> None:
    async def structured(request: RunRequest) -> AsyncIterator[HostEvent]:
        yield Chunk(data={"n": request.attempt})
        yield Result(output={"n": [1]})

    door.stage.hosts.script = structured
    async with door.open():
        call = {"model": "support", "messages": MESSAGES}
        whole = (await door.ask("POST", CHAT, call)).json
        assert json.loads(whole["choices"][0]["message"]["content"]) == {"n": [1]}
        stream = await door.ask("POST", CHAT, {**call, "stream": True})
        assert stream.events[-1].data == "[DONE]"
        deltas = [json.loads(e.data)["choices"][0]["delta"] for e in stream.events[:-1]]
        assert [json.loads(d["content"]) for d in deltas if d.get("content")] == [{"n": 1}]


@in_a_loop
async def test_a_restart_before_anything_was_sent_goes_unnoticed(door: Door) -> None:
    async def second_time(request: RunRequest) -> AsyncIterator[HostEvent]:
        if request.attempt == 1:
            yield Error(code="host_exited", message="gone")
        else:
            yield Result(output="fine")

    door.stage.hosts.script = second_time
    async with door.open():
        call = {"model": "support", "messages": MESSAGES, "stream": True}
        stream = await door.ask("POST", CHAT, call)
    text = [json.loads(e.data) for e in stream.events[:-1]]
    assert [each["choices"][0]["delta"].get("content") for each in text] == ["", "fine", None]


@in_a_loop
async def test_a_repeated_stream_with_its_key_is_told_whole(door: Door) -> None:
    async with door.open():
        call = {"model": "support", "messages": [_user("stream")], "stream": True}
        headers = {"idempotency-key": "k"}
        streams = [await door.ask("POST", CHAT, call, headers=headers) for _ in range(2)]
    assert streams[0].body == streams[1].body
    assert len(door.stage.hosts.requests) == 1


@in_a_loop
async def test_a_response_is_followed_up_by_its_own_caller_alone(door: Door) -> None:
    async with door.open():
        first = (await door.ask("POST", RESPONSES, {"model": "support", "input": "a"})).json
        follow = {"model": "support", "input": "b", "previous_response_id": first["id"]}
        assert (await door.ask("POST", RESPONSES, follow)).status == 200
        assert (await door.ask("POST", RESPONSES, follow, by="other")).status == 404
        named = {"model": "support", "input": "c", "conversation": {"id": "talk"}}
        assert (await door.ask("POST", RESPONSES, named)).json["conversation"] == {"id": "talk"}


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        (CHAT, {"messages": MESSAGES, "metadata": {"session": "s"}}, {}),
        (CHAT, {"messages": MESSAGES}, {"seatrial-session": "s"}),
        (RESPONSES, {"input": "history", "conversation": "s"}, {}),
        (RESPONSES, {"input": "history", "conversation": {"id": "s"}, "stream": True}, {}),
        (RESPONSES, {"input": "history", "metadata": {"session": "s"}}, {}),
    ],
)
@in_a_loop
async def test_a_session_is_its_first_callers(
    door: Door, path: str, body: dict[str, Any], headers: dict[str, str]
) -> None:
    call = {"model": "support", **body}
    async with door.open():
        assert (await door.ask("POST", path, call, headers=headers)).status == 200
        refused = await door.ask("POST", path, call, headers=headers, by="other")
        assert (refused.status, refused.json["error"]["code"]) == (403, "session_of_other")
        for by in ("rotated", "admin"):
            assert (await door.ask("POST", path, call, headers=headers, by=by)).status == 200


@in_a_loop
async def test_a_rotated_token_follows_up_its_responses(door: Door) -> None:
    async with door.open():
        first = (await door.ask("POST", RESPONSES, {"model": "support", "input": "a"})).json
        follow = {"model": "support", "input": "history", "previous_response_id": first["id"]}
        answer = await door.ask("POST", RESPONSES, follow, by="rotated")
        assert answer.status == 200
        assert answer.json["output"][0]["content"][0]["text"] == '["a"]'
        for by in ("other", "acme"):
            assert (await door.ask("POST", RESPONSES, follow, by=by)).status == 404


@in_a_loop
async def test_a_cancelled_run_is_an_error(door: Door) -> None:
    door.stage.hosts.script = hang
    async with door.open():
        call = {"model": "support", "messages": MESSAGES}
        asking = asyncio.create_task(door.ask("POST", CHAT, call))
        await until(lambda: door.stage.hosts.requests)
        await door.stage.runs.cancel(door.stage.hosts.requests[0].run)
        answer = await asking
    assert (answer.status, answer.json["error"]["code"]) == (500, "run_cancelled")
    assert answer.headers["x-should-retry"] == "false"


@in_a_loop
async def test_a_run_that_takes_too_long_names_itself(door: Door) -> None:
    door.stage.hosts.script = hang
    async with door.open():
        call = {"model": "support", "messages": MESSAGES}
        asking = asyncio.create_task(door.ask("POST", CHAT, call))
        await until(lambda: door.stage.hosts.requests)
        door.lifetime.drain()
        answer = await asking
    assert (answer.status, answer.json["error"]["code"]) == (504, "run_unfinished")
    assert door.stage.hosts.requests[0].run in answer.json["error"]["message"]
