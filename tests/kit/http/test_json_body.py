import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.kit.crypto.documents import JsonMalformed
from seatrial.kit.crypto.values import JsonTooDeep
from seatrial.kit.http.json_body import parse

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=30,
)


@given(JSON)
def test_what_the_standard_library_writes_is_read_back(value: Any) -> None:
    assert parse(json.dumps(value).encode()) == value


@given(depth=st.integers(1, 200), limit=st.integers(1, 150), objects=st.booleans())
def test_only_nesting_up_to_the_limit_is_read(depth: int, limit: int, *, objects: bool) -> None:
    opening, closing = (b'{"a":', b"}") if objects else (b"[", b"]")
    body = opening * depth + b"1" + closing * depth
    if depth <= limit:
        parse(body, deepest=limit)
    else:
        with pytest.raises(JsonTooDeep):
            parse(body, deepest=limit)


def test_nesting_beyond_every_bound_is_refused_not_fatal() -> None:
    with pytest.raises(JsonTooDeep):
        parse(b"[" * 1_000_000)


def test_width_is_not_depth() -> None:
    assert len(parse(b"[" + b",".join([b"[[]]"] * 5000) + b"]", deepest=3)) == 5000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"NaN",
        b"[Infinity]",
        b"[1e400]",
        b"[1,]",
        b'{"a":1,}',
        b"\xef\xbb\xbf1",
        b'"\\ud800"',
        b'"\xff"',
        b"1 2",
        b"// no\n1",
        b"{'a':1}",
        b'"\x01"',
    ],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(JsonMalformed):
        parse(body)


def test_of_equal_keys_the_last_counts() -> None:
    assert parse(b'{"model":"dear","model":"cheap"}') == {"model": "cheap"}


def test_no_number_is_read_as_infinite() -> None:
    assert math.isfinite(parse(b"1" + b"0" * 300))
