"""The providers' own clients and one agent framework, unmodified, through the inner door."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench.harness import ROOT
from seatrial.cell.journal.store import records as store
from seatrial.contract.releases.components import Limits
from seatrial.kit.database.database import Database
from seatrial.kit.http.boundary import ErrorBoundary
from tests.cell.door.cells import in_a_loop
from tests.cell.llms.flaky import Once
from tests.cell.llms.inside import IDS, Inside, inside, release_of
from tests.cell.llms.provider import TEXT, serving
from tests.contract.flags.reference import python_of

CHILD = ROOT / "tests" / "cell" / "llms" / "clients.py"
RETRYING = ROOT / "tests" / "cell" / "llms" / "retrying.py"
STREAMED = f"{TEXT} "
STEPS = 20


async def _python() -> str:
    try:
        return str(await asyncio.to_thread(python_of, "model-clients"))
    except (OSError, subprocess.CalledProcessError) as fault:
        pytest.skip(f"bench/peers/model-clients.txt cannot be installed: {fault}")


async def _told(cell: Inside, child: Path, home: Path) -> Any:
    """What a child says that knows the cell by its environment variables alone."""
    process = await asyncio.create_subprocess_exec(
        await _python(),
        str(child),
        env={
            "OPENAI_BASE_URL": f"{cell.address}/v1",
            "OPENAI_API_KEY": cell.token,
            "ANTHROPIC_BASE_URL": cell.address,
            "ANTHROPIC_API_KEY": cell.token,
            "HOME": str(home),
            "LANG": "C.UTF-8",
        },
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(out.splitlines()[-1])


@in_a_loop
async def test_unmodified_clients_call_their_models_and_show_why_not(
    sqlite_url: str, tmp_path: Path
) -> None:
    with Database.open(sqlite_url) as database:
        async with inside(database, release=release_of(Limits(steps=STEPS))) as cell:
            told = await _told(cell, CHILD, tmp_path)
            calls = await cell.calls()
            # An answer is written down just after its last byte; a busy machine may be later still.
            while not all(call.result for call in calls):
                await asyncio.sleep(0.05)
                calls = await cell.calls()
    assert told == {
        "chat": [TEXT, 20],
        "chat_stream": [STREAMED, 32],
        "responses": [TEXT, 12],
        "responses_stream": "response.completed",
        "embeddings": [0.25, -1.5],
        "models": [True, True],
        "messages": [TEXT, 12],
        "messages_stream": [STREAMED, 12],
        "agent": TEXT,
        "not_pinned": ["model_not_pinned", 403],
        "not_pinned_anthropic": ["permission_error", True],
        "overloaded": [529, "later"],
        "cut": told["cut"],
        "limited": "step_limit_reached",
    }
    assert told["cut"].startswith("raised")
    made = [call for call in calls if call.result and call.result.state != "refused"]
    assert len(made) == STEPS
    refused = [call for call in calls if call.result and call.result.state == "refused"]
    assert len(refused) == 3  # two pins and one limit: no client has repeated one


@in_a_loop
async def test_clients_that_repeat_by_themselves_are_answered_the_same_again(
    sqlite_url: str, tmp_path: Path
) -> None:
    with Database.open(sqlite_url) as database:
        once = Once()
        async with (
            serving(ErrorBoundary(once, IDS)) as upstream,
            inside(database, upstream=upstream) as cell,
        ):
            told = await _told(cell, RETRYING, tmp_path)
            tries = len(await cell.calls())
        assert set(told.values()) == {TEXT}
        # A fault costs each call one try more; what was given up is made again in its place.
        assert tries == sum(once.seen.values()) == 20
        async with inside(database, upstream="http://127.0.0.1:9", attempt=2) as cell:
            assert await _told(cell, RETRYING, tmp_path) == told
            rows = await database.read(lambda connection: store.rows(connection, "run_a"))
            assert len(await cell.calls()) == tries
        assert sorted(it.row.state for it in rows) == ["done"] * 11 + ["failed"] * 8
