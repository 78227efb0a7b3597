"""The shape of a rule and of what it finds."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dev.lint.source import Source


@dataclass(frozen=True, kw_only=True, order=True)
class Sighting:
    """Where a rule is broken in one file, and by what."""

    line: int
    column: int
    what: str


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One promise that the source keeps.

    Attributes:
        code: `SEA` and three digits; never given to another rule again.
        promise: the rule as a sentence, for the reference.
        why: what goes wrong without it; a clause that starts small and ends without a full stop.
        remedy: what to write instead, in the same form.
        check: yields each place where a file breaks the promise.
    """

    code: str
    promise: str
    why: str
    remedy: str
    check: Callable[[Source], Iterator[Sighting]]


@dataclass(frozen=True, kw_only=True, order=True)
class Finding:
    """One line of the lint's answer."""

    path: str
    line: int
    column: int
    code: str
    what: str
    why: str
    remedy: str

    def __str__(self) -> str:
        return (
            f"{self.path}:{self.line}:{self.column}: "
            f"{self.code} {self.what}; {self.why}; {self.remedy}"
        )


def at(node: ast.expr | ast.stmt | ast.excepthandler, what: str) -> Sighting:
    """A sighting at a node of the syntax tree."""
    return Sighting(line=node.lineno, column=node.col_offset + 1, what=what)


def at_top(what: str) -> Sighting:
    """A sighting that concerns the whole file."""
    return Sighting(line=1, column=1, what=what)
