"""Dependencies: installed offline, from wheels whose digests the lock pins, shared, whole."""

import asyncio
import hashlib
import io
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.cell.hosts.domain import (
    BuildTimedOut,
    InterpreterMissing,
    LockRefused,
    Result,
    WheelsAltered,
    WheelsMissing,
)
from seatrial.cell.hosts.service.builds import Build, Builder, checked_lock
from seatrial.cell.hosts.service.plans import HostPlan
from seatrial.kit.errors import SeatrialError
from tests.cell.hosts.hosting import Room, last, on_loop, on_uvloop, run

AGENT = """
    import greeting
    def run(input): return greeting.HELLO
    """


def wheel(name: str, files: dict[str, str], requires: str = "") -> bytes:
    """A pure wheel by hand."""
    info = f"{name}-1.0.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    content = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "".join(f"{path},,\n" for path in files),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, text in content.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return out.getvalue()


def store(folder: Path, name: str, text: str, requires: str = "") -> str:
    """Put a wheel into `folder`; its line for a lock."""
    folder.mkdir(exist_ok=True)
    data = wheel(name, {f"{name}.py": text}, requires)
    (folder / f"{name}-1.0-py3-none-any.whl").write_bytes(data)
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(data).hexdigest()}\n"


def made(builder: Builder, plan: HostPlan) -> Build:
    return on_loop(builder.make(plan))


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(tmp_path / "builds", 60)


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    return tmp_path / "wheels"


def leftovers(builder: Builder) -> list[str]:
    places = (builder._venvs, builder._makings._place)
    return [
        str(each) for place in places if place.exists() for each in place.iterdir() if each.is_dir()
    ]


@pytest.mark.parametrize("loop", [on_loop, on_uvloop])
def test_an_agent_imports_what_its_lock_pins(room: Room, wheels: Path, loop: type) -> None:
    lock = store(wheels, "greeting", "HELLO = 7").replace(" --", " \\\n    --")

    async def work() -> None:
        async with room.hosts() as hosts:
            plan = room.plan(AGENT, lock=lock + f"# {loop}", wheels=wheels)
            assert last(await run(hosts, plan)) == Result(output=7)

    loop(work())


def test_two_releases_with_one_lock_share_an_environment(
    room: Room, builder: Builder, wheels: Path
) -> None:
    lock = store(wheels, "greeting", "HELLO = 7")
    first = made(builder, room.plan(AGENT, lock=lock, wheels=wheels))
    born = first.venv.stat().st_ino
    second = made(builder, room.plan(AGENT + "# changed", lock=lock, wheels=wheels))
    assert second.venv == first.venv
    assert second.bundle != first.bundle
    assert second.venv.stat().st_ino == born
    assert made(builder, room.plan(AGENT)).venv != first.venv
    assert list(first.venv.glob("lib/python*/site-packages/__pycache__/greeting*.pyc"))


def test_builds_at_once_are_made_once(room: Room, builder: Builder, wheels: Path) -> None:
    plan = room.plan(AGENT, lock=store(wheels, "greeting", "HELLO = 7"), wheels=wheels)

    async def work() -> set[Build]:
        return set(await asyncio.gather(*(builder.make(plan) for _ in range(5))))

    assert len(on_loop(work())) == 1
    assert len(leftovers(builder)) == 1


def test_a_wheel_with_another_digest_is_refused(room: Room, builder: Builder, wheels: Path) -> None:
    lock = store(wheels, "greeting", "HELLO = 7")
    store(wheels, "greeting", "HELLO = 'evil'")
    with pytest.raises(WheelsAltered, match="greeting"):
        made(builder, room.plan(AGENT, lock=lock, wheels=wheels))
    assert leftovers(builder) == []


def test_a_missing_wheel_is_named(room: Room, builder: Builder, wheels: Path) -> None:
    lock = store(wheels, "greeting", "") + f"absent==2.0 --hash=sha256:{'0' * 64}\n"
    for place in (wheels, None):
        with pytest.raises(WheelsMissing, match=r"absent|greeting"):
            made(builder, room.plan(AGENT, lock=lock, wheels=place))
        assert leftovers(builder) == []


def test_nothing_beyond_the_lock_is_installed(room: Room, builder: Builder, wheels: Path) -> None:
    lock = store(wheels, "greeting", "HELLO = 7", requires="other")
    store(wheels, "other", "")
    build = made(builder, room.plan(AGENT, lock=lock, wheels=wheels))
    assert list(build.venv.glob("lib/python*/site-packages/greeting.py"))
    assert not list(build.venv.glob("lib/python*/site-packages/other.py"))


def test_a_source_archive_is_not_built(room: Room, builder: Builder, wheels: Path) -> None:
    wheels.mkdir()
    (wheels / "greeting-1.0.tar.gz").write_bytes(b"setup.py would run here")
    digest = hashlib.sha256(b"setup.py would run here").hexdigest()
    lock = f"greeting==1.0 --hash=sha256:{digest}"
    with pytest.raises(WheelsMissing):
        made(builder, room.plan(AGENT, lock=lock, wheels=wheels))


@pytest.mark.parametrize(
    "line",
    [
        "greeting",
        "greeting==1.0",
        "greeting>=1.0 --hash=sha256:" + "0" * 64,
        "greeting==1.* --hash=sha256:" + "0" * 64,
        "greeting==1.0 --hash=md5:" + "0" * 32,
        "greeting @ https://example.com/greeting.whl --hash=sha256:" + "0" * 64,
        "greeting @ file:///etc/greeting.whl --hash=sha256:" + "0" * 64,
        "./greeting.whl --hash=sha256:" + "0" * 64,
        "-e .",
        "-r other.txt",
        "-i https://example.com",
        "--find-links /etc",
        "greeting==1.0 --hash=sha256:" + "0" * 64 + " -i https://example.com",
        "greeting==1.0 \\",
    ],
)
def test_a_lock_may_hold_exact_versions_with_hashes_alone(line: str) -> None:
    with pytest.raises(LockRefused):
        list(checked_lock(f"good==1 --hash=sha256:{'a' * 64}\n{line}"))


def test_a_lock_as_tools_write_it_is_taken() -> None:
    text = f"""\
# This file was autogenerated by uv
anyio==4.11.0 ; python_full_version >= '3.11' and sys_platform == 'linux' \\
    --hash=sha256:{"a" * 64} \\
    --hash=sha256:{"b" * 64}
    # via httpx
httpx[http2,socks]==0.28.1 --hash=sha256:{"c" * 64}  # why

local==1.0+cpu.1 --hash=sha256:{"d" * 64}
"""
    assert [each.partition("==")[0] for each in checked_lock(text)] == [
        "anyio",
        "httpx[http2,socks]",
        "local",
    ]


def test_a_python_that_is_not_here_is_named(room: Room, builder: Builder) -> None:
    with pytest.raises(InterpreterMissing, match=r"3\.99"):
        made(builder, room.plan(AGENT, python="3.99"))
    assert leftovers(builder) == []


def test_a_build_that_takes_too_long_ends(room: Room, tmp_path: Path) -> None:
    builder = Builder(tmp_path / "builds", 0.0)
    with pytest.raises(BuildTimedOut):
        made(builder, room.plan(AGENT))
    assert leftovers(builder) == []


def test_pruning_keeps_what_is_needed(room: Room, builder: Builder, wheels: Path) -> None:
    lock = store(wheels, "greeting", "HELLO = 7")
    old, new = room.plan(AGENT, lock=lock, wheels=wheels), room.plan("def run(input): return 1")
    builds = [made(builder, plan) for plan in (old, new)]
    builder.prune([new])
    assert [each.bundle.exists() for each in builds] == [False, True]
    assert [each.venv.exists() for each in builds] == [False, True]
    assert made(builder, old) == builds[0]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"lock": "greeting"}, LockRefused),
        ({"python": "3.99"}, InterpreterMissing),
        ({"bundle": Path("/nowhere")}, SeatrialError),
    ],
)
def test_a_release_that_cannot_be_built_is_refused_and_others_serve(
    room: Room, change: dict[str, str], error: type[SeatrialError]
) -> None:
    good = room.plan("def run(input): return 'good'")
    bad = replace(room.plan(f"def run(input): return {sys.maxsize} # {change}"), **change)  # type: ignore[arg-type]

    async def work() -> None:
        async with room.hosts() as hosts:
            with pytest.raises(error):
                await hosts.prepare(bad)
            assert last(await run(hosts, good)) == Result(output="good")
            assert [each.slots + each.starting for each in hosts.status()] == [0, 1]

    on_loop(work())
