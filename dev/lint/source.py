"""One source file as the rules see it: where it stands in the house, and what its names mean."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Final

PACKAGE: Final = ("src", "seatrial")
ROOT: Final = "seatrial"


@dataclass(frozen=True)
class Source:
    """A parsed file.

    Attributes:
        path: the path as the caller named it, for messages.
        place: the path inside the package: `cell/runs/store.py`.
        text: the whole text.
    """

    path: str
    place: PurePosixPath
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree.

        Raises:
            SyntaxError: the text is no Python.
        """
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the tree, once."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def names(self) -> Mapping[str, str]:
        """What an imported name stands for: after `import numpy as np`, `np` is `numpy`."""
        names: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.partition(".")[0]
                    names[alias.asname or top] = alias.name if alias.asname else top
            elif isinstance(node, ast.ImportFrom) and not node.level:
                for alias in node.names:
                    names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return names

    def dotted(self, node: ast.expr) -> str | None:
        """The full name that an expression stands for, `datetime.datetime.now`; None if unknown."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id)
        if isinstance(node, ast.Attribute):
            before = self.dotted(node.value)
            return before and f"{before}.{node.attr}"
        return None

    def references(self) -> Iterator[tuple[ast.expr, str]]:
        """Each use of an imported name, whole: `datetime.now` once, not `datetime` again."""
        inner: set[int] = set()
        for node in self.nodes:  # breadth first: a chain comes before its parts
            if isinstance(node, ast.Attribute):
                inner.add(id(node.value))
            if isinstance(node, ast.Name | ast.Attribute) and id(node) not in inner:
                name = self.dotted(node)
                if name is not None:
                    yield node, name

    def calls(self) -> Iterator[ast.Call]:
        """Each call."""
        return (node for node in self.nodes if isinstance(node, ast.Call))

    def imports(self) -> Iterator[tuple[ast.Import | ast.ImportFrom, str]]:
        """Each import with the full name of what it brings, one by one."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((node, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)

    def strings(self) -> Iterator[tuple[ast.Constant, str]]:
        """Each string in code with its text; docstrings are prose and left out."""
        prose = {id(node.value) for node in self.nodes if isinstance(node, ast.Expr)}
        for node in self.nodes:
            if not isinstance(node, ast.Constant) or id(node) in prose:
                continue
            if isinstance(node.value, str):
                yield node, node.value


def read(paths: Iterable[Path]) -> list[Source]:
    """Every Python file at or under `paths`, in order; a folder without `__init__.py` gives one.

    Raises:
        FileNotFoundError: a path does not exist.
        ValueError: a path is not under `src/seatrial`.
    """
    files = {file for path in paths for file in _files(path)}
    return [
        Source(
            path=str(file),
            place=_place(file),
            text=file.read_text(encoding="utf-8") if file.exists() else "",
        )
        for file in sorted(files)
    ]


def _files(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise FileNotFoundError(f"there is no {str(path)!r}")
    if path.is_file():
        yield path
        return
    for file in path.rglob("*.py"):
        yield file
        folder = file.parent
        while folder != path and folder.name != PACKAGE[0]:
            yield folder / "__init__.py"  # read as empty where it is missing
            folder = folder.parent


def _place(file: Path) -> PurePosixPath:
    parts = file.absolute().parts
    for index in range(len(parts) - 1, 0, -1):
        if parts[index - 1 : index + 1] == PACKAGE:
            return PurePosixPath(*parts[index + 1 :])
    raise ValueError(f"{str(file)!r} is not under {'/'.join(PACKAGE)}")
