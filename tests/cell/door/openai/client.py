"""OpenAI's own client against a cell: `python client.py URL`; prints what it understood as JSON.

Runs in an environment of its own that holds `openai` and nothing of ours.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import openai  # type: ignore[import-not-found] # the peer's

client = openai.OpenAI(base_url=sys.argv[1], api_key="app", timeout=30)
told: dict[str, Any] = {}


def refused(call: Callable[[], Any]) -> list[Any] | None:
    try:
        call()
    except openai.APIStatusError as error:
        return [type(error).__name__, error.status_code, error.code, error.param, error.type]
    except openai.APIError as error:
        return [type(error).__name__, error.message, error.code]
    return None


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


told["models"] = [model.id for model in client.models.list()]
told["model"] = client.models.retrieve("support").id

whole = client.chat.completions.create(
    model="support",
    messages=user("hello"),
    temperature=0.1,
    metadata={"session": "s1", "team": "red"},
)
told["chat"] = [
    whole.choices[0].message.content,
    whole.choices[0].message.role,
    whole.choices[0].finish_reason,
    whole.usage.total_tokens,
    whole.model,
]

with client.chat.completions.create(
    model="support",
    messages=user("stream"),
    stream=True,
    stream_options={"include_usage": True},
    extra_headers={"Seatrial-Session": "s1"},
) as stream:
    parts = list(stream)
told["chat_stream"] = [part.choices[0].delta.content for part in parts if part.choices]
told["chat_finish"] = [part.choices[0].finish_reason for part in parts if part.choices][-1]
told["chat_usage"] = parts[-1].usage.total_tokens

first = client.responses.create(model="support", input="hello", instructions="be kind")
told["response"] = [first.output_text, first.status, first.model, first.instructions]
second = client.responses.create(model="support", input="history", previous_response_id=first.id)
told["follow_up"] = [second.output_text, second.previous_response_id == first.id]
third = client.responses.create(model="support", input="history", store=False)
told["unstored"] = third.output_text
with client.responses.create(model="support", input="stream", stream=True) as stream:
    events = list(stream)
told["response_stream"] = [event.type for event in events]
told["response_numbers"] = [event.sequence_number for event in events]
told["response_text"] = [
    "".join(event.delta for event in events if event.type == "response.output_text.delta"),
    events[-1].response.output_text,
]
with client.responses.stream(model="support", input="plain") as stream:
    told["response_final"] = stream.get_final_response().output_text
with client.chat.completions.stream(model="support", messages=user("stream")) as stream:
    told["chat_final"] = stream.get_final_completion().choices[0].message.content

told["failed"] = refused(
    lambda: client.chat.completions.create(model="support", messages=user("fail"))
)
told["failed_stream"] = refused(
    lambda: list(
        client.chat.completions.create(model="support", messages=user("fail"), stream=True)
    )
)
told["restarted"] = refused(
    lambda: list(client.chat.completions.create(model="support", messages=user("die"), stream=True))
)
with client.responses.create(model="support", input="fail", stream=True) as stream:
    last = list(stream)[-1]
told["response_failed"] = [last.type, last.response.status, last.response.error.message]
with client.responses.create(model="support", input="die", stream=True) as stream:
    last = list(stream)[-1]
told["response_restarted"] = [last.type, last.code]
told["unknown"] = refused(
    lambda: client.chat.completions.create(model="nobody", messages=user("hello"))
)
told["unknown_model"] = refused(lambda: client.models.retrieve("nobody"))
told["previous"] = refused(
    lambda: client.responses.create(model="support", input="x", previous_response_id="resp_1")
)
told["tools"] = refused(
    lambda: client.responses.create(
        model="support", input="x", tools=[{"type": "function", "name": "f", "parameters": {}}]
    )
)
stranger = openai.OpenAI(base_url=sys.argv[1], api_key="nobody")
told["stranger"] = refused(stranger.models.list)
reader = openai.OpenAI(base_url=sys.argv[1], api_key="reader")
told["reader"] = refused(
    lambda: reader.chat.completions.create(model="support", messages=user("hello"))
)
sys.stdout.write(json.dumps(told))
