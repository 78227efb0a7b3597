import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.kit.crypto.canonical import canonical
from seatrial.kit.crypto.documents import JsonMalformed, strict_json
from seatrial.kit.crypto.values import Json, JsonTooDeep, JsonTooLarge, JsonUnfit
from seatrial.kit.errors import SeatrialError

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"))
)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text("ab\n😂"), inner)
)


@given(_VALUES, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_any_spelling_of_a_document_is_read(value: Json, indent: str, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert strict_json(text.encode()) == value


@given(st.binary(max_size=40) | st.text('[]{}":,0123456789.eE-+nultrfas \\u').map(str.encode))
def test_whatever_is_read_has_a_canonical_form_and_the_rest_is_refused_by_name(data: bytes) -> None:
    try:
        value = strict_json(data)
    except SeatrialError:
        return
    canonical(value)


@pytest.mark.parametrize(
    ("text", "path", "name"),
    [
        ('{"a":1,"a":1}', "$", "a"),
        ('{"a":[{"b":0},{"b":1,"c":2,"b":3}]}', "$.a[1]", "b"),
        ('{"a":{"x":{"x":1,"y":2,"\\u0078":1}}}', "$.a.x", "x"),
        ('{"a":{"one":1,"one":1},"a":2}', "$", "a"),
    ],
)
def test_a_member_that_stands_twice_is_refused_with_its_path(
    text: str, path: str, name: str
) -> None:
    with pytest.raises(JsonUnfit, match=f"'{name}' stands twice") as caught:
        strict_json(text.encode())
    assert caught.value.fields["path"] == path


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("", 1, 1),
        ('{\n  "a": tru\n}', 2, 8),
        ("[1,\n2,]", 2, 2),
        ("[NaN]", 1, 2),
        ("[\nInfinity]", 2, 1),
        ("[1e400]", 1, 2),
        ("\ufeff{}", 1, 1),
        ("{'a': 1}", 1, 2),
        ("[1] // one", 1, 5),
        ('["\\ud800"]', 1, 3),
        ('["\t"]', 1, 3),
    ],
)
def test_what_is_no_json_is_refused_with_line_and_column(text: str, line: int, column: int) -> None:
    with pytest.raises(JsonMalformed) as caught:
        strict_json(text.encode())
    assert (caught.value.fields["line"], caught.value.fields["column"]) == (line, column)


@pytest.mark.parametrize("data", [b'"\xff"', "{}".encode("utf-16"), "{}".encode("utf-32-be")])
def test_what_is_not_utf_8_is_refused(data: bytes) -> None:
    with pytest.raises(JsonMalformed):
        strict_json(data)


@pytest.mark.parametrize("number", [str(2**53), str(-(2**53)), str(2**64), "9" * 300])
def test_an_integer_that_a_double_cannot_hold_is_refused_not_rounded(number: str) -> None:
    with pytest.raises(JsonUnfit, match=r"\$\.a.* 53 bits"):
        strict_json(f'{{"a":{number}}}'.encode())


@pytest.mark.parametrize("size", [5000, 100_000])
def test_an_endless_integer_is_refused_before_it_is_computed(size: int) -> None:
    with pytest.raises(JsonMalformed):
        strict_json(b"9" * size)


def test_a_document_may_be_as_deep_and_as_large_as_allowed_and_no_more() -> None:
    assert strict_json(b"[[1]]", largest=5, deepest=3) == [[1]]
    with pytest.raises(JsonTooDeep, match="3 levels"):
        strict_json(b"[[[1]]]", deepest=3)
    with pytest.raises(JsonTooLarge, match="6 bytes"):
        strict_json(b"[[12]]", largest=5)


@pytest.mark.parametrize("depth", [129, 900, 1020])
def test_a_deep_document_is_refused_by_name_and_not_by_the_stack(depth: int) -> None:
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        with pytest.raises(JsonTooDeep):
            strict_json((opening * depth + "1" + closing * depth).encode(), deepest=5000)
