import copy
import pickle
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.kit.crypto.aead import Altered
from seatrial.kit.crypto.pem import KeyMalformed
from seatrial.kit.crypto.rows import (
    Place,
    RowCipher,
    RowKeyUnknown,
    RowMalformed,
    RowRefused,
    WrappingKey,
    wrapped_under,
)

_OLD = WrappingKey(bytes(range(32)))
_NEW = WrappingKey(bytes(range(32, 64)))
_CIPHER = RowCipher(_OLD)
_PLACE = Place(environment="production", table="secret", name="CRM_TOKEN", version=3)
_PLACES = st.builds(
    Place,
    environment=st.sampled_from(["dev", "staging", "production"]),
    table=st.text(max_size=5),
    name=st.text("ab/", max_size=5),
    version=st.integers(0, 3),
    tenant=st.text("ab/", max_size=5),
).filter(lambda place: place.table.isascii())


@given(st.binary(), _PLACES, _PLACES)
def test_a_row_decrypts_in_its_place_and_in_no_other(
    value: bytes, place: Place, other: Place
) -> None:
    row = _CIPHER.encrypt(value, place)
    assert _CIPHER.decrypt(row, place) == value
    assert len(row) == len(value) + 107
    if other != place:
        with pytest.raises(RowRefused):
            _CIPHER.decrypt(row, other)
        with pytest.raises(RowRefused):
            _CIPHER.rewrap(row, other)


@pytest.mark.parametrize(
    "moved",
    [
        {"environment": "staging"},
        {"table": "memory"},
        {"name": "CRM_TOKEN2"},
        {"version": 2},
        {"tenant": "acme"},
    ],
)
def test_a_row_that_was_moved_does_not_decrypt(moved: dict[str, str]) -> None:
    row = _CIPHER.encrypt(b"secret", _PLACE)
    with pytest.raises(RowRefused):
        _CIPHER.decrypt(row, replace(_PLACE, **moved))  # type: ignore[arg-type] # version is an int


def test_the_layers_of_two_rows_cannot_be_mixed() -> None:
    one, two = (_CIPHER.encrypt(value, _PLACE) for value in (b"one", b"two"))
    with pytest.raises(RowRefused):
        _CIPHER.decrypt(one[:79] + two[79:], _PLACE)


def test_every_bit_of_a_row_counts() -> None:
    row = _CIPHER.encrypt(b"secret", _PLACE)
    for bit in range(8 * len(row)):
        changed = bytearray(row)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(
            RowMalformed if bit < 8 else RowKeyUnknown if bit < 8 * 17 else RowRefused
        ):
            _CIPHER.decrypt(bytes(changed), _PLACE)


def test_a_row_that_was_cut_or_continued_does_not_decrypt() -> None:
    row = _CIPHER.encrypt(b"secret", _PLACE)
    for length in range(len(row)):
        with pytest.raises((RowMalformed, RowRefused)):
            _CIPHER.decrypt(row[:length], _PLACE)
    with pytest.raises(RowRefused):
        _CIPHER.decrypt(row + b"\0", _PLACE)


def test_another_key_is_named_and_a_refusal_says_nothing_more() -> None:
    row = _CIPHER.encrypt(b"secret", _PLACE)
    with pytest.raises(RowKeyUnknown, match=_OLD.id):
        RowCipher(_NEW).decrypt(row, _PLACE)
    altered = row[:-1] + bytes([row[-1] ^ 1])
    refusals = set()
    for bad, place in ((altered, _PLACE), (row, replace(_PLACE, name="x"))):
        with pytest.raises(RowRefused) as caught:
            _CIPHER.decrypt(bad, place)
        refusals.add((str(caught.value), caught.value.__cause__))
    assert len(refusals) == 1


def test_a_rotation_wraps_the_data_key_anew_and_leaves_the_value_untouched() -> None:
    row = _CIPHER.encrypt(b"secret", _PLACE)
    rotating = RowCipher(_NEW, retired=[_OLD])
    assert rotating.decrypt(row, _PLACE) == b"secret"
    moved = rotating.rewrap(row, _PLACE)
    assert (wrapped_under(row), wrapped_under(moved)) == (_OLD.id, _NEW.id)
    assert moved[79:] == row[79:]
    assert moved[17:79] != row[17:79]
    assert RowCipher(_NEW).decrypt(moved, _PLACE) == b"secret"
    assert rotating.rewrap(moved, _PLACE) == moved


def test_a_rotation_does_not_wrap_what_was_altered() -> None:
    row = bytearray(_CIPHER.encrypt(b"secret", _PLACE))
    row[30] ^= 1
    with pytest.raises(RowRefused):
        RowCipher(_NEW, retired=[_OLD]).rewrap(bytes(row), _PLACE)


def test_equal_values_give_rows_that_share_nothing_but_their_key_id() -> None:
    one, two = (_CIPHER.encrypt(b"same", _PLACE) for _ in range(2))
    assert one[:19] == two[:19]
    assert one[19:79] != two[19:79]
    assert one[79:] != two[79:]


def test_each_row_has_a_data_key_and_nonces_of_its_own() -> None:
    asked: list[int] = []

    def counted(size: int) -> bytes:
        asked.append(size)
        return bytes(size)

    RowCipher(_OLD, random_bytes=counted).encrypt(b"secret", _PLACE)
    assert asked == [32, 12, 12]


@given(st.binary(min_size=32, max_size=32))
def test_a_wrapping_key_reads_back_and_its_id_tells_nothing_of_it(raw: bytes) -> None:
    key = WrappingKey(raw)
    assert WrappingKey.from_private_pem(key.private_pem()).id == key.id
    assert repr(key) == f"WrappingKey('{key.id}')"
    assert raw[:4].hex() not in key.id


@pytest.mark.parametrize(
    "text",
    [
        b"",
        _OLD.private_pem()[:-10],
        _OLD.private_pem() + b"more",
        _OLD.private_pem().replace(b"AAECAw", b"AAEC*w"),
        _OLD.private_pem().replace(b"Hh8=", b"Hh9="),
        _OLD.private_pem().replace(b"WRAPPING ", b""),
    ],
)
def test_another_text_is_no_wrapping_key(text: bytes) -> None:
    with pytest.raises(KeyMalformed):
        WrappingKey.from_private_pem(text)


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_wrapping_key_has_256_bits(length: int) -> None:
    with pytest.raises(KeyMalformed):
        WrappingKey(bytes(length))


@pytest.mark.parametrize("leave", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_wrapping_key_cannot_be_pickled_or_copied(leave: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="pickled or copied"):
        leave(_OLD)


@pytest.mark.parametrize("wrapped", [b"", bytes(27), bytes(60)])
def test_what_was_never_wrapped_does_not_unwrap(wrapped: bytes) -> None:
    with pytest.raises(Altered):
        _OLD.unwrap(wrapped, b"")
