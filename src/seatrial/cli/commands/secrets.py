"""`seatrial secrets`: names of an environment's secrets; a value goes in, and never comes out."""

import sys
from pathlib import Path
from typing import Final

import click

from seatrial.cli.project.domain import SampleInvalid
from seatrial.cli.reaching import FILE, Reached, access_option, env_option, reaching
from seatrial.cli.servers.domain import AnswerUnexpected
from seatrial.cli.talk import interactive, where
from seatrial.kit.terminal.output import answer_json, json_option

_LARGEST: Final = 65_536  # bytes


@click.group()
def secrets() -> None:
    """Set, list and remove secrets of one environment."""


@secrets.command("list")
@env_option("staging")
@access_option
@json_option
def list_command(*, environment: str, access: Path | None, as_json: bool) -> None:
    """List the names; no value is ever shown.

    \b
    Examples:
      seatrial secrets list --env production
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    where(environment)
    found = reaching(access, lambda servers: servers.cell(environment).secrets())
    if as_json:
        answer_json(found)
        return
    rows = found.get("secrets") if isinstance(found, dict) else found
    if not isinstance(rows, list):
        raise AnswerUnexpected(peer=environment, reason="there is no list of secrets")
    for row in rows:
        click.echo(row.get("name") if isinstance(row, dict) else row)


@secrets.command("set")
@click.argument("name")
@click.option("--file", type=FILE, help="Read the value from a file.")
@env_option("staging")
@access_option
def set_command(name: str, *, file: Path | None, environment: str, access: Path | None) -> None:
    """Lay a secret into the vault of one environment, from a prompt, a file or standard input.

    A value is never an argument: arguments stand in the list of processes and in the history.

    \b
    Examples:
      seatrial secrets set openai --env staging
      pass show openai | seatrial secrets set openai --env production
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    where(environment, name)
    value = _value(name, file)

    async def use(servers: Reached) -> None:
        await servers.cell(environment).put_secret(name, value)

    reaching(access, use)
    click.echo(f"set {name} in {environment}")


@secrets.command("remove")
@click.argument("name")
@env_option("staging")
@access_option
def remove_command(name: str, *, environment: str, access: Path | None) -> None:
    """Take a secret out of the vault of one environment.

    \b
    Examples:
      seatrial secrets remove openai --env staging
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    where(environment, name)

    async def use(servers: Reached) -> None:
        await servers.cell(environment).remove_secret(name)

    reaching(access, use)
    click.echo(f"removed {name} from {environment}")


def _value(name: str, file: Path | None) -> str:
    if file is not None:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST + 1)
    elif interactive():
        content = click.prompt(name, hide_input=True, err=True).encode()
    else:
        content = sys.stdin.buffer.read(_LARGEST + 1)
    try:
        value = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise SampleInvalid(reason="the value is not UTF-8") from None
    if not value or len(content) > _LARGEST:
        raise SampleInvalid(reason=f"the value is empty, or larger than {_LARGEST} bytes")
    return value
