"""What a process is doing with its life, so that every part of it can ask and be told to end."""

import asyncio
import enum

from seatrial.kit.errors import Unavailable
from seatrial.kit.http.answers import answer_json
from seatrial.kit.http.asgi import Send


class Phase(enum.StrEnum):
    """The phases, in order; none comes twice."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    ENDED = "ended"


class ShuttingDown(Unavailable):
    """This process is ending and takes no new work."""

    code = "shutting_down"
    cause = "It was told to stop: a restart, an update, or a machine going down."
    remedy = "Send the request again; another process or the next one takes it."
    retry_after = 1


class Lifetime:
    """One life, shared by all servers and apps of a process. Belongs to one event loop."""

    def __init__(self) -> None:
        self._phase = Phase.STARTING
        self._told = asyncio.Event()

    @property
    def phase(self) -> Phase:
        """Where it is."""
        return self._phase

    @property
    def serving(self) -> bool:
        """Whether new work is welcome."""
        return self._phase is Phase.SERVING

    @property
    def draining(self) -> bool:
        """Whether the end has begun: streams end, waits are cut, nothing new starts."""
        return self._told.is_set()

    def serve(self) -> None:
        """Everything is up. Has no effect once draining has begun."""
        if self._phase is Phase.STARTING:
            self._phase = Phase.SERVING

    def drain(self) -> None:
        """Begin the end. Calling it again has no effect."""
        if not self.draining:
            self._phase = Phase.DRAINING
            self._told.set()

    def end(self) -> None:
        """Nothing is left to do."""
        self.drain()
        self._phase = Phase.ENDED

    async def told_to_end(self) -> None:
        """Return when draining begins."""
        await self._told.wait()


async def answer_readiness(send: Send, lifetime: Lifetime) -> None:
    """Tell a load balancer whether to send work here: 200 while serving, else 503."""
    ready = lifetime.serving
    headers = [(b"cache-control", b"no-store")]
    if not ready:
        headers.append((b"retry-after", b"%d" % ShuttingDown.retry_after))
    status = 200 if ready else 503
    await answer_json(send, {"phase": lifetime.phase}, status=status, headers=headers)
