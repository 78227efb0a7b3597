"""What a command answers: a table for people, JSON for programs, both on standard output."""

import json
import shutil
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])
_GAP: Final = "  "


def json_option(function: _F) -> _F:
    """The option `--json`, the same on every command that answers with data."""
    option: Callable[[_F], _F] = click.option(
        "--json", "as_json", is_flag=True, help="Answer with JSON on standard output."
    )
    return option(function)


def answer_json(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Write `value` as indented JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under a head, columns aligned; the last column wraps to the terminal's width."""
    cells = [list(head), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head) - 1)]
    indent = sum(widths) + len(_GAP) * len(widths)
    room = max(20, shutil.get_terminal_size((100, 24)).columns - indent)
    lines = []
    for number, row in enumerate(cells):
        fixed = _GAP.join(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=True))
        first, *more = _wrapped(row[-1], room)
        line = f"{fixed}{_GAP if widths else ''}{first}".rstrip()
        lines.append(click.style(line, bold=True) if number == 0 else line)
        lines.extend(" " * indent + part for part in more)
    return "\n".join(lines)


def _wrapped(text: str, width: int) -> list[str]:
    return click.formatting.wrap_text(text, width).splitlines() or [""]
