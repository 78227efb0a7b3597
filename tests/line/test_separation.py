"""Environments cannot touch each other: what an agent, a token or a stranger's word may not do."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from seatrial.cli.servers.peer import Peer
from seatrial.cli.switching import ordered
from seatrial.contract.environments.rules import Profile
from seatrial.contract.evidence.keyring import Person, Role
from seatrial.contract.evidence.statements import Order, Verb, instant
from seatrial.contract.switch.api import OrderRequest, PlanRequest
from seatrial.kit.clock import SystemClock
from seatrial.kit.crypto import keyfiles
from seatrial.kit.crypto.signing import SigningKey
from seatrial.kit.errors import SeatrialError
from tests.line.processes import Process, guests
from tests.line.system import System, system

pytestmark = pytest.mark.timeout(600)

BURGLAR = """
    import glob, os, socket, urllib.request

    def tried(what, *arguments):
        try:
            got = what(*arguments)
        except BaseException as error:
            return "no: " + type(error).__name__
        return "yes: " + repr(got)[:80]

    def read(path):
        with open(path, "rb") as file:
            return file.read(16)

    def write(path):
        with open(path, "ab") as file:
            file.write(b"x")

    def connect(port):
        with socket.create_connection(("127.0.0.1", port), timeout=2) as there:
            return there.getpeername()

    def local(path):
        with socket.socket(socket.AF_UNIX) as there:
            there.connect(path)

    def mine():
        request = urllib.request.Request(
            os.environ["SEATRIAL_URL"] + "/v1/prompts/none",
            headers={"Authorization": "Bearer " + os.environ["SEATRIAL_TOKEN"]},
        )
        try:
            urllib.request.urlopen(request, timeout=5)
        except urllib.error.HTTPError as error:
            return error.code

    def run(input, context):
        return {
            "read": {path: tried(read, path) for path in input["files"]},
            "listed": {path: tried(os.listdir, path) for path in input["folders"]},
            "written": {path: tried(write, path) for path in input["files"] + ["/tmp/burgled"]},
            "environments": {
                path: tried(read, path)
                for path in glob.glob("/proc/[0-9]*/environ")
                if path.split("/")[2] != str(os.getpid())
            } | {f"/proc/{pid}/{name}": tried(read, f"/proc/{pid}/{name}")
                 for pid in input["processes"] for name in ("environ", "mem", "maps", "fd/0")},
            "connected": {str(port): tried(connect, port) for port in input["ports"]},
            "local": {path: tried(local, path) for path in input["sockets"]},
            "signalled": {str(pid): tried(os.kill, pid, 0) for pid in input["processes"]},
            "secrets": sorted(name for name in os.environ if "DATABASE" in name),
            "mine": [tried(read, "agent.py"), tried(mine)],
        }
    """


def test_an_agent_in_staging_reaches_nothing_but_its_own_door() -> None:
    async def main() -> None:
        async with system() as line:
            await line.deploy()
            await line.soaked()
            await line.promote()
            (production,), (staging,) = line.cells["production"], line.cells["staging"]
            (control,) = line.controls
            await line.run("production")
            others = [control, production, staging]
            inner = int(_inner(production).rpartition(":")[2])
            places = [each.folder for each in others] + [line.folder / ".seatrial"]
            own = staging.folder / "hosts" / "venvs"  # an agent reads its environment
            files = [
                str(path)
                for place in places
                for path in place.rglob("*")
                if path.is_file() and not path.is_symlink() and own not in path.parents
            ]
            wanted = ("state.db", "signing.pem", "wrapping.key", "settings.toml", "access.json")
            assert all(any(name in path for path in files) for name in wanted)
            await line.deploy(BURGLAR, name="burglar")
            answer = await line.run(
                "staging",
                "burglar",
                {
                    "files": [*files, "/etc/shadow", str(Path.home() / ".bashrc")],
                    "folders": [*map(str, places), "/tmp", str(Path.home()), "/proc"],  # noqa: S108
                    "processes": [each.pid for each in others] + guests(production),
                    "ports": [control.port, production.port, inner, staging.port],
                    "sockets": ["/var/run/docker.sock", "/run/dbus/system_bus_socket"],
                },
            )
            run = answer.value
            assert run["state"] == "succeeded", run
            found: dict[str, Any] = run["output"]
            assert [each[:4] for each in found.pop("mine")] == ["yes:", "yes:"], found
            assert found.pop("secrets") == []
            assert found["environments"], found
            got = {
                f"{kind} {what}": said
                for kind, each in found.items()
                for what, said in each.items()
                if not said.startswith("no:")
            }
            assert not got, "\n".join(f"{k}: {v}" for k, v in got.items())
            level = (await line.cell("staging").status())["isolation"]
            assert level["level"] == "L1", level

    asyncio.run(main())


def _inner(process: Process) -> str:
    found: str = json.loads((process.folder / "address.json").read_bytes())["inner"]
    return found


def _changed(text: str, at: int) -> str:
    other = "a" if text[at] != "a" else "b"
    return text[:at] + other + text[at + 1 :]


def test_words_of_strangers_count_nowhere() -> None:
    async def main() -> None:
        async with system() as line:
            await line.deploy()
            await line.soaked()
            await _tokens_of_another_environment(line)
            await _orders_of_strangers(line)
            await _orders_that_lapsed(line)
            await _orders_of_the_author(line)

    asyncio.run(main())


async def _refused(peer: Peer, path: str, code: str) -> None:
    with pytest.raises(SeatrialError) as refused:
        await peer.get(path)
    assert refused.value.code == code, refused.value


async def _tokens_of_another_environment(line: System) -> None:
    production, staging = line.cell("production").peer, line.cell("staging").peer
    control = line.reached.control.peer
    await production.get("/v1/status")
    await _refused(replace(production, token=staging.token), "/v1/status", "cell_token_foreign")
    await _refused(replace(staging, token=production.token), "/v1/status", "cell_token_foreign")
    for at in (-1, -20, 4):
        forged = _changed(production.token, at)
        with pytest.raises(SeatrialError):
            await replace(production, token=forged).get("/v1/status")
    with pytest.raises(SeatrialError):
        await replace(production, token=control.token).get("/v1/status")
    with pytest.raises(SeatrialError):
        await replace(control, token=production.token).get("/v1/status")


async def _orders_of_strangers(line: System) -> None:
    plan = await line.plan("production", PlanRequest(verb=Verb.PROMOTE))
    stranger = SigningKey.generate()
    path = line.access_file.with_name("stranger.pem")
    keyfiles.save(stranger, path)
    known = line.access.person
    assert known is not None
    signer = known.model_copy(update={"key_file": path.name})
    reached = replace(line.reached, access=line.access.model_copy(update={"person": signer}))
    with pytest.raises(SeatrialError) as refused:
        await ordered(reached, plan)
    assert refused.value.code == "envelope_untrusted", refused.value
    assert await line.until_level() == 0


async def _orders_that_lapsed(line: System) -> None:
    plan = await line.plan("production", PlanRequest(verb=Verb.PROMOTE))
    order = Order(
        environment="production",
        verb=plan.verb,
        previous=plan.previous,
        base=plan.base,
        rules=plan.rules,
        nonce="n" * 22,
        not_after=instant(SystemClock().now() - timedelta(seconds=1)),
    )
    envelope = order.signed(plan.closure.digest, "production", line.person).decode()
    for text, code in (
        (envelope, "order_lapsed"),
        (_changed(envelope, envelope.index('"sig"') + 12), "envelope_untrusted"),
    ):
        request = OrderRequest(order=text, closure=plan.closure)
        with pytest.raises(SeatrialError) as refused:
            await line.reached.control.order("production", request)
        assert refused.value.code == code, refused.value
    assert await line.until_level() == 0


async def _orders_of_the_author(line: System) -> None:
    """In profile team the author may not promote; a releaser alone may, after a soak."""
    await line.carried_out("production", PlanRequest(verb=Verb.CONFIGURE, profile=Profile.TEAM))
    plan = await line.plan("production", PlanRequest(verb=Verb.PROMOTE))
    answer = await ordered(line.reached, plan)
    assert not answer.met
    standing = {row.gate: row.standing for row in answer.gates}
    assert standing["signed_order"] == "unmet", answer
    assert standing["soak"] == "inconclusive", answer
    other = SigningKey.generate()
    keyfiles.save(other, line.access_file.with_name("grace.pem"))
    await line.sign_keyring(Person(name="grace", key=other.verify_key.id, roles=(Role.RELEASER,)))
    grace = line.access.person
    assert grace is not None
    signer = grace.model_copy(update={"name": "grace", "key_file": "grace.pem"})
    reached = replace(line.reached, access=line.access.model_copy(update={"person": signer}))
    plan = await line.plan("production", PlanRequest(verb=Verb.PROMOTE))
    answer = await ordered(reached, plan)
    standing = {row.gate: row.standing for row in answer.gates}
    assert standing["signed_order"] == "met", answer
    assert not answer.met
    assert (await line.row()).current.generation == 1
