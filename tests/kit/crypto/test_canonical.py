"""Canonical JSON against three other writers (rfc8785, jcs, Node) and published figures."""

import base64
import copy
import dataclasses
import datetime as dt
import enum
import hashlib
import json
import math
import shutil
import struct
import subprocess
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import jcs
import orjson
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.kit.crypto.canonical import JsonNotCanonical, canonical, parse_canonical
from seatrial.kit.crypto.values import (
    DEEPEST,
    LARGEST_INTEGER,
    Json,
    JsonTooDeep,
    JsonTooLarge,
    JsonUnfit,
)

# Every text that UTF-8 can carry; characters around the places where orders differ come often.
_TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from("\x00\x7f\ud7ff\ue000\uffff😂𐀀é"))
_INTEGERS = st.integers(-LARGEST_INTEGER, LARGEST_INTEGER)
_FLOATS = st.floats(allow_nan=False, allow_infinity=False)
_SCALARS = st.none() | st.booleans() | _INTEGERS | _FLOATS | _TEXTS
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(_TEXTS, inner, max_size=6),
    max_leaves=30,
)

# RFC 8785, appendix B: a double's bits, and how it is written.
_APPENDIX_B = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}

# SHA-256 of the first so many lines `bits,text` of the ES6 number file that the RFC points to.
_ES6_LINES = 100_000
_ES6_DIGEST = "22776e6d4b49fa294a0d0f349268e5c28808fe7e0cb2bcbe28f63894e494d4c7"

_NODE = """
const canonical = value =>
  Array.isArray(value) ? '[' + value.map(canonical).join(',') + ']'
  : value !== null && typeof value === 'object'
    ? '{' + Object.keys(value).sort()
        .map(name => JSON.stringify(name) + ':' + canonical(value[name])).join(',') + '}'
  : JSON.stringify(value);
require('readline').createInterface({ input: process.stdin }).on('line', line =>
  console.log(Buffer.from(canonical(JSON.parse(line))).toString('base64')));
"""


class Weekday(enum.Enum):
    MONDAY = 1


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Pair(NamedTuple):
    one: int
    two: int


class Text(str):
    __slots__ = ()


class Whole(int):
    pass


@dataclasses.dataclass
class Point:
    x: int


@pytest.fixture(scope="module")
def node() -> Iterator[Callable[[object], bytes]]:
    """Canonical JSON by Node: its own JSON.stringify, names sorted as JavaScript sorts text."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("node is not on PATH")
    with subprocess.Popen(
        [program, "-e", _NODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ask, answers = process.stdin, process.stdout

        def write(value: object) -> bytes:
            ask.write(json.dumps(value) + "\n")
            ask.flush()
            return base64.b64decode(answers.readline())

        yield write


@settings(max_examples=250, deadline=None)
@given(_VALUES)
def test_two_other_writers_of_python_agree_on_every_value(value: Json) -> None:
    assert canonical(value) == rfc8785.dumps(value) == jcs.canonicalize(value)


@settings(max_examples=100, deadline=None)
@given(st.lists(_FLOATS, min_size=50, max_size=200))
def test_two_other_writers_of_python_agree_on_every_number(numbers: list[float]) -> None:
    assert canonical(numbers) == rfc8785.dumps(numbers) == jcs.canonicalize(numbers)


@settings(max_examples=200, deadline=None)
@given(value=_VALUES, numbers=st.lists(_FLOATS, max_size=30))
def test_node_agrees_on_every_value(
    node: Callable[[object], bytes], value: Json, numbers: list[float]
) -> None:
    assert canonical([value, numbers]) == node([value, numbers])


@pytest.mark.parametrize("bits", _APPENDIX_B)
def test_numbers_are_written_as_in_the_appendix_of_the_standard(bits: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical(number).decode() == _APPENDIX_B[bits]


def test_numbers_are_written_as_in_the_published_number_file() -> None:
    digest = hashlib.sha256()
    for number in islice(_es6_numbers(), _ES6_LINES):
        (bits,) = struct.unpack(">Q", struct.pack(">d", number))
        digest.update(b"%x,%b\n" % (bits, canonical(number)))
    assert digest.hexdigest() == _ES6_DIGEST


def _es6_numbers() -> Iterator[float]:
    """The sequence that generates the file: 168 fixed doubles, 2000 in a row, then by SHA-256."""
    fixed = Path(__file__).with_name("es6_doubles.txt").read_text(encoding="ascii").split()
    in_a_row = (f"{0x0010000000000000 + n:016x}" for n in range(2000))
    for bits in (*fixed, *in_a_row):
        yield struct.unpack(">d", bytes.fromhex(bits))[0]
    block = bytes(32)
    while True:
        block = hashlib.sha256(block).digest()
        yield from (n for n in struct.unpack("<4d", block) if n != 0 and math.isfinite(n))


def test_the_example_of_the_standard_comes_out_as_printed_there() -> None:
    source = """{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\"\\/",
      "literals": [null, true, false]
    }"""
    assert canonical(json.loads(source)) == (
        b'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        b'"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_names_are_sorted_by_utf_16_and_not_by_code_point() -> None:
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    written = json.loads(canonical(dict.fromkeys(names)), object_pairs_hook=list)
    assert [name for name, _ in written] == [
        "\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33",
    ]  # fmt: skip


def test_every_character_is_written_as_others_write_it() -> None:
    characters = [chr(point) for point in range(0x110000) if not 0xD800 <= point <= 0xDFFF]
    for value in ("".join(characters), dict.fromkeys(characters[:0x3000])):
        assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "number", [1.0, 0.0, -0.0, 1e15, 1e16, 1e20, 1e21, 1e22, 1e-4, 1e-5, 9e-6, 1e-6, 9e-7, 0.1]
)
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [x], lambda x: {"a": ({"b": x},)}])
def test_a_number_is_written_alike_wherever_it_stands(
    number: float, wrap: Callable[[float], object]
) -> None:
    assert canonical(wrap(number)) == rfc8785.dumps(wrap(number))  # type: ignore[arg-type] # object


@given(_VALUES, _VALUES)
def test_values_have_equal_bytes_if_and_only_if_they_are_equal(one: Json, other: Json) -> None:
    assert (canonical(one) == canonical(other)) == (_typed(one) == _typed(other))


def _typed(value: Json) -> object:
    """`value` so that Python's `==` is JSON's: a bool is no number, and names have no order."""
    if isinstance(value, dict):
        return {name: _typed(child) for name, child in value.items()}
    if isinstance(value, list):
        return [_typed(child) for child in value]
    return (isinstance(value, bool), value)


@given(_VALUES)
def test_writing_leaves_the_value_as_it_was(value: Json) -> None:
    before = copy.deepcopy(value)
    canonical(value)
    assert repr(value) == repr(before)


@settings(max_examples=100, deadline=None)
@given(_VALUES | _FLOATS)
def test_what_is_written_reads_back_as_an_equal_value(value: Json) -> None:
    assert _typed(parse_canonical(canonical(value))) == _typed(value)


@settings(max_examples=100, deadline=None)
@given(_VALUES, st.data())
def test_one_changed_byte_gives_another_value_or_is_refused(
    value: Json, data: st.DataObject
) -> None:
    written = canonical(value)
    changed = bytearray(written)
    at = data.draw(st.integers(0, len(written) - 1))
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        read = parse_canonical(bytes(changed))
    except (JsonNotCanonical, JsonUnfit):
        return
    assert canonical(read) == bytes(changed)
    assert _typed(read) != _typed(value)


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        (math.nan, "$", "finite"),
        ([1, math.inf], "$[1]", "finite"),
        ({"a": {"b": [-math.inf]}}, "$.a.b[0]", "finite"),
        ({"messages": [1, {"content": 2**53}]}, "$.messages[1].content", "53 bits"),
        (-(2**53), "$", "53 bits"),
        (10**400, "$", "53 bits"),
        ({"a b": "\ud800"}, '$["a b"]', "surrogate"),
        ({"\udfff": 1}, "$", "surrogate"),
        ({1: 2}, "$", "type int"),
        ({None: 2}, "$", "type NoneType"),
        ({("a",): 2}, "$", "type tuple"),
        ({Text("a"): 2}, "$", "type Text"),
        ({Colour.RED: 2}, "$", "type Colour"),
        ([Text("a")], "$[0]", "type Text"),
        ([Whole(1)], "$[0]", "type Whole"),
        ([Weekday.MONDAY], "$[0]", "type Weekday"),
        ([Colour.RED], "$[0]", "type Colour"),
        ([Level.LOW], "$[0]", "type Level"),
        ([Pair(1, 2)], "$[0]", "type Pair"),
        ([OrderedDict(a=1)], "$[0]", "type OrderedDict"),
        ([Point(1)], "$[0]", "type Point"),
        ([Point], "$[0]", "type type"),
        ([uuid.UUID(int=1)], "$[0]", "type UUID"),
        ([dt.datetime.now(dt.UTC)], "$[0]", "type datetime"),
        ([dt.date(2030, 1, 1)], "$[0]", "type date"),
        ([dt.time(1)], "$[0]", "type time"),
        ([orjson.Fragment(b"1")], "$[0]", "type Fragment"),
        ([b"a"], "$[0]", "type bytes"),
        ([bytearray(b"a")], "$[0]", "type bytearray"),
        ([{1}], "$[0]", "type set"),
        ([1j], "$[0]", "type complex"),
        ([...], "$[0]", "type ellipsis"),
    ],
)
def test_what_is_no_json_value_is_refused_with_its_path(
    value: object, path: str, reason: str
) -> None:
    for beside in (value, {"x": 1.0, "y": [value]}, {"x": "😂", "😂": [value, 1e300]}):
        with pytest.raises(JsonUnfit, match=reason):
            canonical(beside)
    with pytest.raises(JsonUnfit) as caught:
        canonical(value)
    assert caught.value.fields["path"] == path


def test_a_fault_is_refused_even_if_it_cannot_be_located(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.kit.crypto.canonical.refuse_unfit", lambda _: None)
    with pytest.raises(JsonUnfit):
        canonical([b"bytes"])


def _nested(depth: int, leaf: object, wrap: Callable[[object], object]) -> object:
    for _ in range(depth - 1):
        leaf = wrap(leaf)
    return leaf


@pytest.mark.parametrize("leaf", [1, 1.0, "😂", [], {}, {"😂": 1e300}])
@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: (x,), lambda x: {"a": x}])
def test_the_limit_of_depth_is_the_same_for_every_value(
    leaf: object, wrap: Callable[[object], object]
) -> None:
    deepest = DEEPEST - (leaf == {"😂": 1e300})
    canonical(_nested(deepest, leaf, wrap))
    for deeper in (1, 2, 126, 127, 900, 100_000):
        with pytest.raises(JsonTooDeep):
            canonical(_nested(deepest + deeper, leaf, wrap))
        with pytest.raises(JsonTooDeep):
            canonical([1.0, _nested(deepest - 1 + deeper, leaf, wrap)])
    canonical([1.0, _nested(deepest - 1, leaf, wrap)])


def test_a_value_that_holds_itself_is_refused() -> None:
    once: list[Any] = [1]
    once.append({"again": once})
    twice: list[Any] = []
    twice += (twice, twice)
    for loop in (once, twice):
        with pytest.raises(JsonTooDeep):
            canonical(loop)


@given(_VALUES)
def test_a_very_wide_value_is_written_as_any_other(value: Json) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seatrial.kit.crypto.canonical._WIDEST", 3)
        wide = canonical([value] * 9)
    assert wide == b"[" + b",".join([canonical(value)] * 9) + b"]"


@pytest.mark.parametrize(
    "data",
    [
        b"", b" 1", b"1 ", b"1\n", b"[1, 2]", b'{"a": 1}', b'{"b":1,"a":2}', b'{"a":1,"a":1}',
        b"1.0", b"-0", b"-0.0", b"1e2", b"1E400", b"0.10", b"00", b"+1", b"NaN", b"Infinity",
        b"9007199254740993", b"18446744073709551616", b"1e+20", b"0.0000001",
        b'"\\u0041"', b'"\\/"', b'"\\u001F"', b'"\\u000a"', b'"\\ud83d\\ude02"', b'"\\ud800"',
        b'"\xff"', b"\xef\xbb\xbf1", b"[1,]", b"// no\n1", b"'a'", b"tru", b"nul",
        '{"\ufb33":1,"😂":2}'.encode(), "1".encode("utf-16"), b"[" * 5000,
    ],
)  # fmt: skip
def test_any_other_spelling_is_refused(data: bytes) -> None:
    with pytest.raises(JsonNotCanonical):
        parse_canonical(data)


@pytest.mark.parametrize("depth", [DEEPEST + 1, 500, 1000, 1023])
def test_deep_text_is_refused_before_it_can_exhaust_the_stack(depth: int) -> None:
    with pytest.raises(JsonTooDeep):
        parse_canonical(b"[" * depth + b"]" * depth)
    with pytest.raises(JsonTooDeep):
        parse_canonical(b"[9007199254740993," + b"[" * depth + b"]" * depth + b"]")


def test_an_integer_beyond_53_bits_reads_back_as_the_double_it_was() -> None:
    read = parse_canonical(b"[9007199254740992,18446744073709552000,100000000000000000000]")
    assert read == [2.0**53, 2.0**64, 1e20]
    assert {type(number) for number in read} == {float}


def test_text_beyond_the_limit_is_not_even_parsed() -> None:
    with pytest.raises(JsonTooLarge):
        parse_canonical(b"[" * 11, largest=10)
