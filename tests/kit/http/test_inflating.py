import gzip
import itertools
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seatrial.kit.http.inflating import Inflater

PIECE = 262_144


def _inflated(chunks: list[bytes]) -> bytes:
    inflater = Inflater()
    parts = []
    for chunk in chunks:
        inflater.feed(chunk)
        while piece := inflater.take():
            assert len(piece) <= PIECE
            parts.append(piece)
    assert inflater.whole()
    return b"".join(parts)


@given(
    repeated=st.lists(st.tuples(st.binary(max_size=20), st.integers(0, 60_000)), max_size=4),
    cuts=st.lists(st.integers(0, 5_000), max_size=5),
    as_gzip=st.booleans(),
)
@example(repeated=[(b"\0", PIECE + 1)], cuts=[], as_gzip=True)
@example(repeated=[(b"\0", PIECE)], cuts=[], as_gzip=False)
@example(repeated=[(b"\0", 10 * PIECE + 3)], cuts=[1, 2], as_gzip=False)
def test_what_was_compressed_comes_out_whole_however_it_is_cut(
    repeated: list[tuple[bytes, int]], cuts: list[int], *, as_gzip: bool
) -> None:
    body = b"".join(part * times for part, times in repeated)
    packed = gzip.compress(body) if as_gzip else zlib.compress(body)
    at = [0, *sorted(min(cut, len(packed)) for cut in cuts), len(packed)]
    assert _inflated([packed[a:b] for a, b in itertools.pairwise(at)]) == body


@pytest.mark.parametrize("size", range(PIECE - 300, PIECE + 300, 7))
def test_output_that_just_fills_a_piece_is_not_held_back(size: int) -> None:
    assert len(_inflated([zlib.compress(b"\0" * size)])) == size


def test_a_cut_is_seen() -> None:
    inflater = Inflater()
    inflater.feed(gzip.compress(b"hello")[:-1])
    assert inflater.take() == b"hello"
    assert not inflater.whole()


def test_what_is_not_compressed_is_refused() -> None:
    inflater = Inflater()
    inflater.feed(b"plain text")
    with pytest.raises(zlib.error):
        inflater.take()
