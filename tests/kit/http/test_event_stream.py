import asyncio
from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from seatrial.kit.clock import VirtualClock, run_virtually
from seatrial.kit.errors import Failed
from seatrial.kit.http.asgi import Message, Receive, Send
from seatrial.kit.http.event_stream import EventStream, last_event_id
from seatrial.kit.http.events import Event
from seatrial.kit.http.lifetime import Lifetime
from seatrial.kit.http.requests import ClientGone
from tests.kit.http.peers import eventually, scope, silence


class _Broken(Failed):
    """The source broke."""

    code = "test_event_stream_broken"
    cause = "It did."
    remedy = "None."


class _Source:
    """Events, one each `pause` seconds, and a word on whether it was closed."""

    def __init__(self, count: int, pause: float = 0.0, error: Exception | None = None) -> None:
        self.made = 0
        self.closed = False
        self._count, self._pause, self._error = count, pause, error

    async def events(self) -> AsyncIterator[Event]:
        try:
            for number in range(self._count):
                await asyncio.sleep(self._pause)
                self.made += 1
                yield Event(data=str(number), id=str(number))
            if self._error is not None:
                raise self._error
        finally:
            self.closed = True


class _Client:
    def __init__(self, stuck_after: int | None = None) -> None:
        self.messages: list[Message] = []
        self._stuck_after = stuck_after

    async def send(self, message: Message) -> None:
        if self._stuck_after is not None and len(self.messages) >= self._stuck_after:
            await asyncio.Event().wait()
        self.messages.append(message)

    @property
    def text(self) -> bytes:
        return b"".join(m["body"] for m in self.messages[1:])

    @property
    def ended(self) -> bool:
        return self.messages[-1].get("more_body") is False


def _virtually(main: Coroutine[Any, Any, None]) -> float:
    clock = VirtualClock(datetime(2026, 1, 1, tzinfo=UTC))
    run_virtually(clock, main)
    return clock.steady()


def _stream(
    source: _Source,
    send: Send,
    receive: Receive = silence,
    lifetime: Lifetime | None = None,
    **options: Any,
) -> Coroutine[Any, Any, None]:
    stream = EventStream(lifetime=lifetime or Lifetime(), **options)
    return stream.answer(scope(), receive, send, source.events())


def test_events_go_out_in_order_and_the_answer_ends_with_them() -> None:
    source, client = _Source(3), _Client()
    _virtually(_stream(source, client.send, retry=1500))
    assert client.text == (b"retry: 1500\n\ndata: 0\nid: 0\n\ndata: 1\nid: 1\n\ndata: 2\nid: 2\n\n")
    assert client.ended
    assert source.closed


def test_its_headers_keep_every_cache_and_proxy_from_holding_events_back() -> None:
    client = _Client()
    _virtually(_stream(_Source(0), client.send, headers=[(b"x-a", b"b")]))
    assert dict(client.messages[0]["headers"]) == {
        b"content-type": b"text/event-stream",
        b"cache-control": b"no-store",
        b"x-accel-buffering": b"no",
        b"x-a": b"b",
    }


def test_silence_is_filled_with_heartbeats_and_only_silence() -> None:
    source, client = _Source(2, pause=50), _Client()
    assert _virtually(_stream(source, client.send, heartbeat=15)) == 100
    assert client.text.count(b":\n\n") == 1 + 3 + 3
    client = _Client()
    _virtually(_stream(_Source(100, pause=10), client.send, heartbeat=15))
    assert client.text.count(b":\n\n") == 1


def test_the_stream_is_over_the_moment_the_client_leaves() -> None:
    source, client = _Source(1000, pause=1), _Client()

    async def leaves() -> Message:
        await asyncio.sleep(4.5)
        return {"type": "http.disconnect"}

    async def main() -> None:
        with pytest.raises(ClientGone):
            await _stream(source, client.send, leaves)

    assert _virtually(main()) == 4.5
    assert (source.made, source.closed) == (4, True)


def test_the_stream_ends_in_order_when_draining_begins() -> None:
    source, client, lifetime = _Source(1000, pause=1), _Client(), Lifetime()

    async def main() -> None:
        asyncio.get_running_loop().call_later(2.5, lifetime.drain)
        await _stream(source, client.send, lifetime=lifetime)

    assert _virtually(main()) == 2.5
    assert client.ended
    assert source.closed


def test_a_stream_asked_for_while_draining_ends_at_once() -> None:
    client, lifetime = _Client(), Lifetime()
    lifetime.drain()
    assert _virtually(_stream(_Source(10, pause=1), client.send, lifetime=lifetime)) == 0
    assert client.ended


def test_the_next_event_is_asked_for_only_when_the_last_was_taken() -> None:
    source, client = _Source(1000), _Client(stuck_after=4)

    async def main() -> None:
        with pytest.raises(ClientGone):
            await _stream(source, client.send, stall=30)
        assert source.closed

    assert _virtually(main()) == 30
    assert source.made == 3  # two taken, one under way


def test_a_client_that_does_not_read_cannot_hold_up_the_end() -> None:
    lifetime, client = Lifetime(), _Client(stuck_after=3)

    async def main() -> None:
        asyncio.get_running_loop().call_later(5, lifetime.drain)
        with pytest.raises(ClientGone):
            await _stream(_Source(1000), client.send, lifetime=lifetime, stall=1000)

    assert _virtually(main()) == 6


def test_an_error_of_the_source_comes_through() -> None:
    source, client = _Source(2, error=_Broken()), _Client()

    async def main() -> None:
        with pytest.raises(_Broken):
            await _stream(source, client.send)

    _virtually(main())
    assert not client.ended
    assert source.closed


def test_a_cancelled_stream_closes_its_source_and_leaves_no_task() -> None:
    async def main() -> None:
        source, client = _Source(1000, pause=0.001), _Client()
        before = asyncio.all_tasks()
        task = asyncio.create_task(_stream(source, client.send))
        await eventually(lambda: source.made > 3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert source.closed
        assert asyncio.all_tasks() == before

    asyncio.run(main())


def test_head_gets_the_headers_and_no_stream() -> None:
    client, source = _Client(), _Source(10, pause=1)
    stream = EventStream(lifetime=Lifetime())
    assert _virtually(stream.answer(scope("HEAD"), silence, client.send, source.events())) == 0
    assert (client.text, client.ended) == (b"", True)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"17", "17"),
        ("ü-1".encode(), "ü-1"),
        (b"", None),
        (b"a" * 257, None),
        (b"a\x00b", None),
        (b"a\x07b", None),
    ],
)
def test_where_a_client_left_off_is_believed_if_it_makes_sense(
    value: bytes, found: str | None
) -> None:
    assert last_event_id(scope(headers=[(b"last-event-id", value)])) == found


def test_a_new_client_left_off_nowhere() -> None:
    assert last_event_id(scope()) is None
