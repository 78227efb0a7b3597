"""`seatrial explain CODE`: an error's whole page, in the terminal."""

import importlib
import pkgutil

import click

import seatrial
from seatrial.kit.errors import NotFound, SeatrialError, catalogue
from seatrial.kit.terminal.output import answer_json, json_option, table
from seatrial.kit.text import did_you_mean


class ErrorUnknown(NotFound):
    """There is no error {name!r}{hint}."""

    code = "error_unknown"
    cause = "The code is mistyped, or belongs to another version of Seatrial."
    remedy = "Run `seatrial explain` without a code for the list."


@click.command()
@click.argument("code", required=False)
@json_option
def explain(code: str | None, *, as_json: bool) -> None:
    """Tell what an error means and what to do; without CODE, list them all.

    \b
    Examples:
      seatrial explain settings_invalid
      seatrial explain --json
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    errors = {error.code: error for error in all_errors()}
    if code is not None and code not in errors:
        raise ErrorUnknown(name=code, hint=did_you_mean(code, errors))
    chosen = list(errors.values()) if code is None else [errors[code]]
    if as_json:
        answer_json([page(error) for error in chosen])
    elif code is None:
        rows = [(error.code, str(int(error.exit_code)), error.cause) for error in chosen]
        click.echo(table(("code", "exit", "cause"), rows))
    else:
        for label, text in page(chosen[0]).items():
            click.echo(f"{label + ':':<13}{text}")


def all_errors() -> tuple[type[SeatrialError], ...]:
    """Every error of the product: all modules are imported, so that all have registered.

    A module that needs an extra which is not installed is left out.
    """
    for module in pkgutil.walk_packages(seatrial.__path__, "seatrial."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as missing:
            if missing.name is None or missing.name.startswith("seatrial"):
                raise
    return catalogue()


def page(error: type[SeatrialError]) -> dict[str, str]:
    """What there is to say of an error class."""
    return {
        "code": error.code,
        "message": error.template(),
        "cause": error.cause,
        "remedy": error.remedy,
        "HTTP status": str(error.status),
        "exit code": str(int(error.exit_code)),
    }
