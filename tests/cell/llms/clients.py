"""Unmodified clients of model providers, with nothing but their environment variables set.

Runs under an interpreter with their packages and nothing of ours. Out: one line of JSON.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import agents  # type: ignore[import-not-found] # the peer's
import anthropic  # type: ignore[import-not-found] # the peer's
import openai  # type: ignore[import-not-found] # the peer's

GPT = "gpt-4o-2024-08-06"
CLAUDE = "claude-sonnet-4-5-20250929"
ASKED: Any = [{"role": "user", "content": "Hallo"}]


def chat() -> Any:
    told = openai.OpenAI().chat.completions.create(model=GPT, messages=ASKED)
    return [told.choices[0].message.content, told.usage.prompt_tokens]


def chat_stream() -> Any:
    stream = openai.OpenAI().chat.completions.create(
        model=GPT, messages=ASKED, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    return [text, chunks[-1].usage.total_tokens]


def responses() -> Any:
    told = openai.OpenAI().responses.create(model=GPT, input="Hallo")
    return [told.output_text, told.usage.output_tokens]


def responses_stream() -> Any:
    with openai.OpenAI().responses.create(model=GPT, input="Hallo", stream=True) as events:
        return [event.type for event in events][-1]


def embeddings() -> Any:
    told = openai.OpenAI().embeddings.create(
        model="text-embedding-3-small", input="Hallo", encoding_format="float"
    )
    return told.data[0].embedding


def models() -> Any:
    first = [model.id for model in openai.OpenAI().models.list()]
    second = [model.id for model in anthropic.Anthropic().models.list()]
    return [GPT in first, CLAUDE in second]


def messages() -> Any:
    told = anthropic.Anthropic().messages.create(model=CLAUDE, messages=ASKED, max_tokens=50)
    return [told.content[0].text, told.usage.output_tokens]


def messages_stream() -> Any:
    client = anthropic.Anthropic()
    with client.messages.stream(model=CLAUDE, messages=ASKED, max_tokens=50) as stream:
        text = "".join(stream.text_stream)
        return [text, stream.get_final_message().usage.output_tokens]


def agent() -> Any:
    agents.set_tracing_disabled(True)
    told = asyncio.run(agents.Runner.run(agents.Agent(name="a", model=GPT), "Hallo"))
    return told.final_output


def not_pinned() -> Any:
    try:
        openai.OpenAI().chat.completions.create(model="gpt-newest", messages=ASKED)
    except openai.PermissionDeniedError as error:
        return [error.code, error.status_code]


def not_pinned_anthropic() -> Any:
    try:
        anthropic.Anthropic().messages.create(model="c-newest", messages=ASKED, max_tokens=5)
    except anthropic.PermissionDeniedError as error:
        return [error.body["error"]["type"], "model_not_pinned" in str(error)]


def overloaded() -> Any:
    client = openai.OpenAI(max_retries=0)
    try:
        client.chat.completions.create(model="gpt-overloaded", messages=ASKED)
    except openai.InternalServerError as error:
        return [error.status_code, error.body["message"]]


def cut() -> Any:
    client = openai.OpenAI(max_retries=0)
    try:
        list(client.chat.completions.create(model="gpt-cut", messages=ASKED, stream=True))
    except Exception as error:  # noqa: BLE001 - whatever it is that the client raises
        return f"raised {type(error).__name__}"
    return "not noticed"


def limited() -> Any:
    client = openai.OpenAI()  # which repeats a 429 twice, unless it is told not to
    for _ in range(100):
        try:
            client.chat.completions.create(model=GPT, messages=ASKED)
        except openai.RateLimitError as error:
            return error.code
    return None


EVERYTHING: list[Callable[[], Any]] = [
    chat, chat_stream, responses, responses_stream, embeddings, models, messages,
    messages_stream, agent, not_pinned, not_pinned_anthropic, overloaded, cut, limited,
]  # fmt: skip
sys.stdout.write(json.dumps({each.__name__: each() for each in EVERYTHING}) + "\n")
