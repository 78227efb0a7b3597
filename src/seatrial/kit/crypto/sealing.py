"""Sealed boxes: bytes for the holder of one X25519 key, in one context, and for nobody else.

RFC 9180 (HPKE), base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305: the suite of
the RFC's appendix A.2. A box is

    byte 0        1, the format
    bytes 1-32    the encapsulated key
    the rest      ciphertext and 16 bytes of tag

and its `info` is the canonical JSON of `{"context": …, "format": "seatrial/sealed/v1"}`; RFC 9180,
8.1, gives `info` this part where each box has a key of its own. Anyone can seal: a box says nothing
of its sender. What must name one is signed inside or outside it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from seatrial.kit.crypto import pem
from seatrial.kit.crypto.canonical import canonical
from seatrial.kit.crypto.pem import KeyMalformed
from seatrial.kit.crypto.values import Json
from seatrial.kit.errors import Denied, Invalid

OVERHEAD: Final = 1 + 32 + 16  # bytes that a box has more than what is in it

_FORMAT: Final = b"\x01"
_LABEL: Final = "seatrial/sealed/v1"
_PUBLIC: Final = "X25519 public"
_PREFIX: Final = "x25519:"
_FIELD: Final = 2**255 - 19
_NAME: Final = re.compile(r"x25519:([0-9a-f]{64})\Z")
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


class SealedMalformed(Invalid):
    """This is no sealed box: {reason}."""

    code = "sealed_malformed"
    cause = "The bytes were cut, are something else, or were made by a later version."
    remedy = "Fetch the box again, or update the program that opens it."


class SealedRefused(Denied):
    """The sealed box does not open with the key {key} in this context."""

    code = "sealed_refused"
    cause = "It was sealed to another key, for another context, or altered on the way."
    remedy = "Seal the secret again, to the key that this environment shows now."


@dataclass(frozen=True, kw_only=True, slots=True)
class SealingKey:
    """The public half: seals.

    Attributes:
        raw: 32 bytes, as RFC 7748 has them.
    """

    raw: bytes
    _key: X25519PublicKey = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.raw) != 32:
            raise KeyMalformed(kind=_PUBLIC, reason=f"it has {len(self.raw)} bytes, not 32")
        if int.from_bytes(self.raw, "little") >= _FIELD:
            raise KeyMalformed(kind=_PUBLIC, reason="the same key has another form")
        key = X25519PublicKey.from_public_bytes(self.raw)
        try:
            _SUITE.encrypt(b"", key)
        except ValueError:  # a point of small order
            raise KeyMalformed(kind=_PUBLIC, reason="anybody could open its boxes") from None
        object.__setattr__(self, "_key", key)

    @classmethod
    def parse(cls, name: str) -> Self:
        """The key named `x25519:…`; raises `KeyMalformed`."""
        match = _NAME.match(name)
        if match is None:
            raise KeyMalformed(kind=_PUBLIC, reason="its name is not `x25519:` and 64 digits")
        return cls(raw=bytes.fromhex(match[1]))

    @classmethod
    def from_pem(cls, text: bytes) -> Self:
        """The key in PEM (SubjectPublicKeyInfo); raises `KeyMalformed`."""
        return cls(raw=pem.sealing_key(text).public_bytes_raw())

    @property
    def id(self) -> str:
        """`x25519:` and the key in 64 hexadecimal digits."""
        return _PREFIX + self.raw.hex()

    def pem(self) -> bytes:
        """The key in PEM (SubjectPublicKeyInfo)."""
        return pem.public_text(self._key)

    def seal(self, plaintext: bytes, context: Mapping[str, Json]) -> bytes:
        """A box of `plaintext` that opens only with this key's private half and equal `context`.

        Args:
            plaintext: any bytes; their length can be seen from outside.
            context: where the box belongs (environment, name, version); not part of the box.

        Raises:
            JsonUnfit: the context is no JSON value.
        """
        return _FORMAT + _SUITE.encrypt(plaintext, self._key, info=_info(context))

    def __repr__(self) -> str:
        return f"SealingKey({self.id!r})"

    def __reduce__(self) -> tuple[Callable[[str], Self], tuple[str]]:
        return self.parse, (self.id,)


class OpeningKey:
    """The private half. It shows its public name only, and refuses to be pickled or copied."""

    __slots__ = ("_key", "sealing_key")

    def __init__(self, raw: bytes) -> None:
        if len(raw) != 32:
            raise KeyMalformed(kind="X25519 private", reason=f"it has {len(raw)} bytes, not 32")
        self._key: Final = X25519PrivateKey.from_private_bytes(raw)
        self.sealing_key: Final = SealingKey(raw=self._key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls) -> Self:
        """A fresh key from the system's randomness."""
        return cls(X25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def from_private_pem(cls, text: bytes) -> Self:
        """The key in PEM (PKCS #8, not encrypted); raises `KeyMalformed`."""
        return cls(pem.opening_key(text).private_bytes_raw())

    @property
    def id(self) -> str:
        """The name of the public half."""
        return self.sealing_key.id

    def raw(self) -> bytes:
        """The secret itself, 32 bytes."""
        return self._key.private_bytes_raw()

    def private_pem(self) -> bytes:
        """The secret itself in PEM (PKCS #8, not encrypted)."""
        return pem.private_text(self._key)

    def open(self, box: bytes, context: Mapping[str, Json]) -> bytes:
        """What was sealed into `box` for this key in `context`.

        Raises:
            SealedMalformed: too short, or of another format.
            SealedRefused: another key, another context, or altered; it does not say which.
        """
        if len(box) < OVERHEAD:
            raise SealedMalformed(reason=f"it has {len(box)} bytes, at least {OVERHEAD} are needed")
        if box[:1] != _FORMAT:
            raise SealedMalformed(reason=f"its format is {box[0]}, only 1 is known")
        try:
            return _SUITE.decrypt(box[1:], self._key, info=_info(context))
        except InvalidTag:
            raise SealedRefused(key=self.id) from None

    def __repr__(self) -> str:
        return f"OpeningKey({self.id!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key cannot be pickled or copied")


def _info(context: Mapping[str, Json]) -> bytes:
    return canonical({"context": dict(context), "format": _LABEL})
