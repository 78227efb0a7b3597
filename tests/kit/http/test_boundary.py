import asyncio
import logging
import re

import pytest

from seatrial.kit.errors import NotFound, Unavailable
from seatrial.kit.http.answers import answer_json, answer_text
from seatrial.kit.http.asgi import App, Message, Receive, Scope, Send
from seatrial.kit.http.boundary import ErrorBoundary, ResponseCut, request_id
from seatrial.kit.http.requests import BodyTooLarge, ClientGone, read_body
from tests.kit.http.peers import IDS, Answer, body_of, call, scope

SECRET = "the password is swordfish"


class _Missing(NotFound):
    """No {what!r} here."""

    code = "test_boundary_missing"
    cause = "Never was."
    remedy = "Make one."


class _Down(Unavailable):
    """Down."""

    code = "test_boundary_down"
    cause = "Asleep."
    remedy = "Wait."


def _through(app: App, request: Scope | None = None, receive: Receive | None = None) -> Answer:
    return asyncio.run(call(ErrorBoundary(app, IDS), request or scope(), receive))


def _raising(error: BaseException, *, before: tuple[Message, ...] = ()) -> App:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        for message in before:
            await send(message)
        raise error

    return app


START: Message = {"type": "http.response.start", "status": 200, "headers": []}
PART: Message = {"type": "http.response.body", "body": b"part", "more_body": True}


def test_a_known_error_is_answered_as_its_problem(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        got = _through(_raising(_Missing(what="x")))
    assert (got.status, got.json["code"]) == (404, "test_boundary_missing")
    assert got.json["instance"] == got.headers[b"x-request-id"].decode()
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [(20, "No 'x' here.")]


def test_an_unknown_exception_is_a_fault_that_shows_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    got = _through(_raising(RuntimeError(SECRET)))
    assert (got.status, got.json["code"]) == (500, "internal_fault")
    assert b"swordfish" not in got.body
    incident = re.search(r"inc_\w{26}", got.json["detail"])
    assert incident
    (record,) = caplog.records
    assert incident[0] in record.getMessage()
    assert record.exc_info
    assert str(record.exc_info[1]) == SECRET


def test_each_request_gets_an_id_inside_and_on_the_answer() -> None:
    seen = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        seen.append(request_id(scope))
        await answer_text(send, "ok", headers=[(b"x-request-id", b"of-some-upstream")])

    first, second = _through(app), _through(app)
    assert seen == [got.headers[b"x-request-id"].decode() for got in (first, second)]
    assert seen[0] != seen[1]
    assert all(re.fullmatch(r"req_\w{26}", each) for each in seen)
    names = [name for name, _ in first.messages[0]["headers"]]
    assert names.count(b"x-request-id") == 1


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (b"req_01jd7v6k3q8zr5m0c4x9tn2hbe", True),
        (b"trace-123.A_b", True),
        (b"short", False),
        (b"x" * 129, False),
        (b"with space inside", False),
        (b"line\nbreak-forged", False),
        ("grün-grün-grün".encode(), False),
        (b"", False),
    ],
)
def test_a_caller_may_name_its_request_if_the_name_is_sane(given: bytes, *, kept: bool) -> None:
    got = _through(_raising(_Missing(what="x")), scope(headers=[(b"x-request-id", given)]))
    assert (got.headers[b"x-request-id"] == given) is kept


@pytest.mark.parametrize("error", [RuntimeError("late"), _Down()])
def test_after_the_answer_has_begun_nothing_is_spliced_in(error: Exception) -> None:
    answer = Answer()

    async def send(message: Message) -> None:
        answer.messages.append(message)

    app = ErrorBoundary(_raising(error, before=(START, PART)), IDS)
    with pytest.raises(ResponseCut):
        asyncio.run(app(scope(), body_of(b""), send))
    assert answer.body == b"part"
    assert answer.messages[-1]["more_body"] is True


def test_an_error_after_the_whole_answer_does_not_harm_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    end: Message = {"type": "http.response.body", "body": b"all"}
    got = _through(_raising(RuntimeError("afterwards"), before=(START, end)))
    assert (got.status, got.body) == (200, b"all")
    assert len(caplog.records) == 1


def test_a_client_that_went_away_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        got = _through(_raising(ClientGone()))
    assert got.messages == []
    assert caplog.records == []


def test_a_send_to_a_gone_client_is_no_error_either(caplog: pytest.LogCaptureFixture) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer_text(send, "hello?")

    async def broken(_message: Message) -> None:
        raise BrokenPipeError

    async def main() -> None:
        await ErrorBoundary(app, IDS)(scope(), body_of(b""), broken)

    with caplog.at_level(logging.INFO), pytest.raises(ResponseCut):
        asyncio.run(main())
    assert caplog.records == []


def test_head_is_answered_like_get_without_the_body() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer_json(send, {"a": 1})

    got = _through(app, scope("HEAD"))
    assert (got.status, got.headers[b"content-length"], got.body) == (200, b"7", b"")
    got = _through(_raising(_Missing(what="x")), scope("HEAD"))
    assert (got.status, got.body) == (404, b"")


def test_an_error_out_of_task_groups_is_the_error_inside() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with asyncio.TaskGroup() as outer, asyncio.TaskGroup() as inner:
            outer.create_task(asyncio.sleep(60))
            inner.create_task(_raising(_Missing(what="x"))(scope, receive, send))  # type: ignore[arg-type] # a coroutine

    assert _through(app).status == 404


def test_two_errors_at_once_are_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    group = ExceptionGroup("both", [_Missing(what="x"), _Down()])
    assert _through(_raising(group)).status == 500
    assert len(caplog.records) == 1


def test_a_request_cancelled_by_the_server_is_told_that_it_shuts_down() -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await asyncio.sleep(60)

    answer = Answer()

    async def send(message: Message) -> None:
        answer.messages.append(message)

    async def main() -> None:
        task = asyncio.ensure_future(ErrorBoundary(app, IDS)(scope(), body_of(b""), send))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert (answer.status, answer.json["code"]) == (503, "shutting_down")
    assert answer.headers[b"retry-after"] == b"1"


def test_a_stray_cancellation_is_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    got = _through(_raising(asyncio.CancelledError()))
    assert got.status == 500
    assert len(caplog.records) == 1


def test_a_sender_that_is_refused_is_heard_out_before_its_connection_closes() -> None:
    parts = [b"x" * 8] * 5

    async def app(scope: Scope, receive: Receive, _send: Send) -> None:
        await read_body(scope, receive, limit=10)

    heard = 0
    inner = body_of(*parts)

    async def receive() -> Message:
        nonlocal heard
        heard += 1
        return await inner()

    request = scope("POST", headers=[(b"transfer-encoding", b"chunked")])
    got = _through(app, request, receive)
    assert (got.status, got.headers[b"connection"]) == (413, b"close")
    assert heard == len(parts)
    bodies = got.messages[1:]
    assert [m.get("more_body", False) for m in bodies] == [True, False]
    assert got.json["code"] == BodyTooLarge.code


def test_a_sender_that_never_ends_is_not_heard_for_ever() -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise _Missing(what="x")

    async def endless() -> Message:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"x", "more_body": True}

    got = _through(app, scope("POST", headers=[(b"content-length", b"999999")]), endless)
    assert got.status == 404
    assert got.messages[-1].get("more_body", False) is False


def test_without_a_body_the_connection_stays() -> None:
    got = _through(_raising(_Missing(what="x")), scope(headers=[(b"content-length", b"0")]))
    assert b"connection" not in got.headers


def test_other_scopes_pass_through() -> None:
    seen = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["type"])

    _through(app, {"type": "lifespan"})
    assert seen == ["lifespan"]
