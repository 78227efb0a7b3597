"""The bodies of OpenAI's Chat Completions and Responses, made of runs."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

import orjson

from seatrial.cell.runs.domain.values import Run
from seatrial.kit.errors import SeatrialError

_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}
_PREFIX: Final = "run_"


def text_of(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """An output or a chunk as text: text as it is, all else as JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def named(run: str, prefix: str) -> str:
    """The id of a run as OpenAI's clients know such ids: `chatcmpl-…`, `resp_…`."""
    return prefix + run.removeprefix(_PREFIX)


def run_named(response: str) -> str:
    """The run whose response has this id."""
    return _PREFIX + response.removeprefix("resp_")


def error_body(message: str, *, status: int, code: str, param: str | None = None) -> dict[str, Any]:
    """An error as OpenAI writes it."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def told_error(error: SeatrialError) -> dict[str, Any]:
    """One of our errors, as OpenAI writes it."""
    unknown = error.code in {"agent_inactive", "nothing_active"}
    return error_body(
        f"{error.message} {error.remedy}",
        status=error.status,
        code="model_not_found" if unknown else error.code,
        param="model" if unknown else error.fields.get("param"),
    )


def model(slug: str, since: datetime) -> dict[str, Any]:
    """An agent as a model."""
    return {
        "id": slug,
        "object": "model",
        "created": int(since.timestamp()),
        "owned_by": "seatrial",
    }


def models(slugs: Collection[str], since: datetime) -> dict[str, Any]:
    """All of them."""
    return {"object": "list", "data": [model(slug, since) for slug in sorted(slugs)]}


def completion(run: Run) -> dict[str, Any]:
    """A chat completion."""
    return {
        "id": named(run.id, "chatcmpl-"),
        "object": "chat.completion",
        "created": int(run.created.timestamp()),
        "model": run.agent,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": text_of(run.output),
                    "refusal": None,
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": completion_usage(run),
    }


def completion_usage(run: Run) -> dict[str, int]:
    """What it used, in the words of chat completions."""
    read, written = run.usage.input_tokens, run.usage.output_tokens
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
    }


def completion_chunk(
    run: Run, delta: dict[str, Any] | None, *, finish: str | None = None
) -> dict[str, Any]:
    """A part of a streamed chat completion; with `delta` None, the one that tells the usage."""
    chunk: dict[str, Any] = {
        "id": named(run.id, "chatcmpl-"),
        "object": "chat.completion.chunk",
        "created": int(run.created.timestamp()),
        "model": run.agent,
        "choices": [],
    }
    if delta is None:
        return {**chunk, "usage": completion_usage(run)}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {**chunk, "choices": [choice]}


def response(
    run: Run, *, text: str | None = None, previous: str | None = None, status: str = "completed"
) -> dict[str, Any]:
    """A response of the Responses API.

    Args:
        run: what it is made of.
        text: the output; None while there is none.
        previous: id of the response that it follows.
        status: `in_progress`, `completed` or `failed`.
    """
    asked = run.input if isinstance(run.input, dict) else {}
    usage = run.usage
    error = None
    if status == "failed" and run.failure is not None:
        error = {"code": "server_error", "message": run.failure.message}
    return {
        "id": named(run.id, "resp_"),
        "object": "response",
        "created_at": int(run.created.timestamp()),
        "status": status,
        "background": False,
        "conversation": None if run.session is None else {"id": run.session},
        "error": error,
        "incomplete_details": None,
        "instructions": asked.get("instructions"),
        "max_output_tokens": None,
        "metadata": dict(run.tags),
        "model": run.agent,
        "output": [] if text is None else [message(run, text)],
        "parallel_tool_calls": True,
        "previous_response_id": previous,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": True,
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        "usage": {
            "input_tokens": usage.input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage.input_tokens + usage.output_tokens,
        }
        if run.over
        else None,
        "user": None,
    }


def message(run: Run, text: str | None) -> dict[str, Any]:
    """The one item of a response's output; with `text` None, as it begins."""
    return {
        "id": named(run.id, "msg_"),
        "type": "message",
        "status": "in_progress" if text is None else "completed",
        "role": "assistant",
        "content": [] if text is None else [part(text)],
    }


def part(text: str) -> dict[str, Any]:
    """The one part of a message."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
