"""A cell's endpoints on runs, over a real database and scripted agents."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from seatrial.cell.door.api.desk import Desk
from seatrial.cell.door.api.openai import openai_routes
from seatrial.cell.door.api.runs import run_routes
from seatrial.cell.door.api.sessions import session_routes
from seatrial.cell.door.domain import CellPermissionMissing, CellTokenMissing
from seatrial.cell.runs.domain.values import Run
from seatrial.cell.runs.service.judging import Judge
from seatrial.contract.runs.access import Caller, CellPermission
from seatrial.kit.clock import SystemClock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.http.asgi import Message, Scope
from seatrial.kit.http.boundary import ErrorBoundary
from seatrial.kit.http.events import Event, EventParser
from seatrial.kit.http.lifetime import Lifetime
from seatrial.kit.http.requests import header
from seatrial.kit.http.routes import Routes
from seatrial.kit.ids import Ids
from tests.cell.runs.stage import Stage

P = CellPermission
CALLERS = {
    name: Caller(id=f"tok_{name}", name=name, tenant=tenant, permissions=frozenset(permissions))
    for name, (tenant, permissions) in {
        "app": ("", {P.INVOKE}),
        "other": ("", {P.INVOKE}),
        "reader": ("", {P.READ}),
        "payload": ("", {P.READ, P.PAYLOAD}),
        "operator": ("", {P.OPERATE}),
        "admin": ("", set(P)),
        "acme": ("acme", set(P)),
        "bolt": ("bolt", set(P)),
    }.items()
}
CALLERS["rotated"] = replace(CALLERS["app"], id="tok_rotated")
NO_HEADERS: Mapping[str, str] = {}


@dataclass
class Door:
    """The endpoints of one process."""

    stage: Stage
    read_by: list[tuple[str, str]] = field(default_factory=list)
    lifetime: Lifetime = field(default_factory=Lifetime)

    def __post_init__(self) -> None:
        self.lifetime.serve()
        clock, ids = SystemClock(), Ids(SystemClock())
        self.desk = Desk(
            runs=self.stage.runs,
            judge=Judge(
                database=self.stage.database, clock=clock, ids=ids, changed=self.stage._changed
            ),
            admit=self._admit,
            environment="staging",
            lifetime=self.lifetime,
            ids=ids,
            on_payload_read=self._note,
            give_fixture=self._give,
        )
        routes = [*run_routes(self.desk), *session_routes(self.desk)]
        self.app = ErrorBoundary(Routes([*routes, *openai_routes(self.desk, self._active)]), ids)

    async def _admit(self, scope: Scope, permission: CellPermission) -> Caller:
        given = (header(scope, b"authorization") or b"").removeprefix(b"Bearer ").decode()
        if given not in CALLERS:
            raise CellTokenMissing
        caller = CALLERS[given]
        if not caller.may(permission):
            raise CellPermissionMissing(name=caller.name, permission=str(permission))
        return caller

    async def _note(self, caller: Caller, run: Run) -> None:
        self.read_by.append((caller.name, run.id))

    async def _give(self, document: object, agent: str, release: Digest | None) -> str:
        return str(Digest.of_json([document, agent, str(release)]))

    async def _active(self) -> tuple[list[str], datetime]:
        return list(self.stage.switch.active), datetime(2026, 3, 1, tzinfo=UTC)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["Door"]:
        """With its worker at work."""
        async with self.stage.working():
            yield self

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        by: str = "app",
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> "Answer":
        """The answer to one request; `body` may be raw bytes."""
        answer = Answer()
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        sent = False

        async def receive() -> Message:
            nonlocal sent
            if sent:
                await answer.gone.wait()
                return {"type": "http.disconnect"}
            sent = True
            return {"type": "http.request", "body": raw}

        plain, _, query = path.partition("?")
        given = {"authorization": f"Bearer {by}", "content-type": "application/json", **headers}
        scope = {
            "type": "http",
            "method": method,
            "path": plain,
            "raw_path": plain.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
        }
        await self.app(scope, receive, answer.send)
        return answer


class Answer:
    """What came back."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.gone = asyncio.Event()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {n.decode(): v.decode() for n, v in message["headers"]}
        else:
            self.body += message.get("body", b"")

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Event]:
        return EventParser().feed(self.body)
