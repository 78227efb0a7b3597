"""Whether the entry is there, found out by reading: the agent's code is not run to deploy it."""

import ast
import warnings
from collections.abc import Iterable, Iterator
from typing import Final

from seatrial.cli.project.domain import EntryObjectMissing, EntryUnparsable
from seatrial.kit.text import nearest

_BLOCKS: Final = ("body", "orelse", "finalbody", "handlers", "cases")
_ANY: Final = "*"  # a star import, or a module's own `__getattr__`: any name may be there


def check(file: str, source: bytes, name: str) -> None:
    """Refuse an entry that the file does not define.

    Args:
        file: its path in the project, for the message.
        source: its content.
        name: the object.

    Raises:
        EntryUnparsable: it is no Python.
        EntryObjectMissing: it defines no such name at its top level.
    """
    defined = set(_defined(_parsed(file, source).body))
    if not {name, _ANY, "__getattr__"}.isdisjoint(defined):
        return
    near = nearest(name, defined)
    functions = sorted(each for each in defined if not each.startswith("_"))[:10]
    hint = f"; did you mean {near!r}?" if near else f"; it has {', '.join(functions) or 'nothing'}"
    raise EntryObjectMissing(file=file, name=name, hint=hint)


def _parsed(file: str, source: bytes) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape in the agent's text is not our talk
            return ast.parse(source, filename=file)
    except SyntaxError as error:
        raise EntryUnparsable(file=file, reason=f"line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise EntryUnparsable(file=file, reason=str(error) or type(error).__name__) from None


def _defined(body: Iterable[ast.AST]) -> Iterator[str]:
    """Every name that running these statements may bind."""
    for node in body:
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                yield name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (each.asname or each.name.partition(".")[0] for each in names)
            case ast.Assign(targets=targets):
                yield from _bound(targets)
            case ast.AnnAssign(target=target, value=value) if value is not None:
                yield from _bound([target])
            case ast.stmt() | ast.ExceptHandler() | ast.match_case():
                for block in _BLOCKS:
                    yield from _defined(getattr(node, block, ()))
            case _:
                pass


def _bound(targets: Iterable[ast.AST]) -> Iterator[str]:
    for target in targets:
        for node in ast.walk(target):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
