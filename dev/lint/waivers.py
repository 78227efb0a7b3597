"""Waivers: `# lint: SEA003 because …`, on the line itself or alone on the line above."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dev.lint.source import Source

_MARK: Final = re.compile(r"#\s*lint:")
_WAIVER: Final = re.compile(
    r"#\s*lint:\s+(?P<codes>SEA\d{3}(?:,\s*SEA\d{3})*)\s+because\s+(?P<reason>\S+(?:\s+\S+){2,})"
)


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """A comment that lets named rules pass on some lines.

    Attributes:
        line: where the comment stands.
        column: where it begins, from 1.
        codes: the rules it names; empty where it is malformed.
        lines: what it covers: itself, and the statement (or the block's head) that it stands at.
    """

    line: int
    column: int
    codes: tuple[str, ...]
    lines: range


def waivers(source: Source) -> list[Waiver]:
    """Every waiver of a file, in order."""
    statements = _statements(source.tree)
    return [
        Waiver(
            line=line,
            column=column,
            codes=_codes(comment),
            lines=_covered(statements, line, target),
        )
        for line, column, comment, target in _comments(source.text)
        if _MARK.match(comment)
    ]


def _codes(comment: str) -> tuple[str, ...]:
    match = _WAIVER.fullmatch(comment)
    return tuple(re.split(r",\s*", match["codes"])) if match else ()


def _comments(text: str) -> Iterator[tuple[int, int, str, int]]:
    """Line, column and text of each comment, and the line of code that it speaks of."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            line, offset = token.start
            target = line
            if not lines[line - 1][:offset].strip():
                target = _next_code(lines, line)
            yield line, offset + 1, token.string, target


def _next_code(lines: list[str], line: int) -> int:
    for number in range(line + 1, len(lines) + 1):
        text = lines[number - 1].strip()
        if text and not text.startswith("#"):
            return number
    return line


def _covered(statements: list[range], line: int, target: int) -> range:
    """The comment's own line, where findings on the whole file stand, and its statement's."""
    around = [lines for lines in statements if target in lines]
    inner = min(around, key=len, default=range(target, target + 1))
    return range(min(line, inner.start), inner.stop)


def _statements(tree: ast.Module) -> list[range]:
    """The lines of each statement; of a block, those of its head."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.excepthandler):
            decorators = getattr(node, "decorator_list", [])
            start = min([node.lineno, *(each.lineno for each in decorators)])
            end = node.end_lineno or node.lineno
            body = getattr(node, "body", None)
            if body:
                end = max(node.lineno, min(end, body[0].lineno - 1))
            found.append(range(start, end + 1))
    return found
