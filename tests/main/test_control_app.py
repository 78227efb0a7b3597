"""Whatever a client sends to control, the answer is one of ours."""

import asyncio
import json
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from seatrial.contract.documents import Document
from seatrial.contract.switch.api import TokenRequest
from seatrial.kit.errors import Unavailable
from seatrial.kit.http.asgi import App, Scope
from seatrial.main.control_app import BODY_LIMIT, OPEN_BODY_LIMIT, control_app
from tests.kit.http.peers import IDS, Answer, body_of, call, exchange, port_of, scope, serving

JSON = [(b"content-type", b"application/json")]
LIMIT = 10_000


class _Soon(Unavailable):
    """Not now."""

    code = "test_control_soon"
    cause = "It is a test."
    remedy = "Wait."
    retry_after = 7.2


class _Note(Document):
    text: str
    secret: str = ""


class _Wrong(BaseModel):
    number: int


def _router() -> APIRouter:
    routes = APIRouter()

    @routes.get("/v1/good")
    async def good(limit: Annotated[int, Query(ge=1)] = 1) -> dict[str, int]:
        return {"limit": limit}

    @routes.post("/v1/notes")
    async def note(request: _Note) -> _Note:
        return request

    @routes.post("/v1/tokens")
    async def token(request: TokenRequest) -> TokenRequest:
        return request

    @routes.get("/v1/soon")
    async def soon() -> None:
        raise _Soon

    @routes.get("/v1/defect")
    async def defect() -> None:
        raise RuntimeError("hunter2")

    @routes.get("/v1/unfit", response_model=_Wrong)
    async def unfit() -> dict[str, str]:
        return {"number": "hunter2"}

    @routes.put("/v1/blobs/{digest}")
    async def blob(digest: str, request: Request) -> dict[str, Any]:
        size = sum([len(part) async for part in request.stream()])
        return {"digest": digest, "size": size}

    return routes


@pytest.fixture
def app() -> App:
    return control_app([_router()], IDS, version="1.2.3", body_limit=LIMIT)


def asked(app: App, request: Scope, *body: bytes) -> Answer:
    return asyncio.run(call(app, request, body_of(*(body or (b"",)))))


def posted(app: App, path: str, body: bytes, headers: Any = JSON) -> Answer:
    return asked(app, scope("POST", path, headers), body)


def is_problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The problem that `answer` is."""
    assert answer.status == status
    assert answer.headers[b"content-type"] == b"application/problem+json"
    assert answer.headers[b"cache-control"] == b"no-store"
    problem: dict[str, Any] = answer.json
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["type"] == f"urn:seatrial:error:{code}"
    assert problem["detail"]
    assert problem["cause"]
    assert problem["remedy"]
    assert problem["instance"].encode() == answer.headers[b"x-request-id"]
    return problem


def test_a_good_answer_carries_the_id_of_its_request(app: App) -> None:
    answer = asked(app, scope("GET", "/v1/good", [(b"x-request-id", b"abcdefgh")]))
    assert (answer.status, answer.json) == (200, {"limit": 1})
    assert answer.headers[b"x-request-id"] == b"abcdefgh"


@pytest.mark.parametrize(
    "path", ["/", "/v1/good/", "/v2/good", "/docs", "/redoc", "/openapi.json", "//", "/v1/../v1"]
)
def test_a_path_that_is_not_served_is_told(app: App, path: str) -> None:
    is_problem(asked(app, scope("GET", path)), 404, "path_unknown")


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "FOO", "OPTIONS", "TRACE"])
def test_a_method_that_is_not_served_is_told_with_those_that_are(app: App, method: str) -> None:
    answer = asked(app, scope(method, "/v1/notes"))
    is_problem(answer, 405, "method_refused")
    assert answer.headers[b"allow"] == b"POST"


def test_a_named_error_keeps_its_status_and_its_headers(app: App) -> None:
    answer = asked(app, scope("GET", "/v1/soon"))
    is_problem(answer, 503, "test_control_soon")
    assert answer.headers[b"retry-after"] == b"8"


@pytest.mark.parametrize("path", ["/v1/defect", "/v1/unfit"])
def test_a_defect_is_a_fault_with_an_incident_and_shows_nothing(app: App, path: str) -> None:
    answer = asked(app, scope("GET", path))
    problem = is_problem(answer, 500, "internal_fault")
    assert "inc_" in problem["detail"]
    assert b"hunter2" not in answer.body


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"secret": "hunter2"}, "text: field required"),
        ({"text": "a", "secret": ["hunter2"]}, "secret: input should be a valid string"),
        ({"text": "a", "hunter": "hunter2"}, "hunter: there is no such field"),
        (["hunter2"], "body: input should be a valid dictionary"),
        ("hunter2", "body: input should be a valid dictionary"),
    ],
)
def test_a_body_of_another_shape_is_told_by_its_places_and_not_quoted(
    app: App, body: object, place: str
) -> None:
    answer = posted(app, "/v1/notes", json.dumps(body).encode())
    problem = is_problem(answer, 400, "request_invalid")
    assert place in problem["detail"]
    assert b"hunter2" not in answer.body


def test_a_query_of_another_shape_is_told(app: App) -> None:
    for query in (b"limit=0", b"limit=x", b"limit="):
        problem = is_problem(
            asked(app, scope("GET", "/v1/good", query=query)), 400, "request_invalid"
        )
        assert "query.limit: " in problem["detail"]


def test_a_thousand_findings_are_a_short_answer(app: App) -> None:
    body = json.dumps({"name": "x", "permissions": ["hunter2"] * 900}).encode()
    answer = posted(app, "/v1/tokens", body)
    is_problem(answer, 400, "request_invalid")
    assert len(answer.body) < 2_000


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "json_malformed"),
        (b'{"text": NaN}', "json_malformed"),
        (b"\xff\xfe", "json_malformed"),
        (b'{"text": "a", "text": "b"}', "json_unfit"),
        (b'{"text": 9007199254740993}', "json_unfit"),
        (b"[" * 200 + b"]" * 200, "json_too_deep"),
        (b"[" * 4_000, "json_malformed"),
    ],
)
def test_a_body_that_is_no_json_or_has_two_meanings_is_told(
    app: App, body: bytes, code: str
) -> None:
    is_problem(posted(app, "/v1/notes", body), 400, code)


@pytest.mark.parametrize(
    "kind", [b"text/plain", b"application/x-www-form-urlencoded", b"", b"application/jsonx"]
)
def test_a_body_of_another_type_is_refused(app: App, kind: bytes) -> None:
    headers = [(b"content-type", kind)] if kind else []
    is_problem(posted(app, "/v1/notes", b'{"text": "a"}', headers), 415, "not_json")


def test_no_body_where_one_is_needed_is_told(app: App) -> None:
    is_problem(asked(app, scope("POST", "/v1/notes")), 400, "request_invalid")


def test_a_body_beyond_the_bound_is_refused_announced_or_not(app: App) -> None:
    announced = [*JSON, (b"content-length", b"%d" % (LIMIT + 1))]
    is_problem(asked(app, scope("POST", "/v1/notes", announced)), 413, "body_too_large")
    chunks = [b" " * 4_000] * 3
    is_problem(asked(app, scope("POST", "/v1/notes", JSON), *chunks), 413, "body_too_large")
    fitting = b'{"text": "a"}'.ljust(LIMIT)
    assert posted(app, "/v1/notes", fitting).status == 200
    assert BODY_LIMIT > LIMIT


def test_who_shows_no_token_may_send_little_and_who_does_may_send_much() -> None:
    app = control_app([_router()], IDS, version="1")
    body = b'{"text": "a"}'.ljust(OPEN_BODY_LIMIT + 1)
    is_problem(posted(app, "/v1/notes", body), 413, "body_too_large")
    shown = [*JSON, (b"authorization", b"Bearer x")]
    assert posted(app, "/v1/notes", body, shown).status == 200
    large = b'{"text": "a", "text": "b"}'.ljust(1 << 20)  # read beside the loop
    is_problem(posted(app, "/v1/notes", large, shown), 400, "json_unfit")


def test_what_is_streamed_is_bounded_by_its_endpoint(app: App) -> None:
    answer = asked(app, scope("PUT", "/v1/blobs/x"), *[b"x" * LIMIT] * 3)
    assert answer.json == {"digest": "x", "size": 3 * LIMIT}
    is_problem(asked(app, scope("POST", "/v1/blobs/x"), b"x" * LIMIT * 2), 413, "body_too_large")


def test_a_sender_that_goes_away_is_no_fault(app: App, caplog: pytest.LogCaptureFixture) -> None:
    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    for request in (scope("PUT", "/v1/blobs/x"), scope("POST", "/v1/notes", JSON)):
        answer = asyncio.run(call(app, request, gone))
        assert answer.messages == []
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_the_api_describes_itself_without_pages_from_elsewhere(app: App) -> None:
    answer = asked(app, scope("GET", "/v1/openapi.json"))
    assert answer.status == 200
    assert answer.json["info"]["title"] == "Seatrial control"
    assert answer.json["info"]["version"] == "1.2.3"
    responses = answer.json["paths"]["/v1/notes"]["post"]["responses"]
    assert set(responses) == {"200", "default"}  # errors are problems, never FastAPI's own 422
    assert "application/problem+json" in responses["default"]["content"]
    assert "HTTPValidationError" not in answer.body.decode()
    assert asked(app, scope("GET", "/v1/openapi.json")).json == answer.json


def test_a_real_server_gives_the_same_answers(app: App) -> None:
    async def main() -> None:
        async with serving(app) as server:
            head = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            body = b'{"text": "a"}'
            sent = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            good = await exchange(port_of(server), b"POST /v1/notes" + head + sent + body)
            assert good.startswith(b"HTTP/1.1 200 OK\r\n")
            fault = await exchange(port_of(server), b"GET /v1/defect" + head + b"\r\n")
            assert fault.startswith(b"HTTP/1.1 500 ")
            assert fault.count(b"HTTP/1.1") == 1
            assert b"application/problem+json" in fault
            assert b"hunter2" not in fault

    asyncio.run(main())
