"""The house as its sources describe it: rooms from docstrings, floors and contracts from config."""

import ast
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = "seatrial"


@dataclass(frozen=True, kw_only=True)
class Room:
    """A folder of the package.

    Attributes:
        name: its path inside the package with dots: `cell.runs`.
        line: the first line of its docstring.
        rest: what the docstring says after that; may be empty.
        inner: the rooms inside it, by name.
    """

    name: str
    line: str
    rest: str
    inner: tuple["Room", ...]


def rooms(root: Path = ROOT) -> tuple[Room, ...]:
    """The top rooms, by name."""
    package = root / "src" / PACKAGE
    return tuple(_room(folder, package) for folder in _folders(package))


def floors(root: Path = ROOT) -> tuple[tuple[str, ...], ...]:
    """The names of the rooms on each floor, from the top floor down."""
    contract = next(each for each in contracts(root) if each["id"] == "floors")
    return tuple(
        tuple(name.strip(" ()") for name in layer.split("|")) for layer in contract["layers"]
    )


def contracts(root: Path = ROOT) -> tuple[Mapping[str, Any], ...]:
    """The import contracts as they are written."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(text)["tool"]["importlinter"]["contracts"])


def _room(folder: Path, package: Path) -> Room:
    tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
    line, _, rest = (ast.get_docstring(tree) or "").partition("\n")
    return Room(
        name=".".join(folder.relative_to(package).parts),
        line=line,
        rest=rest.strip(),
        inner=tuple(_room(inner, package) for inner in _folders(folder)),
    )


def _folders(folder: Path) -> list[Path]:
    return sorted(each.parent for each in folder.glob("*/__init__.py"))
