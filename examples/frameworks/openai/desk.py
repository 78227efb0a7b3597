"""An order desk on OpenAI's own client, streaming, with tools over MCP."""

import json
import os

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from openai import AsyncOpenAI

MODEL = "gpt-4.1"
RULES = "You are the order desk of a shop. Look an order up before you speak of it."
HEADERS = {"authorization": f"Bearer {os.environ['SEATRIAL_TOKEN']}"}

model = AsyncOpenAI()  # by OPENAI_BASE_URL and OPENAI_API_KEY


async def run(input, context):
    """Answer a customer; text is handed on as it comes."""
    messages = [{"role": "system", "content": RULES}, *said(input, context)]
    async with httpx2.AsyncClient(headers=HEADERS) as http:
        transport = streamable_http_client(os.environ["SEATRIAL_MCP_URL"], http_client=http)
        async with Client(transport) as actions:
            tools = [as_tool(each) for each in (await actions.list_tools()).tools]
            while True:
                answer = {"role": "assistant", "content": "", "tool_calls": []}
                stream = await model.chat.completions.create(
                    model=MODEL, messages=messages, tools=tools, stream=True
                )
                async for chunk in stream:
                    for choice in chunk.choices:
                        if choice.delta.content:
                            yield choice.delta.content
                        collect(choice.delta, answer)
                if not answer["tool_calls"]:
                    return
                messages.append(answer)
                for call in answer["tool_calls"]:
                    wanted = call["function"]
                    arguments = json.loads(wanted["arguments"] or "{}")
                    told = await actions.call_tool(wanted["name"], arguments)
                    text = "".join(part.text for part in told.content)
                    messages.append({"role": "tool", "tool_call_id": call["id"], "content": text})


def said(input, context):
    """The session so far and the new question, as messages."""
    for turn in context.history:
        yield {"role": "user", "content": turn["input"]}
        yield {"role": "assistant", "content": turn["output"]}
    yield {"role": "user", "content": input}


def as_tool(action):
    """An action as the model is told of it."""
    function = {
        "name": action.name,
        "description": action.description,
        "parameters": action.input_schema,
    }
    return {"type": "function", "function": function}


def collect(delta, answer):
    """Put a part of an answer to what came before it."""
    answer["content"] += delta.content or ""
    for part in delta.tool_calls or ():
        if part.index == len(answer["tool_calls"]):
            function = {"name": part.function.name, "arguments": ""}
            answer["tool_calls"].append({"id": part.id, "type": "function", "function": function})
        answer["tool_calls"][part.index]["function"]["arguments"] += part.function.arguments or ""
