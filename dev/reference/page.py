"""A generated page, and how pages reach the disk."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Page:
    """One file that is written by a program alone.

    Attributes:
        path: where it stands, from the repository's root.
        render: its whole text; the same on every machine for the same source.
    """

    path: str
    render: Callable[[], str]


def stale(root: Path, pages: Iterable[Page]) -> list[str]:
    """The paths of those pages that are missing, or differ from what they should say."""
    return [page.path for page in pages if _read(root / page.path) != page.render()]


def write(root: Path, pages: Iterable[Page]) -> list[str]:
    """Write what is stale, and return its paths."""
    written = []
    for page in pages:
        path = root / page.path
        text = page.render()
        if _read(path) != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
            written.append(page.path)
    return written


def _read(path: Path) -> str | None:
    return path.read_bytes().decode() if path.exists() else None
