"""An order desk on OpenAI Agents; its entry is the `Agent` itself."""

import os

from agents import Agent, function_tool
from agents.mcp import MCPServerStreamableHttp


@function_tool
def arrival(days: int) -> str:
    """In which words to say that something arrives in so many days."""
    return {0: "today", 1: "tomorrow"}.get(days, f"in {days} days")


actions = MCPServerStreamableHttp(
    params={
        "url": os.environ["SEATRIAL_MCP_URL"],
        "headers": {"authorization": f"Bearer {os.environ['SEATRIAL_TOKEN']}"},
    },
    client_session_timeout_seconds=60,
)
agent = Agent(  # by OPENAI_BASE_URL and OPENAI_API_KEY, over the responses API
    name="order desk",
    instructions="You are the order desk of a shop. Look an order up before you speak of it.",
    model="gpt-4.1",
    tools=[arrival],
    mcp_servers=[actions],
)
