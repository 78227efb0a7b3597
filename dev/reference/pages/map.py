"""The page of the map: every room, and who may import whom."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from dev.reference.house import PACKAGE, Room, contracts, floors, rooms
from dev.reference.markdown import code, listing, page, section, table, words
from dev.reference.page import Page

_INTRO: Final = """\
A top folder is a process border. Rooms stand on floors; a room imports only from the floors below
it, never from its own. Every sentence about a room is the first line of its docstring; every rule
about imports is a contract in `pyproject.toml`, which `make check` enforces."""
_ROLES: Final = (
    ("domain", "frozen types, errors, pure rules: `decide(state, facts, now)`"),
    ("store", "SQL and nothing else"),
    ("service", "use cases as verbs: load, decide, apply"),
    ("api", "an edge: HTTP"),
    ("cli", "an edge: the terminal"),
    ("pages", "an edge: HTML"),
)
_ROLES_TEXT: Final = """\
Inside a room the files tell their role. A role that outgrows its file becomes a folder of the same
name."""


def render() -> str:
    """The page for the whole house."""
    return page(
        "The map",
        _INTRO,
        "![The floors of Seatrial and the rooms on them](../assets/house.svg)",
        section(2, "Rooms"),
        *_rooms(),
        section(2, "Files of a room", _ROLES_TEXT, table(("file", "holds"), _role_rows())),
        section(2, "Import contracts"),
        *(_contract(each) for each in contracts()),
    )


def _rooms() -> Iterator[str]:
    known = {room.name: room for room in rooms()}
    levels = floors()
    for number, names in enumerate(levels):
        below = [name for level in levels[number + 1 :] for name in level]
        for name in names:
            room = known[name]
            seen = [other for other in below if other not in _refused(name)]
            sees = f"May import {words(seen)}." if seen else "Imports no other room."
            yield section(3, name, room.line, room.rest, _inner(room), sees)


def _refused(name: str) -> set[str]:
    """The rooms below that a contract keeps whole from the room `name`."""
    return {
        module.removeprefix(f"{PACKAGE}.")
        for contract in contracts()
        if f"{PACKAGE}.{name}" in contract.get("source_modules", ())
        for module in contract["forbidden_modules"]
    }


def _inner(room: Room) -> str:
    rows = list(_below(room))
    return table(("room", "what it is"), rows) if rows else ""


def _below(room: Room) -> Iterator[tuple[str, str]]:
    for inner in room.inner:
        yield code(inner.name.replace(".", "/")), inner.line
        yield from _below(inner)


def _role_rows() -> list[tuple[str, str]]:
    return [(code(f"{name}.py"), holds) for name, holds in _ROLES]


def _contract(contract: Mapping[str, Any]) -> str:
    lines = _WORDS[contract["type"]](contract)
    name = contract["name"]
    return section(3, contract["id"], f"{name}.", listing(lines))


def _layers(contract: Mapping[str, Any]) -> Iterator[str]:
    order = (words(part.strip(" ()") for part in layer.split("|")) for layer in contract["layers"])
    yield f"From the top down: {'; '.join(order)}."
    if contract.get("containers") != [PACKAGE]:
        yield f"Holds inside {words(contract['containers'])}."
    if contract.get("exhaustive"):
        yield "A folder or file that stands on no floor is refused."
    yield from _exceptions(contract)


def _forbidden(contract: Mapping[str, Any]) -> Iterator[str]:
    forbidden = words(contract["forbidden_modules"], "or")
    yield f"{words(contract['source_modules'])} must not import {forbidden}."
    if contract.get("allow_indirect_imports"):
        yield "What they import may do so in its turn."
    else:
        yield "Neither themselves nor through what they import."
    yield from _exceptions(contract)


def _protected(contract: Mapping[str, Any]) -> Iterator[str]:
    allowed = words(contract["allowed_importers"])
    yield f"Only {allowed} may import {words(contract['protected_modules'])}."
    yield from _exceptions(contract)


def _acyclic(contract: Mapping[str, Any]) -> Iterator[str]:
    yield f"Below {words(contract['ancestors'])} no siblings import each other in a circle."
    yield from _exceptions(contract)


def _exceptions(contract: Mapping[str, Any]) -> Iterator[str]:
    exceptions = contract.get("ignore_imports", [])
    if exceptions:
        yield "Except " + ", ".join(code(each) for each in exceptions) + "."


_WORDS: Final[Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]]] = {
    "layers": _layers,
    "forbidden": _forbidden,
    "protected": _protected,
    "acyclic_siblings": _acyclic,
}

MAP: Final = Page(path="docs/reference/map.md", render=render)
