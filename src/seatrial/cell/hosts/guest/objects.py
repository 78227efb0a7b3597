"""Agents that are objects: a graph of LangGraph, an `Agent` of OpenAI Agents or of Pydantic AI.

Each is called as its framework calls it, streaming, and nothing of a framework is imported here: an
object is known by the module of its class, and whatever else is needed is in the modules that its
own import has loaded. On its author's machine the same file is loaded by its path.
"""

import json
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, Final, Protocol

_TEXT_DELTA: Final = "response.output_text.delta"


class About(Protocol):
    """What is used of a run's context."""

    run: str
    attempt: int
    history: Iterable[Mapping[str, Any]]


@dataclass(frozen=True)
class Whole:
    """The output of a run whose chunks are not all of it.

    Attributes:
        value: any JSON value.
    """

    value: Any


Native = Callable[[Any, About], AsyncIterator[Any]]
"""Gives the chunks of text as they come, and a `Whole` at the end."""


@dataclass(frozen=True, kw_only=True)
class Framework:
    """An object of a framework, as an agent.

    Attributes:
        name: of the framework.
        call: serves one run.
        tools: names of what it runs in its own process, as far as the object tells.
    """

    name: str
    call: Native
    tools: tuple[str, ...]


def framework(found: object) -> Framework | None:
    """`found` as an agent, if it is an object of a framework that is known here."""
    names = {(each.__module__.partition(".")[0], each.__name__) for each in type(found).__mro__}
    for package, kind, name, call, tools in _KNOWN:
        if (package, kind) in names:
            return Framework(name=name, call=call(found), tools=_told(tools, found))
    return None


# --- LangGraph -----------------------------------------------------------------------------------


def _graph(graph: Any) -> Native:  # noqa: ANN401 - of a package that is not ours
    async def call(given: Any, about: About) -> AsyncIterator[Any]:  # noqa: ANN401 - any JSON
        talks = "messages" in graph.channels and _is_talk(given)
        state = {"messages": _turns(given, about)} if talks else given
        # A thread of its own for each attempt: a checkpointer in this process must bring nothing
        # back from a run before it, and the session's history is in the messages already.
        config = {"configurable": {"thread_id": f"{about.run}/{about.attempt}"}}
        last: Any = None
        async for mode, part in graph.astream(state, config, stream_mode=["messages", "values"]):
            if mode == "values":
                last = part
            elif type(part[0]).__name__ == "AIMessageChunk" and (text := _said(part[0].content)):
                yield text
        if isinstance(last, dict) and "__interrupt__" in last:
            raise RuntimeError(
                "the graph asks a person with interrupt(), which ends with its process; "
                "let an action of the release be reviewed instead"
            )
        yield Whole(_graph_output(last) if talks else plain(last))

    return call


def _graph_output(state: Any) -> Any:  # noqa: ANN401 - what the graph ended with
    """A typed answer where there is one, else the last message's text."""
    if not isinstance(state, dict) or not state.get("messages"):
        return plain(state)
    if state.get("structured_response") is not None:
        return plain(state["structured_response"])
    return _said(state["messages"][-1].content)


def _graph_tools(graph: Any) -> Iterable[Any]:  # noqa: ANN401 - of a package that is not ours
    nodes = [getattr(node, "bound", None) for node in getattr(graph, "nodes", {}).values()]
    return (name for node in nodes for name in getattr(node, "tools_by_name", ()))


# --- OpenAI Agents -------------------------------------------------------------------------------


def _openai(agent: Any) -> Native:  # noqa: ANN401 - of a package that is not ours
    package: Any = sys.modules["agents"]

    async def call(given: Any, about: About) -> AsyncIterator[Any]:  # noqa: ANN401 - any JSON
        # Its traces go to an address of OpenAI's own, which no agent here can reach.
        quiet = package.RunConfig(tracing_disabled=True)
        async with AsyncExitStack() as stack:
            # It calls servers of tools only once somebody has connected them.
            servers = [server for each in _reachable(agent) for server in each.mcp_servers]
            for server in {id(each): each for each in servers}.values():
                await stack.enter_async_context(server)
            result = package.Runner.run_streamed(agent, _turns(given, about), run_config=quiet)
            async for event in result.stream_events():
                data: Any = getattr(event, "data", None)
                if getattr(data, "type", None) == _TEXT_DELTA:
                    yield data.delta
        yield Whole(plain(result.final_output))

    return call


def _openai_tools(agent: Any) -> Iterable[Any]:  # noqa: ANN401 - of a package that is not ours
    # Of its kinds of tools these have a function in this process; the others are the provider's.
    tools = (tool for each in _reachable(agent) for tool in each.tools)
    return (tool.name for tool in tools if hasattr(tool, "on_invoke_tool"))


def _reachable(agent: Any) -> list[Any]:  # noqa: ANN401 - of a package that is not ours
    """The agent and all that it may hand over to."""
    seen: dict[int, Any] = {}
    ahead = [agent]
    while ahead:
        each = ahead.pop()
        each = getattr(each, "agent", each)
        if id(each) not in seen and hasattr(each, "mcp_servers"):
            seen[id(each)] = each
            ahead += each.handoffs
    return list(seen.values())


# --- Pydantic AI ---------------------------------------------------------------------------------


def _pydantic(agent: Any) -> Native:  # noqa: ANN401 - of a package that is not ours
    async def call(given: Any, about: About) -> AsyncIterator[Any]:  # noqa: ANN401 - any JSON
        turns = _turns(given, about)
        last = turns.pop() if turns and turns[-1]["role"] == "user" else None
        prompt = _said(last["content"]) if last else None
        earlier = [_pydantic_message(each) for each in turns]
        async with agent.run_stream_events(prompt, message_history=earlier) as events:
            async for event in events:
                if event.event_kind == "agent_run_result":
                    yield Whole(plain(event.result.output))
                elif text := _pydantic_text(event):
                    yield text

    return call


def _pydantic_text(event: Any) -> str:  # noqa: ANN401 - of a package that is not ours
    if event.event_kind == "part_start" and event.part.part_kind == "text":
        return str(event.part.content)
    if event.event_kind == "part_delta" and event.delta.part_delta_kind == "text":
        return str(event.delta.content_delta)
    return ""


def _pydantic_message(turn: Mapping[str, Any]) -> Any:  # noqa: ANN401 - of a package not ours
    made: Any = sys.modules["pydantic_ai.messages"]
    text = _said(turn["content"])
    if turn["role"] == "assistant":
        return made.ModelResponse(parts=[made.TextPart(content=text)])
    prompt = made.UserPromptPart if turn["role"] == "user" else made.SystemPromptPart
    return made.ModelRequest(parts=[prompt(content=text)])


def _pydantic_tools(agent: Any) -> Iterable[Any]:  # noqa: ANN401 - of a package not ours
    return (name for each in agent.toolsets for name in getattr(each, "tools", ()))


# --- What is said --------------------------------------------------------------------------------


def plain(value: Any) -> Any:  # noqa: ANN401 - what a framework gave, and any JSON
    """`value` as JSON has it, where it is a model, a dataclass, or made of such."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def _is_talk(given: Any) -> bool:  # noqa: ANN401 - any JSON
    """Whether this is something said: a text, or a request of the OpenAI door."""
    return not isinstance(given, dict) or set(given) in ({"messages"}, {"input"}, _ASKED)


_ASKED: Final = {"input", "instructions"}


def _turns(given: Any, about: About) -> list[dict[str, Any]]:  # noqa: ANN401 - any JSON
    """What was said in the session so far and now, as messages, oldest first."""
    turns: list[dict[str, Any]] = []
    for past in about.history:
        output = past["output"]
        text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
        turns += [*_messages(past["input"]), {"role": "assistant", "content": text}]
    return turns + _messages(given)


def _messages(given: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any JSON
    if isinstance(given, dict) and isinstance(given.get("messages"), list):
        return list(given["messages"])
    if isinstance(given, dict) and set(given) in ({"input"}, _ASKED):
        more = given.get("instructions")
        said = [{"role": "system", "content": more}] if more else []
        return said + _messages(given["input"])
    if isinstance(given, list) and given and all(_is_message(each) for each in given):
        return list(given)
    text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    return [{"role": "user", "content": text}]


def _is_message(each: Any) -> bool:  # noqa: ANN401 - any JSON
    return isinstance(each, dict) and "role" in each and "content" in each


def _said(content: Any) -> str:  # noqa: ANN401 - of a package that is not ours
    """The text of a message's content, which may be in parts."""
    if isinstance(content, str):
        return content
    parts = (each if isinstance(each, str) else each.get("text") for each in content or ())
    return "".join(part for part in parts if isinstance(part, str))


def _told(tools: Callable[[Any], Iterable[Any]], found: object) -> tuple[str, ...]:
    try:
        return tuple(sorted({str(each) for each in tools(found)}))
    except (AttributeError, TypeError):  # another version of the framework; the agent may serve
        return ()


_KNOWN: Final = (
    ("langgraph", "Pregel", "langgraph", _graph, _graph_tools),
    ("agents", "Agent", "openai_agents", _openai, _openai_tools),
    ("pydantic_ai", "AbstractAgent", "pydantic_ai", _pydantic, _pydantic_tools),
)
