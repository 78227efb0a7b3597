from hypothesis import given
from hypothesis import strategies as st

from seatrial.kit.text import printable


@given(st.text())
def test_whatever_comes_in_one_printable_line_goes_out(text: str) -> None:
    assert printable(text).isprintable()


def test_printable_text_is_not_touched() -> None:
    assert printable("Grüße, 日本 'x'") == "Grüße, 日本 'x'"


def test_a_line_break_and_an_escape_are_shown_and_not_done() -> None:
    assert printable("a\n\x1b[2J\ud800") == r"a\n\x1b[2J\ud800"
