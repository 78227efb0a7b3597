"""What actions act on: a database, an HTTP service, functions; each counts what was done to it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import text

from seatrial.cell.tools.domain.refusals import OutcomeUnknown
from seatrial.cell.tools.domain.values import Performing
from seatrial.cell.tools.service.ports import Returned, Statements
from seatrial.contract.releases.actions import FunctionCall
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.http.answers import answer, answer_json
from seatrial.kit.http.asgi import Receive, Scope, Send
from seatrial.kit.http.boundary import ResponseCut
from seatrial.kit.http.requests import header, read_body

_TABLES = (
    "CREATE TABLE ledger (n INTEGER, what TEXT NOT NULL)",
    "CREATE TABLE orders (name TEXT PRIMARY KEY, cents INTEGER NOT NULL, note TEXT)",
    "CREATE TABLE notes (key TEXT PRIMARY KEY, what TEXT NOT NULL)",
    "INSERT INTO orders (name, cents) VALUES ('W1', 500), ('W2', 700)",
)


def furnish(shop: Database) -> None:
    """Make the shop's tables."""

    def use_case(connection: Connection) -> None:
        for statement in _TABLES:
            connection.execute(text(statement))

    shop.alter_now(use_case)


def ledger(shop: Database, table: str = "ledger") -> list[str]:
    """What was done to the shop."""
    asked = text(f"SELECT what FROM {table} ORDER BY what")  # noqa: S608 - a test's own name
    return shop.read_now(lambda connection: list(connection.execute(asked).scalars()))


@dataclass(frozen=True)
class Seen:
    """One request."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: Any


@dataclass
class Desk:
    """A service that remembers deeds by their keys, and what is put only once for each.

    `moods` says how the next requests go; `moment`, how many seconds pass before and after a deed.
    """

    moods: list[str] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    deeds: list[tuple[str, str]] = field(default_factory=list)
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    let: asyncio.Event = field(default_factory=asyncio.Event)
    file: Path | None = None
    moment: float = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        content = await read_body(scope, receive, limit=1 << 20)
        headers = {n.decode(): v.decode("latin-1") for n, v in scope["headers"]}
        path, query = scope["raw_path"].decode(), scope["query_string"].decode()
        body = orjson.loads(content) if content else None
        self.seen.append(Seen(scope["method"], path, query, headers, body))
        self.reached.set()
        mood = self.moods.pop(0) if self.moods else ""
        if mood == "hang":
            await self.let.wait()
        if mood.isdigit():
            await answer_json(send, {"said": "no"}, status=int(mood))
            return
        key = (header(scope, b"idempotency-key") or b"").decode()
        await asyncio.sleep(self.moment)
        if scope["method"] != "GET":
            self._do(key, path, once=scope["method"] == "PUT")
        await asyncio.sleep(self.moment)
        if mood == "cut":
            raise ResponseCut
        await self._answer(scope, send, mood, path)

    async def _answer(self, scope: Scope, send: Send, mood: str, path: str) -> None:
        if mood == "after 500":
            await answer_json(send, {}, status=500)
        elif mood == "redirect":
            away = [(b"location", b"http://127.0.0.1:9/x")]
            await answer(send, b"", content_type=b"text/plain", status=307, headers=away)
        elif mood == "large":
            await answer(send, b"x" * (5 << 20), content_type=b"text/plain")
        elif mood == "text":
            await answer(send, b"plain \xff", content_type=b"text/plain")
        elif mood == "broken":
            await answer(send, b"{", content_type=b"application/json")
        elif mood == "empty":
            await answer(send, b"", content_type=b"application/json")
        elif scope["method"] == "GET" and path.startswith("/by-key/"):
            known = [done for key, done in self._known() if key == path.removeprefix("/by-key/")]
            status = 200 if known else 404
            await answer_json(send, {"did": known[0] if known else None}, status=status)
        else:
            await answer_json(send, {"did": path})

    def _do(self, key: str, path: str, *, once: bool) -> None:
        if once and any(known == key for known, _ in self._known()):
            return
        self.deeds.append((key, path))
        if self.file is not None:
            with self.file.open("a") as file:
                file.write(json.dumps([key, path]) + "\n")

    def _known(self) -> list[tuple[str, str]]:
        if self.file is None:
            return self.deeds
        if not self.file.exists():
            return []
        return [(key, path) for key, path in map(json.loads, self.file.read_text().splitlines())]


Function = Callable[[Mapping[str, Any], Statements | None], Any]


@dataclass
class Functions:
    """Functions of this process in the place of a release's own; a `BrokenPipeError` is a death."""

    known: dict[str, Function] = field(default_factory=dict)
    called: int = 0

    @contextlib.asynccontextmanager
    async def session(self, call: Performing) -> AsyncIterator["Functions"]:
        assert isinstance(call.tool.perform, FunctionCall)
        yield self

    def call_now(self, call: Performing, statements: Statements | None) -> Returned:
        how = call.tool.perform
        assert isinstance(how, FunctionCall)
        self.called += 1
        try:
            return Returned(value=self.known[how.function](call.arguments, statements))
        except ValueError as error:
            return Returned(raised=f"ValueError: {error}")
        except BrokenPipeError:
            raise OutcomeUnknown(action=call.action, reason="its process died") from None
