"""Who gets a slot, in which order, how many there are, and when they go."""

import asyncio
from typing import Any

import pytest

from seatrial.cell.hosts import warden
from seatrial.cell.hosts.domain import Error, HostsClosed, Result
from seatrial.cell.hosts.service.hosts import Hosts
from seatrial.cell.hosts.service.plans import HostPlan
from tests.cell.hosts.hosting import Room, eventually, last, on_loop, request, run, run_in

ECHO = "def run(input): return input"


def up(hosts: Hosts, plan: HostPlan) -> int:
    return sum(each.slots for each in hosts.status() if each.release == plan.release)


def test_a_warm_slot_is_used_again(room: Room) -> None:
    plan = room.plan("import os\ndef run(input): return os.getpid()")
    answers = room.answers(plan, 1, 2, 3)
    assert len({getattr(each, "output", None) for each in answers}) == 1


def test_a_slot_serves_one_caller_at_a_time(room: Room) -> None:
    plan = room.plan("import time\ndef run(input):\n  time.sleep(0.05)\n  return input")

    async def work() -> None:
        async with room.hosts(slots_per_release=3) as hosts:
            runs = (run(hosts, plan, each) for each in range(9))
            ends = [last(events) for events in await asyncio.gather(*runs)]
            assert ends == [Result(output=each) for each in range(9)]
            assert up(hosts, plan) == 3

    on_loop(work())


def test_callers_are_served_in_the_order_they_came(room: Room) -> None:
    plan = room.plan(ECHO)
    served = []

    async def caller(hosts: Hosts, name: int) -> None:
        async with hosts.slot(plan) as slot:
            served.append(name)
            await run_in(slot)

    async def work() -> None:
        async with room.hosts(slots_per_release=1) as hosts:
            await hosts.prepare(plan)
            await asyncio.gather(*(caller(hosts, each) for each in range(10)))
        assert served == list(range(10))

    on_loop(work())


def test_a_caller_who_gives_up_costs_nobody_a_slot(room: Room) -> None:
    plan = room.plan(ECHO)

    async def work() -> None:
        async with room.hosts(slots_per_release=1) as hosts:
            async with hosts.slot(plan):
                waiting = [asyncio.create_task(run(hosts, plan, each)) for each in range(3)]
                await eventually(lambda: hosts.status()[0].waiting == 3)
                waiting[0].cancel()
                waiting[1].cancel()
                await asyncio.sleep(0)
            # The slot was just handed to the third, or to one that is being cancelled.
            assert last(await waiting[2]) == Result(output=2)
            assert hosts.status()[0].waiting == 0
            assert last(await run(hosts, plan, 9)) == Result(output=9)

    on_loop(work())


def test_one_cancelled_at_the_very_moment_it_is_served_gives_back(room: Room) -> None:
    plan = room.plan(ECHO)

    async def work() -> None:
        async with room.hosts(slots_per_release=1) as hosts:
            context = hosts.slot(plan)
            await context.__aenter__()
            task = asyncio.create_task(run(hosts, plan, 1))
            await eventually(lambda: hosts.status()[0].waiting == 1)
            await context.__aexit__(None, None, None)  # its future is set, it has not run yet
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert last(await run(hosts, plan, 2)) == Result(output=2)
            assert hosts.status()[0].busy == 0

    on_loop(work())


def test_the_bound_on_all_takes_from_who_is_idle(room: Room) -> None:
    first, second, third = (room.plan(f"{ECHO} # {each}") for each in range(3))

    async def work() -> None:
        async with room.hosts(slots=2) as hosts:
            await hosts.prepare(first)
            await hosts.prepare(second)
            assert last(await run(hosts, first, "used later")) == Result(output="used later")
            assert last(await run(hosts, third, 3)) == Result(output=3)
            assert [up(hosts, each) for each in (first, second, third)] == [1, 0, 1]
            assert last(await run(hosts, second, 2)) == Result(output=2)

    on_loop(work())


def test_at_the_bound_a_caller_waits_for_another_release_to_end(room: Room) -> None:
    first, second = room.plan(ECHO), room.plan(f"{ECHO} # other")

    async def work() -> None:
        async with room.hosts(slots=1) as hosts:
            async with hosts.slot(first):
                waiting = asyncio.create_task(run(hosts, second, 2))
                await asyncio.sleep(0.3)
                assert not waiting.done()
            assert last(await waiting) == Result(output=2)

    on_loop(work())


def test_idle_processes_beyond_the_minimum_end(room: Room) -> None:
    plan = room.plan(ECHO)

    async def work() -> None:
        async with room.hosts(idle_seconds=0.2) as hosts:
            await hosts.prepare(plan)
            async with hosts.slot(plan), hosts.slot(plan), hosts.slot(plan):
                assert up(hosts, plan) == 3
            await eventually(lambda: up(hosts, plan) == 1)
            await asyncio.sleep(0.5)
            assert up(hosts, plan) == 1

    on_loop(work())


def test_a_retired_release_ends_its_runs_first(room: Room) -> None:
    old, new = room.plan("def run(input):\n  yield 1\n  yield 2"), room.plan(ECHO)

    async def work() -> None:
        async with room.hosts(idle_seconds=0.2) as hosts:
            await hosts.prepare(old)
            await hosts.prepare(new)
            async with hosts.slot(old) as slot:
                process = slot.process_id
                events = slot.run(request())
                await anext(events)
                await hosts.retire({new.release})
                assert [event async for event in events][-1] == Result(output=[1, 2])
            assert last(await run(hosts, old)) == Result(output=[1, 2]), "a session may return"
            await eventually(lambda: up(hosts, old) == 0)
            assert process is not None
            await eventually(lambda: not warden.alive(process))
            assert [each.release for each in hosts.status()] == [new.release]

    on_loop(work())


def test_retiring_ends_idle_processes_at_once(room: Room) -> None:
    old, new = room.plan(f"{ECHO} # old"), room.plan(ECHO)

    async def work() -> None:
        async with room.hosts() as hosts:
            await hosts.prepare(old)
            await hosts.prepare(new)
            async with hosts.slot(old) as slot:
                process = slot.process_id
            await hosts.retire({new.release})
            assert process is not None
            assert not warden.alive(process)
            assert up(hosts, old) == 0
            assert up(hosts, new) == 1

    on_loop(work())


def test_preparing_twice_starts_one(room: Room) -> None:
    plan = room.plan(ECHO)

    async def work() -> None:
        async with room.hosts() as hosts:
            first, again = await asyncio.gather(hosts.prepare(plan), hosts.prepare(plan))
            assert first == again == await hosts.prepare(plan)
            assert up(hosts, plan) == 1

    on_loop(work())


def test_closing_ends_runs_and_tells_who_waits(room: Room) -> None:
    plan = room.plan("import time\ndef run(input): time.sleep(60)")

    async def work() -> None:
        async with room.hosts(slots_per_release=1) as hosts:
            await hosts.prepare(plan)
            running = asyncio.create_task(run(hosts, plan))
            await eventually(lambda: hosts.status()[0].busy == 1)
            waiting = asyncio.create_task(run(hosts, plan))
            await eventually(lambda: hosts.status()[0].waiting == 1)
            await hosts.close()
            with pytest.raises(HostsClosed):
                await waiting
            end = last(await running)
            assert isinstance(end, Error)
            assert end.code == "host_exited"
            for late in (hosts.prepare(plan), run(hosts, plan)):
                with pytest.raises(HostsClosed):
                    await late
            assert warden.marks(hosts._owner) == set()

    on_loop(work())


@pytest.mark.parametrize("when", [0.0, 0.02, 0.05, 0.1])
def test_closing_in_the_middle_of_a_start_leaves_nothing(room: Room, when: float) -> None:
    plan = room.plan("import time\ntime.sleep(0.1)\ndef run(input): ...")

    async def work() -> None:
        async with room.hosts() as hosts:
            warm = asyncio.create_task(hosts.prepare(plan))
            cold = asyncio.create_task(run(hosts, plan))
            await asyncio.sleep(when)
            warm.cancel()
            await hosts.close()
            await asyncio.gather(warm, cold, return_exceptions=True)
            assert warden.marks(hosts._owner) == set()
            assert hosts._slots == {}

    on_loop(work())


def test_a_second_run_in_a_slot_that_holds_one_is_a_defect(room: Room) -> None:
    plan = room.plan("def run(input):\n  yield 1\n  yield 2")

    async def work() -> None:
        async with room.hosts() as hosts, hosts.slot(plan) as slot:
            await anext(slot.run(request()))
            with pytest.raises(RuntimeError, match="already holds"):
                await anext(slot.run(request()))

    on_loop(work())


def test_many_crashes_at_once_are_all_told(room: Room) -> None:
    plan = room.plan("import os\ndef run(input): os._exit(1) if input % 2 else None\n")

    async def work() -> list[Any]:
        async with room.hosts(slots_per_release=3) as hosts:
            ends = await asyncio.gather(*(run(hosts, plan, each) for each in range(12)))
            return [last(events) for events in ends]

    ends = on_loop(work())
    assert [getattr(end, "code", "") for end in ends] == ["", "host_exited"] * 6
