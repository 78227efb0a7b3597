"""Whatever comes in, the answer is a clear error, nothing is lost, and the rest goes on."""

import asyncio
import io
import json
import resource
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from seatrial.cli.servers.peer import Peer
from seatrial.contract.evidence.statements import Provenance, Verb, instant
from seatrial.contract.releases.components import Code, component
from seatrial.contract.releases.release import Release, assemble
from seatrial.contract.runs.states import ENDED
from seatrial.contract.switch.api import DeployRequest, PlanRequest
from seatrial.kit.clock import SystemClock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.errors import Exit, SeatrialError
from seatrial.kit.http.client import Request
from tests.line import agents
from tests.line.command import Place, place
from tests.line.system import System, system

pytestmark = pytest.mark.timeout(600)

ROGUE: Final = """
    import os, sys, time

    def run(input, context):
        if input == "raise":
            raise KeyError("region")
        if input == "hang":
            time.sleep(600)
        if input == "exit":
            os._exit(3)
        if input == "garbage":
            for descriptor in range(3, 20):
                try:
                    os.write(descriptor, bytes(range(256)))
                except OSError:
                    pass
            print("\\\\x00" * 100_000)
        if input == "fork":
            return [os.fork() for _ in range(50)]
        if input == "no json":
            return {1, 2}
        return "fine"
    """
WRONG: Final = {
    "raise": {"agent_raised", "agent_failed"},
    "hang": {"run_timed_out"},
    "exit": {"host_exited"},
    "fork": {"agent_raised", "agent_failed"},
    "no json": {"output_refused", "output_not_json"},
}
BODIES: Final[dict[str, bytes]] = {
    "cut off": b'{"input": ',
    "no object": b"[1]",
    "no input": b"{}",
    "unknown field": b'{"input": 1, "inputs": 2}',
    "twice": b'{"input": 1, "input": 2, "mode": "nonsense"}',
    "no number": b'{"input": NaN}',
    "not UTF-8": b'{"input": "\xff"}',
    "deep": b'{"input": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "huge": b'{"input": "' + b"x" * (2 << 20) + b'"}',
    "empty": b"",
}


def test_agents_that_misbehave_fail_alone() -> None:
    async def main() -> None:
        async with system() as line:
            await line.deploy(agents.ECHO)
            await line.deploy(ROGUE, name="rogue", limits="attempts = 1\n")
            answers = await asyncio.gather(
                *(
                    line.run("staging", "rogue", what, timeout_seconds=2 if what == "hang" else 60)
                    for what in WRONG
                ),
                *(line.run("staging") for _ in range(5)),
            )
            for (what, codes), answer in zip(WRONG.items(), answers, strict=False):
                run = answer.value
                assert run["state"] == "failed", (what, run)
                assert run["error"]["code"] in codes, (what, run["error"])
            assert all(each.value["state"] == "succeeded" for each in answers[len(WRONG) :])
            assert (await line.run("staging", "rogue", "garbage")).value["state"] in set(ENDED)
            assert (await line.run("staging", "rogue", "x")).value["output"] == "fine"
            await _refuses_bad_bodies(line)
            await _refuses_bad_bundles(line)
            assert (await line.run("staging")).value["state"] == "succeeded"

    asyncio.run(main())


async def _refuses_bad_bodies(line: System) -> None:
    peer = line.cell("staging").peer
    for what, body in BODIES.items():
        status, told = await _posted(peer, "/v1/agents/support/runs", body)
        assert 400 <= status < 500, (what, status, told)
        assert all(told.get(name) for name in ("code", "detail", "cause", "remedy")), (what, told)
    for path in ("/v1/agents/nobody/runs", "/v1/agents/..%2f..%2fetc/runs", "/v1/nothing"):
        status, told = await _posted(peer, path, b'{"input": 1}')
        assert status in {400, 404}, (path, status, told)
        assert told["remedy"], told
    status, told = await _posted(line.reached.control.peer, "/v1/releases", BODIES["deep"])
    assert 400 <= status < 500, (status, told)
    assert told["code"], told


async def _posted(peer: Peer, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
    request = Request(
        method="POST",
        url=f"{peer.url}{path}",
        headers=(
            ("authorization", f"Bearer {peer.token}"),
            ("content-type", "application/json"),
        ),
        body=body,
    )
    async with peer.client.send(request) as response:
        told = await response.read(1 << 20)
    found: dict[str, Any] = json.loads(told)
    return response.status, found


async def _refuses_bad_bundles(line: System) -> None:
    """Handed in past our own commands; each is signed by an author."""
    for name, make in BUNDLES.items():
        bundle = make()
        digest = Digest.of(bundle)
        release = assemble(
            "support",
            (component("agent", Code(entry="agent.py:run", bundle=digest, python="3.11")),),
        )
        with pytest.raises(SeatrialError) as refused:
            await _handed_in(line, release, bundle)
        assert "bundle_" in refused.value.message or refused.value.status < 500, (name, refused)
    assert not ESCAPED.exists()
    assert (await line.run("staging")).value["output"]["version"] == "1"


async def _handed_in(line: System, release: Release, bundle: bytes) -> None:
    control = line.reached.control
    await control.upload(release.code.bundle, bundle)
    provenance = Provenance(agent="support", at=instant(SystemClock().now()))
    signed = provenance.signed(release.name, "support", line.person)
    await control.deploy(DeployRequest(release=release.document(), provenance=signed.decode()))
    asked = PlanRequest(verb=Verb.DEPLOY, agents={"support": str(release.name)})
    await line.carried_out("staging", asked)


def _tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return made.getvalue()


def _named(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


_CODE: Final = (_named("agent.py"), b"def run(input):\n    return 'evil'\n")
ESCAPED: Final = Path("/tmp/line-escaped")  # noqa: S108
BUNDLES: Final[dict[str, Callable[[], bytes]]] = {
    "leads outside": lambda: _tar((_named("../../line-escaped"), b"x"), _CODE),
    "absolute": lambda: _tar((_named(str(ESCAPED)), b"x"), _CODE),
    "link": lambda: _tar(
        _CODE,
        (_named("there", tarfile.SYMTYPE, str(ESCAPED.parent)), b""),
        (_named("there/line-escaped"), b"x"),
    ),
    "hard link": lambda: _tar(_CODE, (_named("passwd", tarfile.LNKTYPE, "/etc/passwd"), b"")),
    "no tar": lambda: b"\x1f\x8b" + bytes(5_000),
    "many": lambda: _tar(_CODE, *((_named(f"f/{n}"), b"") for n in range(10_001))),
}


@pytest.fixture
def here() -> Any:
    with place() as made:
        yield made


def test_projects_that_cannot_be_bundled_say_what_to_mend(here: Place) -> None:
    here.done("init", ".", "--no-input")
    manifest = here.folder / "seatrial.toml"
    text, agent = manifest.read_text(), here.folder / "agent.py"
    outside = here.folder.parent / "outside.py"
    outside.write_text("def run(input):\n    return 1\n")

    def refused(code: str) -> None:
        said = here.call("deploy", "--dry-run")
        assert said.code in {Exit.USAGE, Exit.NOT_FOUND}, (code, said)
        assert code in said.err, said
        assert "remedy:" in said.err, said

    manifest.write_text(text.replace("[limits]", "[limit]"))
    refused("project_invalid")
    manifest.write_text(text.replace('"agent.py:run"', '"agnet.py:run"'))
    refused("entry_file_missing")
    manifest.write_text(text.replace('"agent.py:run"', '"../outside.py:run"'))
    refused("entry_file_missing")
    manifest.write_text("[agent\n")
    refused("project_")
    manifest.write_text(text)
    source = agent.read_text()
    agent.write_text("def run(:\n")
    refused("entry_")
    agent.write_text(source)
    (here.folder / "link.py").symlink_to(outside)
    refused("bundle_")
    (here.folder / "link.py").unlink()
    crowd = here.folder / "crowd"
    crowd.mkdir()
    for number in range(10_001):
        (crowd / str(number)).touch()
    said = here.call("deploy", "--dry-run")
    assert (said.code, "bundle_too_large" in said.err) == (Exit.USAGE, True), said


def test_a_full_disk_refuses_and_loses_nothing() -> None:
    async def main() -> None:
        async with system() as line:
            await line.deploy(agents.ECHO)
            (cell,) = line.cells["staging"]
            before = (await line.run("staging")).value["id"]
            assert cell.end() == 0
            largest = max(path.stat().st_size for path in cell.folder.rglob("*") if path.is_file())
            room = largest + (1 << 20)
            cell.start(before=lambda: _bounded(room))
            await line.until_ready(cell)
            accepted, refused = [before], None
            for _ in range(40):
                try:
                    run = await line.run("staging", data="x" * 200_000, mode="async")
                except SeatrialError as error:
                    refused = error
                    break
                accepted.append(run.value["id"])
            assert refused is not None, "the disk never filled"
            assert refused.status in {503, 507}, (refused.code, refused)
            assert refused.code not in {"internal_fault", "remote_refused"}, refused
            assert (await line.cell("staging").run(before))["state"] == "succeeded"
            assert cell.alive
            cell.kill()
            cell.start()
            await line.until_ready(cell)
            for run_id in accepted:

                async def over(run_id: str = run_id) -> bool:
                    found = await line.cell("staging").run(run_id)
                    return bool(found["state"] == "succeeded")

                await line.until(over, f"{run_id} to end")
            assert (await line.run("staging")).value["state"] == "succeeded"

    asyncio.run(main())


def _bounded(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
