"""This environment's secrets: set over HTTP, read by this process alone, never told again."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seatrial.cell.vault import store
from seatrial.cell.vault.domain import (
    SecretMissing,
    SecretUnknown,
    SecretVersion,
    refuse_name,
    refuse_value,
)
from seatrial.kit.clock import Clock
from seatrial.kit.crypto.base_64 import from_base64, to_base64
from seatrial.kit.crypto.keyfiles import load_or_create
from seatrial.kit.crypto.rows import Place, RowCipher, RowMalformed, WrappingKey
from seatrial.kit.crypto.values import Json
from seatrial.kit.database.connection import Connection
from seatrial.kit.database.database import Database
from seatrial.kit.log import Redactor
from seatrial.kit.transparency.domain import Entry
from seatrial.kit.transparency.service import append

KEY_FILE: Final = "wrapping.key"
_FRESH: Final = 0.5  # seconds that a secret set by another process may stay unseen here
_TABLE: Final = "secret"


@dataclass(frozen=True, kw_only=True)
class _Known:
    value: str | None
    looked: float


class Vault:
    """The secrets of one environment.

    A value lies in the database encrypted under the cell's own wrapping key and bound to the
    environment, its name and version: elsewhere it does not decrypt. The newest version is used;
    the one before is kept until the next, for a look at what was there.

    Args:
        database: the cell's.
        environment: its name.
        cipher: `cipher_of(directory)`.
        redactor: is told every value before anybody else can see it.
        clock: for the age of what is remembered, and the log.
    """

    def __init__(
        self,
        database: Database,
        *,
        environment: str,
        cipher: RowCipher,
        redactor: Redactor,
        clock: Clock,
    ) -> None:
        self._database = database
        self._environment = environment
        self._cipher = cipher
        self._redactor = redactor
        self._clock = clock
        self._known: dict[str, _Known] = {}

    async def open(self) -> None:
        """Tell the log every value there is, so that no line shows one. Once, at the start.

        Raises:
            RowKeyUnknown, RowRefused: a secret cannot be read with the wrapping key that is here.
        """
        for version, sealed in await self._database.read(store.listed):
            self._redactor.add(self._opened(version, sealed))

    async def listed(self) -> list[SecretVersion]:
        """The newest version of each secret, by name."""
        rows = await self._database.read(store.listed)
        newest: dict[str, SecretVersion] = {}
        for version, _ in rows:
            newest.setdefault(version.name, version)
        return list(newest.values())

    async def put(self, name: str, value: str, *, author: str) -> int:
        """Set a secret, or rotate it; the number of its new version.

        Raises:
            SecretNameMalformed, SecretUnfit: refused.
        """
        refuse_name(name)
        refuse_value(name, value)
        self._redactor.add(value)

        def use_case(connection: Connection) -> int:
            version = store.newest(connection, name) + 1
            place = self._place(name, version)
            sealed = to_base64(self._cipher.encrypt(value.encode(), place))
            store.add(connection, name, version, sealed, author)
            self._log(connection, "secret.set", name, {"version": version}, author)
            return version

        version = await self._database.write(use_case)
        self._known.pop(name, None)
        return version

    async def remove(self, name: str, *, author: str) -> None:
        """Remove a secret with all its versions; raises `SecretUnknown`."""
        refuse_name(name)

        def use_case(connection: Connection) -> int:
            removed = store.remove(connection, name)
            if removed:
                self._log(connection, "secret.removed", name, {"versions": removed}, author)
            return removed

        removed = await self._database.write(use_case)
        self._known.pop(name, None)
        if not removed:
            raise SecretUnknown(environment=self._environment, name=name)

    async def secret(self, name: str) -> str:
        """The value, for a call that needs it.

        Raises:
            SecretMissing: it was never set here.
            RowKeyUnknown, RowRefused: it cannot be read with the wrapping key that is here.
        """
        known = self._known.get(name)
        if known is None or self._clock.steady() - known.looked >= _FRESH:
            known = await self._look(name)
        if known.value is None:
            raise SecretMissing(environment=self._environment, name=name)
        return known.value

    async def rewrap(self) -> int:
        """Wrap every data key anew under the current wrapping key; how many were not yet.

        The last step of a rotation: afterwards the retired wrapping key is needed no more.
        """

        def use_case(connection: Connection) -> int:
            changed = []
            for version, sealed in store.listed(connection):
                row = _row(sealed)
                place = self._place(version.name, version.version)
                fresh = self._cipher.rewrap(row, place)
                if fresh != row:
                    changed.append((version, to_base64(fresh)))
            store.reseal(connection, changed)
            return len(changed)

        return await self._database.write(use_case)

    def _log(
        self, connection: Connection, kind: str, name: str, body: dict[str, Json], actor: str
    ) -> None:
        entry = Entry(kind=kind, subject=name, actor=actor, body=body, at=self._clock.now())
        append(connection, entry)

    async def _look(self, name: str) -> _Known:
        looked = self._clock.steady()
        rows = await self._database.read(lambda connection: store.versions(connection, name))
        value = self._opened(*rows[0]) if rows else None
        if value is not None:
            self._redactor.add(value)
        self._known[name] = known = _Known(value=value, looked=looked)
        return known

    def _opened(self, version: SecretVersion, sealed: str) -> str:
        place = self._place(version.name, version.version)
        return self._cipher.decrypt(_row(sealed), place).decode()

    def _place(self, name: str, version: int) -> Place:
        return Place(environment=self._environment, table=_TABLE, name=name, version=version)


def _row(sealed: str) -> bytes:
    try:
        return from_base64(sealed)
    except ValueError as error:
        raise RowMalformed(reason=f"its text is altered ({error})") from None


def cipher_of(directory: Path) -> RowCipher:
    """The cipher under the cell's own wrapping key, made in `directory` at the first start.

    Processes of one cell on several machines need the same file: without it a secret that another
    one has set is refused with `row_key_unknown`.
    """
    return RowCipher(load_or_create(WrappingKey, directory / KEY_FILE))
