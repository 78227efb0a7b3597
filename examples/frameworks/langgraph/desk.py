"""An order desk as a graph of LangGraph; its entry is the compiled graph itself."""

import os

import httpx2
from langchain_core.messages import SystemMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

RULES = "You are the order desk of a shop. Look an order up before you speak of it."
HEADERS = {"authorization": f"Bearer {os.environ['SEATRIAL_TOKEN']}"}


@tool
async def order_status(order: str) -> str:
    """Where an order is."""
    async with httpx2.AsyncClient(headers=HEADERS) as http:
        transport = streamable_http_client(os.environ["SEATRIAL_MCP_URL"], http_client=http)
        async with Client(transport) as actions:
            told = await actions.call_tool("order_status", {"order": order})
    return "".join(part.text for part in told.content)


@tool
def arrival(days: int) -> str:
    """In which words to say that something arrives in so many days."""
    return {0: "today", 1: "tomorrow"}.get(days, f"in {days} days")


tools = [order_status, arrival]
model = ChatOpenAI(model="gpt-4.1").bind_tools(tools)  # by OPENAI_BASE_URL and OPENAI_API_KEY


async def think(state):
    """Ask the model for the next step."""
    return {"messages": [await model.ainvoke([SystemMessage(RULES), *state["messages"]])]}


building = StateGraph(MessagesState)
building.add_node("think", think)
building.add_node("tools", ToolNode(tools))
building.add_edge(START, "think")
building.add_conditional_edges("think", tools_condition)
building.add_edge("tools", "think")
graph = building.compile()
