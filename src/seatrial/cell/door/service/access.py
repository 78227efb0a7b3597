"""Who calls, and what he may do. The hot path is a hash and a look into a dictionary."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, NoReturn, TypeAlias

from seatrial.cell.door.domain import (
    AccessToken,
    CellPermissionMissing,
    CellTokenExpired,
    CellTokenForeign,
    CellTokenMissing,
    CellTokenNotFound,
    CellTokenUnknown,
    GrantRefused,
    TenantForeign,
)
from seatrial.cell.door.store import tokens
from seatrial.contract.runs.access import Caller, CellPermission
from seatrial.kit.clock import Clock
from seatrial.kit.crypto.tokens import Token
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.http.asgi import Scope
from seatrial.kit.http.requests import header
from seatrial.kit.ids import Ids
from seatrial.kit.transparency.domain import Entry
from seatrial.kit.transparency.service import append

Admit: TypeAlias = Callable[[Scope, CellPermission], Awaitable[Caller]]
"""Tells who calls, or raises `Unauthenticated` or `Denied`: `Access.admit`."""

KIND: Final = "api"
EVERYTHING: Final = frozenset(CellPermission)
_FRESH: Final = 0.5  # seconds that what another process changed may stay unseen here
_ITSELF: Final = "cell"  # whom the log names for the first token
_BEARER: Final = b"bearer "


class Access:
    """The tokens of one cell.

    Every answer rests on what the database held at most half a second ago, so a revocation made in
    another process counts within that time; one made here counts at once. If the database does not
    answer, nobody is let in.

    Args:
        database: the cell's.
        environment: its name; no token of another is taken, whatever rows the database holds.
        clock: for expiry.
        ids: for names of tokens.
    """

    def __init__(self, database: Database, *, environment: str, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._environment = environment
        self._clock = clock
        self._ids = ids
        self._prefix = f"sea_{environment}_{KIND}_".encode()
        self._known: dict[str, AccessToken] = {}
        self._callers: dict[str, Caller] = {}
        self._version = -1
        self._looked = float("-inf")
        self._lock = asyncio.Lock()

    async def admit(self, scope: Scope, permission: CellPermission) -> Caller:
        """Who calls, if he may.

        Raises:
            CellTokenMissing, CellTokenUnknown, CellTokenExpired, TokenMistyped: nobody known.
            CellTokenForeign: a token of another environment.
            CellPermissionMissing: he may not.
        """
        given = presented(scope)
        if given is None:
            raise CellTokenMissing
        if not given.startswith(self._prefix):
            self._refuse(given)
        if self._clock.steady() - self._looked >= _FRESH:
            await self._look()
        stored = hashlib.sha256(given).hexdigest()
        caller = self._callers.get(stored)
        if caller is None:
            self._refuse(given)
        expires = self._known[stored].expires
        if expires is not None and expires <= self._clock.now():
            raise CellTokenExpired(name=caller.name, expires=expires.isoformat())
        if permission not in caller.permissions:
            raise CellPermissionMissing(name=caller.name, permission=str(permission))
        return caller

    async def first_token(self, token: Token, name: str = "first") -> bool:
        """Let `token` do everything; false if this cell ever had another token.

        The caller has kept the token safe before, and may ask again with it after a crash.
        """
        made = self._made(name=name, permissions=EVERYTHING, tenant="", lifetime=None)

        def use_case(connection: Connection) -> bool:
            if tokens.anyone(connection):
                return tokens.has(connection, token.stored())
            self._add(connection, made, token.stored(), _ITSELF)
            return True

        fresh = await self._database.write(use_case)
        self._forget()
        return fresh

    async def make(
        self,
        *,
        name: str,
        permissions: frozenset[CellPermission],
        tenant: str = "",
        lifetime: timedelta | None = None,
        by: Caller | None = None,
    ) -> tuple[AccessToken, Token]:
        """A new token; its text is told this once.

        Args:
            name: for people and the log.
            permissions: what it may do.
            tenant: the only one that it may touch; empty for all.
            lifetime: until it expires; None for never.
            by: who asks for it; None for the process itself.

        Raises:
            GrantRefused: it could do what its maker cannot.
            TenantForeign: it could touch what its maker cannot.
        """
        if by is not None:
            _refuse_excess(by, permissions, tenant)
        made = self._made(name=name, permissions=permissions, tenant=tenant, lifetime=lifetime)
        token = Token.mint(self._environment, KIND)
        stored = token.stored()
        actor = _ITSELF if by is None else by.id
        await self._database.write(lambda connection: self._add(connection, made, stored, actor))
        self._forget()
        return made, token

    async def listed(self, by: Caller) -> list[AccessToken]:
        """Every token that `by` may see, the newest first."""
        every = await self._database.read(tokens.listed)
        return [each for each in every if by.tenant in {"", each.tenant}]

    async def revoke(self, token: str, by: Caller) -> None:
        """Revoke it: here at once, in other processes within half a second.

        Raises:
            CellTokenNotFound: there is none, or none that `by` may see.
        """

        def use_case(connection: Connection) -> None:
            found = tokens.one(connection, token)
            if found is None or by.tenant not in {"", found.tenant}:
                raise CellTokenNotFound(id=token)
            if tokens.revoke(connection, token):
                log = Entry(
                    kind="token.revoked",
                    subject=token,
                    actor=by.id,
                    body={"name": found.name},
                    at=self._clock.now(),
                )
                append(connection, log)

        await self._database.write(use_case)
        self._forget()

    def _add(self, connection: Connection, made: AccessToken, stored: str, actor: str) -> None:
        tokens.add(connection, made, stored)
        log = Entry(
            kind="token.made",
            subject=made.id,
            actor=actor,
            body={
                "name": made.name,
                "permissions": [*sorted(map(str, made.permissions))],
                "tenant": made.tenant,
                "expires": None if made.expires is None else made.expires.isoformat(),
            },
            at=made.created,
        )
        append(connection, log)

    def _made(
        self,
        *,
        name: str,
        permissions: frozenset[CellPermission],
        tenant: str,
        lifetime: timedelta | None,
    ) -> AccessToken:
        now = self._clock.now()
        return AccessToken(
            id=self._ids.new("tok"),
            name=name,
            tenant=tenant,
            permissions=permissions,
            created=now,
            expires=None if lifetime is None else now + lifetime,
        )

    def _forget(self) -> None:
        self._looked = float("-inf")

    async def _look(self) -> None:
        async with self._lock:
            started = self._clock.steady()
            if started - self._looked < _FRESH:
                return  # another caller has looked meanwhile
            known = self._version

            def use_case(connection: Connection) -> tuple[int, dict[str, AccessToken] | None]:
                version = tokens.version(connection)
                return version, None if version == known else tokens.live(connection)

            self._version, fresh = await self._database.read(use_case)
            if fresh is not None:
                self._known = fresh
                self._callers = {stored: _caller(token) for stored, token in fresh.items()}
            self._looked = started

    def _refuse(self, given: bytes) -> NoReturn:
        token = Token(given.decode("latin-1"))
        if token.environment != self._environment:
            raise CellTokenForeign(given=token.environment, environment=self._environment)
        raise CellTokenUnknown


def presented(scope: Scope) -> bytes | None:
    """The token that the request carries, as `Authorization: Bearer` or `X-API-Key`."""
    authorization = header(scope, b"authorization")
    if authorization is not None and authorization[: len(_BEARER)].lower() == _BEARER:
        return authorization[len(_BEARER) :].strip()
    return header(scope, b"x-api-key")


def _caller(token: AccessToken) -> Caller:
    return Caller(id=token.id, name=token.name, tenant=token.tenant, permissions=token.permissions)


def _refuse_excess(by: Caller, permissions: frozenset[CellPermission], tenant: str) -> None:
    for each in sorted(permissions - by.permissions):
        raise GrantRefused(name=by.name, permission=str(each))
    if by.tenant not in {"", tenant}:
        raise TenantForeign(name=by.name, tenant=by.tenant)
