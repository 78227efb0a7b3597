"""An order desk on Pydantic AI; its entry is the `Agent` itself."""

import os

from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset

actions = MCPToolset(
    os.environ["SEATRIAL_MCP_URL"],
    headers={"authorization": f"Bearer {os.environ['SEATRIAL_TOKEN']}"},
)
agent = Agent(  # by OPENAI_BASE_URL and OPENAI_API_KEY
    "openai-chat:gpt-4.1",
    instructions="You are the order desk of a shop. Look an order up before you speak of it.",
    toolsets=[actions],
)


@agent.tool_plain
def arrival(days: int) -> str:
    """In which words to say that something arrives in so many days."""
    return {0: "today", 1: "tomorrow"}.get(days, f"in {days} days")
