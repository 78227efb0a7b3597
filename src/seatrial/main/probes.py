"""What anybody may ask of every process: who is it, does it live, may work come, how does it do."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from seatrial.kit.database.telling import families
from seatrial.kit.errors import SeatrialError
from seatrial.kit.http.answers import answer, answer_json
from seatrial.kit.http.asgi import App, Receive, Scope, Send
from seatrial.kit.http.lifetime import answer_readiness
from seatrial.kit.metrics import CONTENT_TYPE, Family, rendered
from seatrial.main.process import Frame

Figures = Callable[[], Awaitable[Iterable[Family]]]


class Probes:
    """`/`, `/healthz`, `/readyz` and `/metrics`, for anybody who reaches the address.

    They tell counts and phases, never a name from outside, a payload or a secret.

    Args:
        frame: of the process.
        figures: of its rooms.
        name: what this process is.
    """

    def __init__(self, frame: Frame, *figures: Figures, name: str) -> None:
        self._frame = frame
        self._name = name
        self._figures = figures
        self._apps: Final[dict[bytes, App]] = {
            b"/": self._greeting,
            b"/healthz": self._health,
            b"/readyz": self._readiness,
            b"/metrics": self._metrics,
        }

    def routes(self) -> list[tuple[str, str, App]]:
        """Greeting, liveness and readiness, for `Routes`."""
        return [
            ("GET", "/", self._greeting),
            ("GET", "/healthz", self._health),
            ("GET", "/readyz", self._readiness),
        ]

    def app(self, scope: Scope) -> App | None:
        """Who answers this request, if it is a probe."""
        if scope["method"] not in {"GET", "HEAD"}:
            return None
        return self._apps.get(scope["raw_path"])

    async def _greeting(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """For whoever opens the address that a command named."""
        await answer_json(
            send,
            {
                "seatrial": self._name,
                "phase": self._frame.lifetime.phase,
                "open": ["/healthz", "/readyz", "/metrics"],
                "with a token": "every other path; `seatrial status` shows what runs here",
            },
        )

    async def _health(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Alive, and the database answers. Restart it where this fails for long."""
        try:
            milliseconds = await self._frame.database.ping() * 1000
        except SeatrialError as error:
            body = {"phase": self._frame.lifetime.phase, "database": error.code}
            await answer_json(send, body, status=503)
            return
        body = {"phase": self._frame.lifetime.phase, "database_ms": f"{milliseconds:.1f}"}
        await answer_json(send, body)

    async def _readiness(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await answer_readiness(send, self._frame.lifetime)

    async def _metrics(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        found = await asyncio.gather(*(figures() for figures in self._figures))
        told = [*families(self._frame.database), *(family for each in found for family in each)]
        await answer(send, rendered(told), content_type=CONTENT_TYPE)
