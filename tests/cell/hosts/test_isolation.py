"""What a contained agent cannot reach, tried from inside a real slot."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from seatrial.cell.hosts.domain import IsolationMissing, Result
from seatrial.cell.hosts.guest import landlock
from seatrial.cell.hosts.service import commands
from seatrial.cell.hosts.service.isolation import isolation_here
from tests.cell.hosts.hosting import Room, last, on_loop, run

VERSION = landlock.version()
needs_files = pytest.mark.skipif(VERSION < 1, reason="this kernel has no Landlock")
needs_ports = pytest.mark.skipif(VERSION < 4, reason="this kernel's Landlock knows no TCP ports")
needs_scopes = pytest.mark.skipif(VERSION < 6, reason="this kernel's Landlock knows no scopes")
needs_filter = pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine not in {"x86_64", "aarch64"},
    reason="there is no system call filter for this machine",
)

PROBE = """
    import ctypes, json, mmap, os, resource, signal, socket, struct, subprocess, sys
    libc = ctypes.CDLL(None, use_errno=True)
    def call(result):
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result
    def run(input):
        try:
            return {'value': eval(input)}
        except Exception as error:
            return {'error': type(error).__name__}
    """


@pytest.fixture(scope="module")
def neighbour() -> Iterator["subprocess.Popen[bytes]"]:
    """Another process of the same user, with a secret in its environment."""
    code = "print(1, flush=True); import time; time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-c", code], env={"SECRET": "production"}, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def tried(room: Room, *expressions: str) -> list[Any]:
    """What each expression gives, or the name of the error it raises."""
    answers = room.answers(room.plan(PROBE), *expressions)
    return [
        answer.output.get("error", answer.output.get("value"))
        if isinstance(answer, Result)
        else answer.code
        for answer in answers
    ]


@needs_files
def test_files_of_others_cannot_be_read_written_listed_or_removed(
    room: Room, tmp_path: Path
) -> None:
    secret = tmp_path / "production.db"
    secret.write_text("keys")
    other = room.plan("def run(input): return 'another release'").bundle
    assert tried(
        room,
        f"open({str(secret)!r}).read()",
        f"open({str(secret)!r}, 'a')",
        f"open({str(tmp_path / 'new')!r}, 'w')",
        f"os.listdir({str(tmp_path)!r})",
        f"os.unlink({str(secret)!r})",
        f"os.truncate({str(secret)!r}, 0)",
        f"os.rename({str(secret)!r}, {str(tmp_path / 'moved')!r})",
        f"os.link({str(secret)!r}, os.environ['HOME'] + '/mine')",
        f"os.symlink({str(secret)!r}, os.environ['HOME'] + '/link')",
        "open(os.environ['HOME'] + '/link').read()",
        f"open({str(other)!r}).read()",
        "os.listdir(os.environ['HOME'] + '/..')",
        "open('/etc/passwd').read()",
        "os.listdir('/')",
    ) == [*["PermissionError"] * 7, "OSError", None, *["PermissionError"] * 5]
    assert secret.read_text() == "keys"


@needs_files
def test_its_own_files_can_be_used_and_its_source_not_changed(room: Room) -> None:
    assert tried(
        room,
        "open(os.environ['HOME'] + '/note', 'w').write('abc')",
        "open(os.environ['HOME'] + '/note').read()",
        "os.mkdir(os.environ['HOME'] + '/folder')",
        "os.rename(os.environ['HOME'] + '/note', os.environ['HOME'] + '/folder/note')",
        "__import__('tempfile').NamedTemporaryFile().write(b'xy')",
        "open('agent.py').read(5)",
        "open('agent.py', 'a')",
        "open('new.py', 'w')",
        "os.unlink('agent.py')",
        "open(os.environ['VIRTUAL_ENV'] + '/pyvenv.cfg', 'a')",
        "open('/dev/null', 'w').write('abc')",
        "len(open('/dev/urandom', 'rb').read(4))",
        "str(__import__('zoneinfo').ZoneInfo('UTC'))",
        "open('/proc/self/status').read(5)",
    ) == [3, "abc", None, None, 2, "\nimpo", *["PermissionError"] * 4, 3, 4, "UTC", "Name:"]


@needs_files
def test_other_processes_cannot_be_looked_into(
    room: Room, neighbour: "subprocess.Popen[bytes]"
) -> None:
    them = neighbour.pid
    assert Path(f"/proc/{them}/environ").read_bytes() == b"SECRET=production\0"
    assert (
        tried(
            room,
            f"open('/proc/{them}/environ', 'rb').read()",
            f"open('/proc/{os.getpid()}/environ', 'rb').read()",
            f"os.listdir('/proc/{os.getpid()}/fd')",
            f"open('/proc/{os.getpid()}/mem', 'rb').read(1)",
            "os.listdir('/proc')",
            f"call(libc.ptrace(16, {them}, 0, 0))",
        )
        == ["PermissionError"] * 6
    )


@needs_scopes
def test_other_processes_cannot_be_signalled(
    room: Room, neighbour: "subprocess.Popen[bytes]"
) -> None:
    assert (
        tried(
            room,
            f"os.kill({neighbour.pid}, 9)",
            f"os.kill({os.getpid()}, 0)",
            f"os.kill({os.getpid()}, 9)",
            "os.kill(os.getppid(), 9)",
        )
        == ["PermissionError"] * 4
    )
    assert neighbour.poll() is None


@needs_ports
def test_only_the_door_can_be_connected_to(room: Room) -> None:
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as door,
        closing(socket.create_server(("127.0.0.1", 0))) as production,
    ):
        room.door = f"http://127.0.0.1:{door.getsockname()[1]}"
        connect = "socket.create_connection({!r}, timeout=5).getpeername()[1]"
        mapped = f"socket.create_connection(('::ffff:127.0.0.1', {production.getsockname()[1]}))"
        assert tried(
            room,
            connect.format(door.getsockname()),
            connect.format(production.getsockname()),
            mapped,
            "socket.create_server(('127.0.0.1', 0))",
            f"socket.socket().bind(('127.0.0.1', {door.getsockname()[1]}))",
        ) == [door.getsockname()[1], *["PermissionError"] * 4]


@needs_ports
def test_without_a_door_there_is_no_network(room: Room) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        room.door = None
        address = server.getsockname()
        assert tried(room, f"socket.create_connection({address!r})") == ["PermissionError"]


@needs_filter
def test_sockets_other_than_tcp_are_refused(room: Room, tmp_path: Path) -> None:
    database = tmp_path / "s.PGSQL"
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(database))
        server.listen()
        fast_open = "socket.socket().sendto(b'x', 0x20000000, ('127.0.0.1', 1))"
        assert tried(
            room,
            "socket.socket(type=socket.SOCK_DGRAM)",
            "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
            "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
            "socket.socket(socket.AF_UNIX)",
            "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)",
            "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
            "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
            "socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)",
            "socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)",
            "socket.socket().listen()",
            fast_open,
            "[each.close() for each in socket.socketpair()]",
        ) == [*["PermissionError"] * 11, [None, None]]


@needs_filter
def test_system_calls_beyond_an_agents_need_are_refused(room: Room) -> None:
    numbers = {"x86_64": (425, 321, 250, 272, 29), "aarch64": (425, 280, 219, 97, 194)}
    machine = os.uname().machine
    assert (
        tried(
            room,
            *(f"call(libc.syscall({number}, 0, 0, 0, 0))" for number in numbers[machine]),
            "call(libc.mount(b'none', b'/mnt', b'tmpfs', 0, None))",
            "os.setsid()",
            "os.setpgid(0, 0)",
            "call(libc.prctl(1, 0))",
            f"resource.prlimit({os.getpid()}, resource.RLIMIT_NOFILE)",
            "os.chown('agent.py', 1, 1)",
            "os.setxattr(os.environ['HOME'], 'user.x', b'1')",
            "os.chroot('.')",
        )
        == ["PermissionError"] * 13
    )


@needs_filter
def test_modes_of_files_cannot_be_changed(room: Room, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    assert tried(
        room,
        f"os.chmod({str(secret)!r}, 0o666)",
        f"os.utime({str(secret)!r}, (1, 1))",
        "__import__('shutil').copy2('agent.py', os.environ['HOME'])[-8:]",
    ) == [None, None, "agent.py"], "it seems to work, for programs give up where it fails"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.stat().st_mtime > 1


@needs_files
def test_what_it_starts_is_contained_too(room: Room, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("keys")
    code = f"open({str(secret)!r})"
    started = "subprocess.run([sys.executable, '-c', {!r}], capture_output=True).stderr.decode()"
    plan = room.limited(PROBE, child_processes=True)
    told, other = room.answers(plan, started.format(code), "subprocess.run(['/bin/ls'])")
    assert isinstance(told, Result)
    assert "PermissionError" in told.output["value"]
    assert other == Result(output={"error": "PermissionError"})


@needs_files
def test_packages_start_up_code_runs_contained(room: Room, tmp_path: Path) -> None:
    """`.pth` files run with the interpreter, before any program: they must not be first."""
    secret = tmp_path / "secret"
    secret.write_text("keys")
    plan = room.plan("import os\ndef run(input): return os.environ['FOUND']")

    async def work() -> None:
        async with room.hosts() as hosts:
            venv = (await hosts._builder.make(plan)).venv
            (packages,) = venv.glob("lib/python*/site-packages")
            evil = packages / "evil.pth"
            evil.write_text(
                "import os, sys; exec(\"try: os.environ['FOUND'] = open("
                f"{str(secret)!r}).read()\\nexcept OSError: os.environ['FOUND'] = 'refused'\")\n"
            )
            try:
                assert last(await run(hosts, plan)) == Result(output="refused")
            finally:
                evil.unlink()

    on_loop(work())


@needs_files
def test_root_inside_has_no_rights_of_root(room: Room) -> None:
    (status,) = tried(room, "open('/proc/self/status').read()")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {int(fields[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}
    assert fields["NoNewPrivs"].strip() == "1"


def test_limits_are_set(room: Room) -> None:
    plan = room.limited(PROBE, open_files=64, file_bytes=1000, memory_bytes=1 << 30)
    expressions = (
        "resource.getrlimit(resource.RLIMIT_CORE)",
        "resource.getrlimit(resource.RLIMIT_NOFILE)",
        "open(os.environ['HOME'] + '/big', 'wb', 0).write(b'x' * 2000)",
        "resource.getrlimit(resource.RLIMIT_DATA)",
    )
    outputs = [getattr(each, "output", None) for each in room.answers(plan, *expressions)]
    assert [next(iter(each.values())) for each in outputs if each] == [
        [0, 0],
        [64, 64],
        1000,
        [1 << 30, 1 << 30],
    ]


def test_the_level_is_told_with_what_is_missing(room: Room) -> None:
    async def work() -> Any:
        async with room.hosts() as hosts:
            return (await hosts.prepare(room.plan("def run(input): ..."))).isolation

    assert on_loop(work()) == isolation_here()

    isolation = isolation_here()
    assert isolation.landlock == VERSION
    if VERSION >= 6 and isolation.seccomp:
        assert (isolation.label, isolation.missing) == ("L1", ())
    if VERSION < 4:
        assert isolation.label == "L0 not isolated"
        assert isolation.missing


def test_a_machine_that_cannot_isolate_is_told_and_refused_where_it_must(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guest whose kernel knows no Landlock: the number of its system call is made a wrong one."""
    guest = room.folder / "guest-without-landlock"
    if not guest.exists():
        guest.mkdir()
        for file in commands._GUEST.glob("*.py"):
            text = file.read_text("utf-8")
            if file.name == "landlock.py":
                text = text.replace("444, 445, 446", "9444, 9445, 9446")
            (guest / file.name).write_text(text, "utf-8")
    monkeypatch.setattr(commands, "_GUEST", guest)
    plan = room.plan("def run(input): return 'ran'")

    async def work() -> None:
        assert isolation_here().missing[0] == "landlock"
        async with room.hosts() as hosts:
            warmed = await hosts.prepare(plan)
            assert warmed.isolation.label == "L0 not isolated"
            assert "landlock" in warmed.isolation.missing
            assert last(await run(hosts, plan)) == Result(output="ran")
        async with room.hosts(require_isolation=True) as hosts:
            with pytest.raises(IsolationMissing, match="landlock"):
                await hosts.prepare(plan)
            with pytest.raises(IsolationMissing):
                async with hosts.slot(plan):
                    pass
        assert room.text() == [], "its code was not even imported"

    on_loop(work())
