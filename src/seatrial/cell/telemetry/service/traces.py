"""Sends the spans of runs that have ended to a collector, if there is one.

Nothing waits for it: what does not fit into the queue, or what the collector does not take, is
dropped and counted.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import orjson

from seatrial.cell.journal.domain.calls import Call, Totals
from seatrial.cell.journal.service import metering as journal
from seatrial.cell.runs.domain.values import Run
from seatrial.cell.telemetry.otlp import Attribute, Span, request_body, spans
from seatrial.kit.clock import Clock
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.errors import SeatrialError
from seatrial.kit.http.client import HttpClient, Request, Timeouts

_LOG: Final = logging.getLogger(__name__)
_RUNS: Final = 2_000  # ended runs that may wait to be told
_BATCH: Final = 100  # runs in one request
_PAUSE: Final = 1.0  # seconds in which runs gather
_QUICK: Final = Timeouts(first_byte=5.0, chunk=5.0, total=10.0)
_ANSWER: Final = 1 << 20  # bytes


@dataclass(frozen=True, kw_only=True)
class Collector:
    """Where spans go.

    Attributes:
        url: of the endpoint for traces, `/v1/traces` included.
        headers: sent with each request, such as an API key.
        resource: attributes of this process.
    """

    url: str
    headers: tuple[tuple[str, str], ...] = ()
    resource: Mapping[str, Attribute] = field(default_factory=dict)


class Traces:
    """Tells a collector of runs. Let `work` run for the life of the process.

    Attributes:
        sent: spans that the collector has taken.
        dropped: runs that it was not told of.
    """

    def __init__(
        self, database: Database, *, client: HttpClient, collector: Collector, clock: Clock
    ) -> None:
        self._database = database
        self._client = client
        self._collector = collector
        self._clock = clock
        self._ended: deque[Run] = deque()
        self._there = asyncio.Event()
        self._away = False
        self.sent = 0
        self.dropped = 0

    def ended(self, run: Run) -> None:
        """A run has come to its end. Returns at once."""
        if len(self._ended) >= _RUNS:
            self.dropped += 1
            return
        self._ended.append(run)
        self._there.set()

    async def work(self) -> None:
        """Tell of runs as they end, until cancelled."""
        while True:
            await self._there.wait()
            await self._clock.sleep(_PAUSE)
            await self.flush()

    async def flush(self) -> None:
        """Tell of all that wait."""
        self._there.clear()
        while self._ended:
            batch = [self._ended.popleft() for _ in range(min(_BATCH, len(self._ended)))]
            try:
                await self._tell(batch)
            except Exception as error:  # noqa: BLE001 - whatever it is, runs must not feel it
                self._lost(batch, error)

    async def _tell(self, batch: list[Run]) -> None:
        def use_case(connection: Connection) -> list[tuple[list[Call], Totals]]:
            totals = journal.totals_of(connection, [run.id for run in batch])
            return [
                (journal.calls(connection, run.id), totals.get(run.id, Totals())) for run in batch
            ]

        found = await self._database.read(use_case)
        told = [
            span
            for run, (calls, totals) in zip(batch, found, strict=True)
            for span in spans(run, calls, totals)
        ]
        status = await self._post(told)
        if not 200 <= status < 300:
            self._lost(batch, status)
            return
        self.sent += len(told)
        if self._away:
            self._away = False
            _LOG.info("the trace collector takes spans again")

    async def _post(self, told: list[Span]) -> int:
        request = Request(
            url=self._collector.url,
            method="POST",
            headers=(("content-type", "application/json"), *self._collector.headers),
            body=orjson.dumps(request_body(told, self._collector.resource)),
            timeouts=_QUICK,
        )
        async with self._client.send(request) as response:
            await response.read(_ANSWER)
            return response.status

    def _lost(self, batch: list[Run], why: Exception | int) -> None:
        self.dropped += len(batch)
        if not self._away:  # once for each absence, not for each batch
            self._away = True
            fault = isinstance(why, Exception) and not isinstance(why, SeatrialError)
            _LOG.warning(
                "the trace collector does not take spans: %s",
                why,
                exc_info=fault,
                extra={"event": "traces_dropped"},
            )
