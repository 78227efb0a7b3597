"""Runs through a cell's front door: modes, sessions, late words, deaths of what carries them."""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from seatrial.contract.runs.states import ENDED
from seatrial.kit.errors import SeatrialError
from tests.line import agents
from tests.line.processes import guests
from tests.line.system import Shape, System, system

pytestmark = pytest.mark.timeout(600)

AGENT = """
    import os, time

    def run(input, context):
        what = input if isinstance(input, dict) else {}
        time.sleep(what.get("seconds", 0))
        if what.get("raise") and not os.path.exists(what["raise"]):
            raise RuntimeError("no such luck")
        return {"release": context.release, "version": "{version}", "turns": len(context.history)}
    """


def walked(walk: Callable[[System], Awaitable[None]], shape: Shape | None = None) -> None:
    async def main() -> None:
        async with system(shape) as line:
            await walk(line)

    asyncio.run(main())


async def ended(line: System, cell: str, run: str) -> dict[str, Any]:
    async def over() -> dict[str, Any] | None:
        try:
            found = await line.cell(cell).run(run)
        except SeatrialError:
            return None  # the cell is about to serve
        return found if found["state"] in set(ENDED) else None

    found: dict[str, Any] = await line.until(over, f"{run} to end")
    return found


def test_a_run_is_waited_for_left_or_streamed_and_never_run_twice() -> None:
    async def walk(line: System) -> None:
        await line.deploy(AGENT)
        await line.deploy(agents.STREAM, name="counter")
        cell = line.cell("staging")

        waited = (await line.run("staging")).value
        assert waited["state"] == "succeeded"
        left = await line.run("staging", data={"seconds": 0.1}, mode="async")
        assert (left.status, left.value["state"]) == (202, "queued") or left.value["state"]
        assert left.header("location") == f"/v1/runs/{left.value['id']}"
        assert (await ended(line, "staging", left.value["id"]))["state"] == "succeeded"

        key = (("idempotency-key", "k1"),)
        first, again = await asyncio.gather(
            *(line.run("staging", data={"seconds": 0.2}, headers=key) for _ in range(2))
        )
        assert first.value["id"] == again.value["id"]
        with pytest.raises(SeatrialError) as other:
            await line.run("staging", data={"seconds": 0.3}, headers=key)
        assert other.value.code == "idempotency_key_reused"

        body = {"input": {"count": 6, "pause": 0.05}, "mode": "stream"}
        seen: list[str] = []
        run = last = ""
        async for event in cell.streamed("counter", body):
            seen.append(event.event or "")
            told = json.loads(event.data)
            run, last = run or told.get("id") or told["run"]["id"], event.id or last
            if seen.count("chunk") == 2:
                break
        rest = [event async for event in cell.followed(run, last)]
        assert [each.event for each in rest] == ["chunk"] * 4 + ["ended"]
        assert [json.loads(each.data)["data"] for each in rest[:4]] == ["2 ", "3 ", "4 ", "5 "]
        whole = [event.event async for event in cell.followed(run)]
        assert whole == ["accepted", "started", *["chunk"] * 6, "ended"]

        long = await line.run("staging", data={"seconds": 60}, mode="async")
        await cell.act(long.value["id"], "cancel")
        assert (await ended(line, "staging", long.value["id"]))["state"] == "cancelled"

        await cell.act(waited["id"], "outcome", {"outcome": "resolved", "note": "late"})
        said = await cell.act(waited["id"], "feedback", {"thumbs": "up", "correction": {"a": 1}})
        assert said
        receipt = await cell.receipt(waited["id"])
        assert "resolved" in str(receipt)
        await cell.act(waited["id"], "outcome", {"outcome": "escalated"})
        assert (await cell.run(waited["id"]))["outcome"]["outcome"] == "escalated"

    walked(walk)


def test_a_session_stays_on_its_release_until_somebody_goes_back() -> None:
    async def walk(line: System) -> None:
        await line.deploy(AGENT)
        await line.soaked()
        await line.promote()

        async def said(session: str) -> tuple[str, int]:
            run = (await line.run("production", session=session)).value
            return run["output"]["version"], run["output"]["turns"]

        assert await said("a") == ("1", 0)
        await line.deploy(AGENT)
        await line.soaked()
        await line.promote()
        assert await said("b") == ("2", 0)
        assert await said("a") == ("1", 1)
        assert (await line.run("production")).value["output"]["version"] == "2"
        await line.rollback()
        assert await said("b") == ("1", 1)
        assert await said("a") == ("1", 2)

    walked(walk)


def test_what_carries_a_run_may_die_and_the_run_ends() -> None:
    async def walk(line: System) -> None:
        await line.deploy(AGENT)
        await line.soaked()
        await line.promote()
        (cell,) = line.cells["production"]

        begun = (await line.run("production", data={"seconds": 1}, mode="async")).value
        hosts = await line.until(lambda: _there(guests(cell)), "an agent's process")
        for pid in hosts:
            os.kill(pid, signal.SIGKILL)
        run = await ended(line, "production", begun["id"])
        assert (run["state"], run["attempt"]) in {("succeeded", 2), ("succeeded", 1)}, run

        several = [
            (await line.run("production", data={"seconds": 0.5}, mode="async")).value["id"]
            for _ in range(5)
        ]
        before = guests(cell)
        cell.kill()
        await line.until(lambda: _there(not [p for p in before if _alive(p)]), "hosts to follow")
        cell.start()
        await line.until_ready(cell)
        for each in several:
            assert (await ended(line, "production", each))["state"] == "succeeded"

        (control,) = line.controls
        control.kill()
        assert (await line.run("production")).value["state"] == "succeeded"
        assert cell.end() == 0
        cell.start()  # it knows what is in force without control
        await line.until_ready(cell)
        answer = await line.run("production")
        assert answer.value["output"]["version"] == "1"
        control.start()
        await line.until_ready(control)
        await line.deploy(AGENT)
        await line.soaked()
        row = await line.promote()
        assert (await line.run("production")).value["generation"] == row.generation

    walked(walk)


def test_a_run_that_failed_is_sent_on_its_way_again() -> None:
    async def walk(line: System) -> None:
        await line.deploy(AGENT, limits="attempts = 2\n")
        cell = line.cell("staging")
        failed = (await line.run("staging", data={"raise": "/nowhere"})).value
        assert (failed["state"], failed["dead"], failed["attempt"]) == ("failed", True, 2)
        dead = (await cell.runs(dead="true"))["runs"]
        assert [each["id"] for each in dead] == [failed["id"]]
        again = await cell.act(failed["id"], "redrive")
        assert again["state"] == "queued"
        run = await ended(line, "staging", failed["id"])
        assert run["attempt"] > 2
        assert run["error"]["message"]

    walked(walk)


async def _there(found: Any) -> Any:
    return found


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
