"""An example's actions in this process, on its own small data, each call in a transaction."""

import contextlib
import importlib
import json
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from seatrial.cli.project.release import build_release, open_project
from seatrial.contract.releases.actions import FunctionCall


class Rows(list[dict[str, Any]]):
    """What a statement found, and how many rows it changed."""

    changed = 0


class Acting:
    """The functions of an example.

    Args:
        folder: of the example, from which modules are imported.
        path: of the database to make.
        data: what it holds at first.
    """

    def __init__(self, folder: Path, path: Path, data: dict[str, Any]) -> None:
        importlib.import_module("load").load(path, data)
        self._raw = sqlite3.connect(path, isolation_level=None)
        self._raw.row_factory = sqlite3.Row
        release = build_release(open_project(folder), {"PATH": "/usr/bin:/bin"}).release
        self.tools = release.tools

    def execute(
        self, statement: str, parameters: Mapping[str, Any] | None = None, /, **more: Any
    ) -> Rows:
        """As an action has it."""
        found = self._raw.execute(statement, {**(parameters or {}), **more})
        rows = Rows(map(dict, found.fetchall()))
        rows.changed = max(0, found.rowcount)
        return rows

    def call(self, name: str, **arguments: Any) -> Any:
        """What a call comes to; a refusal as text."""
        tool = self.tools[name]
        assert isinstance(tool.perform, FunctionCall)
        path, _, function = tool.perform.function.partition(":")
        module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
        given = {"db": self, **arguments} if tool.connector else arguments
        self._raw.execute("BEGIN")
        try:
            found = getattr(module, function)(**given)
        except ValueError as error:
            self._raw.execute("ROLLBACK")
            return f"Error: {error}"
        self._raw.execute("COMMIT")
        return found

    def whole(self) -> list[str]:
        """All that the database holds."""
        return list(self._raw.iterdump())

    def close(self) -> None:
        """Let go of the database."""
        self._raw.close()


@contextlib.contextmanager
def acting(
    folder: Path, path: Path, monkeypatch: pytest.MonkeyPatch, data: dict[str, Any]
) -> Iterator[Acting]:
    """An example's actions; its modules are forgotten afterwards, as others have the same names."""
    monkeypatch.syspath_prepend(str(folder))
    ours = {each.stem for each in folder.glob("*.py")}
    ours |= {each.parent.name for each in folder.glob("*/__init__.py")}
    made = Acting(folder, path, data)
    try:
        yield made
    finally:
        made.close()
        for name in [name for name in sys.modules if name.partition(".")[0] in ours]:
            del sys.modules[name]


def own_data(path: Path) -> dict[str, Any]:
    """What a file of an example holds."""
    data: dict[str, Any] = json.loads(path.read_text())
    return data
