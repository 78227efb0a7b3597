"""A small control and a small cell that speak the real documents, for tests of the command line."""

import asyncio
import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote

from seatrial.contract.environments.profiles import rules_of
from seatrial.contract.environments.rules import Profile
from seatrial.contract.evidence.keyring import Keyring, sign_keyring
from seatrial.contract.evidence.statements import Order, Provenance, Verb
from seatrial.contract.releases.closure import Active, Closure
from seatrial.contract.releases.release import Release, opened
from seatrial.contract.switch.api import (
    CellRow,
    ChangeRow,
    DeployRequest,
    EnvironmentRow,
    GateRow,
    GenerationRow,
    GenerationState,
    OrderAnswer,
    OrderRequest,
    Plan,
    PlanRequest,
    ReleaseRow,
    Status,
)
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.signing import SigningKey
from seatrial.kit.errors import Denied, NotFound, SeatrialError
from seatrial.kit.http.answers import answer_empty, answer_error, answer_json
from seatrial.kit.http.asgi import Receive, Scope, Send
from seatrial.kit.http.listening import listen
from seatrial.kit.http.requests import read_body
from seatrial.kit.http.server import Server

AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
Row = dict[str, Any]


class NotHere(NotFound):
    """There is no {what!r} in this fake."""

    code = "fake_not_here"
    cause = "A test asked for it."
    remedy = "Ask for something else."


class Unchanged(Exception):
    """Nothing would change."""


class TokenWrong(Denied):
    """That token opens nothing in this fake."""

    code = "fake_token_wrong"
    cause = "A test sent another."
    remedy = "Send the right one."


@dataclass
class Fake:
    """What both servers know, and how a test bends it."""

    root: SigningKey = field(default_factory=SigningKey.generate)
    person: SigningKey = field(default_factory=SigningKey.generate)
    control_key: SigningKey = field(default_factory=SigningKey.generate)
    token: str = "sea_control_token"
    blobs: dict[str, bytes] = field(default_factory=dict)
    releases: list[tuple[ReleaseRow, Release]] = field(default_factory=list)
    closures: dict[str, Closure] = field(default_factory=dict)
    generations: dict[str, list[GenerationRow]] = field(default_factory=dict)
    orders: list[tuple[Order, Closure, tuple[str, ...]]] = field(default_factory=list)
    keyring: bytes | None = None
    enrolments: list[Row] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    runs: dict[str, Row] = field(default_factory=dict)
    receipts: dict[str, Row] = field(default_factory=dict)
    decisions: dict[str, list[Row]] = field(default_factory=dict)
    reviews: list[Row] = field(default_factory=list)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    gates: list[GateRow] = field(default_factory=list)
    bend: Callable[[Plan], Plan] = lambda plan: plan
    commits: bool = True
    lagging: int = 0
    drop_stream: bool = False
    chunks: bool = True
    aliases: dict[str, str] = field(default_factory=dict)
    url: str = ""

    def closure(self, environment: str) -> Closure:
        rules = rules_of(Profile.SOLO, environment)
        empty = Closure(environment=environment, agents={}, rules=rules)
        return self.closures.get(environment, empty)

    # --- control -------------------------------------------------------------------------------

    def control(self, method: str, path: str, query: Row, body: Any) -> Any:  # noqa: C901, PLR0911, PLR0912 - a table
        match method, path.split("/")[2:]:
            case "GET", ["status"]:
                return self._status().document()
            case "POST", ["blobs", "missing"]:
                return {"digests": [each for each in body["digests"] if each not in self.blobs]}
            case "PUT", ["blobs", digest]:
                if str(Digest.of(body)) != digest:
                    raise NotHere(what="that blob")
                self.blobs[digest] = body
                return None
            case "POST", ["releases"]:
                return self._deploy(DeployRequest.read(body)).document()
            case "GET", ["releases"]:
                rows = [row for row, _ in reversed(self.releases)]
                rows = [row for row in rows if query.get("agent") in {None, row.agent}]
                limit = int(query.get("limit", 50))
                more = {"next": "rel_x"} if len(rows) > limit else {}
                return {"releases": [row.document() for row in rows[:limit]]} | more
            case "GET", ["releases", name]:
                row, release = self._release(name)
                return {"row": row.document(), "release": release.document(), "provenance": []}
            case "POST", ["environments", name, "plan"]:
                return self.bend(self._plan(name, PlanRequest.read(body))).document()
            case "POST", ["environments", name, "orders"]:
                return self._order(name, OrderRequest.read(body)).document()
            case "POST", ["environments", name, "rollback"]:
                plan = self._plan(name, PlanRequest(verb=Verb.ROLLBACK, to=body.get("to")))
                return self._begin(name, plan.closure, Verb.ROLLBACK).document()
            case "GET", ["environments", name, "generations"]:
                past = list(reversed(self.generations.get(name, [])))
                return {"generations": [row.document() for row in past]}
            case "GET", ["environments", name, "generations", number]:
                return self._generation(name, int(number)).document()
            case _:
                return self._keys(method, path, body)

    def _keys(self, method: str, path: str, body: Any) -> Any:
        match method, path.split("/")[2:]:
            case "GET", ["keyring"] if self.keyring is not None:
                return {"envelope": self.keyring.decode()}
            case "PUT", ["keyring"]:
                self.keyring = body["envelope"].encode()
                return body
            case "GET", ["keys"]:
                return {"control": [self.control_key.id], "roots": [self.root.verify_key.id]}
            case "GET", ["enrolments"]:
                return {"enrolments": self.enrolments}
            case "POST", ["enrolment-tokens"]:
                return {"token": "sea_enrol_once", **body}
            case "POST", ["tokens"]:
                made = {"id": "tok_1", "made": AT.isoformat(), "token": "sea_control_new"}
                return {"name": body["name"], "permissions": body["permissions"], **made}
            case _:
                raise NotHere(what=f"{method} {path}")

    def _status(self) -> Status:
        rows = tuple(
            EnvironmentRow(
                environment=name,
                profile=self.closure(name).rules.profile,
                current=next(reversed(self.generations.get(name, [])), None),
                cells=(self._cell(name),),
            )
            for name in ("staging", "production")
        )
        return Status(version="0.1.0", embedded=True, keyring=1, environments=rows)

    def _cell(self, name: str) -> CellRow:
        number = len(self.generations.get(name, []))
        behind = 1 if self.lagging and number else 0
        return CellRow(
            cell=name,
            environment=name,
            region="local",
            url=self.url,
            current=number - behind,
            behind=behind,
            lag_seconds=12.0 * behind,
            seen_seconds=0.5,
            connected=True,
        )

    def _deploy(self, request: DeployRequest) -> ReleaseRow:
        _, provenance, _ = Provenance.verified(
            request.provenance.encode(), [self.person.verify_key]
        )
        digest = Release.read(request.release).name
        release = opened(request.release, digest)
        missing = [str(each) for each in release.blobs if str(each) not in self.blobs]
        if missing:
            raise NotHere(what=missing[0])
        for row, _ in self.releases:
            if row.release == digest:
                return row
        slug = release.manifest.agent
        number = 1 + sum(row.agent == slug for row, _ in self.releases)
        row = ReleaseRow(
            name=f"{slug}@{number}",
            agent=slug,
            number=number,
            release=digest,
            author="ada",
            commit=provenance.commit,
            dirty=provenance.dirty,
            at=AT,
        )
        self.releases.append((row, release))
        return row

    def _release(self, name: str) -> tuple[ReleaseRow, Release]:
        name = self.aliases.get(name, name)
        for row, release in self.releases:
            if name in {row.name, str(row.release)}:
                return row, release
        raise NotHere(what=name)

    def _plan(self, name: str, request: PlanRequest) -> Plan:
        before = self.closure(name)
        agents = dict(before.agents)
        rules = before.rules
        if request.verb is Verb.CONFIGURE:
            assert request.profile is not None
            rules = rules_of(request.profile, name)
        elif request.verb is Verb.ROLLBACK:
            rows = self.generations.get(name, [])
            to = request.to if request.to is not None else len(rows) - 1
            agents = {}
            if to:
                for slug, label in rows[to - 1].agents.items():
                    row, _ = self._release(label)
                    agents[slug] = Active(release=row.release, name=row.name)
        else:
            source = self.closure("staging").agents
            for slug, label in (request.agents or dict.fromkeys(source, "")).items():
                if not label and slug not in source:
                    raise NotHere(what=slug)
                row, _ = self._release(label or source[slug].name)
                agents[slug] = Active(release=row.release, name=row.name)
        after = Closure(environment=name, agents=agents, rules=rules)
        changes = [
            ChangeRow(
                agent=slug,
                before=before.agents[slug].name if slug in before.agents else "",
                after=agents[slug].name if slug in agents else "",
            )
            for slug in sorted(before.agents.keys() | agents.keys())
            if before.agents.get(slug) != agents.get(slug)
        ]
        if after == before:
            raise Unchanged
        signature = GateRow(
            gate="signed_order", standing="unmet", reason="0 of 1 signatures by a releaser"
        )
        gates = (*self.gates, signature)
        return Plan(
            environment=name,
            verb=request.verb,
            closure=after,
            previous=len(self.generations.get(name, [])),
            base=before.digest,
            rules=before.rules.digest,
            changes=tuple(changes),
            gates=gates,
            met=False,
            cells=(name,),
        )

    def _order(self, name: str, request: OrderRequest) -> OrderAnswer:
        subject, order, _ = Order.verified(request.order.encode(), [self.person.verify_key])
        assert subject == request.closure.digest
        assert order.base == self.closure(name).digest
        assert order.previous == len(self.generations.get(name, []))
        assert order.environment == name
        self.orders.append((order, request.closure, request.exclude))
        unmet = tuple(gate for gate in self.gates if gate.standing != "met")
        if unmet:
            return OrderAnswer(gates=tuple(self.gates), met=False)
        row = self._begin(name, request.closure, order.verb)
        return OrderAnswer(generation=row, gates=tuple(self.gates), met=True)

    def _begin(self, name: str, closure: Closure, verb: Verb) -> GenerationRow:
        self.closures[name] = closure
        rows = self.generations.setdefault(name, [])
        row = GenerationRow(
            environment=name,
            generation=len(rows) + 1,
            verb=verb,
            state=GenerationState.PROPOSED,
            closure=closure.digest,
            agents={slug: active.name for slug, active in closure.agents.items()},
            ordered=AT,
            required=(name,),
        )
        rows.append(row)
        return row

    def _generation(self, name: str, number: int) -> GenerationRow:
        row = self.generations[name][number - 1]
        state = GenerationState.COMMITTED if self.commits else GenerationState.ABANDONED
        cell = self._cell(name)
        if not self.commits:
            cell = cell.model_copy(update={"refused": number, "reason": "wheels_missing: no wheel"})
        self.lagging = max(0, self.lagging - 1)
        row = row.model_copy(update={"state": state, "cells": (cell,)})
        self.generations[name][number - 1] = row
        return row

    # --- a cell --------------------------------------------------------------------------------

    def cell(self, method: str, path: str, query: Row, body: Any) -> Any:  # noqa: C901, PLR0911, PLR0912 - a table
        match method, path.split("/")[2:]:
            case "POST", ["agents", slug, "runs"]:
                return self._start(slug, body)
            case "POST", ["agents", slug, "local-runs"]:
                run = self._run(slug, "running", body["input"], local=True)
                return {"run": run["id"], "token": "sea_slot_local", "url": self.url}
            case "POST", ["agents", _, "local-runs", run, "end"]:
                self.runs[run] |= {"state": "failed" if "error" in body else "succeeded", **body}
                return self.runs[run]
            case "GET", ["runs"]:
                return {"runs": list(self.runs.values()), "next": None}
            case "GET", ["runs", run] if run in self.runs:
                if self.runs[run]["state"] == "running" and self.runs[run]["input"] == "slow":
                    self.runs[run] |= {"state": "succeeded", "output": {"late": True}}
                return self.runs[run]
            case "GET", ["runs", run, "receipt"] if run in self.receipts:
                return self.receipts[run]
            case "GET", ["runs", run, "decisions"] if run in self.decisions:
                return {"run": run, "decisions": self.decisions[run]}
            case "POST", ["runs", run, "replay" | "shadow"] if run in self.receipts:
                return {"id": f"{run}_again", "state": "succeeded"}
            case "GET", ["runs", run, "receipt"] if run in self.runs:
                return {"run": self.runs[run], "calls": [{"kind": "model", "tokens": 7}]}
            case "POST", ["runs", run, _] if run in self.runs:
                return self.runs[run]
            case "GET", ["reviews"]:
                return {"reviews": self.reviews[: int(query["limit"])]}
            case "POST", ["reviews", run, seq, _]:
                asked = [it for it in self.reviews if (it["run"], str(it["seq"])) == (run, seq)]
                if not asked:
                    raise NotHere(what=f"{run}/{seq}")
                self.reviews.remove(asked[0])
                return {"id": run, "state": "queued"}
            case "GET", ["sessions"]:
                row = {"id": "chat-1", "agent": "support", "release_name": "support@1"}
                return {"sessions": [row | {"turns": 2, "last": AT.isoformat()}], "next": None}
            case "GET", ["sessions", session]:
                return {"id": session, "runs": list(self.runs.values())}
            case "GET", ["status"]:
                return {"isolation": {"level": "L1", "label": "L1"}}
            case "GET", ["secrets"]:
                return {"secrets": [{"name": name} for name in self.secrets]}
            case "PUT", ["secrets", name]:
                self.secrets[name] = body["value"]
                return {"name": name, "version": 1}
            case "DELETE", ["secrets", name]:
                del self.secrets[name]
                return None
            case _:
                raise NotHere(what=f"{method} {path}")

    def _run(self, slug: str, state: str, value: Any, *, local: bool = False) -> Row:
        run = f"run_{len(self.runs)}"
        self.runs[run] = {
            "id": run,
            "agent": slug,
            "release_name": f"{slug}@1",
            "state": state,
            "input": value,
            "output": {"echo": value} if state == "succeeded" else None,
            "error": {"code": "agent_raised", "message": "boom"} if state == "failed" else None,
            "created": AT.isoformat(),
            "usage": {"cost_usd": 0.25},
            "local": local,
        }
        return self.runs[run]

    def _start(self, slug: str, body: Row) -> Row:
        if slug == "nobody":
            raise NotHere(what=slug)
        asked = body["input"]
        state = {"slow": "running", "for ever": "running", "boom": "failed"}.get(
            asked if isinstance(asked, str) else ""
        )
        return self._run(slug, state or "succeeded", asked)

    # --- over HTTP -----------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        path = unquote(scope["raw_path"].decode())
        query = {name: each[0] for name, each in parse_qs(scope["query_string"].decode()).items()}
        body: Any = await read_body(scope, receive, limit=100 << 20)
        if headers.get(b"content-type") == b"application/json":
            body = json.loads(body)
        self.asked.append((scope["method"], path, body))
        try:
            if headers.get(b"authorization") != f"Bearer {self.token}".encode():
                raise TokenWrong
            if (found := re.match(r"/v1/runs/([^/]+)/events|/v1/agents/([^/]+)/runs", path)) and (
                b"text/event-stream" in headers.get(b"accept", b"")
            ):
                await self._stream(send, found[1], found[2], body, headers)
                return
            if path == "/v1/logs":
                await self._log(send, query)
                return
            half = self.control if path in _CONTROL or path.startswith(_CONTROLS) else self.cell
            value = half(scope["method"], path, query, body)
        except SeatrialError as error:
            await answer_error(send, error)
            return
        except Unchanged:
            told = {"code": "nothing_to_change", "detail": "Nothing would change."}
            await answer_json(send, told, status=409)
            return
        if value is None:
            await answer_empty(send)
        else:
            await answer_json(send, value)

    async def _stream(
        self, send: Send, run: str | None, slug: str | None, body: Any, headers: dict[bytes, bytes]
    ) -> None:
        events: list[tuple[str, Row]] = []
        if slug is not None:
            self._run(slug, "succeeded", body["input"])
        name = run or next(reversed(self.runs))
        events.append(("accepted", {"run": name}))
        if self.chunks:
            events += [("chunk", {"data": "hel"}), ("chunk", {"data": "lo"})]
        events.append(("ended", {"run": self.runs[name]}))
        after = int(headers.get(b"last-event-id", b"-1"))
        kind = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": kind})
        for number, (event, data) in enumerate(events):
            if number <= after:
                continue
            text = f"id: {number}\nevent: {event}\ndata: {json.dumps(data)}\n\n"
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
            if self.drop_stream and number == 1:
                self.drop_stream = False
                break
        await send({"type": "http.response.body", "body": b""})

    async def _log(self, send: Send, query: Row) -> None:
        lines = [{"at": AT.isoformat(), "level": "info", "run": "run_0", "text": "hel\x1b[2Jlo"}]
        if query.get("follow"):
            body = "".join(f"data: {json.dumps(line)}\n\n" for line in lines).encode()
            kind = b"text/event-stream"
        else:
            body = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
            kind = b"application/x-ndjson"
        start = {"status": 200, "headers": [(b"content-type", kind)]}
        await send({"type": "http.response.start", **start})
        await send({"type": "http.response.body", "body": body})


_CONTROL = {"/v1/keyring", "/v1/keys", "/v1/enrolments", "/v1/enrolment-tokens", "/v1/tokens"}
_CONTROLS = ("/v1/blobs", "/v1/releases", "/v1/environments")


class Door:
    """Control's own listener: `/v1/status` is asked of both halves, so the port decides."""

    def __init__(self, fake: Fake) -> None:
        self._fake = fake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/v1/status":
            await read_body(scope, receive, limit=100)
            await answer_json(send, self._fake.control("GET", "/v1/status", {}, None))
        else:
            await self._fake(scope, receive, send)


@contextlib.contextmanager
def served(fake: Fake) -> Iterator[tuple[str, str]]:
    """The URLs of control and of the cell, served by a thread while the block lasts."""
    ready, done = threading.Event(), asyncio.Event()
    found: list[str] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        servers = [Server(app, listen("127.0.0.1", 0)) for app in (Door(fake), fake)]
        for server in servers:
            await server.start()
            found.append(f"http://127.0.0.1:{server.address.rpartition(':')[2]}")
        loops.append(asyncio.get_running_loop())
        ready.set()
        await done.wait()
        for server in servers:
            await server.stop(0.0)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        assert ready.wait(10)
        fake.url = found[1]
        yield found[0], found[1]
    finally:
        loops[0].call_soon_threadsafe(done.set)
        thread.join(10)


def signed_keyring(fake: Fake, keyring: Keyring | None = None) -> bytes:
    """A keyring in force at `fake`."""
    ring = keyring or Keyring(version=1, control=(fake.control_key.id,))
    return sign_keyring(ring, fake.root)
