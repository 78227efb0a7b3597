import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from seatrial.kit.clock import VirtualClock, run_virtually
from seatrial.kit.http.alarm import Alarm
from seatrial.kit.http.server import run


def _virtually(main: Coroutine[Any, Any, None]) -> float:
    clock = VirtualClock(datetime(2026, 1, 1, tzinfo=UTC))
    run_virtually(clock, main)
    return clock.steady()


def test_a_wait_that_is_too_long_ends_in_time() -> None:
    async def main() -> None:
        alarm = Alarm()
        with pytest.raises(TimeoutError), alarm.within(5):
            await asyncio.sleep(60)
        alarm.close()

    assert _virtually(main()) == 5


def test_every_wait_is_bounded_anew() -> None:
    async def main() -> None:
        alarm = Alarm()
        for _ in range(10):
            with alarm.within(5):
                await asyncio.sleep(4)
        with pytest.raises(TimeoutError), alarm.within(5):
            await asyncio.sleep(6)
        with alarm.within(5):
            await asyncio.sleep(4)
        alarm.close()

    assert _virtually(main()) == 49


def test_a_shorter_wait_after_a_longer_one_is_still_bounded() -> None:
    async def main() -> None:
        alarm = Alarm()
        with alarm.within(100):
            await asyncio.sleep(1)
        with pytest.raises(TimeoutError), alarm.within(2):
            await asyncio.sleep(50)
        alarm.close()

    assert _virtually(main()) == 3


def test_time_between_waits_does_not_count() -> None:
    async def main() -> None:
        alarm = Alarm()
        with alarm.within(5):
            await asyncio.sleep(1)
        await asyncio.sleep(1000)
        with alarm.within(5):
            await asyncio.sleep(4)
        alarm.close()

    assert _virtually(main()) == 1005


def test_a_cancellation_from_elsewhere_stays_one() -> None:
    async def main() -> None:
        async def waiting() -> None:
            alarm = Alarm()
            try:
                with alarm.within(60):
                    await asyncio.sleep(100)
            finally:
                alarm.close()

        task = asyncio.create_task(waiting())
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert _virtually(main()) == 1


def test_a_cancellation_at_the_same_moment_is_not_lost() -> None:
    async def main() -> None:
        async def waiting() -> None:
            alarm = Alarm()
            with alarm.within(5):
                await asyncio.sleep(100)

        task = asyncio.create_task(waiting())
        asyncio.get_running_loop().call_later(5, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task

    _virtually(main())


def test_inside_an_outer_timeout_the_outer_one_keeps_its_meaning() -> None:
    async def main() -> None:
        alarm = Alarm()

        async def waiting() -> None:
            async with asyncio.timeout(3):
                with alarm.within(60):
                    await asyncio.sleep(100)

        with pytest.raises(TimeoutError):
            await waiting()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        alarm.close()

    assert _virtually(main()) == 3


@pytest.mark.parametrize("start", [asyncio.run, lambda main: run(lambda: main)])
def test_a_real_loop_rings_too(start: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    async def main() -> None:
        alarm = Alarm()
        with pytest.raises(TimeoutError), alarm.within(0.01):
            await asyncio.sleep(60)
        alarm.close()

    start(main())


def test_an_alarm_can_be_rung_by_hand() -> None:
    async def main() -> None:
        alarm = Alarm()
        alarm.ring()  # nobody waits: nothing happens
        asyncio.get_running_loop().call_later(2, alarm.ring)
        with pytest.raises(TimeoutError), alarm.within(60):
            await asyncio.sleep(100)
        with alarm.within(60):
            await asyncio.sleep(1)
        alarm.close()

    assert _virtually(main()) == 3


def test_a_closed_alarm_leaves_no_timer() -> None:
    async def main() -> None:
        alarm = Alarm()
        with alarm.within(1000):
            await asyncio.sleep(0)
        alarm.close()

    assert _virtually(main()) == 0
