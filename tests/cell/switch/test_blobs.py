"""Blobs: whole, true to their name, or not there."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from seatrial.cell.hosts.service.plans import HostPlan
from seatrial.cell.switch.domain import BlobAltered, BlobTooLarge, BlobUnkept
from seatrial.cell.switch.service.blobs import Blobs
from seatrial.cell.switch.service.warming import plan_of
from seatrial.contract.releases.components import Code, Limits, Wheel, component
from seatrial.contract.releases.release import assemble
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.http.client import AnswerBroken
from tests.kit.leases.looped import in_a_loop

CONTENT = b"some bytes" * 1_000
NAME = Digest.of(CONTENT)


async def parts(content: bytes, error: Exception | None = None) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(content), 1_000):
        yield content[start : start + 1_000]
    if error is not None:
        raise error


@in_a_loop
async def test_it_is_kept_under_its_name(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    assert not blobs.has(NAME)
    await blobs.keep(NAME, parts(CONTENT))
    await blobs.keep(NAME, parts(CONTENT))
    assert blobs.has(NAME)
    assert [each.name for each in blobs.path(NAME).parent.iterdir()] == [NAME.hex]
    assert blobs.path(NAME).read_bytes() == CONTENT
    assert blobs.path(NAME).stat().st_mode & 0o777 == 0o600


@in_a_loop
async def test_what_is_something_else_cut_off_or_endless_leaves_nothing(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs", largest=len(CONTENT))
    with pytest.raises(BlobAltered):
        await blobs.keep(NAME, parts(CONTENT[:-1]))
    with pytest.raises(BlobTooLarge):
        await blobs.keep(NAME, parts(CONTENT + b"!"))
    with pytest.raises(AnswerBroken):
        await blobs.keep(NAME, parts(CONTENT, AnswerBroken(peer="control", reason="cut")))
    assert list((tmp_path / "blobs").iterdir()) == []


@in_a_loop
async def test_one_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    waiting = asyncio.Event()

    async def endless() -> AsyncGenerator[bytes, None]:
        yield b"x"
        waiting.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(blobs.keep(NAME, endless()))
    await waiting.wait()
    task.cancel()
    await asyncio.wait({task})
    assert list((tmp_path / "blobs").iterdir()) == []


@in_a_loop
async def test_where_there_is_no_room_the_error_says_so(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    (tmp_path / "blobs").rmdir()
    with pytest.raises(BlobUnkept, match="No such file"):
        await blobs.keep(NAME, parts(CONTENT))


@in_a_loop
async def test_hosts_are_given_wheels_under_their_names(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    wheels = {f"thing_{number}-1.0-py3-none-any.whl": b"%d" % number for number in range(3)}
    for content in wheels.values():
        await blobs.keep(Digest.of(content), parts(content))
    code = Code(
        entry="agent.py:answer",
        bundle=NAME,
        lock="thing==1.0",
        wheels=tuple(
            Wheel(file=file, content=Digest.of(content)) for file, content in wheels.items()
        ),
        python="3.11",
    )
    made = assemble("support", (component("main", code), component("run", Limits(memory_mb=64))))

    def plan() -> HostPlan:
        return plan_of(made, blobs, tmp_path / "wheels", "production")

    plans = await asyncio.gather(*(asyncio.to_thread(plan) for _ in range(8)))
    assert len(set(plans)) == 1
    found = plans[0]
    assert found.wheels is not None
    assert {each.name: each.read_bytes() for each in found.wheels.iterdir()} == wheels
    assert [each.name for each in (tmp_path / "wheels").iterdir()] == [made.name.hex]
    assert (found.bundle, found.limits.memory_bytes) == (blobs.path(NAME), 64 << 20)
