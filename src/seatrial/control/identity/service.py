"""Make tokens, know callers by them, and take tokens back.

No token is cached: a look-up by hash takes about 0.1 ms, control is no hot path, and a revocation
then holds at once in every process.
"""

import logging
from datetime import datetime, timedelta
from typing import Final

from seatrial.contract.switch.api import Permission, TokenRequest, TokenRow
from seatrial.control.identity import store
from seatrial.control.identity.domain import Caller, KnownToken, TokenRefused, TokenUnknown
from seatrial.kit.clock import Clock
from seatrial.kit.crypto.tokens import Token
from seatrial.kit.database.connection import Connection, Durability, Isolation
from seatrial.kit.database.database import Database
from seatrial.kit.errors import TimedOut, Unavailable
from seatrial.kit.ids import Ids
from seatrial.kit.log import log_error
from seatrial.kit.transparency.domain import Entry
from seatrial.kit.transparency.service import append

CONTROL: Final = "control"
"""What a token of control names as its environment."""
API: Final = "api"
"""The kind of a token for the API."""

_LOG: Final = logging.getLogger(__name__)
_USE_NOTED: Final = timedelta(minutes=1)  # so that a busy token costs one write a minute
_FIRST: Final = Caller(id="control", name="control", permissions=frozenset())


class Identity:
    """Tokens of control."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    async def authorize(self, text: str, permission: Permission) -> Caller:
        """Who calls with the token `text`, if that may do what `permission` names.

        Raises:
            TokenMistyped, TokenRefused: the token is not good here.
            PermissionMissing: it is, and may not do this.
        """
        token = Token(text)
        if (token.environment, token.kind) != (CONTROL, API):
            raise TokenRefused(reason="it is not for control's API")
        stored = token.stored()
        known = await self._database.read(lambda connection: store.by_hash(connection, stored))
        if known is None:
            raise TokenRefused(reason="it is not known here")
        now = self._clock.now()
        caller = known.caller(now)
        caller.refuse_unless(permission)
        await self._note_use(known, now)
        return caller

    async def make(self, request: TokenRequest, by: Caller) -> TokenRow:
        """A new token; this answer alone shows it."""
        token = Token.mint(CONTROL, API)
        known = self._known(request)
        await self._database.write(lambda connection: self._add(connection, known, token, by))
        return _row(known, token.reveal())

    async def first_token(self, token: Token) -> bool:
        """Make `token` the first, with every permission; false if another one is.

        One is made for a database, also when several processes ask at the same time. The caller
        has kept the token safe before, and may ask again with it after a crash.
        """
        known = self._known(TokenRequest(name="first", permissions=tuple(Permission)))

        def made(connection: Connection) -> bool:
            if store.claim_first(connection, known.made):
                self._add(connection, known, token, _FIRST)
                return True
            return store.by_hash(connection, token.stored()) is not None

        return await self._database.write(made)

    async def list(self) -> tuple[TokenRow, ...]:
        """All tokens, the newest first, without themselves."""
        known = await self._database.read(store.every)
        return tuple(_row(each) for each in known)

    async def revoke(self, id: str, by: Caller) -> TokenRow:  # noqa: A002 - the word of the API
        """The token, no good from now on; a second time changes nothing.

        Raises:
            TokenUnknown: there is none with this id.
        """
        return await self._database.write(lambda connection: self._revoke(connection, id, by))

    def _known(self, request: TokenRequest) -> KnownToken:
        now = self._clock.now()
        return KnownToken(
            id=self._ids.new("tok"),
            name=request.name,
            permissions=tuple(each for each in Permission if each in request.permissions),
            made=now,
            expires=None if request.days is None else now + timedelta(days=request.days),
            revoked=None,
            used=None,
        )

    def _add(self, connection: Connection, known: KnownToken, token: Token, by: Caller) -> None:
        store.add(connection, known, token.stored())
        append(
            connection,
            Entry(
                kind="token.made",
                subject=known.id,
                actor=by.id,
                body={
                    "name": known.name,
                    "permissions": [each.value for each in known.permissions],
                    "expires": None if known.expires is None else known.expires.isoformat(),
                },
                at=known.made,
            ),
        )

    def _revoke(self, connection: Connection, id: str, by: Caller) -> TokenRow:  # noqa: A002
        known = store.by_id(connection, id)
        if known is None:
            raise TokenUnknown(id=id)
        if known.revoked is None:
            now = self._clock.now()
            store.revoke(connection, id, now)
            body = {"name": known.name}
            append(
                connection,
                Entry(kind="token.revoked", subject=id, actor=by.id, body=body, at=now),
            )
        return _row(known, revoked=True)

    async def _note_use(self, known: KnownToken, now: datetime) -> None:
        since = now - _USE_NOTED
        if known.used is not None and known.used > since:
            return
        try:
            await self._database.write(
                lambda connection: store.touch(connection, known.id, now, since),
                durability=Durability.LAZY,
                isolation=Isolation.READ_COMMITTED,
            )
        except (Unavailable, TimedOut) as error:
            log_error(_LOG, error)  # a caller is not refused because a note could not be made


def _row(known: KnownToken, text: str | None = None, *, revoked: bool = False) -> TokenRow:
    return TokenRow(
        id=known.id,
        name=known.name,
        permissions=known.permissions,
        made=known.made,
        expires=known.expires,
        revoked=revoked or known.revoked is not None,
        token=text,
    )
