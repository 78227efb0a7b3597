"""Access tokens: random text that says where it belongs and whether it was mistyped.

    sea_production_api_<30 base-62 digits><6 base-62 digits>

The 30 digits are random (178 bits); the last 6 are the CRC-32 of all before them, so that a typing
error, a cut or a look-alike is found without asking any server. The environment in the text is a
hint for people and scanners: what a token may do is bound to the stored hash of the whole.
"""

import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Callable, Iterator
from typing import Final, NoReturn

from seatrial.kit.errors import Unauthenticated

TOKEN_PATTERN: Final = r"\bsea_[a-z][a-z0-9-]{0,30}_[a-z]{2,12}_[0-9A-Za-z]{36}\b"  # noqa: S105 - a pattern, no token
"""What a secret scanner looks for; `found` also checks the sum, and so has no false alarms."""

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_DIGITS: Final = 30
_SUM_DIGITS: Final = 6
_ENVIRONMENT: Final = re.compile(r"[a-z][a-z0-9-]{0,30}\Z")
_KIND: Final = re.compile(r"[a-z]{2,12}\Z")
_ANYWHERE: Final = re.compile(TOKEN_PATTERN, re.ASCII)


class TokenMistyped(Unauthenticated):
    """This is not a whole token: {reason}."""

    code = "token_mistyped"
    cause = "A character was lost or changed when the token was copied, or it is something else."
    remedy = "Copy the token again, whole, or make a new one."


class Token:
    """A token in clear text. It shows where it belongs, never itself, unless `reveal` is called.

    Attributes:
        environment: where it says it belongs; a hint.
        kind: what for, such as `api` or `enrol`.
    """

    __slots__ = ("_text", "environment", "kind")

    def __init__(self, text: str) -> None:
        """Take `text` as it was handed in; raises `TokenMistyped`."""
        if not _ANYWHERE.fullmatch(text):
            raise TokenMistyped(reason="its form is not that of a token")
        body, checksum = text[:-_SUM_DIGITS], text[-_SUM_DIGITS:]
        if _sum(body) != checksum:
            raise TokenMistyped(reason="its check sum is wrong")
        self._text: Final = text
        _, self.environment, self.kind, _ = text.split("_")

    @classmethod
    def mint(
        cls, environment: str, kind: str, random_below: Callable[[int], int] = secrets.randbelow
    ) -> "Token":
        """A new token for `environment`, a lower-case slug, and `kind`, 2 to 12 letters."""
        if not _ENVIRONMENT.match(environment) or not _KIND.match(kind):
            raise ValueError(f"no token can be named {environment!r} and {kind!r}")
        secret = _in_base_62(random_below(62**_RANDOM_DIGITS), _RANDOM_DIGITS)
        body = f"sea_{environment}_{kind}_{secret}"
        return cls(body + _sum(body))

    def reveal(self) -> str:
        """The token itself, to be shown once to the person who asked for it."""
        return self._text

    def stored(self) -> str:
        """What a database keeps: the SHA-256 in hexadecimal.

        A plain hash is enough, since 178 random bits cannot be guessed, as a password can.
        """
        return hashlib.sha256(self._text.encode()).hexdigest()

    def matches(self, stored: str) -> bool:
        """Whether `stored` is of this token, compared in constant time."""
        return hmac.compare_digest(self.stored().encode(), stored.encode())

    def __repr__(self) -> str:
        return f"Token('sea_{self.environment}_{self.kind}_…')"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token cannot be pickled or copied")


def found(text: str) -> Iterator[tuple[int, int]]:
    """Where tokens stand in `text`, as start and end; a look-alike with a wrong sum is none."""
    for match in _ANYWHERE.finditer(text):
        if _sum(match[0][:-_SUM_DIGITS]) == match[0][-_SUM_DIGITS:]:
            yield match.span()


def _sum(body: str) -> str:
    return _in_base_62(zlib.crc32(body.encode()), _SUM_DIGITS)


def _in_base_62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
