import asyncio
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.kit.clock import VirtualClock, run_virtually
from seatrial.kit.crypto.documents import JsonMalformed
from seatrial.kit.crypto.values import JsonUnfit
from seatrial.kit.errors import SeatrialError
from seatrial.kit.http.asgi import Message, Receive
from seatrial.kit.http.requests import (
    BodyStalled,
    BodyTooLarge,
    ClientGone,
    HeaderMalformed,
    NotJson,
    QueryMalformed,
    content_length,
    gone,
    header,
    query,
    query_pairs,
    read_body,
    read_json,
)
from tests.kit.http.peers import body_of, scope

JSON = (b"content-type", b"application/json")


def _unasked() -> Receive:
    async def receive() -> Message:
        raise AssertionError("nothing of the body may be read")

    return receive


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=10))
def test_a_body_is_the_sum_of_its_parts(parts: list[bytes]) -> None:
    body = asyncio.run(read_body(scope("POST"), body_of(*parts), limit=500))
    assert body == b"".join(parts)


def test_an_announced_excess_is_refused_before_anything_is_read() -> None:
    request = scope("POST", headers=[(b"content-length", b"11")])
    with pytest.raises(BodyTooLarge):
        asyncio.run(read_body(request, _unasked(), limit=10))


def test_an_unannounced_excess_is_refused_at_the_first_byte_too_many() -> None:
    taken = 0

    async def endless() -> Message:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": b"x" * 4, "more_body": True}

    with pytest.raises(BodyTooLarge):
        asyncio.run(read_body(scope("POST"), endless, limit=10))
    assert taken == 3


def test_a_body_of_exactly_the_limit_is_read() -> None:
    request = scope("POST", headers=[(b"content-length", b"10")])
    assert asyncio.run(read_body(request, body_of(b"12345", b"67890"), limit=10)) == b"1234567890"


def test_a_client_that_leaves_is_named() -> None:
    async def leaves() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientGone):
        asyncio.run(read_body(scope("POST"), leaves, limit=10))


def _slowly(pause: float) -> Receive:
    async def receive() -> Message:
        await asyncio.sleep(pause)
        return {"type": "http.request", "body": b"x", "more_body": True}

    return receive


@pytest.mark.parametrize(("pause", "waited"), [(31.0, 30.0), (29.0, 300.0)])
def test_a_sender_may_not_dawdle(pause: float, waited: float) -> None:
    clock = VirtualClock(datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(BodyStalled):
        run_virtually(clock, read_body(scope("POST"), _slowly(pause), limit=1000))
    assert clock.steady() == waited


@pytest.mark.parametrize("value", [b"-1", b"1.5", b"0x10", b"", b"1" * 40, b"1, 1"])
def test_a_length_that_is_no_number_is_refused(value: bytes) -> None:
    with pytest.raises(HeaderMalformed):
        content_length(scope(headers=[(b"content-length", value)]))


def test_a_repeated_header_is_not_guessed_at() -> None:
    request = scope(headers=[(b"authorization", b"a"), (b"authorization", b"b")])
    assert header(request, b"host") is None
    with pytest.raises(HeaderMalformed):
        header(request, b"authorization")


@pytest.mark.parametrize(
    "kind",
    [
        b"application/json",
        b"Application/JSON; charset=utf-8",
        b'application/json ; charset="UTF-8"',
        b"application/vnd.seatrial.release+json",
    ],
)
def test_json_is_read_under_its_media_types(kind: bytes) -> None:
    request = scope("POST", headers=[(b"content-type", kind)])
    assert asyncio.run(read_json(request, body_of(b'{"a":1}'), limit=100)) == {"a": 1}


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"content-type", b"text/plain")],
        [(b"content-type", b"application/x-www-form-urlencoded")],
        [(b"content-type", b"application/json; charset=latin-1")],
        [(b"content-type", b"application/jsonx")],
        [JSON, (b"content-encoding", b"gzip")],
    ],
)
def test_anything_else_is_415(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(NotJson) as caught:
        asyncio.run(read_json(scope("POST", headers=headers), _unasked(), limit=100))
    assert caught.value.status == 415


@pytest.mark.parametrize("strict", [True, False])
def test_what_is_not_json_is_refused(*, strict: bool) -> None:
    with pytest.raises(JsonMalformed):
        asyncio.run(
            read_json(scope("POST", headers=[JSON]), body_of(b"{"), limit=100, strict=strict)
        )


def test_a_repeated_key_is_refused_unless_leniency_is_asked_for() -> None:
    request = scope("POST", headers=[JSON])
    twice = b'{"a":1,"a":2}'
    with pytest.raises(JsonUnfit):
        asyncio.run(read_json(request, body_of(twice), limit=100))
    assert asyncio.run(read_json(request, body_of(twice), limit=100, strict=False)) == {"a": 2}


@given(st.lists(st.tuples(st.text(), st.text()), max_size=20))
def test_a_query_is_read_as_it_was_encoded(pairs: list[tuple[str, str]]) -> None:
    try:
        raw = urlencode(pairs).encode()
    except UnicodeEncodeError:  # half a surrogate pair has no encoding
        return
    assert query_pairs(scope(query=raw)) == pairs


@pytest.mark.parametrize("raw", [b"a=%zz", b"a=%f", b"a=%ff", b"%", b"&".join([b"a=1"] * 101)])
def test_a_malformed_query_is_refused(raw: bytes) -> None:
    with pytest.raises(QueryMalformed):
        query_pairs(scope(query=raw))


def test_a_repeated_name_is_refused_where_one_value_is_meant() -> None:
    assert query(scope(query=b"a=1&b=2")) == {"a": "1", "b": "2"}
    with pytest.raises(QueryMalformed, match="'a' is repeated"):
        query(scope(query=b"a=1&b=2&a=3"))


def test_gone_waits_for_the_disconnect() -> None:
    asyncio.run(gone(body_of(b"rest", b"of the body")))


def test_every_refusal_says_what_to_do() -> None:
    for error in (ClientGone(), BodyTooLarge(limit=1), BodyStalled(seconds=30.0, part="a part")):
        assert isinstance(error, SeatrialError)
        assert error.remedy
    assert "30 s" in BodyStalled(seconds=30.0, part="a part").message
