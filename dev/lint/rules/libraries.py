"""SEA009: a library is used where it has its home."""

from collections.abc import Iterator
from typing import Final

from dev.lint.places import role, within
from dev.lint.rule import Rule, Sighting, at
from dev.lint.source import Source

# Library: the roles and the places that may import it. SQL and cryptography have import contracts.
HOMES: Final[dict[str, tuple[frozenset[str], tuple[str, ...]]]] = {
    "click": (frozenset({"cli"}), ("cli", "kit/terminal", "main")),
    "rich": (frozenset({"cli"}), ("cli", "kit/terminal", "main")),
    "fastapi": (frozenset({"api", "pages"}), ("console", "main")),
    "starlette": (frozenset({"api", "pages"}), ("console", "main")),
    "jinja2": (frozenset({"pages"}), ("console", "main")),
    "uvicorn": (frozenset(), ("kit/http", "main")),
    "aiohttp": (frozenset(), ("kit/http",)),
    "pyreqwest": (frozenset(), ("kit/http",)),
    "httpx": (frozenset(), ("sdk",)),
    "requests": (frozenset(), ()),
    "pydantic_settings": (frozenset(), ("kit/settings", "main")),
    "sqlalchemy.orm": (frozenset(), ()),
    "sqlalchemy.ext.asyncio": (frozenset(), ("kit/database",)),
    "starlette.middleware.base": (frozenset(), ()),
    "typer": (frozenset(), ()),
    "yaml": (frozenset(), ()),
}


def _check(source: Source) -> Iterator[Sighting]:
    for node, name in source.imports():
        for library, (roles, places) in HOMES.items():
            if name != library and not name.startswith(f"{library}."):
                continue
            if role(source.place) not in roles and not within(source.place, *places):
                yield at(node, f"`{library}` has no home in {str(source.place)!r}")


LIBRARIES: Final = Rule(
    code="SEA009",
    promise="A framework stays at its edge, and what was measured and refused stays out.",
    why="a framework that use cases know can no longer be replaced, "
    "and the hot paths pay for the slow ones",
    remedy="move the code to the library's home, or ask `kit` for what it wraps",
    check=_check,
)
