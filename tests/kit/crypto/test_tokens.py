import copy
import pickle
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.kit.crypto.tokens import TOKEN_PATTERN, Token, TokenMistyped, found

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NUMBERS = st.integers(0, 62**30 - 1)
_ENVIRONMENTS = st.sampled_from(["dev", "test", "staging", "production", "eu-2"])


def _minted(number: int, environment: str = "production", kind: str = "api") -> Token:
    return Token.mint(environment, kind, lambda _: number)


@given(_NUMBERS, _ENVIRONMENTS, st.text("abcdef", min_size=2, max_size=12))
def test_a_token_says_where_it_belongs_and_is_known_by_its_hash(
    number: int, environment: str, kind: str
) -> None:
    token = _minted(number, environment, kind)
    again = Token(token.reveal())
    assert (again.environment, again.kind) == (environment, kind)
    assert again.matches(token.stored())
    assert not again.matches(_minted(number ^ 1, environment, kind).stored())
    assert re.fullmatch(TOKEN_PATTERN, token.reveal())


@given(_NUMBERS, st.data())
def test_a_typing_error_is_found_without_asking(number: int, data: st.DataObject) -> None:
    text = _minted(number).reveal()
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from(_DIGITS + "_- .").filter(lambda c: c != text[at]))
    for wrong in (
        text[:at] + other + text[at + 1 :],
        text[:at] + text[at + 1 :],
        text[:at] + other + text[at:],
        text[:at],
    ):
        with pytest.raises(TokenMistyped):
            Token(wrong)


@given(_NUMBERS, st.integers(0, 50))
def test_two_neighbours_swapped_are_found(number: int, at: int) -> None:
    text = _minted(number).reveal()
    swapped = text[:at] + text[at : at + 2][::-1] + text[at + 2 :]
    if swapped != text:
        with pytest.raises(TokenMistyped):
            Token(swapped)


def test_a_token_renamed_for_another_environment_is_found() -> None:
    text = _minted(7, "staging").reveal()
    with pytest.raises(TokenMistyped, match="check sum"):
        Token(text.replace("staging", "product"))


@pytest.mark.parametrize("around", ["", "\n", " ", "﻿", "\0"])
def test_what_stands_around_a_token_is_no_part_of_it(around: str) -> None:
    text = _minted(7).reveal()
    if around:
        with pytest.raises(TokenMistyped):
            Token(text + around)
        with pytest.raises(TokenMistyped):
            Token(around + text)


def test_minted_tokens_are_random_over_the_whole_range() -> None:
    asked: list[int] = []

    def lowest(bound: int) -> int:
        asked.append(bound)
        return 0

    Token.mint("dev", "api", lowest)
    assert asked == [62**30]
    assert Token.mint("dev", "api").stored() != Token.mint("dev", "api").stored()
    first, last = _minted(0).reveal(), _minted(62**30 - 1).reveal()
    assert first[:-6].endswith("_" + "0" * 30)
    assert last[:-6].endswith("_" + "z" * 30)


@pytest.mark.parametrize(
    ("environment", "kind"),
    [("", "api"), ("Dev", "api"), ("de_v", "api"), ("9dev", "api"), ("dev", "a"), ("dev", "API")],
)
def test_a_token_gets_no_name_that_it_could_not_be_read_back_from(
    environment: str, kind: str
) -> None:
    with pytest.raises(ValueError, match="no token can be named"):
        Token.mint(environment, kind)


@pytest.mark.parametrize("show", [repr, str, "{}".format])
def test_a_token_shows_where_it_belongs_and_never_itself(show: Callable[[object], str]) -> None:
    assert show(_minted(7)) == "Token('sea_production_api_…')"


@pytest.mark.parametrize("leave", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_token_cannot_be_pickled_or_copied(leave: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="pickled or copied"):
        leave(_minted(7))


def test_a_refusal_never_quotes_what_was_handed_in() -> None:
    text = _minted(7).reveal()[:-1] + "_"
    with pytest.raises(TokenMistyped) as caught:
        Token(text)
    assert text[:20] not in str(caught.value)


@given(st.lists(_NUMBERS, max_size=4))
def test_tokens_are_found_in_text_and_look_alikes_are_not(numbers: list[int]) -> None:
    tokens = [_minted(number).reveal() for number in numbers]
    alike = "sea_production_api_" + "0" * 36
    text = f"{alike} ".join(f'{{"key":"{token}"}},' for token in tokens) + alike
    assert [text[start:end] for start, end in found(text)] == tokens
