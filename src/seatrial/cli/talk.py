"""Talk goes to standard error: what is done, how far it has come, and what must be asked."""

import sys
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

import click

from seatrial.cli.servers.domain import ConfirmationMissing
from seatrial.contract.environments.profiles import PATH
from seatrial.kit.text import printable

_T = TypeVar("_T")
GUARDED: Final = PATH[-1]
"""The environment whose name must be typed to change it."""


def say(text: str) -> None:
    """A line for people."""
    click.echo(text, err=True)


def tamed(text: str) -> str:
    """`text` as it may go to standard output: an agent's answer must not drive the terminal.

    Elsewhere than on a terminal only half surrogate pairs, which no UTF-8 can hold, are replaced.
    """
    if not sys.stdout.isatty():
        return text.encode("utf-8", "replace").decode()
    return "".join(char if char in "\n\t" else printable(char) for char in text)


def where(environment: str, what: str = "") -> None:
    """Which environment this is about, first of all that is said: `production · support`."""
    line = f"{environment} · {printable(what)}" if what else environment
    say(click.style(line, bold=True, fg="yellow" if environment == GUARDED else None))


def progress(items: Iterable[_T], label: str, length: int) -> Iterator[_T]:
    """`items`, with a bar on a terminal and nothing elsewhere."""
    hidden = not sys.stderr.isatty()
    with click.progressbar(
        items, label=label, length=length, file=sys.stderr, hidden=hidden
    ) as shown:
        yield from shown


def interactive() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm(environment: str, what: str, *, yes: bool, confirmed: str | None) -> None:
    """Have a person say that it shall be.

    Args:
        environment: what is changed.
        what: what happens to it.
        yes: said beforehand.
        confirmed: the environment's name, said beforehand.

    Raises:
        ConfirmationMissing: nobody did.
    """
    if yes or confirmed == environment:
        return
    if confirmed is not None:
        raise ConfirmationMissing(what=f"`--confirm {confirmed}` is not {environment!r}")
    if not interactive():
        raise ConfirmationMissing(what=what)
    if environment == GUARDED:
        given = click.prompt(f"{what}. Type {environment!r} to go on", err=True, default="",
                             show_default=False)  # fmt: skip
        agreed = given.strip() == environment
    else:
        agreed = click.confirm(f"{what}. Go on?", err=True)
    if not agreed:
        raise ConfirmationMissing(what=what)
