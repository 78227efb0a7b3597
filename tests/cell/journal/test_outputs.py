from hypothesis import given
from hypothesis import strategies as st

from seatrial.cell.journal.domain.outputs import Restarted, Same, Sent, compare

CUTS = st.lists(st.integers(0, 40), max_size=4).map(sorted)


def _sent(output: bytes, cuts: list[int]) -> Sent:
    sent = Sent()
    for cut in cuts:
        sent = sent.then(output[:cut])
    return sent


@given(st.binary(min_size=40, max_size=60), CUTS, st.integers(0, 60))
def test_the_same_output_goes_on_where_it_was_cut(output: bytes, cuts: list[int], n: int) -> None:
    sent = _sent(output, cuts)
    assert compare(sent, output[:n], over=False) == Same(fresh=output[:n][sent.length :])
    assert compare(sent, output, over=True) == Same(fresh=output[sent.length :])


@given(st.binary(min_size=40, max_size=40), st.binary(min_size=40, max_size=40), CUTS)
def test_nothing_is_spliced_to_another_output(first: bytes, other: bytes, cuts: list[int]) -> None:
    sent = _sent(first, cuts)
    same = first[: sent.length] == other[: sent.length]
    assert isinstance(compare(sent, other, over=True), Same) == same


@given(st.binary(min_size=40, max_size=40), CUTS, st.integers(0, 39))
def test_an_output_that_ends_early_is_another_one(first: bytes, cuts: list[int], n: int) -> None:
    sent = _sent(first, cuts)
    assert isinstance(compare(sent, first[:n], over=True), Restarted) == (n < sent.length)
