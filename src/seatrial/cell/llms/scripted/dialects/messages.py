"""Anthropic's messages."""

from collections.abc import Iterator
from typing import Any

from seatrial.cell.llms.scripted.dialects.parts import Frame, named_line, text_of
from seatrial.cell.llms.scripted.domain import Answer, Asked, Heard, Role


def read(body: dict[str, Any], size: int) -> Asked:
    """The question in a request's body; raises KeyError, TypeError or ValueError."""
    system = text_of(body.get("system"))
    heard = [Heard(role=Role.SYSTEM, text=system)] if system else []
    tools: dict[str, str] = {}
    for each in body["messages"]:
        role, content = Role(each["role"]), each["content"]
        parts = content if isinstance(content, list) else []
        results = [part for part in parts if part["type"] == "tool_result"]
        tools |= {part["id"]: part["name"] for part in parts if part["type"] == "tool_use"}
        heard += [
            Heard(
                role=Role.TOOL,
                text=text_of(part.get("content")),
                tool=tools.get(part["tool_use_id"], ""),
            )
            for part in results
        ]
        text = text_of(content)
        if text or not results:
            heard.append(Heard(role=role, text=text))
    return Asked(
        model=str(body["model"]), heard=tuple(heard), stream=bool(body.get("stream")), size=size
    )


def whole(frame: Frame, answer: Answer) -> dict[str, Any]:
    """The body of an answer that is not streamed."""
    return _message(frame) | {
        "content": _blocks(answer),
        "stop_reason": _reason(answer),
        "usage": _usage(answer, answer.output_tokens),
    }


def events(frame: Frame, answer: Answer, asked: Asked) -> Iterator[bytes]:  # noqa: ARG001 - one form for all
    """The answer in parts."""
    begun = _message(frame) | {"content": [], "stop_reason": None, "usage": _usage(answer, 1)}
    yield named_line({"type": "message_start", "message": begun})
    for place, block in enumerate(_blocks(answer)):
        at = {"index": place}
        empty: dict[str, Any] = {"text": ""} if block["type"] == "text" else {"input": {}}
        yield named_line({"type": "content_block_start", **at, "content_block": block | empty})
        for delta in _deltas(answer, place, block):
            yield named_line({"type": "content_block_delta", **at, "delta": delta})
        yield named_line({"type": "content_block_stop", **at})
    end = {"stop_reason": _reason(answer), "stop_sequence": None}
    usage = {"output_tokens": answer.output_tokens}
    yield named_line({"type": "message_delta", "delta": end, "usage": usage})
    yield named_line({"type": "message_stop"})


def _deltas(answer: Answer, place: int, block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if block["type"] == "text":
        for word in answer.words:
            yield {"type": "text_delta", "text": word}
        return
    call = answer.calls[place - (answer.content is not None)]
    yield {"type": "input_json_delta", "partial_json": call.text}


def _message(frame: Frame) -> dict[str, Any]:
    head = {"id": frame.named("msg"), "type": "message", "role": "assistant"}
    return head | {"model": frame.model, "stop_sequence": None}


def _blocks(answer: Answer) -> list[dict[str, Any]]:
    words = [] if answer.content is None else [{"type": "text", "text": answer.content}]
    calls = [
        {"type": "tool_use", "id": each.id, "name": each.name, "input": dict(each.arguments)}
        for each in answer.calls
    ]
    return [*words, *calls]


def _reason(answer: Answer) -> str:
    return "tool_use" if answer.calls else "end_turn"


def _usage(answer: Answer, output: int) -> dict[str, int]:
    return {"input_tokens": answer.input_tokens, "output_tokens": output}
