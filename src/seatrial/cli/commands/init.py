"""`seatrial init`: a project that can be deployed at once."""

from pathlib import Path
from typing import Final

import click

from seatrial.cli.project.domain import ProjectInvalid
from seatrial.cli.project.manifest import FILE, parse
from seatrial.cli.project.scaffold import name_of, write
from seatrial.cli.reaching import Reached, access_option, reaching
from seatrial.cli.servers import access as access_file
from seatrial.cli.servers.domain import AccessMissing, EnvironmentUnreached
from seatrial.cli.surroundings import home
from seatrial.cli.talk import interactive, say
from seatrial.kit.errors import Unavailable
from seatrial.kit.terminal.frame import FileUnusable

_SECRET: Final = "openai"  # noqa: S105 - the name of one


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".")
@click.option("--name", help="The agent's name; else the folder's.")
@click.option("--no-input", is_flag=True, help="Ask nothing.")
@access_option
def init(folder: Path, *, name: str | None, no_input: bool, access: Path | None) -> None:
    """Write a small agent that works at once into FOLDER, and overwrite nothing.

    On a terminal it asks once for a provider's key, which may be left out: the key goes straight
    into staging's vault, and is written nowhere else.

    \b
    Examples:
      seatrial init triage
      seatrial init --name support --no-input
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    chosen = name or name_of(folder)
    _check(chosen)
    try:
        written = write(folder, chosen)
    except OSError as error:
        reason = error.strerror or str(error)
        raise FileUnusable(path=str(error.filename or folder), reason=reason) from None
    for path in written:
        click.echo(str(folder / path))
    if not no_input and interactive():
        _ask_for_key(folder, access)
    into = "" if folder == Path() else f"cd {folder} && "
    say(f"next: {into}seatrial dev --input 'my parcel is late'")
    say("then: seatrial up, and in another terminal seatrial deploy")


def _check(name: str) -> None:
    try:
        parse(f'[agent]\nname = {name!r}\nentry = "agent.py:run"\n'.encode(), FILE)
    except ProjectInvalid as error:
        raise click.BadParameter(str(error.fields["findings"]), param_hint="--name") from None


def _ask_for_key(folder: Path, access: Path | None) -> None:
    key = click.prompt(
        "A provider's key for staging (OpenAI; Enter for none)",
        default="",
        show_default=False,
        hide_input=True,
        err=True,
    ).strip()
    if not key:
        return

    async def use(servers: Reached) -> None:
        await servers.cell("staging").put_secret(_SECRET, key)

    try:
        reaching(access or access_file.find(None, folder, home()), use)
    except (AccessMissing, EnvironmentUnreached, Unavailable) as error:
        say(f"not kept, since no system runs here ({error.code}); once one does:")
        say(f"  seatrial secrets set {_SECRET} --env staging")
    else:
        say(f"kept as {_SECRET!r} in staging's vault, and nowhere else")
