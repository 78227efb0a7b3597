"""The frame of control's API: one FastAPI app whose every answer, good or bad, is of our shape."""

from asyncio import to_thread
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, NoReturn

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from seatrial.kit.crypto.documents import strict_json
from seatrial.kit.errors import Invalid, SeatrialError
from seatrial.kit.http.asgi import App, Message, Receive, Scope, Send
from seatrial.kit.http.boundary import ErrorBoundary
from seatrial.kit.http.requests import ClientGone, NotJson, header, read_body
from seatrial.kit.http.routes import MethodRefused, PathUnknown
from seatrial.kit.ids import Ids

BODY_LIMIT: Final = 16 << 20  # bytes: a release with its provenance, and room
OPEN_BODY_LIMIT: Final = 64 << 10  # bytes, of a caller that shows no token
STREAMED: Final = (("PUT", "/v1/blobs/"),)
"""Requests whose body is no JSON document: their endpoint reads and bounds it itself."""

_CAUGHT: Final = "seatrial.caught"
_MOST_FINDINGS: Final = 20
_AT_ONCE: Final = 256 << 10  # bytes that are read on the loop itself
_PROBLEM: Final[dict[str, Any]] = {
    "title": "Problem",
    "description": "Any error, as problem details (RFC 9457).",
    "type": "object",
    "properties": {
        "status": {"type": "integer"},
        **{
            name: {"type": "string"}
            for name in ("type", "title", "detail", "code", "cause", "remedy", "instance")
        },
    },
    "required": ["type", "title", "status", "detail", "code", "cause", "remedy"],
}
_REFUSED: Final[dict[str, Any]] = {
    "description": "Refused; `code` tells why, `remedy` what to do.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


class RequestInvalid(Invalid):
    """The request is wrong: {findings}."""

    code = "request_invalid"
    cause = "A field is unknown, missing or of the wrong kind, in the path, the query or the body."
    remedy = "Mend the named places; `/v1/openapi.json` describes every request."


def control_app(
    routers: Iterable[APIRouter], ids: Ids, *, version: str, body_limit: int = BODY_LIMIT
) -> App:
    """Control's API.

    Args:
        routers: of the rooms.
        ids: of requests and incidents.
        version: of Seatrial, for the OpenAPI document at `/v1/openapi.json`.
        body_limit: bytes that a JSON body may have.
    """
    api = _Api(
        title="Seatrial control",
        summary="Decides what may run where: releases, evidence, promotions.",
        version=version,
        openapi_url="/v1/openapi.json",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={RequestValidationError: _invalid, HTTPException: _unserved},
    )
    for router in routers:
        api.include_router(router)
    api.add_middleware(_Carrier)
    return ErrorBoundary(_Frame(api, body_limit), ids)


class _Api(FastAPI):
    """Describes errors as they are answered: FastAPI would promise a 422 of its own shape."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        if self.openapi_schema is None:
            document = super().openapi()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            schemas["Problem"] = _PROBLEM
            for operations in document["paths"].values():
                for operation in operations.values():
                    operation["responses"].pop("422", None)
                    operation["responses"]["default"] = _REFUSED
        return self.openapi_schema or {}


class _Frame:
    """Reads and checks JSON bodies before FastAPI does, and lets its errors out."""

    def __init__(self, app: App, body_limit: int) -> None:
        self._app = app
        self._body_limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _is_streamed(scope):
            receive = await self._checked(scope, receive)
        caught: list[Exception] = []
        scope[_CAUGHT] = caught
        await self._app(scope, receive, send)
        if caught:
            raise ClientGone if isinstance(caught[0], ClientDisconnect) else caught[0]

    async def _checked(self, scope: Scope, receive: Receive) -> Receive:
        """What hands on the body, once it is known to be JSON with one meaning.

        FastAPI's own reader takes the last of two members with one name, and any size.
        """
        known = header(scope, b"authorization") is not None
        limit = self._body_limit if known else min(self._body_limit, OPEN_BODY_LIMIT)
        body = await read_body(scope, receive, limit=limit)
        if body:
            kind = (header(scope, b"content-type") or b"").decode("latin-1")
            if kind.partition(";")[0].strip().lower() != "application/json":
                raise NotJson(header="Content-Type", value=kind)
            if len(body) <= _AT_ONCE:
                strict_json(body)
            else:  # 6 MB of small objects take 0.4 s
                await to_thread(strict_json, body, largest=self._body_limit)
        return _replayed(body, receive)


class _Carrier:
    """Takes an exception past starlette's outermost layer, which would answer it in plain text."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            if _CAUGHT not in scope:
                raise
            scope[_CAUGHT].append(error)


def _is_streamed(scope: Scope) -> bool:
    return any(
        scope["method"] == method and scope["path"].startswith(path) for method, path in STREAMED
    )


def _replayed(body: bytes, receive: Receive) -> Callable[[], Awaitable[Message]]:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


async def _invalid(_: Request, error: Exception) -> NoReturn:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it is registered for this one
    details = error.errors()
    said = [_finding(detail) for detail in details[:_MOST_FINDINGS]]
    if len(details) > len(said):
        said.append(f"and {len(details) - len(said)} more")
    raise RequestInvalid(findings="; ".join(said))


async def _unserved(request: Request, error: Exception) -> NoReturn:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for this one
    if isinstance(error.__cause__, SeatrialError):  # met while FastAPI read the body
        raise error.__cause__
    path = request.scope["path"]
    if error.status_code == 404:
        raise PathUnknown(path=path)
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        raise MethodRefused(path=path, method=request.method, allowed=allowed)
    raise RequestInvalid(findings=error.detail)


def _finding(detail: dict[str, Any]) -> str:
    """One finding as `place: reason`; what stood there is not quoted, it may be a secret."""
    parts = [str(part) for part in detail["loc"]]
    place = ".".join(parts[1:] if parts[0] == "body" and len(parts) > 1 else parts)
    if detail["type"] == "extra_forbidden":
        return f"{place}: there is no such field"
    said = str(detail["msg"]).removeprefix("Value error, ")
    return f"{place}: {said[:1].lower()}{said[1:]}"
