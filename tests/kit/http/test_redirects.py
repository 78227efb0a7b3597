import asyncio

import pytest

from seatrial.kit.http.asgi import Receive, Scope, Send
from seatrial.kit.http.by_aiohttp import aiohttp_client
from seatrial.kit.http.client import (
    AnswerBroken,
    CallMalformed,
    Request,
)
from seatrial.kit.http.redirects import RedirectedTooOften, _onward, followed
from seatrial.kit.http.server import run
from tests.kit.http.peers import port_of, serving

SECRETS = (("Authorization", "Bearer x"), ("X-Api-Key", "k"), ("Accept", "a/b"))


class _Answer:
    def __init__(self, status: int, *headers: tuple[str, str]) -> None:
        self.status = status
        self.headers = headers

    async def read(self, _limit: int) -> bytes:
        return b""

    def __aiter__(self) -> "_Answer":
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration


async def _ladder(scope: Scope, _receive: Receive, send: Send) -> None:
    """`/3` leads to `/2`, and so on to `/0`, which tells the headers that it got."""
    step = int(scope["path"][1:])
    told = b" ".join(sorted(name for name, _ in scope["headers"]))
    headers = [(b"location", b"%d?q" % (step - 1))] if step else []
    start = {"type": "http.response.start", "status": 302 if step else 200, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": told})


def test_a_chain_is_followed_to_its_end_and_no_further_than_asked() -> None:
    async def main() -> None:
        async with serving(_ladder) as server, aiohttp_client() as client:
            request = Request(url=f"{server.address}/3", headers=SECRETS)
            async with followed(client, request, most=3) as response:
                assert (response.status, await response.read(1000)) == (
                    200,
                    b"accept authorization host user-agent x-api-key",
                )
            with pytest.raises(RedirectedTooOften):
                async with followed(client, request, most=2):
                    pass
            assert not client.slots.locked()

    run(main)


def test_another_origin_is_told_no_secret() -> None:
    async def main() -> None:
        async with serving(_ladder) as target:

            async def elsewhere(_scope: Scope, _receive: Receive, send: Send) -> None:
                location = f"http://localhost:{port_of(target)}/0#part".encode()
                headers = [(b"location", location)]
                await send({"type": "http.response.start", "status": 307, "headers": headers})
                await send({"type": "http.response.body"})

            async with serving(elsewhere) as server, aiohttp_client() as client:
                request = Request(url=server.address, headers=SECRETS)
                async with followed(client, request) as response:
                    assert await response.read(1000) == b"accept host user-agent"

    run(main)


@pytest.mark.parametrize("status", [200, 304, 404])
def test_only_a_redirect_is_one(status: int) -> None:
    assert _onward(Request(url="http://a/"), _Answer(status, ("location", "/b"))) is None


def test_a_request_that_may_change_something_is_not_repeated_elsewhere() -> None:
    request = Request(url="http://a/", method="POST")
    assert _onward(request, _Answer(307, ("location", "/b"))) is None


@pytest.mark.parametrize(
    "answer",
    [_Answer(302), _Answer(302, ("location", "http://a/b")), _Answer(302, ("location", "ftp://a"))],
)
def test_a_redirect_to_nowhere_or_out_of_https_is_broken(answer: _Answer) -> None:
    with pytest.raises(AnswerBroken):
        _onward(Request(url="https://a/"), answer)


def test_a_redirect_to_what_we_do_not_call_is_refused() -> None:
    async def main() -> None:
        async def strange(_scope: Scope, _receive: Receive, send: Send) -> None:
            headers = [(b"location", b"file:///etc/passwd")]
            await send({"type": "http.response.start", "status": 302, "headers": headers})
            await send({"type": "http.response.body"})

        async with serving(strange) as server, aiohttp_client() as client:
            with pytest.raises(CallMalformed):
                async with followed(client, Request(url=server.address)):
                    pass

    asyncio.run(main())
