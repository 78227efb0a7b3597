"""What a bad agent can do: fail, hang, vanish, lie, swell, fork. The rest keeps serving."""

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seatrial.cell.hosts import warden
from seatrial.cell.hosts.domain import (
    Chunk,
    EntryBroken,
    EntryMissing,
    EntryUncallable,
    Error,
    HostExited,
    HostTimedOut,
    Origin,
    Result,
)
from seatrial.kit.errors import SeatrialError
from tests.cell.hosts.hosting import Room, eventually, last, on_loop, request, run, run_in

RAISING = {
    "an error": ("raise ValueError('no such order')", "ValueError: no such order"),
    "an exit": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "an interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt: "),
    "too deep": ("run(input)", "RecursionError: maximum recursion depth exceeded"),
    "no memory": ("bytearray(1 << 40)", "MemoryError: "),
    "a message that fails": (
        "raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})",
        "Odd, whose message fails with ZeroDivisionError",
    ),
    "half a character": (r"raise ValueError('\ud800')", "ValueError: ?"),
}
NO_JSON = {
    "an object": "object()",
    "a set": "{1}",
    "not a number": "float('nan')",
    "bytes": "b'x'",
    "half a character": r"'\ud800'",
    "a loop": "(lambda x: x.append(x) or x)([])",
    "very deep": "__import__('functools').reduce(lambda a, _: [a], range(200), 1)",
}
# A process that is gone or not to be trusted any more, and the error that says so.
BREAKING = {
    "exits": ("import os; os._exit(3)", HostExited.code, "it exited with status 3"),
    "kills itself": (
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        HostExited.code,
        "it was ended by SIGSEGV",
    ),
    "closes everything": (
        "import os; os.closerange(3, 500); import time; time.sleep(60)",
        HostExited.code,
        "it closed its connection",
    ),
    "writes into everything": (
        """
    import os, stat
    for fd in range(3, 500):
        try: os.write(fd, b'garbage\\n' * 3)
        except OSError: pass
    """,
        "host_garbled",
        "no HTTP",
    ),
    "answers by itself": (
        """
    import os, socket
    line = b'{"type":"result","output":1}\\n'
    head = b'HTTP/1.1 200 OK\\r\\ntransfer-encoding: chunked\\r\\n\\r\\n'
    body = b'%x\\r\\n%s\\r\\n' % (len(line), line)
    for fd in range(3, 500):
        try: os.write(fd, head + body + body + b'0\\r\\n\\r\\n')
        except OSError: pass
    """,
        "host_garbled",
        "an event follows the result",
    ),
    "answers nothing": (
        """
    import os
    for fd in range(3, 500):
        try: os.write(fd, b'HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n')
        except OSError: pass
    """,
        "host_garbled",
        "end without result and error",
    ),
    "answers with a head that has no end": (
        """
    import os
    for fd in range(3, 500):
        try: os.write(fd, b'HTTP/1.1 200 OK\\r\\nx: ')
        except OSError: continue
        while fd > 100: os.write(fd, b'x' * 65536)
    """,
        "host_overflowed",
        "answer is larger than 262144 bytes",
    ),
    "answers with frames that hold nothing": (
        """
    import os
    for fd in range(3, 500):
        try: os.write(fd, b'HTTP/1.1 200 OK\\r\\ntransfer-encoding: chunked\\r\\n\\r\\n')
        except OSError: continue
        while fd > 100: os.write(fd, b'1;' + b'x' * 65536 + b'\\r\\n ')
    """,
        "host_garbled",
        "no HTTP",
    ),
    "answers another status": (
        """
    import os
    for fd in range(3, 500):
        try: os.write(fd, b'HTTP/1.1 404 Not Found\\r\\ncontent-length: 0\\r\\n\\r\\n')
        except OSError: pass
    """,
        "host_garbled",
        "status 404",
    ),
}


def agent(body: str) -> str:
    return f"def run(input):\n    if input == 'well': return 'well'\n    {body.strip()}\n"


def served_after(room: Room, source: str, **changes: Any) -> Error:
    """The failure, and the same release serving well after it."""
    failed, well = room.answers(room.plan(source, **changes), "ill", "well")
    assert well == Result(output="well")
    assert isinstance(failed, Error)
    return failed


@pytest.mark.parametrize("what", RAISING)
def test_what_an_agent_raises_is_told_with_its_own_lines(room: Room, what: str) -> None:
    body, message = RAISING[what]
    failed = served_after(room, agent(body))
    assert (failed.code, failed.origin) == ("agent_raised", Origin.AGENT)
    assert failed.message.startswith(message)
    assert "agent.py" in failed.trace
    assert "guest" not in failed.trace
    assert failed.residue is None


@pytest.mark.parametrize("what", NO_JSON)
def test_an_output_that_is_no_json_is_refused(room: Room, what: str) -> None:
    failed = served_after(room, agent(f"return {NO_JSON[what]}"))
    assert (failed.code, failed.origin) == ("output_not_json", Origin.AGENT)


@pytest.mark.parametrize(
    "form", ["async def run(input): 1 / 0", "async def run(input): yield 1 / 0"]
)
def test_a_trace_begins_in_the_agent(room: Room, form: str) -> None:
    trace = room.failure(room.plan(form)).trace
    assert trace.startswith("Traceback (most recent call last):\n  File ")
    assert trace.splitlines()[1].endswith('agent.py", line 1, in run')


def test_a_chunk_that_is_no_json_is_refused(room: Room) -> None:
    source = "def run(input):\n  yield 'a'\n  yield object()"

    async def work() -> list[Any]:
        async with room.hosts() as hosts:
            return await run(hosts, room.plan(source))

    first, end = on_loop(work())
    assert first == Chunk(data="a")
    assert end.code == "output_not_json"


@pytest.mark.parametrize("what", BREAKING)
def test_a_process_that_breaks_is_replaced(room: Room, what: str) -> None:
    body, code, message = BREAKING[what]
    failed = served_after(room, agent(body))
    assert (failed.code, failed.origin) == (code, Origin.HOST)
    assert message in failed.message


def test_a_run_past_its_deadline_is_killed(room: Room) -> None:
    source = agent("while True: pass")

    async def work() -> None:
        async with room.hosts() as hosts:
            plan = room.plan(source)
            async with hosts.slot(plan) as slot:
                process = slot.process_id
                end = last(await run_in(slot, "ill", deadline_seconds=0.2))
                assert isinstance(end, Error)
                assert end.code == "run_timed_out"
                assert slot.identity.run is None, "its token is nobody's from now on"
            assert process is not None
            await eventually(lambda: not warden.alive(process))
            assert last(await run(hosts, plan, "well")) == Result(output="well")

    on_loop(work())


def test_one_that_ignores_being_asked_is_killed(room: Room) -> None:
    body = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    (failed, well) = room.answers(room.plan(agent(body)), "ill", "well", deadline_seconds=1.0)
    assert isinstance(failed, Error)
    assert failed.code == "run_timed_out"
    assert well == Result(output="well")


def test_leaving_early_kills_the_process(room: Room) -> None:
    source = """
        import itertools
        def run(input): yield from itertools.count()
        """

    async def work() -> None:
        async with room.hosts() as hosts:
            plan = room.plan(source)
            async with hosts.slot(plan) as slot:
                process = slot.process_id
                assert await anext(slot.run(request())) == Chunk(data=0)
            assert process is not None
            await eventually(lambda: not warden.alive(process))
            async with hosts.slot(plan) as slot:
                assert slot.process_id != process

    on_loop(work())


def test_a_run_that_was_taken_over_is_stopped_at_once(room: Room) -> None:
    async def work() -> None:
        async with room.hosts() as hosts:
            plan = room.plan(agent("while True: pass"))
            async with hosts.slot(plan) as slot:
                running = asyncio.create_task(run_in(slot, "ill"))
                await eventually(lambda: slot.identity.run is not None)
                assert hosts.abort(slot.id, "attempt 2 runs elsewhere")
                end = last(await running)
                assert isinstance(end, Error)
                assert end.code == "host_stopped"
                assert slot.process_id is not None
                process = slot.process_id
                await eventually(lambda: not warden.alive(process))
            assert not hosts.abort("slot_unknown", "no such")
            assert last(await run(hosts, plan, "well")) == Result(output="well")

    on_loop(work())


def test_cancelling_the_caller_kills_the_process(room: Room) -> None:
    async def work() -> None:
        async with room.hosts() as hosts:
            plan = room.plan(agent("import time; time.sleep(60)"))
            await hosts.prepare(plan)
            async with hosts.slot(plan) as slot:
                process = slot.process_id
            task = asyncio.create_task(run(hosts, plan, "ill"))
            await eventually(lambda: any(each.busy for each in hosts.status()))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert process is not None
            await eventually(lambda: not warden.alive(process))
            assert last(await run(hosts, plan, "well")) == Result(output="well")

    on_loop(work())


def test_output_without_end_is_cut_off(room: Room) -> None:
    source = """
        def run(input): return 'well' if input == 'well' else more()
        def more():
            while True: yield 'x' * 10_000
        """
    plan = room.limited(source, output_bytes=1_000_000)
    failed, well = room.answers(plan, "ill", "well")
    assert isinstance(failed, Error)
    assert failed.code == "host_overflowed"
    assert well == Result(output="well")


def test_an_output_too_large_is_cut_off(room: Room) -> None:
    plan = room.limited(agent("return 'x' * 2_000_000"), line_bytes=1_000_000)
    failed, well = room.answers(plan, "ill", "well")
    assert isinstance(failed, Error)
    assert failed.code == "host_overflowed"
    assert well == Result(output="well")


def test_a_slow_reader_holds_the_agent_back(room: Room) -> None:
    source = """
        import os, pathlib
        def run(input):
            for n in range(100):
                pathlib.Path(os.environ['HOME'], 'made').write_text(str(n))
                yield 'x' * 100_000
        """

    async def work() -> None:
        async with room.hosts() as hosts, hosts.slot(room.plan(source)) as slot:
            events = slot.run(request())
            await anext(events)
            (made,) = (room.folder / "cell" / "scratch").glob(f"*/{slot.id}/made")
            await asyncio.sleep(0.3)
            assert int(made.read_text()) < 60
            rest = [event async for event in events]
            assert len(rest) == 100  # 99 chunks and the result

    on_loop(work())


def test_printing_without_end_is_dropped_beyond_a_bound(room: Room) -> None:
    body = "for n in range(200_000): print('line', n)\n    return 'done'"
    plan = room.limited(agent(body), log_bytes=10_000)
    assert room.answers(plan, "ill", "ill") == [Result(output="done")] * 2
    for text in ("line 0", "[more than 10000 bytes printed in one run; the rest is dropped]"):
        assert room.text().count(text) == 2
    assert sum(len(text) for text in room.text()) < 300_000


def test_a_line_without_end_is_cut(room: Room) -> None:
    plan = room.plan(agent("print('x' * 50_000); print('after'); return 1"))
    assert room.answers(plan, "ill") == [Result(output=1)]
    first, *others = room.text()
    assert first == "x" * 8192 + " …[cut]"
    assert others == ["after"]


@pytest.mark.parametrize(
    ("source", "residue"),
    [
        ("import asyncio\nasync def run(input): asyncio.create_task(asyncio.sleep(60))", "1 task"),
        (
            """
            import threading, time
            def run(input): threading.Thread(target=time.sleep, args=(60,)).start()
            """,
            "1 thread",
        ),
        (
            """
            import asyncio, time
            async def run(input): asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)
            """,
            "1 thread",
        ),
    ],
)
def test_a_process_with_leftovers_gets_no_other_run(room: Room, source: str, residue: str) -> None:
    async def work() -> None:
        async with room.hosts() as hosts:
            plan = room.plan(source)
            async with hosts.slot(plan) as slot:
                process = slot.process_id
                end = last(await run_in(slot))
                assert end.residue == residue
                assert isinstance(end, Result)
            async with hosts.slot(plan) as slot:
                assert slot.process_id != process

    on_loop(work())


def test_what_is_about_to_end_and_idle_pools_are_no_leftovers(room: Room) -> None:
    source = """
        import asyncio, concurrent.futures, threading, time
        pool = concurrent.futures.ThreadPoolExecutor(2)
        async def run(input):
            asyncio.create_task(asyncio.sleep(0.01))
            threading.Thread(target=time.sleep, args=(0.01,)).start()
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            await asyncio.to_thread(time.sleep, 0.001)
            return pool.submit(len, 'abc').result()
        """
    assert room.answers(room.plan(source), 1, 2) == [Result(output=3)] * 2


FORKS = """
    import os, subprocess, sys, time
    print(os.getpid())
    told, tells = os.pipe()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        os.write(tells, b"x")
        {child}
        time.sleep(60)
    print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid)
    os.read(told, 1)
    {parent}
    """


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found by /proc")
@pytest.mark.parametrize(
    ("child", "parent"),
    [
        ("pass", "time.sleep(60)"),
        ("pass", "os._exit(1)"),
        ("return 'a second answer'", "time.sleep(0.2); os._exit(1)"),
        ("os.execv(sys.executable, ['x', '-c', 'import time; time.sleep(60)'])", "os._exit(1)"),
        (
            "os.execve(sys.executable, ['x', '-c', 'import time; time.sleep(60)'], {})",
            "os._exit(1)",
        ),
    ],
)
def test_what_an_agent_starts_ends_with_it(room: Room, child: str, parent: str) -> None:
    plan = room.limited(agent(FORKS.format(child=child, parent=parent)), child_processes=True)
    failed, well = room.answers(plan, "ill", "well", deadline_seconds=1.5)
    assert isinstance(failed, Error)
    assert failed.code in {"host_exited", "run_timed_out"}
    assert well == Result(output="well")
    processes = [int(text) for text in room.text()]
    assert len(processes) == 3
    assert [each for each in processes if warden.alive(each)] == []


@pytest.mark.parametrize(
    "body",
    [
        "import os\n    while True: os.fork()",
        "import subprocess, sys\n    subprocess.run([sys.executable, '-c', ''])",
        "import multiprocessing\n    multiprocessing.Process(target=print).start()",
    ],
)
def test_children_are_forbidden_unless_a_release_asks_for_them(room: Room, body: str) -> None:
    async def work() -> None:
        async with room.hosts() as hosts:
            plan = room.plan(agent("return 1"))
            if not (await hosts.prepare(plan)).isolation.seccomp:
                pytest.skip("no system call filter on this machine")
            failed = last(await run(hosts, room.plan(agent(body)), "ill"))
            assert isinstance(failed, Error)
            assert failed.message.startswith("PermissionError: [Errno 1] Operation not permitted")

    on_loop(work())


@pytest.mark.parametrize(
    ("source", "entry", "error", "message"),
    [
        ("run = 1", "other.py:run", EntryMissing, "no file 'other.py'"),
        ("def answer(x): ...", "agent.py:run", EntryMissing, "has no 'run'; it has answer"),
        ("run = {}", "agent.py:run", EntryUncallable, "is a dict, no callable"),
        ("def run(): ...", "agent.py:run", EntryUncallable, "takes 0 arguments"),
        ("def run(a, b, c): ...", "agent.py:run", EntryUncallable, "takes 3 arguments"),
        ("1 / 0", "agent.py:run", EntryBroken, "ZeroDivisionError: division by zero"),
        ("import nothing_there", "agent.py:run", EntryBroken, "ModuleNotFoundError"),
        ("def run(:", "agent.py:run", EntryBroken, "SyntaxError"),
        ("import sys; sys.exit(1)", "agent.py:run", EntryBroken, "SystemExit: 1"),
        ("import os; os._exit(4)", "agent.py:run", HostExited, "status 4"),
        ("import time; time.sleep(60)", "agent.py:run", HostTimedOut, "within 1.5 s"),
    ],
)
def test_an_entry_that_cannot_be_called_is_named(
    room: Room, source: str, entry: str, error: type[SeatrialError], message: str
) -> None:
    async def work() -> None:
        async with room.hosts(ready_seconds=1.5) as hosts:
            plan = room.plan(source, entry=entry)
            with pytest.raises(error, match=message) as found:
                await hosts.prepare(plan)
            if isinstance(found.value, EntryBroken):
                assert "agent.py" in found.value.trace
            with pytest.raises(error):
                async with hosts.slot(plan):
                    pass
            good = room.plan("def run(input): return 'still here'")
            assert last(await run(hosts, good)) == Result(output="still here")

    on_loop(work())


def test_memory_is_held_by_its_limit(room: Room) -> None:
    plan = room.limited(agent("x = []\n    while True: x.append(bytearray(10 << 20))"))
    plan = replace(plan, limits=replace(plan.limits, memory_bytes=200 << 20))
    failed, well = room.answers(plan, "ill", "well")
    assert isinstance(failed, Error)
    assert failed.message.startswith("MemoryError")
    assert well == Result(output="well")


def test_speaking_without_a_run_replaces_the_process(room: Room) -> None:
    source = """
        import os, threading, time
        def speak():
            time.sleep(0.1)
            for fd in range(3, 500):
                try: os.write(fd, b'HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n')
                except OSError: pass
        def run(input):
            if input == 'ill': threading.Thread(target=speak, daemon=True).start()
            return os.getpid()
        """

    async def work() -> None:
        async with room.hosts() as hosts:
            plan = room.plan(source)
            await hosts.prepare(plan)
            first = last(await run(hosts, plan, "ill"))
            assert isinstance(first, Result)
            await eventually(lambda: not warden.alive(first.output))
            again = last(await run(hosts, plan, "well"))
            assert isinstance(again, Result)
            assert again.output != first.output

    on_loop(work())


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are counted in /proc")
def test_crashes_leak_no_descriptor_task_or_zombie(room: Room) -> None:
    async def work() -> None:
        async with room.hosts() as hosts:
            plan = room.plan(agent("import os; os._exit(1)"))
            counts = []
            for _ in range(3):
                for _ in range(4):
                    assert isinstance(last(await run(hosts, plan, "ill")), Error)
                await eventually(lambda: not hosts._ending)
                counts.append((descriptors(), len(asyncio.all_tasks())))
                assert len(hosts._slots) == 0
            assert counts[1] == counts[2]

    on_loop(work())


def test_no_process_is_left_at_the_end(room: Room) -> None:
    assert room.output("def run(input): return 1") == 1
    assert warden.marks(mark(room)) == set()
    assert list((room.folder / "cell" / "scratch").glob(f"*.{os.getpid()}.*")) == []


def mark(room: Room) -> str:
    async def work() -> str:
        async with room.hosts() as hosts:
            plan = room.plan("def run(input): return 2")
            await hosts.prepare(plan)
            assert warden.marks(hosts._owner) != set()
            return hosts._owner

    return on_loop(work())
