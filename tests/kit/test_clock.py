import asyncio
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.kit.clock import Clock, SystemClock, VirtualClock, run_virtually

START = datetime(2030, 1, 1, tzinfo=UTC)


@given(st.lists(st.floats(0, 1e6), max_size=20))
def test_a_virtual_clock_shows_the_sum_of_its_advances(steps: list[float]) -> None:
    clock = VirtualClock(START)
    for step in steps:
        clock.advance(step)
    assert clock.steady() == pytest.approx(sum(steps))
    assert clock.now() - START == timedelta(seconds=clock.steady())


@pytest.mark.parametrize("step", [-1.0, float("nan")])
def test_a_virtual_clock_never_goes_back(step: float) -> None:
    with pytest.raises(ValueError, match="only goes forward"):
        VirtualClock(START).advance(step)


def test_a_clock_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        VirtualClock(datetime(2030, 1, 1))  # noqa: DTZ001 - the very thing refused


def test_any_time_zone_is_shown_as_utc() -> None:
    east = timezone(timedelta(hours=3))
    assert VirtualClock(datetime(2030, 1, 1, 3, tzinfo=east)).now() == START


def test_a_week_passes_without_waiting_and_in_order() -> None:
    clock = VirtualClock(START)
    seen: list[tuple[str, float]] = []

    async def wake(name: str, after: float) -> None:
        await clock.sleep(after)
        seen.append((name, clock.steady()))

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(wake("week", 7 * 86_400))
            group.create_task(wake("day", 86_400))
            group.create_task(wake("now", 0))

    began = time.monotonic()
    run_virtually(clock, main())
    assert seen == [("now", 0.0), ("day", 86_400.0), ("week", 604_800.0)]
    assert time.monotonic() - began < 60, "a virtual week took real time"


def test_timeouts_of_the_loop_are_virtual_too() -> None:
    clock = VirtualClock(START)

    async def main() -> str:
        try:
            async with asyncio.timeout(3600):
                await asyncio.Event().wait()
        except TimeoutError:
            return "timed out"
        return "never"

    assert run_virtually(clock, main()) == "timed out"
    assert clock.steady() == pytest.approx(3600)


def test_a_timer_does_not_overtake_bytes_that_are_already_there() -> None:
    clock = VirtualClock(START)

    async def main() -> bytes:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(2))
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hi")
            answered = await reader.readexactly(2)
            writer.close()
            return answered

    assert run_virtually(clock, main()) == b"hi"
    assert clock.steady() == 0


@pytest.mark.parametrize("clock", [SystemClock(), VirtualClock(START)], ids=["system", "virtual"])
def test_every_clock_tells_utc_and_a_count_that_never_falls(clock: Clock) -> None:
    assert clock.now().tzinfo is UTC
    first = clock.steady()
    assert clock.steady() >= first
    asyncio.run(clock.sleep(0))
