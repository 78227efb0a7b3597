"""The masking key: 32 bytes that link a pseudonym to its value; production's vault keeps it."""

import hashlib
import re
import secrets
from pathlib import Path
from typing import Final, NoReturn, Self

from seatrial.kit.crypto import keyfiles
from seatrial.kit.crypto.base_64 import from_base64, to_base64
from seatrial.kit.crypto.pem import KeyMalformed

_KIND: Final = "masking"
# The label ends in PRIVATE KEY so that secret scanners and our own log redaction know it.
_PEM: Final = re.compile(
    rb"-----BEGIN SEATRIAL MASKING PRIVATE KEY-----\n"
    rb"([A-Za-z0-9+/]{43}=)\n"
    rb"-----END SEATRIAL MASKING PRIVATE KEY-----\n?\Z"
)


class MaskingKey:
    """The key of all pseudonyms of a snapshot. It shows its fingerprint only."""

    __slots__ = ("_raw", "id")

    def __init__(self, raw: bytes) -> None:
        if len(raw) != 32:
            raise KeyMalformed(kind=_KIND, reason=f"it has {len(raw)} bytes, not 32")
        self._raw: Final = raw
        print_ = hashlib.blake2b(key=raw, person=b"fingerprint", digest_size=8).hexdigest()
        self.id: Final = f"mask:{print_}"

    @classmethod
    def generate(cls) -> Self:
        """A fresh key from the system's randomness."""
        return cls(secrets.token_bytes(32))

    @classmethod
    def from_private_pem(cls, text: bytes) -> Self:
        """The key as `private_pem` writes it; raises `KeyMalformed`."""
        match = _PEM.match(text)
        if match is None:
            raise KeyMalformed(kind=_KIND, reason="the text is no PEM of a masking key")
        return cls(from_base64(match[1].decode()))

    def private_pem(self) -> bytes:
        """The secret itself, as text."""
        label = "SEATRIAL MASKING PRIVATE KEY"
        return f"-----BEGIN {label}-----\n{to_base64(self._raw)}\n-----END {label}-----\n".encode()

    def raw(self) -> bytes:
        """The secret itself, 32 bytes."""
        return self._raw

    def __repr__(self) -> str:
        return f"MaskingKey({self.id!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key cannot be pickled or copied")


def load_key(path: Path) -> MaskingKey:
    """The key in the file at `path`; raises as `keyfiles.load`."""
    return keyfiles.load(MaskingKey, path)


def make_key(path: Path) -> MaskingKey:
    """A fresh key in a new file at `path`; raises as `keyfiles.save`."""
    key = MaskingKey.generate()
    keyfiles.save(key, path)
    return key
