"""The few Markdown pieces that the pages are made of."""

from collections.abc import Iterable, Sequence
from typing import Final

_MARK: Final = (
    "<!-- Written by `python -m dev.reference`. Change the source, then `make reference`. -->"
)


def page(title: str, *parts: str) -> str:
    """A whole page: its mark, its title, its parts one blank line apart."""
    return "\n\n".join([_MARK, f"# {title}", *(part.strip("\n") for part in parts if part)]) + "\n"


def section(level: int, title: str, *parts: str) -> str:
    """A heading and what stands under it."""
    return "\n\n".join([f"{'#' * level} {title}", *(part for part in parts if part)])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a cell may hold inline Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def code(text: str) -> str:
    """Inline code, safe for any text."""
    longest = max((len(run) for run in _runs(text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def block(language: str, text: str) -> str:
    """A fenced block of code."""
    return f"```{language}\n{text.strip(chr(10))}\n```"


def listing(items: Iterable[str]) -> str:
    """A bulleted list."""
    return "\n".join(f"- {item}" for item in items)


def words(items: Iterable[str], last: str = "and") -> str:
    """`a`, `b` and `c` in one phrase, each as code."""
    *first, end = [code(item) for item in items]
    return f"{', '.join(first)} {last} {end}" if first else end


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _runs(text: str) -> list[str]:
    """The runs of backticks in a text."""
    return "".join(c if c == "`" else " " for c in text).split()
