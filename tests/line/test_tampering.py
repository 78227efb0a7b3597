"""Whoever has control's disk, but no key, makes nothing active in a cell."""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from seatrial.contract.evidence.keyring import Person, Role, sign_keyring
from seatrial.contract.evidence.statements import Commit, Verb, instant
from seatrial.contract.releases.closure import Closure
from seatrial.contract.switch.api import PlanRequest
from seatrial.kit.clock import SystemClock
from seatrial.kit.crypto.signing import SigningKey
from seatrial.kit.errors import SeatrialError
from tests.line.processes import Process
from tests.line.system import System, system

pytestmark = pytest.mark.timeout(600)

_LOOKS: Final = 8  # at a cell that has heard what was edited
_READ: Final = (
    "SELECT document FROM switch_generation WHERE environment = 'production' AND generation = ?"
)
_WRITE: Final = {
    name: f"UPDATE switch_generation SET {name} = ? "  # noqa: S608 - names of ours
    "WHERE environment = 'production' AND generation = 2"
    for name in ("document", "closure", "state", "commit_envelope")
}
Edit = Callable[[sqlite3.Connection, Path], None]


def _closure_swapped(rows: sqlite3.Connection, _folder: Path) -> None:
    """The release that was live before, under the name of the new one."""
    ((old,),) = rows.execute(_READ, (1,))
    ((new,),) = rows.execute(_READ, (2,))
    document = json.loads(new)
    document["agents"]["support"]["release"] = json.loads(old)["agents"]["support"]["release"]
    rows.execute(_WRITE["document"], (json.dumps(document),))
    rows.execute(_WRITE["closure"], (str(Closure.read(document).digest),))


def _commit_forged(rows: sqlite3.Connection, _folder: Path) -> None:
    rows.execute(_WRITE["state"], ("committed",))
    rows.execute(
        "UPDATE switch_environment SET current = 2, proposed = NULL "
        "WHERE environment = 'production'"
    )
    ((document,),) = rows.execute(_READ, (2,))
    commit = Commit(
        environment="production",
        generation=2,
        prepared=("production",),
        at=instant(SystemClock().now()),
    )
    envelope = commit.signed(
        Closure.read(json.loads(document)).digest, "production/2", SigningKey.generate()
    )
    rows.execute(_WRITE["commit_envelope"], (envelope.decode(),))


def _evidence_altered(rows: sqlite3.Connection, _folder: Path) -> None:
    for digest, envelope in rows.execute("SELECT digest, envelope FROM switch_evidence").fetchall():
        altered = _changed(envelope, envelope.index('"payload"') + 60)
        rows.execute("UPDATE switch_evidence SET envelope = ? WHERE digest = ?", (altered, digest))


def _keyring_forged(rows: sqlite3.Connection, _folder: Path) -> None:
    """A root of the burglar's own, and he as a person on the keyring."""
    rows.execute("UPDATE keyring SET envelope = ?", (_FORGED["keyring"],))


def _release_altered(rows: sqlite3.Connection, _folder: Path) -> None:
    for identity, document in rows.execute("SELECT id, document FROM release").fetchall():
        altered = document.replace("agent.py:run", "agent.py:rum")
        assert altered != document
        rows.execute("UPDATE release SET document = ? WHERE id = ?", (altered, identity))


def _blobs_altered(_rows: sqlite3.Connection, folder: Path) -> None:
    for path in (folder / "blobs").rglob("*"):
        if path.is_file():
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.chmod(0o600)
            path.write_bytes(content)


_FORGED: dict[str, str] = {}
EDITS: Final[tuple[Edit, ...]] = (
    _blobs_altered,
    _release_altered,
    _keyring_forged,
    _evidence_altered,
    _closure_swapped,
    _commit_forged,
)


def test_control_edited_by_hand_activates_nothing_in_a_cell() -> None:
    async def main() -> None:
        async with system() as line:
            (control,), (cell,) = line.controls, line.cells["production"]
            for _ in range(2):
                await line.deploy()
                await line.soaked()
                if await line.until_level() == 0:
                    await line.promote()
            _FORGED["keyring"] = await _forged_keyring(line)
            assert cell.end() == 0
            await line.order("production", PlanRequest(verb=Verb.PROMOTE))
            assert control.end() == 0
            for each in (control, cell):
                shutil.copytree(each.folder, _kept(each), symlinks=True)
            cell.start()
            for edit in EDITS:
                _restored(control)
                _edited(control, edit)
                control.start()
                await _stays(line, control, edit)
                assert control.end() == 0
                if (await line.cell("production").status())["switch"]["refused"] is not None:
                    assert cell.end() == 0
                    _restored(cell)
                    cell.start()
                    await line.until_ready(cell)
            _restored(control)
            control.start()
            await line.until_ready(control)
            assert await line.until_level() == 2, "what was not edited must pass"
            assert (await line.run("production")).value["output"]["version"] == "2"

    asyncio.run(main())


async def _stays(line: System, control: Process, edit: Edit) -> None:
    """The cell hears of it, says what is wrong or nothing, and goes on with what it had."""
    began = SystemClock().steady()
    await line.until_ready(control)

    async def heard() -> Any:
        try:
            switch = (await line.cell("production").status())["switch"]
        except SeatrialError:
            return None
        since = switch["control_seconds"]
        answered = since is not None and since < SystemClock().steady() - began
        refused = switch["trouble"] and not switch["trouble"].startswith(("peer_", "answer_"))
        return switch if answered or refused or switch["refused"] else None

    await line.until(heard, f"the cell to hear of {edit.__name__}")
    for _ in range(_LOOKS):
        status = await line.cell("production").status()
        assert status["generation"] == 1, (edit.__name__, status)
        assert status["switch"]["prepared"] is None, (edit.__name__, status)
        await asyncio.sleep(0.05)
    run = (await line.run("production")).value
    assert run["output"]["version"] == "1", (edit.__name__, run)


async def _forged_keyring(line: System) -> str:
    burglar = SigningKey.generate()
    envelope = await line.reached.control.keyring()
    assert envelope is not None
    present = await line.keyring()
    forged = present.model_copy(
        update={
            "version": present.version + 1,
            "people": (Person(name="burglar", key=burglar.verify_key.id, roles=(Role.RELEASER,)),),
        }
    )
    return sign_keyring(forged, burglar).decode()


def _edited(control: Process, edit: Edit) -> None:
    rows = sqlite3.connect(control.folder / "state.db")
    try:
        with rows:
            edit(rows, control.folder)
    finally:
        rows.close()


def _kept(process: Process) -> Path:
    return process.folder.with_name(f"kept-{process.name}")


def _restored(process: Process) -> None:
    log = process.log.read_bytes() if process.log.exists() else b""
    shutil.rmtree(process.folder)
    shutil.copytree(_kept(process), process.folder, symlinks=True)
    process.log.write_bytes(log)


def _changed(text: str, at: int) -> str:
    other = "a" if text[at] != "a" else "b"
    return text[:at] + other + text[at + 1 :]
