"""From the command line to the servers: the access file, one client, and who signs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from seatrial.cli.servers import access as access_file
from seatrial.cli.servers.cell import Cell
from seatrial.cli.servers.control import Control
from seatrial.cli.servers.domain import EnvironmentUnreached, SignerMissing
from seatrial.cli.servers.peer import Peer
from seatrial.cli.surroundings import home
from seatrial.contract.switch.access import Access, Signer
from seatrial.kit.crypto import keyfiles
from seatrial.kit.crypto.signing import SigningKey
from seatrial.kit.http.by_aiohttp import aiohttp_client
from seatrial.kit.http.calls import Client
from seatrial.kit.text import did_you_mean

_F = TypeVar("_F", bound=Callable[..., Any])
_T = TypeVar("_T")
FILE: Final = click.Path(path_type=Path, dir_okay=False)


def access_option(function: _F) -> _F:
    """The option `--access`, the same on every command that asks a server."""
    option: Callable[[_F], _F] = click.option(
        "--access",
        type=FILE,
        envvar="SEATRIAL_ACCESS",
        show_envvar=True,
        help="The access file; else the nearest .seatrial/access.json.",
    )
    return option(function)


def env_option(default: str, help_text: str = "Which environment.") -> Callable[[_F], _F]:
    """The option `--env`."""
    option: Callable[[_F], _F] = click.option(
        "--env", "environment", default=default, show_default=True, help=help_text
    )
    return option


@dataclass(frozen=True, kw_only=True)
class Reached:
    """The servers of one access file.

    Attributes:
        path: of the access file.
        access: what it says.
        client: makes the calls.
    """

    path: Path
    access: Access
    client: Client

    @property
    def control(self) -> Control:
        """The deciding half."""
        there = self.access.control
        return Control(
            peer=Peer(name="control", url=there.url, token=there.token, client=self.client)
        )

    def cell(self, environment: str) -> Cell:
        """The cell of `environment`; raises `EnvironmentUnreached`."""
        known = self.access.environments
        there = known.get(environment)
        if there is None:
            raise EnvironmentUnreached(
                path=str(self.path),
                environment=environment,
                hint=did_you_mean(environment, known)
                or (f"; it names {', '.join(known)}" if known else ""),
            )
        return Cell(
            peer=Peer(name=environment, url=there.url, token=there.token, client=self.client)
        )

    def signer(self) -> tuple[str, SigningKey]:
        """Who signs, and with what; raises `SignerMissing`, or as `keyfiles.load`."""
        person = self.access.person
        if person is None:
            raise SignerMissing(path=str(self.path))
        return person.name, keyfiles.load(SigningKey, self._key(person))

    def _key(self, person: Signer) -> Path:
        return access_file.key_path(self.path, person.key_file)


@contextlib.asynccontextmanager
async def reached(path: Path, access: Access) -> AsyncIterator[Reached]:
    """The servers, while the block lasts."""
    async with aiohttp_client() as client:
        yield Reached(path=path, access=access, client=client)


def reaching(named: Path | None, use: Callable[[Reached], Coroutine[Any, Any, _T]]) -> _T:
    """Run `use` with the servers of the access file; errors are those of finding it, and of `use`.

    Args:
        named: what `--access` says.
        use: a coroutine function.
    """
    path = access_file.find(named, Path.cwd(), home())
    access = access_file.read(path)

    async def main() -> _T:
        async with reached(path, access) as servers:
            return await use(servers)

    return asyncio.run(main())
