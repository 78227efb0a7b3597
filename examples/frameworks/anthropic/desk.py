"""An order desk on Anthropic's own client, streaming, with tools over MCP."""

import os

import httpx2
from anthropic import AsyncAnthropic
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

MODEL = "claude-sonnet-4-5"
RULES = "You are the order desk of a shop. Look an order up before you speak of it."
HEADERS = {"authorization": f"Bearer {os.environ['SEATRIAL_TOKEN']}"}

model = AsyncAnthropic()  # by ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY


async def run(input, context):
    """Answer a customer; text is handed on as it comes."""
    messages = list(said(input, context))
    async with httpx2.AsyncClient(headers=HEADERS) as http:
        transport = streamable_http_client(os.environ["SEATRIAL_MCP_URL"], http_client=http)
        async with Client(transport) as actions:
            tools = [as_tool(each) for each in (await actions.list_tools()).tools]
            while True:
                async with model.messages.stream(
                    model=MODEL, max_tokens=1024, system=RULES, messages=messages, tools=tools
                ) as stream:
                    async for text in stream.text_stream:
                        yield text
                    answer = await stream.get_final_message()
                calls = [block for block in answer.content if block.type == "tool_use"]
                if not calls:
                    return
                messages.append({"role": "assistant", "content": answer.content})
                results = [await acted(actions, call) for call in calls]
                messages.append({"role": "user", "content": results})


async def acted(actions, call):
    """The result of an action, for the model."""
    told = await actions.call_tool(call.name, call.input)
    text = "".join(part.text for part in told.content)
    return {"type": "tool_result", "tool_use_id": call.id, "content": text}


def said(input, context):
    """The session so far and the new question, as messages."""
    for turn in context.history:
        yield {"role": "user", "content": turn["input"]}
        yield {"role": "assistant", "content": turn["output"]}
    yield {"role": "user", "content": input}


def as_tool(action):
    """An action as the model is told of it."""
    return {
        "name": action.name,
        "description": action.description or "",
        "input_schema": action.input_schema,
    }
