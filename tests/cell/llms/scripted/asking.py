"""Unmodified clients that put questions to a scripted model.

Runs under an interpreter with their packages and nothing of ours. In: an address and a list of
steps. Out: one line of JSON, what came of each.
"""

import json
import sys
import urllib.request
from typing import Any

import anthropic  # type: ignore[import-not-found] # the peer's
import openai  # type: ignore[import-not-found] # the peer's

ADDRESS, STEPS = sys.argv[1], json.loads(sys.argv[2])
GPT = openai.OpenAI(base_url=f"{ADDRESS}/v1", api_key="k", max_retries=0)
CLAUDE = anthropic.Anthropic(base_url=ADDRESS, api_key="k", max_retries=0)


def chat(messages: Any, stream: bool) -> Any:
    asked = {"model": "gpt-x", "messages": messages}
    if stream:
        with GPT.chat.completions.stream(**asked) as events:
            whole = events.get_final_completion()
    else:
        whole = GPT.chat.completions.create(**asked)
    message = whole.choices[0].message
    calls = [
        [each.id, each.function.name, json.loads(each.function.arguments)]
        for each in message.tool_calls or []
    ]
    return [whole.model, message.content, calls]


def responses(items: Any, stream: bool) -> Any:
    asked = {"model": "gpt-x", "input": items}
    if stream:
        with GPT.responses.stream(**asked) as events:
            for _ in events:
                pass
            found = events.get_final_response()
    else:
        found = GPT.responses.create(**asked)
    calls = [
        [each.call_id, each.name, json.loads(each.arguments)]
        for each in found.output
        if each.type == "function_call"
    ]
    return [found.model, found.output_text, calls]


def messages(asked: Any, stream: bool) -> Any:
    body = {"model": "claude-x", "max_tokens": 99, "messages": asked}
    if stream:
        with CLAUDE.messages.stream(**body) as events:
            found = events.get_final_message()
    else:
        found = CLAUDE.messages.create(**body)
    text = "".join(each.text for each in found.content if each.type == "text")
    calls = [[each.id, each.name, each.input] for each in found.content if each.type == "tool_use"]
    return [found.model, text, calls]


def faults(asked: Any, _stream: bool) -> Any:
    data, kind = json.dumps(asked).encode(), {"content-type": "application/json"}
    request = urllib.request.Request(f"{ADDRESS}/faults", data, kind)  # noqa: S310 - our own
    return urllib.request.urlopen(request).status  # noqa: S310


def came(step: Any) -> Any:
    kind, asked, stream = step
    try:
        return globals()[kind](asked, stream)
    except Exception as error:  # noqa: BLE001 - what came of it is the answer
        return {"error": type(error).__name__, "told": str(error)[:300]}


sys.stdout.write(json.dumps([came(step) for step in STEPS]))
