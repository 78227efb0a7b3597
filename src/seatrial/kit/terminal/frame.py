"""The frame of the `seatrial` command: lazy groups, and one way for an error to end a command.

A command module is imported only when its command runs, so that `--help` stays fast. Every way
out of a command (a wrong option, a named error, a defect, Ctrl-C) ends here with an exit code, and
an error with its code, its cause and its remedy.
"""

import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from seatrial.kit.errors import Exit, Fault, Invalid, NotFound, SeatrialError
from seatrial.kit.text import did_you_mean, printable

_INTERRUPTED: Final = 130  # 128 + SIGINT, as shells expect


class CommandUnknown(Invalid):
    """There is no command {name!r}{hint}."""

    code = "command_unknown"
    cause = "The name is mistyped, or belongs to another version of Seatrial."
    remedy = "Run `{command} --help` for the list."


class UsageInvalid(Invalid):
    """{reason}."""

    code = "usage_invalid"
    cause = "The command was called with an option, argument or value that it does not take."
    remedy = "Run `{command} --help` for what it takes."


class FileUnusable(NotFound):
    """Cannot use the file {path!r}: {reason}."""

    code = "file_unusable"
    cause = "The path is wrong, or this user may not read or write there."
    remedy = "Check the path and its permissions."


class LazyGroup(click.Group):
    """A group whose commands are named by a table and imported on use.

    Args:
        table: command name to `module:object` and the line that `--help` shows for it.
    """

    def __init__(self, *args: Any, table: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the table's order."""
        del ctx
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; None where the table has no such name."""
        del ctx
        if cmd_name not in self._table:
            return None
        module, _, name = self._table[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{name} is no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._table.items()])


def run(command: click.Command, arguments: Sequence[str], *, name: str) -> int:
    """Run `command` and return its exit code; whatever goes wrong is told on standard error."""
    try:
        outcome = command.main(list(arguments), prog_name=name, standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as shown:
        click.echo(shown.format_message(), err=True)
        return Exit.USAGE
    except (SeatrialError, click.ClickException) as error:
        return _told(_named(error), command=_path(error, name))
    except (click.Abort, KeyboardInterrupt):
        click.echo("\ninterrupted; what was acknowledged before stands", err=True)
        return _INTERRUPTED
    except BrokenPipeError:
        return _reader_left()
    except Exception as error:  # noqa: BLE001 - the last edge: no traceback reaches a user
        return _told(Fault(incident=_incident(error)), command=name)
    return outcome if isinstance(outcome, int) else Exit.OK


def _told(error: SeatrialError, *, command: str) -> int:
    remedy = error.remedy.replace("{command}", command)
    label = click.style(f"error {error.code}", fg="red", bold=True)
    click.echo(f"{label}: {printable(error.message)}", err=True)
    click.echo(f"  cause:  {error.cause}", err=True)
    click.echo(f"  remedy: {remedy}", err=True)
    click.echo(f"  more:   seatrial explain {error.code}", err=True)
    return error.exit_code


def _named(error: SeatrialError | click.ClickException) -> SeatrialError:
    if isinstance(error, SeatrialError):
        return error
    if isinstance(error, click.exceptions.NoSuchCommand):
        return CommandUnknown(
            name=error.command_name, hint=did_you_mean(error.command_name, _neighbours(error))
        )
    if isinstance(error, click.FileError):
        return FileUnusable(path=error.ui_filename, reason=error.message)
    return UsageInvalid(reason=" ".join(error.format_message().split()).rstrip(".?"))


def _neighbours(error: click.UsageError) -> list[str]:
    group = error.ctx.command if error.ctx is not None else None
    return group.list_commands(error.ctx) if error.ctx and isinstance(group, click.Group) else []


def _path(error: Exception, name: str) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return context.command_path if context is not None else name


def _reader_left() -> int:
    # `seatrial ... | head` closed our output; keep the interpreter from complaining at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.OK


def _incident(error: Exception) -> str:
    """Keep the traceback for the report, out of the user's sight; the file's path names it."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="seatrial-incident-", suffix=".txt", delete=False
    ) as file:
        traceback.print_exception(error, file=file)
        return file.name
