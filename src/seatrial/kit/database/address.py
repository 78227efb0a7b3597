"""Where a database is: a URL, taken apart once, whose password nothing shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from psycopg import ProgrammingError
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from seatrial.kit.database.errors import DatabaseUrlInvalid

_HIDDEN: Final = "***"
_SECRET_OPTIONS: Final = ("password", "sslpassword")


@dataclass(frozen=True, kw_only=True)
class SqliteAddress:
    """One file.

    Attributes:
        path: absolute, with symbolic links followed, so that one file has one name.
    """

    path: Path

    def __str__(self) -> str:
        return f"sqlite:///{self.path}"


@dataclass(frozen=True, kw_only=True)
class PostgresAddress:
    """One database on a server.

    Attributes:
        shown: the URL without password, and with no option but host and port.
        parameters: what libpq takes, by its own names, password included.
    """

    shown: str
    parameters: Mapping[str, str] = field(repr=False)

    def __str__(self) -> str:
        return self.shown

    def without_secrets(self, text: str) -> str:
        """`text`, a driver's message for instance, with every secret of the URL blanked out."""
        for option in _SECRET_OPTIONS:
            if secret := self.parameters.get(option):
                text = text.replace(secret, _HIDDEN)
        return text


def parse(url: str) -> SqliteAddress | PostgresAddress:
    """Take `url` apart.

    Raises:
        DatabaseUrlInvalid: not a URL of either database. The message quotes no part of it that
            could be a password.
    """
    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        # Neither shown nor kept as the cause: a URL that cannot be parsed may be all password.
        raise DatabaseUrlInvalid(reason="it is not a URL") from None
    match parts.drivername:
        case "sqlite":
            return _sqlite(parts)
        case "postgresql" | "postgres":
            return _postgres(parts)
        case other:
            raise DatabaseUrlInvalid(
                reason=f"{other!r} is neither 'sqlite' nor 'postgresql' (name no driver)"
            )


def with_password(url: str, password: str) -> str:
    """`url`, which `parse` takes, with this password instead of its own."""
    return make_url(url).set(password=password).render_as_string(hide_password=False)


def _sqlite(parts: URL) -> SqliteAddress:
    if parts.host or parts.username or parts.query:
        raise DatabaseUrlInvalid(reason="an SQLite URL has a path and nothing else; three slashes")
    if not parts.database or parts.database == ":memory:":
        raise DatabaseUrlInvalid(reason="it names no file; a database in memory survives nothing")
    if "\0" in parts.database:
        raise DatabaseUrlInvalid(reason="the path holds a NUL character")
    return SqliteAddress(path=Path(parts.database).resolve())


def _postgres(parts: URL) -> PostgresAddress:
    options = {name: _single(name, value) for name, value in parts.query.items()}
    given = {
        "user": parts.username,
        "password": parts.password,
        "host": parts.host,
        "port": parts.port,
        "dbname": parts.database,
    }
    parameters = options | {name: str(value) for name, value in given.items() if value is not None}
    # Without these libpq looks into its environment, and the process might meet another database.
    for needed, spoken in (("host", "host"), ("dbname", "database")):
        if not parameters.get(needed):
            raise DatabaseUrlInvalid(reason=f"it names no {spoken}")
    where: dict[str, str | Sequence[str]] = {
        name: options[name] for name in ("host", "port") if name in options
    }
    shown = URL.create(
        "postgresql", parts.username, None, parts.host, parts.port, parts.database, where
    ).render_as_string()
    try:
        make_conninfo("", **parameters)
    except ProgrammingError:
        raise DatabaseUrlInvalid(
            reason=f"libpq does not take one of its options: {', '.join(sorted(options))}"
        ) from None
    return PostgresAddress(shown=shown, parameters=parameters)


def _single(name: str, value: str | tuple[str, ...]) -> str:
    if isinstance(value, str):
        return value
    # `?host=a&host=b` is how several servers are named.
    if name in {"host", "port", "hostaddr"}:
        return ",".join(value)
    raise DatabaseUrlInvalid(reason=f"option {name!r} is given twice")
