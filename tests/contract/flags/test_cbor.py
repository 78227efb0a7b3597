from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.contract.flags.cbor import encoded

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**80), 2**80), st.text(max_size=30),
              st.floats(allow_nan=False)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)  # fmt: skip


@pytest.mark.parametrize(
    ("value", "form"),
    [
        # RFC 8949, appendix A
        (0, "00"), (23, "17"), (24, "1818"), (100, "1864"), (1000, "1903e8"),
        (1000000, "1a000f4240"), (1000000000000, "1b000000e8d4a51000"),
        (18446744073709551615, "1bffffffffffffffff"),
        (18446744073709551616, "c249010000000000000000"),
        (-18446744073709551616, "3bffffffffffffffff"),
        (-18446744073709551617, "c349010000000000000000"),
        (-1, "20"), (-10, "29"), (-1000, "3903e7"),
        (1.5, "f93e00"), (5.960464477539063e-8, "f90001"), (-4.1, "fbc010666666666666"),
        (3.4028234663852886e38, "fa7f7fffff"), (1.0e300, "fb7e37e43c8800759c"),
        (1.1, "fb3ff199999999999a"), (float("inf"), "f97c00"), (-float("inf"), "f9fc00"),
        (float("nan"), "f97e00"), (False, "f4"), (True, "f5"), (None, "f6"),
        ("", "60"), ("IETF", "6449455446"), ("\u6c34", "63e6b0b4"), ("\U00010151", "64f0908591"),
        ([], "80"), ([1, [2, 3], [4, 5]], "8301820203820405"), ({}, "a0"),
        ({"a": 1, "b": [2, 3]}, "a26161016162820203"),
        # Whole floats are written as integers, and shorter names come first
        (0.0, "00"), (-0.0, "00"), (100000.0, "1a000186a0"),
        ({"aa": 1, "b": 2}, "a261620262616101"),
    ],
)  # fmt: skip
def test_a_value_has_the_form_of_the_standard(value: Any, form: str) -> None:
    assert encoded(value).hex() == form


@given(VALUES, VALUES)
def test_equal_forms_mean_equal_values(a: Any, b: Any) -> None:
    assert (encoded(a) == encoded(b)) is (_telling(a) == _telling(b))


@given(st.dictionaries(st.text(max_size=3), VALUES, min_size=2, max_size=4))
def test_the_order_of_names_does_not_matter(value: dict[str, Any]) -> None:
    assert encoded(dict(reversed(value.items()))) == encoded(value)


@pytest.mark.parametrize("value", [object(), b"x", "\ud800", {"a": "\udfff"}, {1: 2, "a": set()}])
def test_what_has_no_form_is_refused(value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - text that is no Unicode raises a subclass
        encoded(value)


def test_a_value_of_more_than_a_mebibyte_is_refused() -> None:
    with pytest.raises(ValueError, match="1048576"):
        encoded(["x" * 1000] * 1100)


def _telling(value: Any) -> Any:
    """The value so that True, 1 and 1.0 differ exactly where their forms do."""
    if isinstance(value, list):
        return [_telling(item) for item in value]
    if isinstance(value, dict):
        return {name: _telling(item) for name, item in value.items()}
    if isinstance(value, float) and value.is_integer() and -(2**63) <= value < 2**64:
        return int, int(value)
    return type(value), value
