"""The control for tests over HTTP, as bad as it is asked to be."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from seatrial.cell.switch.domain import ControlRefused
from seatrial.contract.switch.api import EnrolRequest
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.http.answers import answer, answer_empty, answer_error, answer_json
from seatrial.kit.http.asgi import App, Receive, Scope, Send
from seatrial.kit.http.event_stream import EventStream
from seatrial.kit.http.events import Event
from seatrial.kit.http.lifetime import Lifetime
from seatrial.kit.http.requests import ClientGone, header, read_json
from seatrial.kit.http.routes import Routes, path_values
from seatrial.kit.http.server import Server
from tests.cell.switch.seamarks import FakeControl
from tests.kit.http.peers import serving


@dataclass(kw_only=True)
class Served:
    """Serves one `FakeControl`.

    Attributes:
        garbage: answered instead of everything, if it is not empty.
    """

    control: FakeControl
    garbage: bytes = b""
    lifetime: Lifetime = field(default_factory=Lifetime)

    def app(self) -> App:
        cell = self.control.environment
        routes = Routes(
            [
                ("POST", "/v1/enrolments", self._enrol),
                ("GET", f"/v1/cells/{cell}/desired", self._desired),
                ("GET", f"/v1/cells/{cell}/events", self._events),
                ("POST", f"/v1/cells/{cell}/reports", self._report),
                ("POST", f"/v1/cells/{cell}/facts", self._facts),
                ("GET", "/v1/releases/{digest}", self._release),
                ("GET", "/v1/blobs/{digest}", self._blob),
            ]
        )

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if self.garbage:
                await answer(send, self.garbage, content_type=b"application/json")
                return
            with contextlib.suppress(ClientGone):
                try:
                    await routes(scope, receive, send)
                except ControlRefused as error:
                    await answer_error(send, error)

        return app

    async def _enrol(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = EnrolRequest.read(await read_json(scope, receive, limit=10_000))
        await answer_json(send, self.control.enrol(asked).document(), status=201)

    async def _desired(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        self._authorize(scope)
        query = dict(pair.split(b"=") for pair in scope["query_string"].split(b"&"))
        etag = (header(scope, b"if-none-match") or b"").decode()
        found = await self.control.desired(etag, int(query[b"current"]))
        if found is None:
            await answer_empty(send, status=304)
            return
        headers = [(b"etag", found.etag.encode())]
        body = found.text.encode()
        await answer(send, body, content_type=b"application/json", headers=headers)

    async def _events(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._authorize(scope)
        await read_nothing(receive)
        stream = EventStream(lifetime=self.lifetime)
        await stream.answer(scope, receive, send, self._changes())

    async def _changes(self) -> AsyncIterator[Event]:
        async for _ in self.control.changes():
            yield Event(event="changed", data="now")

    async def _report(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._authorize(scope)
        said: Any = await read_json(scope, receive, limit=100_000)
        await self.control.report(said["envelope"].encode())
        await answer_empty(send)

    async def _facts(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._authorize(scope)
        said: Any = await read_json(scope, receive, limit=100_000)
        await self.control.evidence(said["envelope"].encode())
        await answer_empty(send)

    async def _release(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        self._authorize(scope)
        digest = Digest.parse(path_values(scope)["digest"])
        await answer_json(send, {"row": {}, "release": await self.control.release(digest)})

    async def _blob(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        self._authorize(scope)
        digest = Digest.parse(path_values(scope)["digest"])
        content = b"".join([part async for part in self.control.blob(digest)])
        await answer(send, content, content_type=b"application/octet-stream")

    def _authorize(self, scope: Scope) -> None:
        if header(scope, b"authorization") != b"Bearer t0ken":
            raise ControlRefused(status=401, call="any", reason="who are you")


async def read_nothing(receive: Receive) -> None:
    """Take the empty body of a GET."""
    await receive()


@contextlib.asynccontextmanager
async def control_at(served: Served) -> AsyncIterator[Server]:
    """`served` on a free port."""
    async with serving(served.app()) as server:
        try:
            yield server
        finally:
            served.lifetime.serve()
            served.lifetime.drain()
            await asyncio.sleep(0)


def url_of(server: Server) -> str:
    """Where it listens."""
    return f"http://127.0.0.1:{server.address.rpartition(':')[2]}"
