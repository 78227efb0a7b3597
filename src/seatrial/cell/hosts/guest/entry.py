"""Finds the agent's callable: `path/to/file.py:object` in its bundle."""

import functools
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from .failures import GuestError, raised
from .objects import framework

_STANDALONE: Final = "seatrial_entry"
_MOST_PARAMETERS: Final = 2  # the input and the context


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The agent.

    Attributes:
        function: what to call.
        kind: `sync`, `async`, `generator` or `async_generator`, as far as it shows beforehand;
            or the framework whose object it is.
        takes_context: whether it takes the context after the input.
        tools: names of what an object of a framework runs in this process.
    """

    function: Callable[..., Any]
    kind: str
    takes_context: bool
    tools: tuple[str, ...] = ()


Taken = Callable[..., Any]
"""An object that can be called, as it was found."""


def load(entry: str, bundle: str) -> Entry:
    """Import the file and take the agent out of it.

    Raises:
        GuestError: `entry_missing`, `entry_broken` or `entry_uncallable`.
    """
    found, name = _found(entry, bundle), entry.rpartition(":")[2]
    known = framework(found)
    if known is not None:
        return Entry(function=known.call, kind=known.name, takes_context=True, tools=known.tools)
    _callable(entry, found)
    return Entry(function=found, kind=_kind(found), takes_context=_takes_context(name, found))


def taken(entry: str, bundle: str) -> Taken:
    """Import the file and take the object out of it.

    Raises:
        GuestError: `entry_missing`, `entry_broken` or `entry_uncallable`.
    """
    found = _found(entry, bundle)
    _callable(entry, found)
    return found  # type: ignore[no-any-return] # it can be called, which is all that is known


def _found(entry: str, bundle: str) -> Any:  # noqa: ANN401 - whatever the agent defines
    path, _, name = entry.rpartition(":")
    file = Path(bundle, path)
    if not file.is_file():
        raise GuestError("entry_missing", f"the bundle has no file {path!r}")
    try:
        module = _imported(path, file)
    except BaseException as error:  # noqa: BLE001 - an import may also call sys.exit
        raise raised("entry_broken", error) from None
    found = getattr(module, name, None)
    if found is None:
        raise GuestError("entry_missing", f"{path!r} has no {name!r}{_others(module)}")
    return found


def _callable(entry: str, found: object) -> None:
    path, _, name = entry.rpartition(":")
    if not callable(found):
        raise GuestError(
            "entry_uncallable", f"{name!r} in {path!r} is a {type(found).__name__}, no callable"
        )


def put_on_path(bundle: str) -> None:
    """Let the agent's own modules be imported first: the bundle, then its `src` where it has one.

    A `src` with an `__init__.py` is a package like any other, and not put on the path.
    """
    sys.path.insert(0, bundle)
    source = Path(bundle, "src")
    if source.is_dir() and not (source / "__init__.py").exists():
        sys.path.insert(1, str(source))


def _imported(path: str, file: Path) -> ModuleType:
    """The module under its own dotted name, so that relative imports and pickles work."""
    parts = Path(path).with_suffix("").parts
    if parts[0] == "src" and str(file.parents[len(parts) - 2]) in sys.path:
        parts = parts[1:]
    standard = parts[0] in sys.stdlib_module_names or parts[0] in sys.modules
    if not standard and all(part.isidentifier() for part in parts):
        return importlib.import_module(".".join(parts))
    spec = importlib.util.spec_from_file_location(_STANDALONE, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path!r} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_STANDALONE] = module
    spec.loader.exec_module(module)
    return module


def _others(module: ModuleType) -> str:
    names = [
        name
        for name, value in vars(module).items()
        if callable(value)
        and not name.startswith("_")
        and getattr(value, "__module__", None) == module.__name__
    ]
    return f"; it has {', '.join(names[:10])}" if names else ""


def _kind(function: Callable[..., Any]) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function):  # an object with `__call__`
        function = type(function).__call__
    if inspect.isasyncgenfunction(function):
        return "async_generator"
    if inspect.iscoroutinefunction(function):
        return "async"
    return "generator" if inspect.isgeneratorfunction(function) else "sync"


def _takes_context(name: str, function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a callable written in C may not tell
        return False
    positional = [
        each
        for each in parameters
        if each.kind in {each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD}
    ]
    several = any(each.kind is each.VAR_POSITIONAL for each in parameters)
    needed = [each for each in positional if each.default is each.empty]
    if (not positional and not several) or len(needed) > _MOST_PARAMETERS:
        raise GuestError(
            "entry_uncallable",
            f"{name!r} takes {len(needed)} arguments; an agent takes (input) or (input, context)",
        )
    return len(positional) >= _MOST_PARAMETERS
