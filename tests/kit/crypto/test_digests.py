import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.kit.crypto.digests import Digest, DigestMalformed

_HEX = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_digest_is_the_published_one() -> None:
    assert str(Digest.of(b"abc")) == f"sha256:{_HEX}"  # FIPS 180-2, appendix B.1


@given(st.binary())
def test_a_digest_reads_back_from_its_text(data: bytes) -> None:
    digest = Digest.of(data)
    assert Digest.parse(str(digest)) == digest
    assert digest.hex == hashlib.sha256(data).hexdigest()


def test_equal_json_has_an_equal_digest_however_it_was_built() -> None:
    assert Digest.of_json({"b": 1.0, "a": (1,)}) == Digest.of(b'{"a":[1],"b":1}')


@pytest.mark.parametrize(
    "text",
    ["", _HEX, f"sha256:{_HEX[:-1]}", f"sha256:{_HEX}0", f"sha256:{_HEX}\n", f"sha256: {_HEX[1:]}",
     f"sha256:{_HEX.upper()}", f"SHA256:{_HEX}", f"sha512:{_HEX}", f"sha256:{'٣' * 64}"],
)  # fmt: skip
def test_another_text_is_no_digest(text: str) -> None:
    with pytest.raises(DigestMalformed):
        Digest.parse(text)


def test_a_digest_cannot_be_made_from_anything_else() -> None:
    with pytest.raises(DigestMalformed):
        Digest(hex="sha256:" + _HEX)
