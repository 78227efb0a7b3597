"""A process that serves until it is told to end: `python -m tests.kit.http.child GRACE [SOCKET]`.

Says its address on standard output; its exit code is 1 if requests had to be cancelled.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from seatrial.kit.clock import SystemClock
from seatrial.kit.http.answers import answer_text
from seatrial.kit.http.asgi import Receive, Scope, Send
from seatrial.kit.http.boundary import ErrorBoundary
from seatrial.kit.http.event_stream import EventStream
from seatrial.kit.http.events import Event
from seatrial.kit.http.lifetime import Lifetime, answer_readiness
from seatrial.kit.http.listening import listen, listen_unix
from seatrial.kit.http.routes import Routes
from seatrial.kit.http.server import Server, ended_by_signals, run, serve
from seatrial.kit.ids import Ids
from seatrial.kit.log import Redactor, configure


async def _begin(send: Send) -> None:
    """Let the client see that its request is under way."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"begun ", "more_body": True})


async def _slow(_scope: Scope, _receive: Receive, send: Send) -> None:
    await _begin(send)
    await asyncio.sleep(0.3)
    await send({"type": "http.response.body", "body": b"finished"})


async def _endless(_scope: Scope, _receive: Receive, send: Send) -> None:
    await _begin(send)
    await asyncio.Event().wait()


async def _blocking(_scope: Scope, _receive: Receive, send: Send) -> None:
    await _begin(send)
    await asyncio.sleep(0.01)
    time.sleep(60)  # noqa: ASYNC251 - the defect that a second signal must overcome


async def _hello(_scope: Scope, _receive: Receive, send: Send) -> None:
    await answer_text(send, "hello")


async def _forever() -> AsyncIterator[Event]:
    yield Event(data="begun")
    await asyncio.Event().wait()


async def _main() -> int:
    lifetime = Lifetime()

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await EventStream(lifetime=lifetime).answer(scope, receive, send, _forever())

    async def ready(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer_readiness(send, lifetime)

    routes = Routes(
        [
            ("GET", "/hello", _hello),
            ("GET", "/slow", _slow),
            ("GET", "/endless", _endless),
            ("GET", "/blocking", _blocking),
            ("GET", "/stream", stream),
            ("GET", "/ready", ready),
        ]
    )
    grace, notice, *path = sys.argv[1:]
    listener = listen_unix(Path(path[0])) if path else listen("127.0.0.1", 0)
    server = Server(ErrorBoundary(routes, Ids(SystemClock())), listener)
    print(server.address, flush=True)  # noqa: T201 - how the test finds it
    with ended_by_signals(lifetime):
        return await serve([server], lifetime, grace=float(grace), notice=float(notice))


if __name__ == "__main__":
    configure("info", as_json=True, redactor=Redactor())
    sys.exit(1 if run(_main) else 0)
