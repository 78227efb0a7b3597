"""Who may evaluate flags from outside, as headers tell it."""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final, Protocol

from seatrial.cell.door.domain import FlagCallerUnknown
from seatrial.kit.http.asgi import Scope
from seatrial.kit.http.requests import header, query

_BEARER: Final = b"bearer "
_PURPOSE: Final = b"seatrial: listen to changes of flags"
_TICKET: Final = "ticket"


class Callers(Protocol):
    """Decides who may call; raises `Unauthenticated`, `Denied` or `Limited` for who may not."""

    def admit(self, scope: Scope) -> str:
        """Let an evaluation pass.

        Returns:
            What the caller's event stream needs in its query, as `?name=value`; empty for nothing.
        """
        ...

    def admit_listener(self, scope: Scope) -> None:
        """Let a listener to changes pass."""
        ...


class Anybody:
    """Everybody who reaches the address."""

    def admit(self, scope: Scope) -> str:
        """See `Callers.admit`."""
        del scope
        return ""

    def admit_listener(self, scope: Scope) -> None:
        """See `Callers.admit_listener`."""


class TokenHolders:
    """Whoever sends one of the given tokens.

    A browser's `EventSource` cannot send headers, and a token in a URL ends up in logs. So each
    token has a ticket, computed from it, that opens the event stream and nothing else.
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        known = [token.encode() for token in tokens]
        self._tickets = [(_digest(token), _ticket(token)) for token in known]

    def admit(self, scope: Scope) -> str:
        """See `Callers.admit`."""
        given = _token(scope)
        if given is None:
            raise FlagCallerUnknown(given="Nobody without a token")
        digest, ticket = _digest(given), ""
        for known, own in self._tickets:  # all of them: the time taken tells nothing
            if hmac.compare_digest(known, digest):
                ticket = own
        if not ticket:
            raise FlagCallerUnknown(given="Nobody with this token")
        return f"?{_TICKET}={ticket}"

    def admit_listener(self, scope: Scope) -> None:
        """See `Callers.admit_listener`."""
        given = query(scope).get(_TICKET, "").encode()
        fits = [hmac.compare_digest(own.encode(), given) for _, own in self._tickets]
        if not any(fits):
            self.admit(scope)


def _token(scope: Scope) -> bytes | None:
    authorization = header(scope, b"authorization")
    if authorization is not None and authorization[: len(_BEARER)].lower() == _BEARER:
        return authorization[len(_BEARER) :].strip()
    return header(scope, b"x-api-key")


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def _ticket(token: bytes) -> str:
    return hmac.digest(token, _PURPOSE, "sha256").hex()[:32]
