"""The page of control's API, from the OpenAPI document that control itself serves."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from dev.reference.markdown import code, page, section, table, words
from dev.reference.page import Page
from dev.reference.schemas import described, fields, name_of
from seatrial.contract.switch.api import Permission
from seatrial.control.catalog.api import router as catalog_router
from seatrial.control.environments.api import router as environments_router
from seatrial.control.identity.api import router as identity_router
from seatrial.control.promotions.api import router as promotions_router
from seatrial.kit.http.lifetime import Lifetime

_INTRO: Final = """\
JSON over HTTP. The command line uses it, and whatever else wants to: `GET /v1/openapi.json` of a
running control is this page for programs. A call carries `Authorization: Bearer sea_control_api_…`;
`seatrial keys new-token` makes such tokens. Errors are problem details; see [Errors](errors.md).
`/healthz`, `/readyz` and `/metrics` ask for no token."""
_ORDERS: Final = """\
An order asks besides for the permission of its verb, which the signed document tells: `deploy`,
`promote` (for changes of rules as well) or `rollback`."""
_DOCUMENTS: Final = """\
What bodies and answers hold. A field that is not known is refused. Envelopes are signed elsewhere:
control checks them, keeps them as they came, and hands them on."""
_PUBLIC: Final = "no token"
_HEAD: Final = ("operation", "asks for", "does", "body", "answer")
_METHODS: Final = ("get", "head", "post", "put", "delete")


class _Guards:
    """Stands for who may call: each dependency is remembered by what it asks for."""

    def __init__(self) -> None:
        self.asked: dict[object, str] = {}

    def guard(self, permission: Permission) -> Callable[..., Awaitable[Any]]:
        return self.named(f"`{permission}`")

    def named(self, what: str) -> Callable[..., Awaitable[Any]]:
        async def caller() -> Any:  # noqa: ANN401 - never called
            raise NotImplementedError

        self.asked[caller] = what
        return caller


def api() -> tuple[FastAPI, Mapping[tuple[str, str], str]]:
    """Control's routes without anything behind them, and what each asks of its caller."""
    guards = _Guards()
    nothing = cast("Any", None)
    reader = guards.named("`read`, or a cell's token")
    newcomer = guards.named("`read`, or the token of a cell that has enrolled")
    cell = guards.named("the cell's own token")
    app = FastAPI(separate_input_output_schemas=False)
    routers = (
        promotions_router(nothing, guards.guard, cell, Lifetime()),
        catalog_router(nothing, nothing, guards.guard, reader, nothing),
        environments_router(nothing, nothing, guards.guard, newcomer, []),
        identity_router(nothing, guards.guard),
    )
    asked = {}
    for router in routers:
        app.include_router(router)
        for route in _routes(router):
            for method in route.methods or ():
                asked[method.lower(), route.path] = _asks(route.dependant, guards.asked)
    return app, asked


def render() -> str:
    """The page for every operation and every document."""
    app, asked = api()
    document = app.openapi()
    schemas = {
        name: schema
        for name, schema in document["components"]["schemas"].items()
        if name not in {"HTTPValidationError", "ValidationError"}
    }
    linked = {
        name: f"[{name}](#{name.lower()})" if schema.get("properties") else described(schema, {})
        for name, schema in schemas.items()
    }
    found = [
        (method, path, operations[method])
        for path, operations in document["paths"].items()
        for method in _METHODS
        if method in operations
    ]
    rows = [
        (
            code(f"{method.upper()} {path}"),
            asked[method, path],
            _sentence(operation),
            _body(operation, linked),
            _answer(operation, linked),
        )
        for method, path, operation in found
    ]
    return page(
        "Control's API",
        _INTRO,
        section(2, "Operations", _ORDERS, table(_HEAD, sorted(rows, key=_place))),
        section(2, "Queries", table(("operation", "parameter", "value"), _queries(found, linked))),
        section(2, "Documents", _DOCUMENTS),
        *(
            section(3, name, fields(schema, linked))
            for name, schema in sorted(schemas.items())
            if schema.get("properties")
        ),
    )


def _routes(router: APIRouter) -> Iterator[APIRoute]:
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        else:  # a router within, which FastAPI keeps as it was
            yield from _routes(cast("Any", route).original_router)


def _place(row: Sequence[str]) -> tuple[str, str]:
    method, _, path = row[0].strip("`").partition(" ")
    return path, method


def _asks(dependant: Dependant, known: Mapping[object, str]) -> str:
    calls = [each.call for each in dependant.dependencies]
    found = dict.fromkeys(known[call] for call in calls if call in known)
    return " and ".join(found) if found else _PUBLIC


def _sentence(operation: Mapping[str, Any]) -> str:
    return str(operation.get("description", "")).strip().partition("\n\n")[0]


def _body(operation: Mapping[str, Any], linked: Mapping[str, str]) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    return described(schema, linked) if schema else ""


def _answer(operation: Mapping[str, Any], linked: Mapping[str, str]) -> str:
    found = []
    for status, told in operation["responses"].items():
        schema = told.get("content", {}).get("application/json", {}).get("schema", {})
        if status.startswith("2") and "$ref" in schema:
            found.append(f"{status} {linked[name_of(schema['$ref'])]}")
        elif status == "204":
            found.append(status)
    return " or ".join(found)


def _queries(
    found: list[tuple[str, str, Any]], linked: Mapping[str, str]
) -> Iterator[tuple[str, ...]]:
    for method, path, operation in found:
        for each in operation.get("parameters", ()):
            if each["in"] == "query":
                told = described(each["schema"], linked)
                yield code(f"{method.upper()} {path}"), words([each["name"]]), told


CONTROL_API: Final = Page(path="docs/reference/control-api.md", render=render)
