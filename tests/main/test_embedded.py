"""What an embedded system makes by itself, and what it leaves alone."""

import asyncio
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from seatrial.cell.switch.service.enrolling import OwnKeys, own_keys
from seatrial.contract.environments.rules import Profile
from seatrial.contract.evidence.keyring import CellEntry, CellReplica
from seatrial.contract.switch.api import Enrolment
from seatrial.kit.files import write_private
from seatrial.kit.http.by_aiohttp import aiohttp_client
from seatrial.main.embedded import (
    Plan,
    StartFixed,
    Wanted,
    ours,
    serving,
    settled,
    with_cells,
    write_settings,
)
from seatrial.main.home import Home
from seatrial.main.process import note_address
from seatrial.main.supervisor import Child, ProcessFailed
from seatrial.main.up import private_log

PLAN = Plan(control=1, cells={"staging": 2, "production": 3}, profile=Profile.SOLO)


def enrolment(keys: OwnKeys, cell: str = "staging", environment: str = "") -> Enrolment:
    return Enrolment(
        cell=cell,
        environment=environment or cell,
        region="local",
        signing=keys.signing.id,
        sealing=keys.opening.id,
        url="http://127.0.0.1:1",
        profile=Profile.SOLO,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        listed=False,
    )


def test_the_root_signs_unasked_for_the_processes_of_this_folder_alone(tmp_path: Path) -> None:
    """Else whoever may let cells in, or edits control's database, gets facts believed."""
    home = Home(path=tmp_path)
    own, strange = own_keys(home.cell("staging") / "keys"), own_keys(tmp_path / "strange")
    note_address(home.cell("staging"), signing=own.signing.id, sealing=own.opening.id)
    mine = enrolment(own)
    others = [
        enrolment(strange),
        enrolment(strange, "staging-eu", "staging"),
        enrolment(strange, "production"),
        enrolment(own, "staging", "production"),
    ]
    assert ours(home, [*others, mine]) == (mine,)


def test_cells_that_were_signed_for_by_hand_stay_as_they_are(tmp_path: Path) -> None:
    own, strange = own_keys(tmp_path / "own"), own_keys(tmp_path / "strange")
    far = CellEntry(
        name="staging-eu",
        environment="staging",
        region="eu",
        replicas=(CellReplica(signing=strange.signing.id, sealing=strange.opening.id),),
    )
    once = with_cells([far], [enrolment(own)])
    assert [each.name for each in once] == ["staging", "staging-eu"]
    assert far in once
    assert with_cells(once, [enrolment(own)]) == once


def test_what_was_chosen_at_a_first_start_is_not_passed_over_later(tmp_path: Path) -> None:
    home = Home(path=tmp_path)
    plan = settled(home, Wanted(port=9_000, profile=Profile.SOLO))
    assert settled(home, Wanted()) == plan
    write_private(home.access, b"{}")
    for wanted in (Wanted(), Wanted(port=0), Wanted(environments=("staging", "production"))):
        assert settled(home, wanted) == plan
    for wanted in (Wanted(profile=Profile.TEAM), Wanted(port=9_001), Wanted(environments=("dev",))):
        with pytest.raises(StartFixed):
            settled(home, wanted)


def test_a_free_port_is_none_that_the_kernel_lends_to_a_connection() -> None:
    """Such a loan, while a process was down, kept it from coming back."""
    lent = Path("/proc/sys/net/ipv4/ip_local_port_range")
    lowest = int(lent.read_text().split()[0]) if lent.exists() else 49_152  # macOS
    for _ in range(20):
        plan = Wanted(port=0).plan()
        ports = [plan.control, *plan.cells.values()]
        assert len(set(ports)) == 3
        assert all(1_024 < port < lowest for port in ports)


def test_a_first_start_that_failed_may_be_told_another_port(tmp_path: Path) -> None:
    home = Home(path=tmp_path)
    write_settings(home, settled(home, Wanted(port=9_000)))
    plan = settled(home, Wanted(port=9_100))
    write_settings(home, plan)
    assert plan.control == 9_100
    assert "port = 9101" in home.settings(home.cell("staging")).read_text()


class Dying(Child):
    """A process that has ended, and said why."""

    @property
    def status(self) -> int | None:
        return 5


@pytest.mark.parametrize(("code", "seconds"), [("database_in_use", 0.3), ("address_in_use", 0.0)])
def test_the_end_of_a_process_that_was_left_behind_is_waited_for(
    tmp_path: Path, code: str, seconds: float
) -> None:
    """`up` was killed; its cell ends its runs before it lets go of its database."""
    log = tmp_path / "process.log"
    log.write_text(f"error {code}: it is so\n  remedy: wait\n")
    child = Dying(name="staging", arguments=(), log=log, environment={})

    async def main() -> float:
        began = asyncio.get_running_loop().time()
        async with aiohttp_client() as client:
            with pytest.raises(ProcessFailed, match=code):
                await serving(client, child, free_port(), patience=0.3)
        return asyncio.get_running_loop().time() - began

    assert asyncio.run(main()) >= seconds


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def test_a_log_in_which_a_token_is_shown_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "up.log"
    path.write_text("of an earlier start")
    path.chmod(0o644)
    with private_log(path):
        assert (path.stat().st_mode & 0o777, path.read_text()) == (0o600, "")


def test_a_root_key_that_was_moved_off_is_not_made_anew(tmp_path: Path) -> None:
    home = Home(path=tmp_path)
    write_settings(home, PLAN)
    home.root_key.unlink()
    write_settings(home, PLAN)
    assert not home.root_key.exists()
