"""SHA-256 digests as values: `sha256:` and 64 hexadecimal digits."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from seatrial.kit.crypto.canonical import canonical
from seatrial.kit.errors import Invalid

_PREFIX: Final = "sha256:"
_HEX: Final = re.compile(r"[0-9a-f]{64}\Z")


class DigestMalformed(Invalid):
    """{text!r} is not a digest."""

    code = "digest_malformed"
    cause = "A digest is `sha256:` and 64 hexadecimal digits in lower case."
    remedy = "Copy the digest whole, as the list or the answer that named it shows it."


@dataclass(frozen=True, kw_only=True, order=True, slots=True)
class Digest:
    """The SHA-256 of something; its text form is `sha256:…`.

    Attributes:
        hex: 64 hexadecimal digits in lower case.
    """

    hex: str

    def __post_init__(self) -> None:
        if not _HEX.match(self.hex):
            raise DigestMalformed(text=self.hex)

    def __str__(self) -> str:
        return _PREFIX + self.hex

    @classmethod
    def parse(cls, text: str) -> "Digest":
        """The digest written as `sha256:…`.

        Raises:
            DigestMalformed: anything else; upper case and other algorithms too.
        """
        if not text.startswith(_PREFIX):
            raise DigestMalformed(text=text)
        return cls(hex=text[len(_PREFIX) :])

    @classmethod
    def of(cls, data: bytes) -> "Digest":
        """The digest of bytes."""
        return cls(hex=hashlib.sha256(data).hexdigest())

    @classmethod
    def of_json(cls, value: object) -> "Digest":
        """The digest of a JSON value's canonical form; errors are those of `canonical`."""
        return cls.of(canonical(value))
