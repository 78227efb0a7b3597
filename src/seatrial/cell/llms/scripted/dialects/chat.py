"""OpenAI's chat completions."""

from collections.abc import Iterator
from typing import Any, Final

from seatrial.cell.llms.scripted.dialects.parts import Frame, data_line, text_of
from seatrial.cell.llms.scripted.domain import Answer, Asked, Heard, Role

_ROLES: Final = {"developer": Role.SYSTEM, "function": Role.TOOL}


def read(body: dict[str, Any], size: int) -> Asked:
    """The question in a request's body; raises KeyError, TypeError or ValueError."""
    tools: dict[str, str] = {}
    heard = []
    for each in body["messages"]:
        role = _ROLES.get(each["role"]) or Role(each["role"])
        for call in each.get("tool_calls") or ():
            tools[call["id"]] = call["function"]["name"]
        tool = tools.get(each.get("tool_call_id") or "", "")
        heard.append(Heard(role=role, text=text_of(each.get("content")), tool=tool))
    options = body.get("stream_options") or {}
    return Asked(
        model=str(body["model"]),
        heard=tuple(heard),
        stream=bool(body.get("stream")),
        usage=bool(options.get("include_usage")),
        size=size,
    )


def whole(frame: Frame, answer: Answer) -> dict[str, Any]:
    """The body of an answer that is not streamed."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.content, "refusal": None}
    if answer.calls:
        message["tool_calls"] = _calls(answer)
    choice = {"index": 0, "message": message, "finish_reason": _reason(answer), "logprobs": None}
    head: dict[str, Any] = {
        "id": frame.named("chatcmpl"),
        "object": "chat.completion",
        "created": frame.created,
    }
    return head | {"model": frame.model, "choices": [choice], "usage": _usage(answer)}


def events(frame: Frame, answer: Answer, asked: Asked) -> Iterator[bytes]:
    """The answer in parts."""
    head: dict[str, Any] = {"id": frame.named("chatcmpl"), "object": "chat.completion.chunk"}
    head |= {"created": frame.created, "model": frame.model}
    quiet = {"usage": None} if asked.usage else {}

    def chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        return data_line(head | {"choices": [choice]} | quiet)

    yield chunk({"role": "assistant", "content": None if answer.content is None else ""})
    for word in answer.words:
        yield chunk({"content": word})
    for place, call in enumerate(_calls(answer)):
        yield chunk({"tool_calls": [{"index": place, **call}]})
    yield chunk({}, _reason(answer))
    if asked.usage:
        yield data_line(head | {"choices": [], "usage": _usage(answer)})
    yield b"data: [DONE]\n\n"


def _calls(answer: Answer) -> list[dict[str, Any]]:
    return [
        {"id": each.id, "type": "function", "function": {"name": each.name, "arguments": each.text}}
        for each in answer.calls
    ]


def _reason(answer: Answer) -> str:
    return "tool_calls" if answer.calls else "stop"


def _usage(answer: Answer) -> dict[str, int]:
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
    }
