"""Runs an agent's entry on its author's machine: started by path, on whatever Python is meant.

It stands on the standard library alone, since Seatrial need not be installed there. Requests come
as JSON lines on a descriptor of its own, answers go back the same way; what the agent prints stays
on the terminal. A cell's host is stricter (isolation, limits); what is called, and how, is alike.
"""

import asyncio
import importlib
import importlib.util
import inspect
import json
import os
import random
import sys
import traceback
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, BinaryIO, Final

_STANDALONE: Final = "seatrial_entry"


def main() -> None:
    """Serve requests until the other end closes."""
    descriptor, entry = int(sys.argv[1]), sys.argv[2]
    # The agent's own children must not hold the line open.
    os.set_inheritable(descriptor, False)  # noqa: FBT003 - its only parameter
    with os.fdopen(descriptor, "r+b", buffering=0) as line:
        try:
            function = _loaded(entry)
        except BaseException as error:  # noqa: BLE001 - an import may also call sys.exit
            _answer(line, {"type": "broken", **_told(error)})
            return
        _answer(line, {"type": "ready"})
        reader = os.fdopen(os.dup(descriptor), "rb")
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        for request in iter(reader.readline, b""):
            _serve(line, loop, function, json.loads(request))
    os._exit(0)


def _loaded(entry: str) -> Any:  # noqa: ANN401 - whatever the agent defines
    path, _, name = entry.rpartition(":")
    folder = Path.cwd()
    sys.path.insert(0, str(folder))
    source = folder / "src"
    if source.is_dir() and not (source / "__init__.py").exists():
        sys.path.insert(1, str(source))
    sys.argv = [path]
    found = getattr(_imported(path, folder / path), name)
    known = _OBJECTS.framework(found)
    if known is not None:
        return known.call
    if not callable(found):
        raise TypeError(f"{name!r} in {path!r} is a {type(found).__name__}, no callable")
    return found


def _of_hosts() -> Any:  # noqa: ANN401 - a module
    """How a cell's host calls objects of frameworks: one file for both, and it needs no package."""
    file = Path(__file__).resolve().parents[2] / "cell" / "hosts" / "guest" / "objects.py"
    # lint: SEA012 because this program runs where Seatrial is not installed
    spec = importlib.util.spec_from_file_location("seatrial_objects", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"no file {str(file)!r}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


_OBJECTS: Final = _of_hosts()


def _imported(path: str, file: Path) -> ModuleType:
    parts = Path(path).with_suffix("").parts
    if parts[0] == "src" and str(file.parents[len(parts) - 2]) in sys.path:
        parts = parts[1:]
    known = parts[0] in sys.stdlib_module_names or parts[0] in sys.modules
    if not known and all(part.isidentifier() for part in parts):
        # lint: SEA012 because it is the agent's own code, in a program of its own
        return importlib.import_module(".".join(parts))
    # lint: SEA012 because it is the agent's own code, in a program of its own
    spec = importlib.util.spec_from_file_location(_STANDALONE, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path!r} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_STANDALONE] = module
    spec.loader.exec_module(module)
    return module


def _serve(
    line: BinaryIO,
    loop: asyncio.AbstractEventLoop,
    function: Any,  # noqa: ANN401 - whatever the agent defines
    request: dict[str, Any],
) -> None:
    random.seed(request.get("seed", 0))
    chunks: list[Any] = []

    def emit(chunk: Any) -> None:  # noqa: ANN401 - any JSON
        _answer(line, {"type": "chunk", "data": chunk})
        chunks.append(chunk)

    try:
        output = loop.run_until_complete(_called(function, request, emit))
        joined = _joined(chunks) if output is _STREAMED else output
        _answer(line, {"type": "result", "output": joined})
    except BaseException as error:  # noqa: BLE001 - an agent may raise anything, SystemExit too
        _answer(line, {"type": "error", **_told(error)})
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


_STREAMED: Final = object()


async def _called(function: Any, request: dict[str, Any], emit: Any) -> Any:  # noqa: ANN401
    arguments = [request["input"]]
    if _takes_context(function):
        arguments.append(SimpleNamespace(**request["context"]))
    value = function(*arguments)
    if inspect.isawaitable(value):
        value = await value
    if hasattr(value, "__anext__"):
        async for chunk in value:
            if isinstance(chunk, _OBJECTS.Whole):
                return chunk.value
            emit(chunk)
        return _STREAMED
    if inspect.isgenerator(value):
        for chunk in value:
            emit(chunk)
        return _STREAMED
    return value


def _takes_context(function: Any) -> bool:  # noqa: ANN401 - whatever the agent defines
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    kinds = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    return sum(each.kind in kinds for each in parameters) > 1


def _joined(chunks: list[Any]) -> Any:  # noqa: ANN401 - any JSON
    if chunks and all(isinstance(chunk, str) for chunk in chunks):
        return "".join(chunks)
    return chunks


def _told(error: BaseException) -> dict[str, str]:
    own = trace = error.__traceback__
    while trace is not None:  # the agent's lines are those after the last of ours
        if trace.tb_frame.f_code.co_filename == __file__:
            own = trace.tb_next
        trace = trace.tb_next
    lines = traceback.format_exception(type(error), error, own)
    message = f"{type(error).__name__}: {error}"
    code, remedy = getattr(error, "code", None), getattr(error, "remedy", None)
    if isinstance(code, str) and isinstance(remedy, str):  # one of Seatrial's, with what to do
        message = f"{message.rstrip('.')} ({code}). {remedy.rstrip('.')}"
    return {"message": message, "trace": "".join(lines)}


def _answer(line: BinaryIO, value: dict[str, Any]) -> None:
    data = json.dumps(value, allow_nan=False).encode() + b"\n"
    view = memoryview(data)
    try:
        while view:
            view = view[line.write(view) :]
    except OSError:  # whoever asked is gone
        os._exit(0)


if __name__ == "__main__":
    main()
