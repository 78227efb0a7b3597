"""Identifiers that keep their shape: injective, without fixed points, check digits right."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.data.masking.keyed import Domain, Permutation
from seatrial.data.masking.shapes import (
    Shaped,
    Unfit,
    Whole,
    is_iban,
    is_luhn,
    luhn,
    masked_iban,
    with_luhn,
)

KEY = b"k" * 32
SHAPES = st.text(string.ascii_letters + string.digits + "-_#./ ", min_size=3, max_size=24)


@given(st.integers(2, 400), st.text(max_size=3))
def test_a_permutation_reaches_every_number_once_and_leaves_none_in_place(
    size: int, label: str
) -> None:
    shuffle = Permutation(Domain(KEY, "d"), label, size)
    reached = [shuffle.of(number) for number in range(size)]
    assert sorted(reached) == list(range(size))
    assert all(reached[number] != number for number in range(size))


@given(SHAPES)
def test_a_shape_is_kept_and_the_value_is_not(text: str) -> None:
    try:
        masked = Shaped(Domain(KEY, "id")).of(text)
    except Unfit:
        assert sum(letter.isalnum() for letter in text) < 2
        return
    assert masked != text
    assert len(masked) == len(text)
    for before, after in zip(text, masked, strict=True):
        assert before.isdigit() == after.isdigit()
        assert before.islower() == after.islower()
        assert before.isupper() == after.isupper()
        assert before.isalnum() or before == after


@given(st.sets(st.from_regex(r"[A-Z][0-9]{3}", fullmatch=True), min_size=2, max_size=60))
def test_what_was_unique_stays_unique(values: set[str]) -> None:
    shaped = Shaped(Domain(KEY, "id"))
    assert len({shaped.of(value) for value in values}) == len(values)


@pytest.mark.parametrize("length", [77, 78, 79, 128, 512])
def test_a_long_identifier_keeps_nothing_of_any_of_its_parts(length: int) -> None:
    shaped = Shaped(Domain(KEY, "id"))
    text = "".join(string.digits[number * 7 % 10] for number in range(length))
    masked, near = shaped.of(text), shaped.of(text[:-1] + "0")
    for other in (text, near):
        for start in range(0, length - 12, 12):
            part = slice(start, start + 12)
            assert sum(map(str.__eq__, masked[part], other[part])) < 9
    mixed = (text + text.replace("1", "a").replace("3", "Z"))[:length]
    assert shaped.of(mixed) != mixed


def test_what_is_too_long_for_an_identifier_is_refused() -> None:
    with pytest.raises(Unfit, match="512"):
        Shaped(Domain(KEY, "id")).of("a" * 513)


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_a_whole_number_keeps_its_sign_and_width(number: int) -> None:
    masked = Whole(Domain(KEY, "n")).of(number)
    assert masked != number
    assert (masked < 0) == (number < 0) or masked == 0 or number == 0
    assert (abs(masked) < 2**31) == (abs(number) < 2**31)


@pytest.mark.parametrize("digits_only", [True, False])
def test_digits_of_another_script_are_refused_not_left(digits_only: bool) -> None:
    with pytest.raises(Unfit):
        Shaped(Domain(KEY, "id"), digits_only=digits_only).of("1234\u0665")


def test_a_number_beyond_63_bits_is_refused() -> None:
    with pytest.raises(Unfit):
        Whole(Domain(KEY, "n")).of(2**63)


@given(st.from_regex(r"[1-9][0-9]{11,17}", fullmatch=True), st.integers(0, 6))
def test_check_digits_are_right_afterwards_and_the_front_stays(body: str, keep: int) -> None:
    shaped = Shaped(Domain(KEY, "card"), digits_only=True)
    card = body + str(luhn(list(body)))
    masked = with_luhn(card, shaped.of, keep)
    assert is_luhn(masked)
    assert masked[:keep] == card[:keep]
    assert masked != card


@given(st.from_regex(r"4[0-9]{15}", fullmatch=True))
def test_a_card_with_a_wrong_check_digit_stays_wrong(card: str) -> None:
    shaped = Shaped(Domain(KEY, "card"), digits_only=True)
    assert is_luhn(with_luhn(card, shaped.of)) == is_luhn(card)


@pytest.mark.parametrize("iban", ["DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432"])
def test_an_iban_stays_one_of_its_country(iban: str) -> None:
    masked = masked_iban(iban, Shaped(Domain(KEY, "iban")).of)
    assert is_iban(masked)
    assert masked != iban
    assert masked[:2] == iban[:2]
    assert [letter.isspace() for letter in masked] == [letter.isspace() for letter in iban]


@given(st.text(min_size=1), st.binary(min_size=32, max_size=32))
def test_another_key_or_domain_gives_another_code(value: str, key: bytes) -> None:
    codes = {Domain(key, "a").codes("")(value), Domain(key, "b").codes("")(value)}
    if key != KEY:
        codes.add(Domain(KEY, "a").codes("")(value))
    assert len(codes) == 2 + (key != KEY)
