"""`seatrial settings`: check a settings file before a process is started on it."""

from pathlib import Path

import click

from seatrial.kit.settings import load
from seatrial.kit.terminal.output import answer_json, json_option, table
from seatrial.main.settings import kind_of


@click.group()
def settings() -> None:
    """Check settings files."""


@settings.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@json_option
def check(file: Path | None, *, as_json: bool) -> None:
    """Read FILE as a process would, and show every value in force; secrets stay hidden.

    Without FILE, the environment and the defaults alone.

    \b
    Examples:
      seatrial settings check cell.toml
      SEATRIAL_HTTP__PORT=9000 seatrial settings check --json
    """  # noqa: D301 - \b is Click's mark for text that keeps its lines
    found = load(kind_of(file), file).model_dump(mode="json")
    if as_json:
        answer_json(found)
        return
    rows = [
        (f"{section}.{field}", str(value))
        for section, fields in found.items()
        for field, value in fields.items()
    ]
    click.echo(table(("setting", "value"), rows))
