"""Unmodified agents of five kinds on the whole line, each with its real packages.

They are run, streamed, asked again in a session, killed in the middle, promoted and rolled back.
Their packages are fetched from the index: `make test` tries one, `make test-peers` all.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

from seatrial.cli.project.domain import IndexUnreachable
from seatrial.contract.evidence.statements import Verb
from seatrial.contract.runs.states import ENDED
from seatrial.contract.switch.api import PlanRequest, ReleaseRow
from seatrial.kit.errors import SeatrialError
from tests.cell.llms.provider import serving
from tests.examples.upstream import Upstream
from tests.line.processes import guests
from tests.line.system import Shape, System, system

pytestmark = pytest.mark.timeout(600)

EXAMPLES: Final = Path(__file__).resolve().parents[2] / "examples" / "frameworks"
QUICK: Final = "openai"
NAMES: Final = (QUICK, "anthropic", "langgraph", "openai_agents", "pydantic_ai")
PEERS: Final = pytest.mark.skipif(
    "SEATRIAL_PEERS" not in os.environ, reason="make test-peers: forty packages are fetched"
)
SAID: Final = "Order A-7 is under way and arrives in 2 days. "
PATIENCE: Final = 120.0  # seconds


class Desk:
    """One example on a system: its releases, its runs."""

    def __init__(self, line: System, upstream: Upstream, name: str) -> None:
        self.line, self.upstream = line, upstream
        self.folder = line.folder / name
        shutil.copytree(EXAMPLES / name, self.folder)
        manifest = tomllib.loads((self.folder / "seatrial.toml").read_text())
        self.slug = manifest["agent"]["name"]
        self.own = [key for key, each in manifest["actions"].items() if each.get("pure")]
        self.steps = 3 if self.own else 2

    async def deploy(self) -> ReleaseRow:
        try:
            row = await self.line.hand_in(self.folder)
        except IndexUnreachable as fault:
            pytest.skip(str(fault))
        asked = PlanRequest(verb=Verb.DEPLOY, agents={self.slug: str(row.release)})
        await self.line.carried_out("staging", asked)
        return row

    async def ask(self, question: str, cell: str = "staging", **more: Any) -> dict[str, Any]:
        found: dict[str, Any] = (await self.line.run(cell, self.slug, question, **more)).value
        return found

    async def answered(self, cell: str = "staging") -> str:
        """Which release answers there."""
        found = await self.ask("Where is A-7?", cell)
        assert (found["state"], found["output"]) == ("succeeded", SAID), found
        return str(found["release"])


async def is_asked_and_streams(desk: Desk) -> None:
    found = await desk.ask("Where is A-7?", session="s1")
    assert (found["state"], found["output"]) == ("succeeded", SAID), found
    decisions = await desk.line.cell("staging").decisions(found["id"])
    kinds = ["model", "action", *["model"] * (desk.steps - 1), "end"]
    assert [each["kind"] for each in decisions] == kinds

    body = {"input": "And A-8?", "mode": "stream", "session": "s1"}
    events = desk.line.cell("staging").streamed(desk.slug, body)
    chunks = [json.loads(each.data)["data"] async for each in events if each.event == "chunk"]
    assert len(chunks) > 5
    assert "".join(chunks).startswith("Order A-8 is delivered and arrives")
    assert desk.upstream.turns[-1] == 2, "the session's first question is before the second"


async def is_killed_and_resumes(desk: Desk) -> None:
    """Its process dies while the last answer is awaited: what was answered is not asked again."""
    upstream, cell = desk.upstream, desk.line.cell("staging")
    question = "Where is A-7? I can wait."
    begun = await desk.ask(question, mode="async")

    async def last_step() -> bool:
        return (question, desk.steps - 1) in upstream.seen

    await desk.line.until(last_step, "the last step to be asked for", PATIENCE)
    for process in guests(desk.line.cells["staging"][0]):
        os.kill(process, signal.SIGKILL)
    upstream.go.set()

    async def over() -> dict[str, Any] | None:
        try:
            found = await cell.run(begun["id"])
        except SeatrialError:
            return None
        return found if found["state"] in set(ENDED) else None

    found = await desk.line.until(over, "the run to end", PATIENCE)
    assert (found["state"], found["output"]) == ("succeeded", SAID), found
    assert found["attempt"] == 2
    steps = [step for asked, step in upstream.seen if asked == question]
    assert steps[: desk.steps] == list(range(desk.steps))
    assert set(steps[desk.steps :]) <= {desk.steps - 1}, "a step with an answer was asked again"
    decisions = await cell.decisions(begun["id"])
    again = [each["decision"] for each in decisions if each["attempt"] == found["attempt"]]
    assert again[: desk.steps] == ["answered"] * desk.steps


async def is_promoted_and_rolled_back(desk: Desk, first: ReleaseRow) -> None:
    await desk.line.soaked(desk.slug, "Where is A-7?")
    await desk.line.promote()
    assert await desk.answered("production") == str(first.release)

    file = desk.folder / "desk.py"
    file.write_text(re.sub(r"You are the order desk", "You are a desk", file.read_text()))
    second = await desk.deploy()
    assert second.release != first.release
    await desk.line.soaked(desk.slug, "Where is A-7?")
    await desk.line.promote()
    assert await desk.answered("production") == str(second.release)
    await desk.line.rollback()
    assert await desk.answered("production") == str(first.release)


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=[] if each == QUICK else PEERS) for each in NAMES]
)
def test_an_unmodified_agent_goes_the_whole_line(name: str) -> None:
    async def main() -> None:
        upstream = Upstream()
        async with serving(upstream) as address:
            models = {"openai": f"{address}/v1", "anthropic": address}
            async with system(Shape(cell={"models": models})) as line:
                for cell in ("staging", "production"):
                    for provider in models:
                        await line.cell(cell).put_secret(provider, "sk-of-the-provider")
                desk = Desk(line, upstream, name)
                first = await desk.deploy()
                await is_asked_and_streams(desk)
                await is_killed_and_resumes(desk)
                await is_promoted_and_rolled_back(desk, first)

    asyncio.run(main())
