"""The providers' own clients and one agent framework, unmodified, through the inner door."""

import asyncio
import json
import subprocess
from typing import Any

import pytest

from bench.harness import ROOT
from seatrial.contract.releases.components import Limits
from seatrial.kit.database.database import Database
from tests.cell.door.cells import in_a_loop
from tests.cell.llms.inside import inside, release_of
from tests.cell.llms.provider import TEXT
from tests.contract.flags.reference import python_of

CHILD = ROOT / "tests" / "cell" / "llms" / "clients.py"
STREAMED = f"{TEXT} "
STEPS = 20


@in_a_loop
async def test_unmodified_clients_call_their_models_and_show_why_not(
    sqlite_url: str, tmp_path: Any
) -> None:
    try:
        python = await asyncio.to_thread(python_of, "model-clients")
    except (OSError, subprocess.CalledProcessError) as fault:
        pytest.skip(f"bench/peers/model-clients.txt cannot be installed: {fault}")
    with Database.open(sqlite_url) as database:
        async with inside(database, release=release_of(Limits(steps=STEPS))) as cell:
            child = await asyncio.create_subprocess_exec(
                python,
                str(CHILD),
                env={
                    "OPENAI_BASE_URL": f"{cell.address}/v1",
                    "OPENAI_API_KEY": cell.token,
                    "ANTHROPIC_BASE_URL": cell.address,
                    "ANTHROPIC_API_KEY": cell.token,
                    "HOME": str(tmp_path),
                    "LANG": "C.UTF-8",
                },
                stdout=asyncio.subprocess.PIPE,
            )
            out, _ = await child.communicate()
            assert child.returncode == 0
            told = json.loads(out.splitlines()[-1])
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
