import asyncio
from collections.abc import Awaitable, Callable

import orjson
import pytest

from seatrial.kit.errors import Invalid, Limited, Unauthenticated
from seatrial.kit.http.answers import (
    answer,
    answer_empty,
    answer_error,
    answer_json,
    answer_text,
)
from seatrial.kit.http.asgi import Receive, Scope, Send
from tests.kit.http.peers import Answer, call, scope


class _Busy(Limited):
    """{who!r} has no budget left."""

    code = "test_answers_busy"
    cause = "Spent."
    remedy = "Wait."

    def __init__(self, *, who: str, retry_after: float) -> None:
        super().__init__(who=who)
        self.retry_after = retry_after


class _Stranger(Unauthenticated):
    """Who are you?"""

    code = "test_answers_stranger"
    cause = "No token."
    remedy = "Send one."


class _Signed(_Stranger):
    """Sign it."""

    code = "test_answers_signed"
    cause = "No signature."
    remedy = "Sign."
    headers = ((b"www-authenticate", b"Signature"),)


class _Quoting(Invalid):
    """{value} is wrong."""

    code = "test_answers_quoting"
    cause = "It is."
    remedy = "Change it."


def _answered(act: Callable[[Send], Awaitable[None]]) -> Answer:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await act(send)

    return asyncio.run(call(app, scope()))


def test_an_answer_carries_its_type_length_and_body() -> None:
    got = _answered(lambda send: answer(send, b"abc", content_type=b"x/y", headers=[(b"a", b"b")]))
    assert got.status == 200
    assert got.headers == {b"content-type": b"x/y", b"content-length": b"3", b"a": b"b"}
    assert got.body == b"abc"


def test_json_text_and_nothing() -> None:
    got = _answered(lambda send: answer_json(send, {"ü": [1]}, status=201))
    assert (got.status, got.json) == (201, {"ü": [1]})
    got = _answered(lambda send: answer_text(send, "grün"))
    assert got.body.decode() == "grün"
    got = _answered(answer_empty)
    assert (got.status, got.headers, got.body) == (204, {}, b"")


def test_an_error_is_a_problem_with_code_cause_and_remedy() -> None:
    error = _Quoting(value="x")
    got = _answered(lambda send: answer_error(send, error, instance="req_1"))
    assert got.status == 400
    assert got.headers[b"content-type"] == b"application/problem+json"
    assert got.headers[b"cache-control"] == b"no-store"
    assert got.json == {
        "type": "urn:seatrial:error:test_answers_quoting",
        "title": "Test answers quoting",
        "status": 400,
        "detail": "x is wrong.",
        "code": "test_answers_quoting",
        "cause": "It is.",
        "remedy": "Change it.",
        "instance": "req_1",
    }


@pytest.mark.parametrize(("seconds", "shown"), [(0.2, b"1"), (30, b"30"), (-4, b"0"), (1.0, b"1")])
def test_an_error_that_knows_when_to_retry_says_so_in_whole_seconds(
    seconds: float, shown: bytes
) -> None:
    got = _answered(lambda send: answer_error(send, _Busy(who="a", retry_after=seconds)))
    assert (got.status, got.headers[b"retry-after"]) == (429, shown)


def test_a_401_challenges_with_bearer_unless_the_error_knows_better() -> None:
    got = _answered(lambda send: answer_error(send, _Stranger()))
    assert got.headers[b"www-authenticate"] == b"Bearer"
    got = _answered(lambda send: answer_error(send, _Signed()))
    challenges = [v for n, v in got.messages[0]["headers"] if n == b"www-authenticate"]
    assert challenges == [b"Signature"]


def test_an_error_that_quotes_what_json_cannot_hold_is_still_answered() -> None:
    got = _answered(lambda send: answer_error(send, _Quoting(value="\ud800")))
    assert got.status == 400
    assert b"test_answers_quoting" in got.body


def test_what_is_not_json_is_our_fault() -> None:
    with pytest.raises(orjson.JSONEncodeError):
        _answered(lambda send: answer_json(send, object()))
