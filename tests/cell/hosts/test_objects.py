"""Objects of frameworks as agents: what they are given, and what is taken for their answer.

The graph here is a double that shows what it was given; `tests/examples/test_frameworks.py` has the
real ones.
"""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from seatrial.cell.hosts.domain import Chunk, Error, HostEvent
from seatrial.cli.project import guest
from tests.cell.hosts.hosting import Room, last, on_loop, run

GRAPH = """
    class Part:
        def __init__(self, content): self.content = content

    class AIMessageChunk(Part): ...

    class Tools:
        tools_by_name = {"weigh": 1, "ask": 2}

    class Node:
        bound = Tools()

    class Pregel:
        channels = {"messages": None}
        nodes = {"tools": Node()}
        ending = {}

        async def astream(self, state, config, stream_mode):
            assert stream_mode == ["messages", "values"]
            yield "values", state
            yield "messages", (AIMessageChunk("a "), {})
            yield "messages", (Part("no word of the model"), {})
            yield "messages", (AIMessageChunk([{"type": "text", "text": "b"}]), {})
            self.given = [state, config["configurable"]["thread_id"]]
            import json
            yield "values", {"messages": [Part(json.dumps(self.given))], **self.ending}

    Pregel.__module__ = "langgraph.pregel.main"

    class Graph(Pregel): ...

    run = Graph()
    """
USER = {"role": "user", "content": "hi"}
TURNS = ({"input": "hello", "output": "yes?"}, {"input": {"messages": [USER]}, "output": {"a": 1}})


def events(room: Room, source: str, value: Any, **request: Any) -> list[HostEvent]:
    async def work() -> list[HostEvent]:
        async with room.hosts() as hosts:
            return await run(hosts, room.plan(source), value, **request)

    return on_loop(work())


def given(room: Room, value: Any, **request: Any) -> Any:
    found = last(events(room, GRAPH, value, **request))
    assert not isinstance(found, Error), found
    return json.loads(found.output) if isinstance(found.output, str) else found.output


@pytest.mark.parametrize(
    ("value", "messages"),
    [
        ("hi", [USER]),
        ({"messages": [USER, USER]}, [USER, USER]),
        ([USER], [USER]),
        (
            {"input": "hi", "instructions": "be kind"},
            [{"role": "system", "content": "be kind"}, USER],
        ),
        ({"input": [USER]}, [USER]),
        ([1, 2], [{"role": "user", "content": "[1, 2]"}]),
    ],
)
def test_what_is_said_becomes_messages(room: Room, value: Any, messages: list[Any]) -> None:
    assert given(room, value)[0] == {"messages": messages}


def test_a_session_comes_before_what_is_said_and_a_thread_is_of_one_attempt(room: Room) -> None:
    state, thread = given(room, "hi", history=TURNS, attempt=3)
    assert [(each["role"], each["content"]) for each in state["messages"]] == [
        ("user", "hello"),
        ("assistant", "yes?"),
        ("user", "hi"),
        ("assistant", '{"a": 1}'),
        ("user", "hi"),
    ]
    assert thread == "run_1/3"


def test_words_of_the_model_alone_are_chunks_and_the_answer_is_no_sum_of_them(room: Room) -> None:
    *chunks, _ = events(room, GRAPH, "hi")
    assert [each.data for each in chunks if isinstance(each, Chunk)] == ["a ", "b"]


def test_a_state_of_its_own_goes_in_as_it_is_and_comes_out_whole(room: Room) -> None:
    source = GRAPH + '\n    Graph.ending = {"messages": "x", "total": 7}\n'
    found = last(events(room, source, {"amount": 3}))
    assert not isinstance(found, Error)
    assert found.output == {"messages": "x", "total": 7}


def test_a_typed_answer_is_the_output(room: Room) -> None:
    source = GRAPH + textwrap.indent(
        textwrap.dedent(
            """
            import dataclasses

            @dataclasses.dataclass
            class Verdict:
                good: bool

            Graph.ending = {"structured_response": Verdict(True)}
            """
        ),
        "    ",
    )
    found = last(events(room, source, "hi"))
    assert not isinstance(found, Error)
    assert found.output == {"good": True}


def test_a_graph_that_interrupts_itself_is_told_what_to_do_instead(room: Room) -> None:
    source = GRAPH + '\n    Graph.ending = {"__interrupt__": ["?"]}\n'
    found = last(events(room, source, "hi"))
    assert isinstance(found, Error)
    assert "be reviewed instead" in found.message


def test_a_warmed_object_tells_its_framework_and_its_own_tools(room: Room) -> None:
    async def work() -> tuple[str, tuple[str, ...]]:
        async with room.hosts() as hosts:
            warmed = await hosts.prepare(room.plan(GRAPH))
            return warmed.kind, warmed.tools

    assert on_loop(work()) == ("langgraph", ("ask", "weigh"))


def test_an_object_of_no_framework_is_no_agent(room: Room) -> None:
    source = GRAPH.replace('"langgraph.pregel.main"', '"elsewhere"')
    with pytest.raises(Exception, match="no callable"):
        events(room, source, "hi")


def test_its_author_s_machine_calls_it_alike(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text(textwrap.dedent(GRAPH))
    program = f"""
import runpy, socket, subprocess, sys, json
ours, theirs = socket.socketpair()
child = subprocess.Popen(
    [sys.executable, "-B", {str(guest.__file__)!r}, str(theirs.fileno()), "agent.py:run"],
    pass_fds=(theirs.fileno(),),
)
theirs.close()
context = {{"run": "run_1", "attempt": 1, "history": []}}
ours.sendall(json.dumps({{"input": "hi", "context": context}}).encode() + b"\\n")
lines = ours.makefile("rb")
for line in lines:
    print(line.decode(), end="")
    if b'"result"' in line or b'"error"' in line or b'"broken"' in line:
        break
ours.close()
"""
    told = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    found = [json.loads(line) for line in told.stdout.splitlines()]
    assert [each["type"] for each in found] == ["ready", "chunk", "chunk", "result"]
    assert json.loads(found[-1]["output"]) == [{"messages": [USER]}, "run_1/1"]
