"""What a command may know of where it runs, as `main` handed it in."""

from collections.abc import Mapping
from pathlib import Path

import click


def surroundings() -> Mapping[str, str]:
    """The environment variables of whoever runs the command; none where `main` gave none."""
    context = click.get_current_context(silent=True)
    found = None if context is None else context.find_root().obj
    return found if isinstance(found, Mapping) else {}


def home() -> Path | None:
    """The home of whoever runs the command; None where there is none."""
    named = surroundings().get("HOME")
    return Path(named) if named else None
