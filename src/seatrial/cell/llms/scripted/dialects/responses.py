"""OpenAI's responses."""

from collections.abc import Iterator
from typing import Any

from seatrial.cell.llms.scripted.dialects.parts import Frame, named_line, text_of
from seatrial.cell.llms.scripted.domain import Answer, Asked, Heard, Role


def read(body: dict[str, Any], size: int) -> Asked:
    """The question in a request's body; raises KeyError, TypeError or ValueError."""
    given = body["input"]
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    heard = []
    if body.get("instructions"):
        heard.append(Heard(role=Role.SYSTEM, text=text_of(body["instructions"])))
    tools: dict[str, str] = {}
    for each in items:
        match each.get("type") or "message":
            case "message":
                role = Role.SYSTEM if each["role"] == "developer" else Role(each["role"])
                heard.append(Heard(role=role, text=text_of(each["content"])))
            case "function_call":
                tools[each["call_id"]] = each["name"]
            case "function_call_output":
                tool = tools.get(each["call_id"], "")
                heard.append(Heard(role=Role.TOOL, text=text_of(each["output"]), tool=tool))
            case _:
                pass  # what the model thought, and files
    return Asked(
        model=str(body["model"]), heard=tuple(heard), stream=bool(body.get("stream")), size=size
    )


def whole(frame: Frame, answer: Answer) -> dict[str, Any]:
    """The body of an answer that is not streamed."""
    return _response(frame, answer, _items(frame, answer))


def events(frame: Frame, answer: Answer, asked: Asked) -> Iterator[bytes]:  # noqa: ARG001 - one form for all
    """The answer in parts."""
    for number, each in enumerate(_events(frame, answer)):
        yield named_line(each | {"sequence_number": number})


def _events(frame: Frame, answer: Answer) -> Iterator[dict[str, Any]]:
    begun = _response(frame, answer, []) | {"status": "in_progress", "usage": None}
    yield {"type": "response.created", "response": begun}
    items = _items(frame, answer)
    for place, item in enumerate(items):
        at = {"item_id": item["id"], "output_index": place}
        kind, empty = "response.output_item.added", {"content": [], "arguments": ""}
        bare = item | {name: empty[name] for name in empty if name in item}
        yield {"type": kind, "output_index": place, "item": bare | {"status": "in_progress"}}
        if item["type"] == "message":
            yield from _words(at | {"content_index": 0}, answer)
        else:
            kind = "response.function_call_arguments"
            yield {"type": f"{kind}.delta", **at, "delta": item["arguments"]}
            yield {"type": f"{kind}.done", **at, "name": item["name"],
                   "arguments": item["arguments"]}  # fmt: skip
        yield {"type": "response.output_item.done", "output_index": place, "item": item}
    yield {"type": "response.completed", "response": _response(frame, answer, items)}


def _words(at: dict[str, Any], answer: Answer) -> Iterator[dict[str, Any]]:
    yield {"type": "response.content_part.added", **at, "part": _part("")}
    for word in answer.words:
        yield {"type": "response.output_text.delta", **at, "delta": word, "logprobs": []}
    text = answer.content or ""
    yield {"type": "response.output_text.done", **at, "text": text, "logprobs": []}
    yield {"type": "response.content_part.done", **at, "part": _part(text)}


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _items(frame: Frame, answer: Answer) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if answer.content is not None:
        head = {"type": "message", "id": frame.named("msg"), "role": "assistant"}
        items.append(head | {"status": "completed", "content": [_part(answer.content)]})
    for place, each in enumerate(answer.calls):
        head = {"type": "function_call", "id": frame.named(f"fc{place}"), "call_id": each.id}
        items.append(head | {"name": each.name, "arguments": each.text, "status": "completed"})
    return items


def _response(frame: Frame, answer: Answer, items: list[dict[str, Any]]) -> dict[str, Any]:
    total = answer.input_tokens + answer.output_tokens
    usage = {
        "input_tokens": answer.input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": answer.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": total,
    }
    head = {"id": frame.named("resp"), "object": "response", "created_at": frame.created}
    head |= {"status": "completed", "model": frame.model, "output": items, "usage": usage}
    return head | {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
