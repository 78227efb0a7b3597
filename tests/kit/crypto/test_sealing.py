import copy
import pickle
from collections.abc import Callable

import pytest
from cryptography.hazmat.bindings._rust import openssl
from hypothesis import given, settings
from hypothesis import strategies as st
from pyhpke import AEADId, CipherSuite, KDFId, KEMId

from seatrial.kit.crypto.pem import KeyMalformed
from seatrial.kit.crypto.sealing import (
    _SUITE,
    OVERHEAD,
    OpeningKey,
    SealedMalformed,
    SealedRefused,
    SealingKey,
    _info,
)
from seatrial.kit.crypto.signing import SigningKey
from seatrial.kit.crypto.values import Json

_KEY = OpeningKey(bytes(range(32)))
_PLACE: dict[str, Json] = {"environment": "production", "name": "CRM_TOKEN", "version": 3}
_OTHERS = CipherSuite.new(
    KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.CHACHA20_POLY1305
)


@given(st.binary(), st.dictionaries(st.text("abc"), st.integers(0, 9) | st.text("xyz")))
def test_what_was_sealed_opens_in_its_context(
    plaintext: bytes, context: dict[str, int | str]
) -> None:
    box = _KEY.sealing_key.seal(plaintext, {**context})
    assert _KEY.open(box, {**context}) == plaintext
    assert len(box) == len(plaintext) + OVERHEAD
    with pytest.raises(SealedRefused):
        _KEY.open(box, {**context, "more": None})


def test_the_suite_opens_the_box_that_the_standard_prints() -> None:
    # RFC 9180, A.2.1. It has associated data, which our boxes leave empty (8.1).
    key = OpeningKey(
        bytes.fromhex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb")
    )
    box = bytes.fromhex(
        "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a"
        "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28"
    )
    info = bytes.fromhex("4f6465206f6e2061204772656369616e2055726e")
    opened = openssl.hpke._decrypt_with_aad(_SUITE, box, key._key, info, b"Count-0")
    assert opened == b"Beauty is truth, truth beauty"


@settings(max_examples=30, deadline=None)
@given(st.binary())
def test_another_implementation_opens_our_boxes(plaintext: bytes) -> None:
    box = _KEY.sealing_key.seal(plaintext, _PLACE)
    theirs = _OTHERS.kem.deserialize_private_key(_KEY.raw())
    recipient = _OTHERS.create_recipient_context(box[1:33], theirs, info=_info(_PLACE))
    assert recipient.open(box[33:]) == plaintext


@settings(max_examples=30, deadline=None)
@given(st.binary())
def test_we_open_boxes_of_another_implementation(plaintext: bytes) -> None:
    theirs = _OTHERS.kem.deserialize_public_key(_KEY.sealing_key.raw)
    encapsulated, sender = _OTHERS.create_sender_context(theirs, info=_info(_PLACE))
    assert _KEY.open(b"\x01" + encapsulated + sender.seal(plaintext), _PLACE) == plaintext


def test_every_bit_of_a_box_counts() -> None:
    box = _KEY.sealing_key.seal(b"secret", _PLACE)
    for bit in range(8 * len(box)):
        changed = bytearray(box)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealedMalformed if bit < 8 else SealedRefused):
            _KEY.open(bytes(changed), _PLACE)


@given(st.data())
def test_a_box_that_was_cut_or_continued_does_not_open(data: st.DataObject) -> None:
    box = _KEY.sealing_key.seal(b"secret", _PLACE)
    cut = box[: data.draw(st.integers(0, len(box) - 1))]
    longer = box + data.draw(st.binary(min_size=1))
    with pytest.raises((SealedMalformed, SealedRefused)):
        _KEY.open(cut, _PLACE)
    with pytest.raises(SealedRefused):
        _KEY.open(longer, _PLACE)


@pytest.mark.parametrize("member", _PLACE)
def test_a_box_does_not_open_elsewhere(member: str) -> None:
    box = _KEY.sealing_key.seal(b"secret", _PLACE)
    for other in ({**_PLACE, member: "other"}, {k: v for k, v in _PLACE.items() if k != member}):
        with pytest.raises(SealedRefused):
            _KEY.open(box, other)


def test_a_box_does_not_open_with_another_key_and_does_not_say_why() -> None:
    other = OpeningKey.generate()
    box = _KEY.sealing_key.seal(b"secret", _PLACE)
    with pytest.raises(SealedRefused) as wrong_key:
        other.open(box, _PLACE)
    with pytest.raises(SealedRefused) as wrong_place:
        other.open(other.sealing_key.seal(b"secret", _PLACE), {})
    assert str(wrong_key.value) == str(wrong_place.value)


def test_two_boxes_of_the_same_differ() -> None:
    assert _KEY.sealing_key.seal(b"a", {}) != _KEY.sealing_key.seal(b"a", {})


@given(st.binary(min_size=32, max_size=32))
def test_keys_read_back_from_every_form(raw: bytes) -> None:
    key = OpeningKey(raw)
    public = key.sealing_key
    assert OpeningKey.from_private_pem(key.private_pem()).id == key.id == public.id
    assert SealingKey.from_pem(public.pem()) == SealingKey.parse(public.id) == public
    assert pickle.loads(pickle.dumps(public)) == public  # noqa: S301 - ours
    assert repr(key) == f"OpeningKey('{public.id}')"
    assert repr(public) == f"SealingKey('{public.id}')"
    assert OpeningKey(key.raw()).id == key.id


@pytest.mark.parametrize("leave", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_private_key_cannot_be_pickled_or_copied(leave: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="pickled or copied"):
        leave(_KEY)


@pytest.mark.parametrize(
    "low",
    [
        "00" * 32,
        "01" + "00" * 31,
        "ec" + "ff" * 30 + "7f",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    ],
)
def test_a_key_whose_boxes_anybody_could_open_is_refused(low: str) -> None:
    with pytest.raises(KeyMalformed, match="anybody"):
        SealingKey(raw=bytes.fromhex(low))


@pytest.mark.parametrize("above", [2**255 - 19, 2**255 - 1, 2**255 + 9, 2**256 - 1])
def test_a_key_has_one_spelling_only(above: int) -> None:
    with pytest.raises(KeyMalformed, match="another form"):
        SealingKey(raw=above.to_bytes(32, "little"))


def test_what_is_no_key_is_refused() -> None:
    signing = SigningKey.generate()
    for length in (0, 31, 33):
        with pytest.raises(KeyMalformed):
            SealingKey(raw=bytes(length))
        with pytest.raises(KeyMalformed):
            OpeningKey(bytes(length))
    for name in ("", signing.id, _KEY.id[:-1], _KEY.id + "\n"):
        with pytest.raises(KeyMalformed):
            SealingKey.parse(name)
    with pytest.raises(KeyMalformed):
        OpeningKey.from_private_pem(signing.private_pem())
    with pytest.raises(KeyMalformed):
        SealingKey.from_pem(signing.verify_key.pem())
