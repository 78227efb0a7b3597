"""Asks an app without a server."""

import json
from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import quote

from seatrial.kit.http.asgi import App

NOTHING: Mapping[str, str] = {}


async def ask(
    app: App,
    path: str,
    body: object = None,
    *,
    headers: Mapping[str, str] = NOTHING,
    method: str = "POST",
) -> tuple[int, dict[str, str], Any]:
    """Status, headers and JSON of the answer to one request; `body` may be raw bytes."""
    raw = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
    path, _, query_string = path.partition("?")
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": raw}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": quote(path, safe="/%").encode(),
        "query_string": query_string.encode(),
        "headers": [
            (name.encode(), value.encode())
            for name, value in ({"content-type": "application/json"} | dict(headers)).items()
        ],
    }
    await app(scope, receive, send)
    text = b"".join(message.get("body", b"") for message in sent)
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], found, json.loads(text) if text else None
