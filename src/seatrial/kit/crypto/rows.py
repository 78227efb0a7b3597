"""Encrypted rows: a value that decrypts only in the place it was written for.

Each version of a value has a data key of its own, used once; the data key is wrapped by the
environment's wrapping key. Both layers are bound to the place, so a row that is moved to another
environment, table, name or version does not decrypt there, whoever moved it. To rotate the wrapping
key, only the data keys are wrapped anew; the values are not touched. It is due before 2**32 rows.

A row is

    byte 0        1, the format
    bytes 1-16    which wrapping key: its id in 16 bytes
    bytes 17-18   length of the wrapped data key, big-endian (60 with a key from a file)
    then          the wrapped data key
    the rest      the value under the data key: nonce, ciphertext, tag

Associated data are canonical JSON: of the value, the place and `"format": "seatrial/row/v1"`; of
the data key, the place, `"format": "seatrial/row-key/v1"` and the wrapping key's id.
"""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NoReturn, Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from seatrial.kit.crypto.aead import KEY_BYTES, OVERHEAD, Altered, RandomBytes, decrypt, encrypt
from seatrial.kit.crypto.base_64 import from_base64, to_base64
from seatrial.kit.crypto.canonical import canonical
from seatrial.kit.crypto.pem import KeyMalformed
from seatrial.kit.errors import Denied, Invalid

_FORMAT: Final = 1
_ID_BYTES: Final = 16
_HEAD_BYTES: Final = 1 + _ID_BYTES + 2
_PREFIX: Final = "wrap:"
# The label ends in PRIVATE KEY so that secret scanners and our own log redaction know it.
_PEM: Final = re.compile(
    rb"-----BEGIN SEATRIAL WRAPPING PRIVATE KEY-----\n"
    rb"([A-Za-z0-9+/]{43}=)\n"
    rb"-----END SEATRIAL WRAPPING PRIVATE KEY-----\n?\Z"
)


class RowMalformed(Invalid):
    """This is no encrypted row: {reason}."""

    code = "row_malformed"
    cause = "The stored bytes were cut, are something else, or were made by a later version."
    remedy = "Restore the row from a backup, or update the program that reads it."


class RowKeyUnknown(Denied):
    """The row was encrypted under the wrapping key {key}, which is not here."""

    code = "row_key_unknown"
    cause = "The key was retired before all rows were wrapped anew, or the row is from elsewhere."
    remedy = "Give the process the old key beside the new one, then run the rotation to its end."


class RowRefused(Denied):
    """The row does not decrypt in {table!r} of environment {environment!r}."""

    code = "row_refused"
    cause = "It was written for another place or version, or its bytes were altered."
    remedy = "Restore the row from a backup of this environment, or set the value again."


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a row belongs. The row holds none of this; the reader must know it.

    Attributes:
        environment: the environment's name.
        table: what kind of row.
        name: which row, unique in its table and tenant.
        version: of the value, counted by the caller.
        tenant: whose row; empty where rows have no tenant.
    """

    environment: str
    table: str
    name: str
    version: int
    tenant: str = ""


class WrappingKey:
    """An environment's AES-256 key over data keys. It shows its id only.

    Another keeper of keys (a KMS) can stand in its place with the same `id`, `wrap` and `unwrap`.
    """

    __slots__ = ("_raw", "id")

    def __init__(self, raw: bytes) -> None:
        if len(raw) != KEY_BYTES:
            raise KeyMalformed(kind="wrapping", reason=f"it has {len(raw)} bytes, not {KEY_BYTES}")
        self._raw: Final = bytes(raw)
        label = b"seatrial/wrapping-key-id/v1"
        self.id: Final = _PREFIX + HKDF(SHA256(), _ID_BYTES, None, label).derive(self._raw).hex()

    @classmethod
    def generate(cls) -> Self:
        """A fresh key from the system's randomness."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def from_private_pem(cls, text: bytes) -> Self:
        """The key as `private_pem` wrote it; raises `KeyMalformed`."""
        match = _PEM.match(text)
        if match is None:
            raise KeyMalformed(kind="wrapping", reason="the text is no PEM of a wrapping key")
        try:
            return cls(from_base64(match[1].decode()))
        except ValueError:
            raise KeyMalformed(kind="wrapping", reason="its base 64 is cut or altered") from None

    def private_pem(self) -> bytes:
        """The secret itself as PEM."""
        label = b"SEATRIAL WRAPPING PRIVATE KEY-----\n"
        body = to_base64(self._raw).encode() + b"\n"
        return b"-----BEGIN " + label + body + b"-----END " + label

    def wrap(self, data_key: bytes, associated: bytes, random_bytes: RandomBytes) -> bytes:
        """`data_key` under this key, bound to `associated`."""
        return encrypt(self._raw, data_key, associated, random_bytes)

    def unwrap(self, wrapped: bytes, associated: bytes) -> bytes:
        """The data key; raises `Altered`."""
        return decrypt(self._raw, wrapped, associated)

    def __repr__(self) -> str:
        return f"WrappingKey({self.id!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key cannot be pickled or copied")


class RowCipher:
    """Encrypts and decrypts the rows of one environment. May be shared by threads."""

    def __init__(
        self,
        current: WrappingKey,
        retired: Iterable[WrappingKey] = (),
        random_bytes: RandomBytes = secrets.token_bytes,
    ) -> None:
        """Rows are encrypted under `current`; those under a `retired` key can still be read."""
        self._current = current
        self._keys = {key.id: key for key in (*retired, current)}
        self._random_bytes = random_bytes

    def encrypt(self, value: bytes, place: Place) -> bytes:
        """The row that holds `value` in `place`, 107 bytes longer than the value."""
        data_key = self._random_bytes(KEY_BYTES)
        sealed = encrypt(data_key, value, _bound(place, "seatrial/row/v1"), self._random_bytes)
        return self._row(data_key, sealed, place)

    def decrypt(self, row: bytes, place: Place) -> bytes:
        """The value of a row that was written for `place`.

        Raises:
            RowMalformed: no row, or of another format.
            RowKeyUnknown: its wrapping key is not here.
            RowRefused: written for another place, or altered; it does not say which.
        """
        data_key, sealed = self._opened(row, place)
        try:
            return decrypt(data_key, sealed, _bound(place, "seatrial/row/v1"))
        except Altered:
            raise _refused(place) from None

    def rewrap(self, row: bytes, place: Place) -> bytes:
        """The same row under the current wrapping key, its value untouched.

        A row that is under it already comes back as it is, so a rotation can be run again.

        Raises:
            RowMalformed, RowKeyUnknown, RowRefused: as `decrypt`, of the data key alone.
        """
        data_key, sealed = self._opened(row, place)
        if wrapped_under(row) == self._current.id:
            return row
        return self._row(data_key, sealed, place)

    def _row(self, data_key: bytes, sealed: bytes, place: Place) -> bytes:
        key = self._current
        associated = _bound(place, "seatrial/row-key/v1", key=key.id)
        wrapped = key.wrap(data_key, associated, self._random_bytes)
        head = bytes([_FORMAT]) + bytes.fromhex(key.id.removeprefix(_PREFIX))
        return head + len(wrapped).to_bytes(2) + wrapped + sealed

    def _opened(self, row: bytes, place: Place) -> tuple[bytes, bytes]:
        """The data key of a row, and the value under it."""
        name = wrapped_under(row)
        key = self._keys.get(name)
        if key is None:
            raise RowKeyUnknown(key=name)
        end = _HEAD_BYTES + int.from_bytes(row[_HEAD_BYTES - 2 : _HEAD_BYTES])
        associated = _bound(place, "seatrial/row-key/v1", key=name)
        try:
            return key.unwrap(row[_HEAD_BYTES:end], associated), row[end:]
        except Altered:
            raise _refused(place) from None


def wrapped_under(row: bytes) -> str:
    """The id of the wrapping key of a row, for a rotation that asks what is left to do.

    Raises:
        RowMalformed: no row, or of another format.
    """
    if len(row) < _HEAD_BYTES + 2 * OVERHEAD:
        raise RowMalformed(reason=f"{len(row)} bytes are too few")
    if row[0] != _FORMAT:
        raise RowMalformed(reason=f"its format is {row[0]}, only {_FORMAT} is known")
    return _PREFIX + row[1 : 1 + _ID_BYTES].hex()


def _bound(place: Place, label: str, **more: str) -> bytes:
    return canonical(
        {
            "environment": place.environment,
            "format": label,
            "name": place.name,
            "table": place.table,
            "tenant": place.tenant,
            "version": place.version,
            **more,
        }
    )


def _refused(place: Place) -> RowRefused:
    return RowRefused(table=place.table, environment=place.environment)
