"""What a well-behaved agent can be, and what it is given."""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from seatrial.cell.hosts.domain import Chunk, Error, Result, Stream
from seatrial.kit.crypto.tokens import Token
from tests.cell.hosts.hosting import DOOR, Room, last, on_loop, on_uvloop, request, run, run_in

FORMS = {
    "sync": "def run(input): return {'got': input}",
    "async": """
        import asyncio
        async def run(input):
            await asyncio.sleep(0)
            return {'got': input}
        """,
    "an object": """
        class Agent:
            async def __call__(self, input): return {'got': input}
        run = Agent()
        """,
    "a partial": """
        import functools
        def answer(key, input): return {key: input}
        run = functools.partial(answer, 'got')
        """,
    "a sync function that returns a coroutine": """
        async def answer(input): return {'got': input}
        def run(input): return answer(input)
        """,
    "a callable without a signature": "run = dict",
}
KINDS = {
    "sync": "def run(input): ...",
    "async": "async def run(input): ...",
    "generator": "def run(input): yield input",
    "async_generator": "async def run(input): yield input",
}


@pytest.mark.parametrize("form", FORMS)
def test_every_callable_form_answers(room: Room, form: str) -> None:
    assert room.output(FORMS[form], {"got": [1, "ü"]}) in (
        {"got": {"got": [1, "ü"]}},
        {"got": [1, "ü"]},
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_warmed_release_tells_its_kind(room: Room, kind: str) -> None:
    async def work() -> str:
        async with room.hosts() as hosts:
            return (await hosts.prepare(room.plan(KINDS[kind]))).kind

    assert on_loop(work()) == kind


@pytest.mark.parametrize(
    ("source", "parts", "whole"),
    [
        ("def run(input):\n  yield 'a'\n  yield 'b'", ["a", "b"], "ab"),
        ("async def run(input):\n  yield 'a'\n  yield 'b'", ["a", "b"], "ab"),
        ("def run(input):\n  yield 'a'\n  yield {'n': 1}", ["a", {"n": 1}], ["a", {"n": 1}]),
        ("def run(input):\n  return\n  yield", [], []),
        ("def run(input): return (part for part in ['x', 'y'])", ["x", "y"], "xy"),
        ("async def run(input): return (part for part in ['x', 'y'])", ["x", "y"], "xy"),
    ],
)
def test_a_generator_streams_and_its_output_is_the_whole(
    room: Room, source: str, parts: list[Any], whole: Any
) -> None:
    async def work() -> None:
        async with room.hosts() as hosts:
            events = await run(hosts, room.plan(source))
            assert events == [*(Chunk(data=part) for part in parts), Result(output=whole)]

    on_loop(work())


def test_a_chunk_arrives_before_the_next_is_made(room: Room) -> None:
    source = """
        import os, pathlib, time
        def run(input):
            yield 'first'
            while not pathlib.Path(os.environ['HOME'], 'go').exists(): time.sleep(0.005)
            yield 'second'
        """

    async def work() -> None:
        async with room.hosts() as hosts, hosts.slot(room.plan(source)) as slot:
            events = slot.run(request())
            assert await anext(events) == Chunk(data="first")
            (scratch,) = (room.folder / "cell" / "scratch").glob(f"*/{slot.id}")
            (scratch / "go").touch()
            assert await anext(events) == Chunk(data="second")
            assert await anext(events) == Result(output="firstsecond")

    on_loop(work())


def test_the_context_tells_of_the_run(room: Room) -> None:
    source = "def run(input, context): return {**vars(context), 'history': list(context.history)}"
    history = ({"input": "hello", "output": "hi"},)
    plan = room.plan(source)
    (answer,) = room.answers(plan, "x", session="ses_1", history=history, attempt=3, steps=9)
    assert isinstance(answer, Result)
    assert answer.output == {
        "run": "run_1",
        "attempt": 3,
        "session": "ses_1",
        "history": list(history),
        "agent": "support",
        "release": str(plan.release),
        "environment": "staging",
        "seed": 7,
        "deadline_seconds": 20.0,
        "steps": 9,
    }


def test_chance_repeats_with_its_seed_and_only_then(room: Room) -> None:
    source = """
        import random
        from uuid import uuid4
        BORN = str(uuid4())
        def run(input): return [random.random(), str(uuid4()), str(uuid4()), hash('x'), BORN]
        """

    async def drawn(seed: int) -> Any:
        async with room.hosts() as hosts:
            return [
                getattr(last(await run(hosts, room.plan(source), seed=each)), "output", None)
                for each in (seed, seed)
            ]

    first, again = on_loop(drawn(1))
    other, _ = on_loop(drawn(2))
    assert first == again == on_loop(drawn(1))[0]
    assert first[1] != first[2]
    assert [a == b for a, b in zip(first, other, strict=True)] == [False] * 3 + [True] * 2


def test_nothing_of_the_parent_is_in_the_environment(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "from the cell")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    found = room.output("import os\ndef run(input): return dict(os.environ)")
    token = found.pop("SEATRIAL_TOKEN")
    assert Token(token).environment == "staging"
    assert {found.pop(name) for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")} == {token}
    assert found.pop("HOME") == found.pop("TMPDIR")
    assert found.pop("SEATRIAL_SLOT").count("/") == 1
    assert found.pop("PATH").startswith(found.pop("VIRTUAL_ENV"))
    assert found.pop("SEATRIAL_RELEASE").startswith("sha256:")
    assert found == {
        "LANG": "C.UTF-8",
        "USER": "agent",
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "SEATRIAL_ENVIRONMENT": "staging",
        "SEATRIAL_AGENT": "support",
        "OPENAI_BASE_URL": f"{DOOR}/v1",
        "ANTHROPIC_BASE_URL": DOOR,
        "SEATRIAL_URL": DOOR,
        "SEATRIAL_MCP_URL": f"{DOOR}/mcp",
    }


def test_it_runs_in_its_bundle_and_imports_its_own_modules(room: Room) -> None:
    files = {
        "support/agent.py": """
            from . import words
            from shared.more import MORE
            import os
            def run(input): return [words.HELLO, MORE, sorted(os.listdir()), __name__]
            """,
        "support/words.py": "HELLO = 'hello'",
        "shared/more.py": "MORE = 'more'",
    }
    (answer,) = room.answers(room.plan(files, entry="support/agent.py:run"), None)
    assert answer == Result(output=["hello", "more", ["shared", "support"], "support.agent"])


def test_a_source_folder_is_on_the_path(room: Room) -> None:
    files = {
        "src/support/agent.py": "from support.words import HELLO\ndef run(input): return HELLO",
        "src/support/words.py": "HELLO = 'hello'",
    }
    (answer,) = room.answers(room.plan(files, entry="src/support/agent.py:run"), None)
    assert answer == Result(output="hello")


@pytest.mark.parametrize("name", ["json.py", "my-agent.py", "asyncio.py"])
def test_a_file_may_be_named_as_no_module_can(room: Room, name: str) -> None:
    plan = room.plan({name: "def run(input): return 'ours'"}, entry=f"{name}:run")
    assert room.answers(plan, None) == [Result(output="ours")]


def test_it_sees_no_package_of_the_cell(room: Room) -> None:
    source = """
        import importlib.util, sys
        def run(input):
            return [importlib.util.find_spec(name) for name in ('seatrial', 'orjson', 'uv')]
        """
    assert room.output(source) == [None, None, None]


def test_what_it_prints_is_logged_under_its_run(room: Room) -> None:
    source = """
        import os, sys
        print('on import')
        def run(input):
            print('one\\ntwo')
            sys.stderr.write('no end')
            os.write(1, b'raw\\xff\\n')
            return 'done'
        """
    plan = room.plan(source)
    assert room.answers(plan, None) == [Result(output="done")]
    told = {(line.stream, line.text): (line.run, line.release) for line in room.lines}
    assert told == {
        (Stream.OUTPUT, "on import"): (None, plan.release),
        (Stream.OUTPUT, "one"): ("run_1", plan.release),
        (Stream.OUTPUT, "two"): ("run_1", plan.release),
        (Stream.ERROR, "no end"): ("run_1", plan.release),
        (Stream.OUTPUT, "raw\ufffd"): ("run_1", plan.release),
    }


def test_one_loop_serves_all_runs_so_that_kept_clients_stay_usable(room: Room) -> None:
    source = """
        import asyncio
        seen = set()
        async def run(input):
            seen.add(id(asyncio.get_running_loop()))
            await asyncio.to_thread(len, 'x')
            return len(seen)
        """
    assert room.answers(room.plan(source), 1, 2, 3) == [Result(output=1)] * 3


def test_every_run_begins_in_the_bundle(room: Room) -> None:
    source = """
        import os
        def run(input):
            try: return os.listdir()
            finally: os.chdir(os.environ['HOME'])
        """
    assert room.answers(room.plan(source), 1, 2) == [Result(output=["agent.py"])] * 2


def test_a_context_variable_ends_with_its_run(room: Room) -> None:
    source = """
        import contextvars
        tenant = contextvars.ContextVar('tenant', default=None)
        def run(input):
            before = tenant.get()
            tenant.set(input)
            return before
        """
    assert room.answers(room.plan(source), "a", "b") == [Result(output=None)] * 2


@pytest.mark.parametrize("loop", [on_loop, on_uvloop])
def test_both_loops_serve(room: Room, loop: Callable[..., Any]) -> None:
    async def work() -> list[Any]:
        async with room.hosts() as hosts:
            plan = room.plan("def run(input):\n  print(input)\n  yield input")
            runs = (last(await run(hosts, plan, str(each))) for each in range(20))
            outputs = [getattr(each, "output", None) async for each in runs]
            crash = room.plan("import os\ndef run(input): os._exit(3)")
            end = last(await run(hosts, crash))
            assert isinstance(end, Error)
            assert "status 3" in end.message
            return outputs

    assert loop(work()) == [str(each) for each in range(20)]
    assert room.text() == [str(each) for each in range(20)]


def test_large_values_pass_whole(room: Room) -> None:
    value = {"text": "ü" * 3_000_000, "list": list(range(50_000))}
    assert room.output("def run(input): return input", value) == value


def test_a_token_stands_for_its_slot_and_for_the_run_in_it(room: Room) -> None:
    plan = room.plan(
        "import os\ndef run(input):\n  yield os.environ['SEATRIAL_TOKEN']\n  yield 'x'"
    )

    async def work() -> None:
        async with room.hosts() as hosts:
            await hosts.prepare(plan)
            async with hosts.slot(plan) as slot:
                events = slot.run(request(run="run_7", attempt=2))
                chunk = await anext(events)
                assert isinstance(chunk, Chunk)
                token = Token(chunk.data)
                inside = hosts.whose(token)
                assert inside is not None
                assert (inside.release, inside.slot, inside.agent) == (
                    plan.release,
                    slot.id,
                    "support",
                )
                assert (inside.run, inside.attempt) == ("run_7", 2)
                assert [type(event) async for event in events] == [Chunk, Result]
                between = hosts.whose(token)
                assert between is not None
                assert between.run is None
            assert hosts.whose(Token.mint("staging", "slot")) is None
        assert hosts.whose(token) is None

    on_loop(work())


def test_two_releases_live_side_by_side(room: Room) -> None:
    old, new = (
        room.plan(f"import os\ndef run(input): return [{name!r}, os.getpid()]")
        for name in ("old", "new")
    )

    async def work() -> None:
        async with room.hosts() as hosts:
            await asyncio.gather(hosts.prepare(old), hosts.prepare(new))
            async with hosts.slot(old) as first, hosts.slot(new) as second:
                ends = await asyncio.gather(run_in(first), run_in(second))
                names, processes = zip(
                    *(getattr(last(e), "output", None) for e in ends), strict=True
                )
                assert names == ("old", "new")
                assert len(set(processes)) == 2
                assert [each.slots for each in hosts.status()] == [1, 1]

    on_loop(work())


def test_a_release_tells_how_it_is_isolated_and_how_large_it_is(room: Room) -> None:
    async def work() -> None:
        async with room.hosts() as hosts:
            plan = room.plan("def run(input): ...")
            warmed = await hosts.prepare(plan)
            (figures,) = hosts.status()
            assert figures.isolation == warmed.isolation
            assert figures.kept
            assert (figures.slots, figures.busy) == (1, 0)
            if sys.platform == "linux":
                assert 1_000_000 < figures.resident_bytes < 500_000_000
            assert json.dumps(warmed.isolation.missing) is not None

    on_loop(work())
