"""What an unmodified MCP client meets: run by the client's own interpreter, told by variables."""

import asyncio
import json
import os
from typing import Any

import httpx2
from agents.mcp import MCPServerStreamableHttp  # type: ignore[import-not-found] # the peer's
from mcp import Client, MCPError  # type: ignore[import-not-found] # the peer's
from mcp.client.streamable_http import (  # type: ignore[import-not-found] # likewise
    streamable_http_client,
)


async def told(mode: Any) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {os.environ['SEATRIAL_TOKEN']}"}
    async with httpx2.AsyncClient(headers=headers) as http:
        transport = streamable_http_client(os.environ["SEATRIAL_MCP_URL"], http_client=http)
        async with Client(transport, mode=mode) as client:
            listed = await client.list_tools()
            found = await client.call_tool("find", {"order": "W1"})
            failed = await client.call_tool("find", {"order": "W9"})
            refused = []
            for name in ("cancel", "nope"):
                try:
                    await client.call_tool(name, {})
                except MCPError as error:
                    refused.append([error.code, error.message])
            several = await asyncio.gather(
                *(client.call_tool("find", {"order": f"W{number}"}) for number in range(10, 18))
            )
            return {
                "version": client.protocol_version,
                "tools": [each.name for each in listed.tools],
                "reads": [each.annotations.read_only_hint for each in listed.tools],
                "found": found.structured_content,
                "failed": [failed.is_error, failed.content[0].text],
                "refused": refused,
                "several": sorted(each.structured_content["order"] for each in several),
            }


async def by_framework() -> list[str]:
    headers = {"authorization": f"Bearer {os.environ['SEATRIAL_TOKEN']}"}
    params = {"url": os.environ["SEATRIAL_MCP_URL"], "headers": headers}
    async with MCPServerStreamableHttp(params=params) as server:
        found = await server.call_tool("find", {"order": "W1"})
        return [*(each.name for each in await server.list_tools()), found.content[0].text]


async def main() -> None:
    said = [await told("auto"), await told("legacy"), await by_framework()]
    print(json.dumps(said))  # noqa: T201 - read by the test


asyncio.run(main())
