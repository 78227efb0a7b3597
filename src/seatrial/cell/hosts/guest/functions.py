"""Functions of a release, called by the cell: one after the other, never two at once."""

import asyncio
import contextvars
import inspect
import json
import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from .calls import encoded, flush_output, seed_all
from .entry import Taken, taken
from .failures import GuestError, raised
from .residue import Residue

KIND: Final = "functions"
_DATABASE: Final = "db"
_RAISED: Final = "function_raised"

Emit = Callable[[bytes], None]
Reply = Callable[[], bytes]
"""Waits for the cell's answer to what was emitted last."""


class Rows(list[dict[str, Any]]):
    """What a statement gave.

    Attributes:
        changed: how many rows it changed; 0 for a query.
    """

    def __init__(self, rows: list[dict[str, Any]], changed: int) -> None:
        super().__init__(rows)
        self.changed = changed


class StatementFailed(Exception):
    """The database refused a statement. The transaction is lost, whatever is done about it."""


class Database:
    """An open transaction, as a function sees it. The cell holds its connection, and ends it."""

    def __init__(self, emit: Emit, reply: Reply) -> None:
        self._emit = emit
        self._reply = reply

    def execute(
        self, statement: str, parameters: Mapping[str, Any] | None = None, /, **more: object
    ) -> Rows:
        """Run one statement, whose parameters are written `:name`.

        Raises:
            StatementFailed: the database refused it.
        """
        values = {**(parameters or {}), **more}
        asked = {"statement": str(statement), "parameters": values}
        self._emit(encoded({"type": "chunk", "data": asked}))
        told = json.loads(self._reply())
        if "error" in told:
            raise StatementFailed(told["error"])
        return Rows(told["rows"], told["changed"])


class Functions:
    """Calls whatever function it is asked for."""

    kind: Final = KIND
    tools: Final = ()

    def __init__(self, bundle: str, reply: Reply) -> None:
        self._bundle = bundle
        self._reply = reply
        self._known: dict[str, Taken] = {}
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._residue = Residue(self._loop)

    def run(self, request: dict[str, Any], emit: Emit) -> bytes:
        """Serve one call; the last line is the answer."""
        self._residue.look()
        os.chdir(self._bundle)  # the last call may have gone elsewhere
        asked = request["input"]
        try:
            function = self._function(asked["function"])
            seed_all(request["seed"])
            last = {"type": "result", "output": self._value(function, asked["arguments"], emit)}
            line = encoded(last)
        except GuestError as error:
            last = {"type": "error", **error.told()}
            line = encoded(last)
        left = self._residue.left()
        if left is not None:
            line = encoded({**last, "tainted": True, "residue": left})
        flush_output()
        return line

    def _function(self, name: str) -> Taken:
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = taken(name, self._bundle)
        return known

    def _value(self, function: Taken, arguments: dict[str, Any], emit: Emit) -> Any:  # noqa: ANN401
        given = dict(arguments)
        if _takes_database(function):
            given[_DATABASE] = Database(emit, self._reply)
        try:
            value = contextvars.copy_context().run(function, **given)
            if inspect.isawaitable(value):
                return self._loop.run_until_complete(_awaited(value))
        except BaseException as error:  # noqa: BLE001 - it may raise anything, SystemExit too
            raise _told(error) from None
        return value


async def _awaited(value: Any) -> Any:  # noqa: ANN401 - whatever was returned
    return await value


def _takes_database(function: Taken) -> bool:
    try:
        return _DATABASE in inspect.signature(function).parameters
    except (TypeError, ValueError):  # one that is written in C may not tell
        return False


def _told(error: BaseException) -> GuestError:
    """A refusal in the function's own words; of a fault, its kind too."""
    found = raised(_RAISED, error)
    own = isinstance(error, ValueError) or type(error).__module__ != "builtins"
    words = found.message.partition(": ")[2]
    return GuestError(_RAISED, words if own and words else found.message, found.trace)
