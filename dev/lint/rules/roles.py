"""SEA008: a file's name tells its role, so that the import contracts know it."""

import re
from collections.abc import Iterator
from typing import Final

from dev.lint.places import ROLES as NAMES_OF_ROLES
from dev.lint.places import address, is_sliced
from dev.lint.rule import Rule, Sighting, at_top
from dev.lint.source import Source

_OTHER_WORDS: Final = {
    "crud": "store",
    "dao": "store",
    "orm": "store",
    "page": "pages",
    "repositories": "store",
    "repository": "store",
}


def _check(source: Source) -> Iterator[Sighting]:
    if not is_sliced(source.place):
        return
    name = address(source.place)[-1]
    meant = _meant(name)
    if name not in NAMES_OF_ROLES and meant is not None:
        yield at_top(f"{name!r} is a {meant} that no contract sees")


def _meant(name: str) -> str | None:
    """The role that a name sounds like: `store2`, `run_stores` and `repository` mean `store`."""
    for word in re.sub(r"\d+", "", name).split("_"):
        for form in (word, word.removesuffix("s")):
            if form in NAMES_OF_ROLES:
                return form
        if word in _OTHER_WORDS:
            return _OTHER_WORDS[word]
    return None


ROLES: Final = Rule(
    code="SEA008",
    promise="In a room, a file that plays a role bears the role's name and no other: `domain`, "
    "`store`, `service`, `api`, `cli`, `pages`. A role that outgrows its file becomes a folder of "
    "that name.",
    why="the contracts find roles by these names, and `store2.py` would be under none of them",
    remedy="move it into a folder named after the role: `store/claims.py`",
    check=_check,
)
