"""Actions as MCP's tools, in both of its eras, for clients of all manners."""

import asyncio
import contextlib
import io
import json
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from seatrial.cell.door.mcp.domain.messages import LARGEST, REFUSED
from seatrial.kit.http.requests import ClientGone
from tests.cell.door.cells import in_a_loop
from tests.cell.door.mcp.served import EMPTY, TOKEN, Written, door, served
from tests.contract.flags.reference import python_of

CHILD = Path(__file__).with_name("client.py")
MODERN = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
}
BOTH = "application/json, text/event-stream"


class Wire:
    """Posts messages."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self._http = http

    async def raw(
        self, body: bytes, headers: Mapping[str, str] | None = None, *, token: str | None = TOKEN
    ) -> tuple[int, Any]:
        """Status and JSON of whatever is sent."""
        given = {"content-type": "application/json", "accept": BOTH, **(headers or {})}
        if token is not None:
            given["authorization"] = f"Bearer {token}"
        async with self._http.post(self.url, data=io.BytesIO(body), headers=given) as answer:
            text = await answer.text()
            if answer.content_type == "text/event-stream":
                (text,) = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
            return answer.status, json.loads(text) if text else None

    async def old(self, method: str, **params: Any) -> Any:
        """A request of before 2026-07-28."""
        return await self.raw(
            json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        )

    async def new(
        self, method: str, headers: Mapping[str, str] | None = None, **params: Any
    ) -> Any:
        """One of 2026-07-28, whose headers say what it says."""
        given = {"mcp-protocol-version": MODERN, "mcp-method": method}
        if "name" in params:
            given["mcp-name"] = params["name"]
        body = {"jsonrpc": "2.0", "id": "a", "method": method, "params": {**params, "_meta": META}}
        return await self.raw(json.dumps(body).encode(), {**given, **(headers or {})})

    async def other(self, method: str) -> tuple[int, str]:
        """Status of a request that posts nothing, and what it may do instead."""
        headers = {"authorization": f"Bearer {TOKEN}", "accept": "text/event-stream"}
        async with self._http.request(method, self.url, headers=headers) as answer:
            return answer.status, answer.headers.get("allow", "")

    async def announced(self, size: int) -> int:
        """Status of a message that is only announced."""
        parts = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        head = (
            f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-length: {size}\r\n"
            f"content-type: application/json\r\nauthorization: Bearer {TOKEN}\r\n\r\n"
        )
        writer.write(head.encode())
        status = (await reader.readline()).split()[1]
        writer.close()
        return int(status)


@contextlib.asynccontextmanager
async def wired(actions: Written, *, quiet: float = 10.0) -> AsyncIterator[Wire]:
    async with served(actions, quiet=quiet) as url, aiohttp.ClientSession() as http:
        yield Wire(url, http)


@in_a_loop
async def test_an_unmodified_client_of_either_era_lists_and_calls() -> None:
    try:
        python = await asyncio.to_thread(python_of, "model-clients")
    except (OSError, subprocess.CalledProcessError) as fault:
        pytest.skip(f"bench/peers/model-clients.txt cannot be installed: {fault}")
    actions = Written()
    async with served(actions) as url:
        process = await asyncio.create_subprocess_exec(
            str(python),
            str(CHILD),
            env={"SEATRIAL_MCP_URL": url, "SEATRIAL_TOKEN": TOKEN, "LANG": "C.UTF-8"},
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
    assert process.returncode == 0
    modern, legacy, framework = json.loads(out)
    assert framework == ["cancel", "find", "slow", '{"order":"W1"}']
    assert (modern["version"], legacy["version"]) == (MODERN, "2025-11-25")
    for told in (modern, legacy):
        assert told["tools"] == ["cancel", "find", "slow"]
        assert told["reads"] == [False, True, True]
        assert told["found"] == {"order": "W1"}
        assert told["failed"] == [True, "Order not found"]
        [unbound, unknown] = told["refused"]
        assert unbound[0] == REFUSED
        assert "[connectors.shop]" in unbound[1]
        assert unknown[0] == -32602
        assert "cancel, find, slow" in unknown[1]
        assert told["several"] == [f"W{number}" for number in range(10, 18)]
    answered = [name for name, _ in actions.made if name != "cancel"]
    assert actions.ends == ["delivered"] * len(answered)


@in_a_loop
async def test_a_list_comes_in_pages_that_any_process_can_go_on_with() -> None:
    async with wired(Written(many=150)) as wire:
        _, first = await wire.old("tools/list")
        _, second = await wire.old("tools/list", cursor=first["result"]["nextCursor"])
        names = [tool["name"] for page in (first, second) for tool in page["result"]["tools"]]
        assert len(names) == len(set(names)) == 153
        assert "nextCursor" not in second["result"]
        for cursor in ("", "x", "YWZ0ZXI6bm9uZQ==", 7):
            assert (await wire.old("tools/list", cursor=cursor))[1]["error"]["code"] == -32602


@in_a_loop
async def test_what_an_agent_can_mend_is_an_answer_and_what_it_cannot_is_an_error() -> None:
    async with wired(Written()) as wire:
        _, told = await wire.old("tools/call", name="find", arguments={"order": "W9"})
        assert told["result"]["isError"] is True
        assert told["result"]["structuredContent"]["code"] == "action_failed"
        status, told = await wire.old("tools/call", name="cancel", arguments={})
        assert (status, told["error"]["data"]["code"]) == (200, "connector_unbound")
        status, told = await wire.new("tools/call", name="cancel", arguments={})
        assert (status, told["error"]["data"]["code"]) == (409, "connector_unbound")
        _, told = await wire.old("tools/call", name="nope")
        assert told["error"]["code"] == -32602
        assert "cancel, find, slow" in told["error"]["message"]


@in_a_loop
async def test_the_two_eras_are_told_apart_by_one_header() -> None:
    async with wired(Written()) as wire:
        _, told = await wire.old("initialize", protocolVersion="2025-11-25", capabilities={})
        assert told["result"]["protocolVersion"] == "2025-11-25"
        _, told = await wire.old("initialize", protocolVersion="1999-01-01", capabilities={})
        assert told["result"]["protocolVersion"] == "2025-11-25"
        assert (await wire.old("ping"))[1]["result"] == {}
        _, told = await wire.new("server/discover")
        assert told["result"]["supportedVersions"][0] == MODERN
        status, told = await wire.new("initialize")
        assert (status, told["error"]["code"]) == (404, -32601)
        status, told = await wire.new("ping", {"mcp-protocol-version": "2027-01-01"})
        assert (status, told["error"]["code"]) == (400, -32022)
        assert MODERN in told["error"]["data"]["supported"]


@pytest.mark.parametrize(
    "headers",
    [{"mcp-method": "tools/list"}, {"mcp-name": "cancel"}, {"mcp-name": "=?base64?!?="}],
)
@in_a_loop
async def test_headers_that_say_something_else_than_the_body_are_refused(
    headers: dict[str, str],
) -> None:
    actions = Written()
    async with wired(actions) as wire:
        status, told = await wire.new("tools/call", headers, name="find", arguments={"order": "W1"})
    assert (status, told["error"]["code"]) == (400, -32020)
    assert actions.made == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"no json", -32700),
        (b'{"jsonrpc": "2.0", "id": NaN, "method": "ping"}', -32700),
        (b"\xff", -32700),
        (b"[" * 100 + b"]" * 100, -32600),
        (b"[" * 2_000 + b"]" * 2_000, -32700),
        (b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]', -32600),
        (b'{"id": 1, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": null, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1.5, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "result": {}}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}', -32602),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {}}', -32602),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "nothing"}', -32601),
    ],
)
@in_a_loop
async def test_what_is_no_message_is_told_so(body: bytes, code: int) -> None:
    async with wired(Written()) as wire:
        status, told = await wire.raw(body)
    assert told["error"]["code"] == code
    assert status in {200, 400}


@in_a_loop
async def test_who_is_nobody_or_a_web_page_gets_nothing() -> None:
    actions = Written()
    body = b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "find"}}'
    async with wired(actions) as wire:
        assert (await wire.raw(body, token=None))[0] == 401
        assert (await wire.raw(body, token="sea_other"))[0] == 401
        assert (await wire.raw(body, token=EMPTY))[0] >= 400
        assert (await wire.raw(body, {"origin": "https://evil.example"}))[0] == 403
        assert (await wire.raw(body, {"accept": "text/html"}))[0] == 406
        assert (await wire.raw(body, {"content-type": "text/plain"}))[0] == 415
        assert (await wire.raw(b" " * LARGEST + b"x"))[0] == 413
    assert actions.made == []


@in_a_loop
async def test_a_call_is_read_in_one_way_only_or_not_performed() -> None:
    actions = Written()
    call = b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "find"%b}}'
    async with wired(actions) as wire:
        for arguments in (
            b', "arguments": {"order": "W1", "order": "W2"}',
            b', "name": "cancel"',
            b', "arguments": {"order": 9007199254740993}',
            b', "arguments": {"order": %b1%b}' % (b"[" * 70, b"]" * 70),
        ):
            status, told = await wire.raw(call % arguments)
            assert (status, told["error"]["code"]) == (400, -32600), arguments
        # The body names a version that the header does not.
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
        new = json.dumps({**body, "params": {"name": "find", "_meta": META}}).encode()
        for headers in ({}, {"mcp-protocol-version": "2025-11-25"}):
            status, told = await wire.raw(new, headers)
            assert (status, told["id"], told["error"]["code"]) == (400, 1, -32020)
    assert actions.made == []


@in_a_loop
async def test_what_posts_nothing_or_announces_too_much_is_refused_at_once() -> None:
    async with wired(Written()) as wire:
        for method in ("GET", "DELETE", "PUT"):
            assert await wire.other(method) == (405, "POST")
        assert await wire.announced(50 << 20) == 413


@in_a_loop
async def test_a_notification_is_owed_no_answer() -> None:
    async with wired(Written()) as wire:
        body = (
            b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}'
        )
        assert await wire.raw(body) == (202, None)


@in_a_loop
async def test_a_call_that_takes_its_time_is_kept_alive_and_one_whose_caller_left_goes_on() -> None:
    actions = Written()
    async with wired(actions, quiet=0.05) as wire:
        slow = asyncio.create_task(wire.old("tools/call", name="slow", arguments={"order": "W1"}))
        await asyncio.sleep(0.2)  # beyond `quiet`: the answer has begun as a stream
        left = asyncio.create_task(wire.old("tools/call", name="slow", arguments={"order": "W2"}))
        while len(actions.made) < 2:  # noqa: ASYNC110 - it is made in a server
            await asyncio.sleep(0.01)
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        await asyncio.sleep(1.0)  # nothing tells that the server has seen him leave
        actions.go.set()
        assert (await slow)[1]["result"]["structuredContent"] == {"order": "W1"}
        async with asyncio.timeout(30):
            while sorted(actions.ends) != ["delivered", "lost"]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@in_a_loop
async def test_a_call_that_is_refused_after_its_answer_began_is_told_so_and_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    actions = Written()
    async with wired(actions, quiet=0.05) as wire:
        for ask in (wire.old, wire.new):
            actions.go.clear()
            slow = asyncio.create_task(ask("tools/call", name="slow", arguments={"order": "W8"}))
            await asyncio.sleep(0.2)  # beyond `quiet`
            actions.go.set()
            status, told = await slow
            assert (status, told["error"]["data"]["code"]) == (200, "connector_unbound")
        assert (await wire.old("ping"))[0] == 200
    assert actions.ends == []
    assert not [each for each in caplog.records if each.exc_info]


@in_a_loop
async def test_an_answer_that_is_there_when_its_caller_has_left_counts_as_lost() -> None:
    body = b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "find"}}'
    told = iter([{"type": "http.request", "body": body}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(told, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        sent.append(message)

    actions = Written()
    headers = {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/mcp",
        "raw_path": b"/mcp",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    with pytest.raises(ClientGone):
        await door(actions)(scope, receive, send)
    await asyncio.sleep(0)
    assert (actions.ends, sent) == (["lost"], [])
