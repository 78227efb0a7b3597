import copy
import logging
import pickle
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from seatrial.kit.crypto.pem import KeyMalformed
from seatrial.kit.crypto.sealing import OpeningKey
from seatrial.kit.crypto.signing import SigningKey, VerifyKey

_FIELD = 2**255 - 19
_SEEDS = st.binary(min_size=32, max_size=32)
_ONE = SigningKey(bytes(range(32)))

# RFC 8032, 7.1: seed, public key, message, signature.
_PUBLISHED = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
]


@pytest.mark.parametrize(("seed", "public", "message", "signature"), _PUBLISHED)
def test_keys_and_signatures_are_those_of_the_standard(
    seed: str, public: str, message: str, signature: str
) -> None:
    key = SigningKey(bytes.fromhex(seed))
    assert key.verify_key.raw.hex() == public
    assert key.sign(bytes.fromhex(message)).hex() == signature


@given(_SEEDS, st.binary(), st.binary())
def test_a_signature_fits_its_message_and_no_other(seed: bytes, one: bytes, other: bytes) -> None:
    key = SigningKey(seed)
    assert key.verify_key.verifies(key.sign(one), one)
    assert key.verify_key.verifies(key.sign(one), other) == (one == other)


@given(_SEEDS, st.integers(0, 511))
def test_a_signature_with_one_bit_changed_fits_nothing(seed: bytes, bit: int) -> None:
    key = SigningKey(seed)
    changed = bytearray(key.sign(b"message"))
    changed[bit // 8] ^= 1 << bit % 8
    assert not key.verify_key.verifies(bytes(changed), b"message")


@pytest.mark.parametrize("length", [0, 1, 63, 65, 128])
def test_a_signature_of_another_length_fits_nothing(length: int) -> None:
    assert not _ONE.verify_key.verifies((_ONE.sign(b"message") * 2)[:length], b"message")


def test_a_signature_with_its_scalar_enlarged_fits_nothing() -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    signature = _ONE.sign(b"message")
    scalar = int.from_bytes(signature[32:], "little") + order
    twin = signature[:32] + scalar.to_bytes(32, "little")
    assert not _ONE.verify_key.verifies(twin, b"message")


@given(_SEEDS)
def test_keys_read_back_from_every_form(seed: bytes) -> None:
    key = SigningKey(seed)
    public = key.verify_key
    assert SigningKey.from_private_pem(key.private_pem()).raw() == key.raw() == seed
    assert VerifyKey.from_pem(public.pem()) == VerifyKey.parse(public.id) == public
    assert hash(VerifyKey.parse(key.id)) == hash(public)


def test_fresh_keys_differ() -> None:
    assert SigningKey.generate().id != SigningKey.generate().id


def test_a_name_is_the_whole_key_and_its_short_form_a_part_of_it() -> None:
    assert _ONE.id == f"ed25519:{_ONE.verify_key.raw.hex()}"
    assert _ONE.id.startswith(_ONE.verify_key.short)
    assert len(_ONE.verify_key.short) == len("ed25519:") + 16


@pytest.mark.parametrize(
    "show",
    [repr, str, lambda key: f"{key}", lambda key: logging.Formatter().format(_record(key))],
)
def test_a_private_key_shows_only_its_public_name(show: Callable[[object], str]) -> None:
    shown = show(_ONE)
    assert _ONE.id in shown
    assert _ONE.raw().hex() not in shown
    assert not hasattr(_ONE, "__dict__")


def _record(key: object) -> logging.LogRecord:
    return logging.LogRecord("name", logging.INFO, "path", 1, "key %s", (key,), None)


@pytest.mark.parametrize("leave", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_private_key_cannot_be_pickled_or_copied(leave: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="pickled or copied"):
        leave(_ONE)


def test_a_public_key_can_be_pickled_and_copied() -> None:
    public = _ONE.verify_key
    assert pickle.loads(pickle.dumps(public)) == copy.deepcopy(public) == public  # noqa: S301 - ours
    assert repr(public) == f"VerifyKey('{public.id}')"


def _small_order_keys() -> list[bytes]:
    order_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
    low = [0, 1, _FIELD - 1, _FIELD, _FIELD + 1, order_8, _FIELD - order_8]
    return [(y | sign << 255).to_bytes(32, "little") for y in low for sign in (0, 1)]


def test_without_our_check_a_key_of_small_order_would_sign_everything() -> None:
    identity = (1).to_bytes(32, "little")
    forged = identity + bytes(32)
    for message in (b"approve", b"anything else"):
        Ed25519PublicKey.from_public_bytes(identity).verify(forged, message)


@pytest.mark.parametrize("raw", _small_order_keys(), ids=bytes.hex)
def test_a_key_under_which_a_signature_proves_nothing_is_refused(raw: bytes) -> None:
    with pytest.raises(KeyMalformed, match="prove nothing"):
        VerifyKey(raw=raw)


@pytest.mark.parametrize("above", range(19))
def test_a_key_has_one_spelling_only(above: int) -> None:
    with pytest.raises(KeyMalformed):
        VerifyKey(raw=(_FIELD + above).to_bytes(32, "little"))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    for make in (SigningKey, lambda raw: VerifyKey(raw=raw)):
        with pytest.raises(KeyMalformed, match=f"{length} bytes"):
            make(bytes(length))


@pytest.mark.parametrize(
    "name",
    ["", "ed25519:", _ONE.id[:-1], _ONE.id + "0", _ONE.id + "\n", _ONE.id.upper(),
     _ONE.id.replace("ed25519", "x25519"), _ONE.verify_key.raw.hex()],
)  # fmt: skip
def test_another_text_is_no_name_of_a_key(name: str) -> None:
    with pytest.raises(KeyMalformed):
        VerifyKey.parse(name)


def test_a_pem_of_another_kind_is_refused_and_never_quoted() -> None:
    secret = Ed25519PrivateKey.from_private_bytes(_ONE.raw()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase")
    )
    other = OpeningKey.generate()
    for text in (b"", b"no key", _ONE.private_pem()[:-30], secret, other.private_pem()):
        with pytest.raises(KeyMalformed) as caught:
            SigningKey.from_private_pem(text)
        assert text.decode()[30:60] not in str(caught.value) or len(text) < 30
    for text in (b"", _ONE.private_pem(), other.sealing_key.pem()):
        with pytest.raises(KeyMalformed):
            VerifyKey.from_pem(text)
