import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from tests.servers import postgres, running

ROOT = Path(__file__).resolve().parents[2]
HELD = ROOT / "tests" / "servers" / "hold_servers.py"
# Root's files, but a user who is not root: PostgreSQL asks only who runs it.
AS_USER_1000 = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
ANYWHERE = """
import os
import psycopg
from tests.servers import postgres, redis
server = postgres.shared()
with server.database() as name, psycopg.connect(server.url(name)) as connection:
    answer = connection.execute("SELECT 42").fetchone()[0]
print(os.geteuid(), answer, redis.shared().answers(), server.directory)
"""


@contextlib.contextmanager
def held_run(tmp_path: Path, *options: str) -> Iterator["tuple[subprocess.Popen[bytes], Path]"]:
    """A test run that has started its servers and stays; and where they live."""
    note = tmp_path / "note"
    note.touch()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV"))}
    environment["SEATRIAL_TEST_NOTE"] = str(note)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(HELD)]
    run = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        running.wait_until(lambda: notes(tmp_path), "the servers")
        yield run, Path(notes(tmp_path)[0])
    finally:
        note.unlink()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()


def notes(tmp_path: Path) -> list[str]:
    """What the held tests have written so far."""
    return [text for note in tmp_path.glob("note.?") if (text := note.read_text())]


def server_processes(home: Path) -> list[int]:
    return [int((home / name / "pid").read_text()) for name in ("postgres", "redis")]


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_run_that_is_killed_leaves_nothing_behind(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    with held_run(tmp_path, *options) as (run, home):
        processes = server_processes(home)
        assert all(running.alive(process) for process in processes)
        run.kill()
        run.wait()
        running.wait_until(lambda: not home.exists(), f"{home} to be gone")
        running.wait_until(lambda: not any(map(running.alive, processes)), "the servers' end")


def test_workers_share_the_servers_of_their_run(tmp_path: Path) -> None:
    with held_run(tmp_path, "-n", "2") as (_, home):
        running.wait_until(lambda: len(notes(tmp_path)) == 2, "both workers")
        assert set(notes(tmp_path)) == {str(home)}


def test_an_orderly_run_leaves_nothing_behind(tmp_path: Path) -> None:
    with held_run(tmp_path) as (run, home):
        (tmp_path / "note").rename(tmp_path / "over")
        assert run.wait() == 0
        running.wait_until(lambda: not home.exists(), f"{home} to be gone")
        (tmp_path / "over").rename(tmp_path / "note")


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's part in it is Linux's")
def test_servers_end_even_if_their_guardian_is_killed() -> None:
    with postgres.private("unguarded") as server:
        process = int((server.directory / "pid").read_text())
        os.kill(int((server.directory / "guardian").read_text()), signal.SIGKILL)
        running.wait_until(lambda: not running.alive(process), "the server's end")


def test_a_server_that_was_killed_comes_back_with_what_it_had() -> None:
    with postgres.private("restarted") as server, server.database() as name:
        with psycopg.connect(server.url(name)) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        server.kill()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.url(name))
        server.resume()
        with psycopg.connect(server.url(name)) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_each_test_has_a_database_of_its_own(postgres_url: str) -> None:
    with postgres.shared().database() as other:
        assert other not in postgres_url
        with psycopg.connect(postgres_url) as connection:
            tables = connection.execute(
                "SELECT 1 FROM pg_tables WHERE tableowner = 'seatrial'"
            ).fetchall()
        assert tables == []


@pytest.mark.parametrize("_", range(2))
def test_each_test_finds_redis_empty(redis_url: str, _: int) -> None:
    with Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", "over")


def may_become_somebody_else() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*AS_USER_1000, "true"], check=False, capture_output=True).returncode == 0


@pytest.mark.skipif(not may_become_somebody_else(), reason="needs user namespaces")
def test_the_servers_run_for_an_ordinary_user_too() -> None:
    done = subprocess.run(
        [*AS_USER_1000, sys.executable, "-c", ANYWHERE],
        check=False, capture_output=True, text=True, cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    user, answer, redis_answers, home = done.stdout.split()
    assert (user, answer, redis_answers) == ("1000", "42", "True")
    running.wait_until(lambda: not Path(home).exists(), f"{home} to be gone")
