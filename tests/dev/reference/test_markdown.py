from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from dev.reference.markdown import code, table, words


@given(st.text(st.characters(codec="ascii", categories=["L", "P", "S"]), min_size=1))
def test_any_text_survives_as_inline_code(text: str) -> None:
    tokens = MarkdownIt().parseInline(code(text))[0].children
    assert tokens is not None
    assert [token.content for token in tokens if token.type == "code_inline"] == [text]


def test_a_bar_or_a_line_break_in_a_cell_does_not_break_the_table() -> None:
    text = table(["a", "b"], [["x|y", "one\ntwo"]])
    assert text.splitlines() == ["| a | b |", "| --- | --- |", "| x\\|y | one two |"]


def test_words_join_as_people_write() -> None:
    assert words(["a"]) == "`a`"
    assert words(["a", "b"]) == "`a` and `b`"
    assert words(["a", "b", "c"], "or") == "`a`, `b` or `c`"
