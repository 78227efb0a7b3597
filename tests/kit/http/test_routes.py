import asyncio
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from seatrial.kit.http.answers import answer_json
from seatrial.kit.http.asgi import App, Receive, Scope, Send
from seatrial.kit.http.boundary import ErrorBoundary
from seatrial.kit.http.routes import MethodRefused, PathMalformed, PathUnknown, Routes, path_values
from tests.kit.http.peers import IDS, Answer, call, scope


def _app(name: str) -> App:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        await answer_json(send, [name, path_values(scope)])

    return app


ROUTES = Routes(
    [
        ("GET", "/", _app("root")),
        ("GET", "/agents", _app("list")),
        ("POST", "/agents", _app("create")),
        ("GET", "/agents/mine", _app("mine")),
        ("GET", "/agents/{agent}", _app("one")),
        ("DELETE", "/agents/{agent}", _app("remove")),
        ("GET", "/agents/{agent}/releases/{release}", _app("release")),
        ("GET", "/{kind}/all", _app("all")),
    ]
)


def _found(path: str, method: str = "GET") -> list[object]:
    got: list[object] = asyncio.run(call(ROUTES, scope(method, path))).json
    return got


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("GET", "/", ["root", {}]),
        ("GET", "/agents", ["list", {}]),
        ("POST", "/agents", ["create", {}]),
        ("HEAD", "/agents", ["list", {}]),
        ("GET", "/agents/mine", ["mine", {}]),
        ("GET", "/agents/m%69ne", ["mine", {}]),
        ("GET", "/agents/all", ["one", {"agent": "all"}]),
        ("GET", "/other/all", ["all", {"kind": "other"}]),
        ("DELETE", "/agents/support", ["remove", {"agent": "support"}]),
        ("GET", "/agents/a/releases/b", ["release", {"agent": "a", "release": "b"}]),
    ],
)
def test_a_request_reaches_the_app_of_its_method_and_path(
    method: str, path: str, found: list[object]
) -> None:
    assert _found(path, method) == found


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1)
)
def test_a_hole_takes_any_encoded_segment(name: str) -> None:
    assume(name not in {".", "..", "mine"})
    path = quote(name, safe="")
    assert _found(f"/agents/{path}") == ["one", {"agent": name}]


@pytest.mark.parametrize(
    "path", ["/nothing", "/agents/", "/agents/a/b", "/agents/a/releases", "/Agents", "agents"]
)
def test_an_unknown_path_is_404(path: str) -> None:
    with pytest.raises(PathUnknown):
        _found(path)


@pytest.mark.parametrize(
    "path",
    [
        "/agents/..",
        "/agents/../agents/a",
        "/agents/%2e%2E",
        "/agents/.",
        "/agents//releases/x",
        "//agents",
        "/agents/a%2Fb",
        "/agents/a%5cb",
        "/agents/a\\b",
        "/agents/%00",
        "/agents/%0a",
        "/agents/%",
        "/agents/%zz",
        "/agents/%ff",
    ],
)
def test_a_path_with_two_readings_is_refused(path: str) -> None:
    with pytest.raises(PathMalformed):
        _found(path)


def _refused(method: str, path: str) -> Answer:
    return asyncio.run(call(ErrorBoundary(ROUTES, IDS), scope(method, path)))


def test_a_known_path_under_another_method_is_405_with_what_is_allowed() -> None:
    with pytest.raises(MethodRefused):
        _found("/agents", "PUT")
    got = _refused("PUT", "/agents")
    assert (got.status, got.headers[b"allow"]) == (405, b"GET, HEAD, POST")
    assert _refused("POST", "/agents/a").headers[b"allow"] == b"DELETE, GET, HEAD"


@pytest.mark.parametrize(
    "table",
    [
        [("GET", "/a", _app("1")), ("GET", "/a", _app("2"))],
        [("GET", "/a/{x}", _app("1")), ("GET", "/a/{y}", _app("2"))],
        [("GET", "/{x}/{x}", _app("1"))],
        [("GET", "/a{x}", _app("1"))],
        [("GET", "/{X}", _app("1"))],
        [("GET", "a", _app("1"))],
    ],
)
def test_a_table_that_contradicts_itself_is_refused(table: list[tuple[str, str, App]]) -> None:
    with pytest.raises(ValueError, match=r"path|routed"):
        Routes(table)
