"""Who calls control, and what a caller may do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from seatrial.contract.switch.api import Permission
from seatrial.kit.errors import Denied, NotFound, Unauthenticated


class TokenMissing(Unauthenticated):
    """The request carries no token."""

    code = "token_missing"
    cause = "Control answers nobody whom it does not know."
    remedy = "Send `Authorization: Bearer sea_…`; `seatrial keys new-token` makes a token."


class TokenRefused(Unauthenticated):
    """The token is not accepted: {reason}."""

    code = "token_refused"
    cause = "It was revoked, has expired, or belongs to another control or to a cell."
    remedy = "Ask somebody with the permission `admin` for another: `seatrial keys new-token`."


class PermissionMissing(Denied):
    """The token {name!r} may not do this: it lacks the permission {permission!r}."""

    code = "permission_missing"
    cause = "A token may do what it was made for, and nothing else."
    remedy = "Use a token that has the permission, or have one made."


class TokenUnknown(NotFound):
    """Control has no token with the id {id!r}."""

    code = "token_unknown"
    cause = "The id was never given here; the token itself is not its id."
    remedy = "List the tokens with `GET /v1/tokens`."


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Somebody known.

    Attributes:
        id: of the token; what the log names.
        name: of the token, for people.
        permissions: what it may do.
    """

    id: str
    name: str
    permissions: frozenset[Permission]

    def may(self, permission: Permission) -> bool:
        """Whether the caller has `permission`; whoever may do anything may also read."""
        return permission in self.permissions or (
            permission is Permission.READ and bool(self.permissions)
        )

    def refuse_unless(self, permission: Permission) -> None:
        """Raise `PermissionMissing` if the caller lacks `permission`."""
        if not self.may(permission):
            raise PermissionMissing(name=self.name, permission=permission.value)


@dataclass(frozen=True, kw_only=True)
class KnownToken:
    """A token as it is kept: everything but itself.

    Attributes:
        expires: None for never.
        revoked: None while it is good.
        used: when it was last seen, to the minute or so.
    """

    id: str
    name: str
    permissions: tuple[Permission, ...]
    made: datetime
    expires: datetime | None
    revoked: datetime | None
    used: datetime | None

    def caller(self, now: datetime) -> Caller:
        """Who calls with it; raises `TokenRefused` if it is no longer good."""
        if self.revoked is not None:
            raise TokenRefused(reason="it was revoked")
        if self.expires is not None and self.expires <= now:
            raise TokenRefused(reason="it has expired")
        return Caller(id=self.id, name=self.name, permissions=frozenset(self.permissions))


Dependency: TypeAlias = Callable[..., Awaitable[Caller]]
"""What an endpoint depends on to know its caller; it refuses others."""
Guard: TypeAlias = Callable[[Permission], Dependency]
"""Makes what lets in those who have a permission."""
