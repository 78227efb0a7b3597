"""Ed25519 keys: who signed what.

A key is named by itself: `ed25519:` and the 64 hexadecimal digits of its public half. A name found
in a log is therefore enough to check a signature; no directory can answer with another key.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NoReturn, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from seatrial.kit.crypto import pem
from seatrial.kit.crypto.pem import KeyMalformed

_PUBLIC: Final = "Ed25519 public"
_PREFIX: Final = "ed25519:"
_NAME: Final = re.compile(r"ed25519:([0-9a-f]{64})\Z")
_FIELD: Final = 2**255 - 19
_SIGN_BIT: Final = 1 << 255
# The y coordinates of the eight points of small order. With such a point as key, one signature
# fits many messages (with y = 1 every message), so it would prove nothing.
_SMALL_ORDER: Final = frozenset(
    {
        0,
        1,
        _FIELD - 1,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifyKey:
    """The public half: checks signatures and names their signer.

    Attributes:
        raw: 32 bytes, as RFC 8032 has them.
    """

    raw: bytes
    _key: Ed25519PublicKey = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.raw) != 32:
            raise KeyMalformed(kind=_PUBLIC, reason=f"it has {len(self.raw)} bytes, not 32")
        y = int.from_bytes(self.raw, "little") & ~_SIGN_BIT
        if y >= _FIELD or y in _SMALL_ORDER:
            raise KeyMalformed(kind=_PUBLIC, reason="signatures under it prove nothing")
        object.__setattr__(self, "_key", Ed25519PublicKey.from_public_bytes(self.raw))

    @classmethod
    def parse(cls, name: str) -> Self:
        """The key named `ed25519:…`; raises `KeyMalformed`."""
        match = _NAME.match(name)
        if match is None:
            raise KeyMalformed(kind=_PUBLIC, reason="its name is not `ed25519:` and 64 digits")
        return cls(raw=bytes.fromhex(match[1]))

    @classmethod
    def from_pem(cls, text: bytes) -> Self:
        """The key in PEM (SubjectPublicKeyInfo); raises `KeyMalformed`."""
        return cls(raw=pem.verify_key(text).public_bytes_raw())

    @property
    def id(self) -> str:
        """`ed25519:` and the key in 64 hexadecimal digits: the whole key, not a hash of it."""
        return _PREFIX + self.raw.hex()

    @property
    def short(self) -> str:
        """The first 16 digits of the name, for lists that people read; never compare by it."""
        return self.id[: len(_PREFIX) + 16]

    def pem(self) -> bytes:
        """The key in PEM (SubjectPublicKeyInfo)."""
        return pem.public_text(self._key)

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` is this key's over `message`."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def __repr__(self) -> str:
        return f"VerifyKey({self.id!r})"

    def __reduce__(self) -> tuple[Callable[[str], Self], tuple[str]]:
        return self.parse, (self.id,)


class SigningKey:
    """The private half. It shows its public name only, and refuses to be pickled or copied."""

    __slots__ = ("_key", "verify_key")

    def __init__(self, raw: bytes) -> None:
        if len(raw) != 32:
            raise KeyMalformed(kind="Ed25519 private", reason=f"it has {len(raw)} bytes, not 32")
        self._key: Final = Ed25519PrivateKey.from_private_bytes(raw)
        self.verify_key: Final = VerifyKey(raw=self._key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls) -> Self:
        """A fresh key from the system's randomness."""
        return cls(Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def from_private_pem(cls, text: bytes) -> Self:
        """The key in PEM (PKCS #8, not encrypted); raises `KeyMalformed`."""
        return cls(pem.signing_key(text).private_bytes_raw())

    @property
    def id(self) -> str:
        """The name of the public half."""
        return self.verify_key.id

    def raw(self) -> bytes:
        """The secret itself, 32 bytes."""
        return self._key.private_bytes_raw()

    def private_pem(self) -> bytes:
        """The secret itself in PEM (PKCS #8, not encrypted)."""
        return pem.private_text(self._key)

    def sign(self, message: bytes) -> bytes:
        """The signature over `message`, 64 bytes, the same each time.

        The message must say by itself what it means (a DSSE encoding, a checkpoint with its
        origin): a bare digest signed here could be shown elsewhere as something else.
        """
        return self._key.sign(message)

    def __repr__(self) -> str:
        return f"SigningKey({self.id!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key cannot be pickled or copied")
