"""Masking in a process of its own: what it is told, how it ends, and what is said of that."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from seatrial.cell.assess.domain.masking import Masked, MaskingBounds, MaskingBroke, Material
from seatrial.cell.assess.service.masking import MaskingProcess
from seatrial.cell.hosts.warden import alive
from seatrial.data.domain import RulesInvalid
from seatrial.data.fixtures.domain import FixtureLeaks
from tests.cell.door.cells import in_a_loop
from tests.data.fixtures.test_making import EXPECT, OF_RUNS, TALK
from tests.data.making import KEY, SIGNER, people

_BEFORE: Final = """
name = "people"
[tables.people]
person = "id"
unique = ["id", "email"]
[tables.people.columns]
id = { class = "direct", as = "id", domain = "person" }
name = { class = "direct", as = "name" }
email = { class = "direct", as = "email" }
born = { class = "direct", as = "date" }
plan = "keep"
"""
_PROC: Final = Path("/proc")


def masking(bounds: MaskingBounds) -> MaskingProcess:
    """As a cell makes it."""
    return MaskingProcess("seatrial.main.masking_process", {"PATH": os.defpath}, bounds)


def material(folder: Path, rules: str | None = _BEFORE + OF_RUNS) -> Material:
    """What a run is masked by; without `rules`, the process waits for them for ever."""
    file = folder / "rules.toml"
    os.mkfifo(file) if rules is None else file.write_text(rules)
    return Material(
        run="run_1",
        release="sha256:old",
        conversation=TALK,
        expect=EXPECT,
        rules=str(file),
        source=str(people(folder / "source")),
        key=KEY.private_pem().decode(),
        signing=SIGNER.private_pem().decode(),
        work=str(folder / "work"),
    )


def of(parent: int) -> list[int]:
    """The processes that mask for `parent`."""
    found = []
    for each in filter(str.isdigit, os.listdir(_PROC)):  # noqa: PTH208 - names alone
        with contextlib.suppress(OSError):
            command = (_PROC / each / "cmdline").read_bytes()
            stat = (_PROC / each / "stat").read_text().rpartition(")")[2].split()
            if b"masking_process" in command and stat[1] == str(parent):
                found.append(int(each))
    return found


async def _began(parent: int) -> int:
    async with asyncio.timeout(30):
        while not of(parent):  # noqa: ASYNC110 - it is a process
            await asyncio.sleep(0.01)
    return of(parent)[0]


@contextlib.asynccontextmanager
async def held(folder: Path, bounds: MaskingBounds) -> AsyncIterator[tuple[int, Any]]:
    """A process that masks and does not come to its end, and what waits for it."""
    waiting = asyncio.ensure_future(masking(bounds)(material(folder, None)))
    try:
        yield await _began(os.getpid()), waiting
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


@in_a_loop
async def test_a_run_is_masked_beside_the_cell_and_nothing_is_left(tmp_path: Path) -> None:
    masked = await masking(MaskingBounds())(material(tmp_path))
    assert isinstance(masked, Masked)
    assert masked.people == 1
    assert "mia" not in masked.fixture.model_dump_json().lower()
    assert not (tmp_path / "work").exists()
    assert of(os.getpid()) == []


@in_a_loop
async def test_what_it_refuses_is_refused_under_the_same_code(tmp_path: Path) -> None:
    leaking = _BEFORE + OF_RUNS.replace('"results.**" = "free_text"', '"results.**" = "keep"')
    for rules, kind in ((leaking, FixtureLeaks), ("[tables", RulesInvalid)):
        with pytest.raises(kind):
            await masking(MaskingBounds())(material(tmp_path, rules))
        assert not (tmp_path / "work").exists()
        shutil.rmtree(tmp_path / "source")


@in_a_loop
async def test_no_secret_is_on_its_command_line_or_in_its_environment(tmp_path: Path) -> None:
    async with held(tmp_path, MaskingBounds()) as (pid, _):
        shown = [(_PROC / str(pid) / name).read_bytes() for name in ("cmdline", "environ")]
    for each in shown:
        for secret in (KEY.private_pem(), SIGNER.private_pem(), str(tmp_path).encode()):
            assert secret not in each
    assert shown[1].split(b"\0")[0] == b"PATH=" + os.defpath.encode()


@in_a_loop
async def test_that_it_was_killed_is_said_and_what_lay_there_is_gone(tmp_path: Path) -> None:
    async with held(tmp_path, MaskingBounds()) as (pid, waiting):
        (tmp_path / "work").mkdir()
        (tmp_path / "work" / "left").write_text("of Mia Li")
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(MaskingBroke, match="it was ended by SIGKILL"):
            await waiting
    assert not (tmp_path / "work").exists()


@in_a_loop
async def test_it_is_killed_when_its_time_is_over(tmp_path: Path) -> None:
    with pytest.raises(MaskingBroke, match=r"it took longer than 0\.2 s"):
        await masking(MaskingBounds(seconds=0.2))(material(tmp_path, None))
    assert of(os.getpid()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="Linux keeps the bound")
@in_a_loop
async def test_it_ends_when_it_needs_more_memory_than_it_may_have(tmp_path: Path) -> None:
    with pytest.raises(MaskingBroke):
        await masking(MaskingBounds(memory=48 << 20))(material(tmp_path))


@in_a_loop
async def test_who_no_longer_waits_for_it_ends_it(tmp_path: Path) -> None:
    async with held(tmp_path, MaskingBounds()) as (pid, waiting):
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert not alive(pid)


@in_a_loop
async def test_it_dies_with_its_cell(tmp_path: Path) -> None:
    told = material(tmp_path, None).model_dump_json().encode() + b"\n"
    command = [sys.executable, "-m", "tests.cell.assess.hold_masking"]
    parent = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE)
    assert parent.stdin is not None
    parent.stdin.write(told)
    child = await _began(parent.pid)
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(30):
        while alive(child):  # noqa: ASYNC110 - it is a process
            await asyncio.sleep(0.01)
