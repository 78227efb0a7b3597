"""The page of a cell's API: its route tables, asked one by one whom they would let in."""

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, SimpleNamespace
from typing import Any, Final, NoReturn, cast

from dev.reference.markdown import code, page, section, table, words
from dev.reference.page import Page
from dev.reference.schemas import fields, name_of
from seatrial.cell.door.api.actions import action_routes
from seatrial.cell.door.api.desk import Desk
from seatrial.cell.door.api.drafts import draft_routes, local_run_routes
from seatrial.cell.door.api.fixtures import fixture_routes
from seatrial.cell.door.api.inner import inner_routes
from seatrial.cell.door.api.logs import log_routes, metric_routes
from seatrial.cell.door.api.openai import openai_routes
from seatrial.cell.door.api.operations import Operating
from seatrial.cell.door.api.receipts import receipt_routes
from seatrial.cell.door.api.reviews import review_routes
from seatrial.cell.door.api.runs import run_routes
from seatrial.cell.door.api.secrets import secret_routes
from seatrial.cell.door.api.sessions import session_routes
from seatrial.cell.door.api.status import status_routes
from seatrial.cell.door.api.tokens import token_routes
from seatrial.cell.door.domain import ALLOWED_IN_PRODUCTION, CellPermissionMissing
from seatrial.cell.door.mcp.api import mcp_routes
from seatrial.contract.documents import Document
from seatrial.contract.runs.access import CellPermission
from seatrial.kit.http.asgi import App, Receive, Scope, Send
from seatrial.kit.http.lifetime import Lifetime
from seatrial.kit.http.routes import Routes

Row = tuple[str, str, App]

_INTRO: Final = """\
What callers meet at a cell's address, `http://production.localhost:…` where `seatrial up` runs it.
A call carries `Authorization: Bearer sea_ENVIRONMENT_api_…`, or the same in `X-API-Key`. Errors are
problem details; see [Errors](errors.md). [Call an agent](../how-to/call-an-agent.md) shows it in
use."""
_PROBES: Final = """\
`/healthz`, `/readyz` and `/metrics` ask for no token: they tell counts and phases alone."""
_PERMISSIONS: Final = """\
A token may do what it was made for. Where several are named, any of them will do: `invoke` then
reaches the runs that the token itself has started."""
_OPERATIONS: Final = """\
Whatever changes something names its operation. Production has a closed list of them; none changes
what runs there, and what is not on the list is refused whatever the token may."""
_INNER: Final = """\
Agents' processes call this one, on 127.0.0.1 alone, with the token of their slot, which their
environment holds. It opens what this release may use while a run is in the slot."""
_ENVIRONMENT: Final = "staging"  # where every operation is allowed, so that each can be asked


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One endpoint of a cell.

    Attributes:
        method: of HTTP.
        path: with holes.
        does: its first sentence.
        permissions: any of which it asks for; none for everybody.
        operation: what it changes; empty where it changes nothing.
        documents: what it reads its body as.
    """

    method: str
    path: str
    does: str
    permissions: tuple[str, ...]
    operation: str
    documents: tuple[type[Document], ...]

    @property
    def title(self) -> str:
        """Method and path."""
        return f"{self.method} {self.path}"


def endpoints() -> list[Endpoint]:
    """The endpoints for callers, by path."""
    asked: list[str] = []

    async def admit(_scope: Scope, permission: CellPermission) -> NoReturn:
        asked.append(str(permission))
        raise CellPermissionMissing(name="reference", permission=str(permission))

    found = []
    for method, path, app in _table(admit):
        asked.clear()
        logging.disable()  # each refusal would be a line
        asyncio.run(_call(method, path, app))
        logging.disable(logging.NOTSET)
        handler = _handler(app)
        found.append(
            Endpoint(
                method=method,
                path=path,
                does=_sentence(handler),
                permissions=tuple(dict.fromkeys(asked)),
                operation=str(app.operation) if isinstance(app, Operating) else "",
                documents=tuple(_documents(handler)),
            )
        )
    return sorted(found, key=lambda each: (each.path, each.method))


def inner() -> list[Endpoint]:
    """The endpoints for agents."""
    nothing = cast("Any", None)
    return [
        Endpoint(
            method=method,
            path=path,
            does=_sentence(_handler(app)),
            permissions=(),
            operation="",
            documents=(),
        )
        for method, path, app in (
            *inner_routes(nothing, nothing, nothing),
            *action_routes(nothing, nothing, nothing),
            *mcp_routes(nothing, nothing),
        )
    ]


def render() -> str:
    """The page for every endpoint."""
    found = endpoints()
    documents = {each.__name__: each for one in found for each in one.documents}
    linked = {name: f"[{name}](#{name.lower()})" for name in documents}
    return page(
        "A cell's API",
        _INTRO,
        section(2, "Endpoints", _PROBES, _endpoints(found, linked)),
        section(2, "Permissions", _PERMISSIONS, _permissions()),
        section(2, "Operations", _OPERATIONS, _operations(found)),
        section(2, "Bodies", "A field that is not known is refused."),
        *_bodies(documents, linked),
        section(2, "The inner door", _INNER, _inner()),
    )


def _table(admit: Any) -> list[Row]:  # noqa: ANN401 - stands for `Admit`, and for what holds it
    nothing = cast("Any", None)

    async def families() -> list[Any]:
        return []

    desk = Desk(
        runs=cast("Any", SimpleNamespace(bounds=SimpleNamespace(input=0))),
        judge=nothing,
        admit=admit,
        environment=_ENVIRONMENT,
        lifetime=Lifetime(),
        ids=nothing,
        on_payload_read=nothing,
        give_fixture=nothing,
    )
    return [
        *run_routes(desk),
        *review_routes(desk, nothing),
        *session_routes(desk),
        *openai_routes(desk, nothing),
        *receipt_routes(nothing, admit),
        *fixture_routes(nothing, admit, _ENVIRONMENT),
        *log_routes(nothing, admit, Lifetime()),
        *metric_routes(families),
        *status_routes(admit, {}, nothing, nothing, nothing),
        *token_routes(cast("Any", SimpleNamespace(admit=admit)), _ENVIRONMENT),
        *secret_routes(nothing, admit, _ENVIRONMENT),
        *draft_routes(nothing, admit, _ENVIRONMENT),
        *local_run_routes(nothing, admit, _ENVIRONMENT, inner_url=""),
    ]


async def _call(method: str, path: str, app: App) -> None:
    """Call an endpoint as somebody whom it lets in nowhere."""
    raw = path.replace("{", "").replace("}", "").encode()
    scope = {"type": "http", "method": method, "path": path, "raw_path": raw, "headers": []}
    scope["query_string"] = b""

    async def receive() -> Any:  # noqa: ANN401 - a message
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message: Any) -> None:  # noqa: ANN401 - a message
        return None

    try:
        await Routes([(method, path, app)])(
            cast("Scope", scope | {"query_string": b""}),
            cast("Receive", receive),
            cast("Send", send),
        )
    except CellPermissionMissing:
        return


def _handler(app: Any) -> Callable[..., Any]:  # noqa: ANN401 - an app, wrapped or not
    """The function that answers, from inside whatever it is wrapped in."""
    if isinstance(app, Operating):
        return _handler(vars(app)["_app"])
    for cell in getattr(app, "__closure__", None) or ():
        within = cell.cell_contents
        if inspect.iscoroutinefunction(within) and not inspect.getdoc(app):
            return _handler(within)
    return cast("Callable[..., Any]", app)


def _sentence(handler: Callable[..., Any]) -> str:
    return (inspect.getdoc(handler) or "").partition("\n")[0]


def _documents(handler: Callable[..., Any]) -> Iterator[type[Document]]:
    """The documents that a handler reads, itself or in a method beside it."""
    function = inspect.unwrap(getattr(handler, "__func__", handler))
    owner = getattr(handler, "__self__", None)
    told: CodeType = function.__code__
    for name in told.co_names:
        found = function.__globals__.get(name)
        if isinstance(found, type) and issubclass(found, Document):
            yield found
        beside = getattr(type(owner), name, None) if name.startswith("_") else None
        if inspect.isfunction(beside):
            yield from _documents(beside.__get__(owner))


def _endpoints(found: list[Endpoint], linked: Mapping[str, str]) -> str:
    return table(
        ("endpoint", "permission", "does", "body"),
        [
            (
                code(each.title),
                words(each.permissions, "or") if each.permissions else "none",
                each.does,
                ", ".join(linked[one.__name__] for one in each.documents),
            )
            for each in found
        ],
    )


def _permissions() -> str:
    return table(
        ("permission", "may"),
        [(code(str(each)), _told(each)) for each in CellPermission],
    )


def _told(permission: CellPermission) -> str:
    """What stands below a member in its class."""
    source = inspect.getsource(CellPermission)
    after = source.partition(f'{permission.name} = "{permission.value}"')[2]
    return after.split('"""')[1].strip()


def _operations(found: list[Endpoint]) -> str:
    names = dict.fromkeys(each.operation for each in found if each.operation)
    rows = []
    for name in names:
        paths = [code(each.title) for each in found if each.operation == name]
        allowed = "yes" if name in ALLOWED_IN_PRODUCTION else "no"
        rows.append((code(name), ", ".join(paths), allowed))
    return table(("operation", "endpoints", "in production"), sorted(rows))


def _bodies(documents: Mapping[str, type[Document]], linked: Mapping[str, str]) -> Iterator[str]:
    for name, document in sorted(documents.items()):
        schema = document.model_json_schema()
        inner_names = dict(linked)
        for other, inside in schema.get("$defs", {}).items():
            inner_names.setdefault(name_of(other), _short(inside))
        yield section(3, name, fields(schema, inner_names))


def _short(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return words([str(each) for each in schema["enum"]], "or")
    names = schema.get("properties")
    return f"object of {words(names)}" if names else "any JSON value"


def _inner() -> str:
    return table(("endpoint", "does"), [(code(each.title), each.does) for each in inner()])


CELL_API: Final = Page(path="docs/reference/cell-api.md", render=render)
