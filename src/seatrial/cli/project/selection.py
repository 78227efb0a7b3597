"""Which files of a project's folder are its bundle: a written list, and two lists of patterns.

docs/reference/bundles.md tells the rule to people; this file is the rule.
"""

import fnmatch
import re
from dataclasses import dataclass
from typing import Final

NEVER: Final = (".git", ".hg", ".svn", ".seatrial", ".env", ".env.*", "*.pem", "*.key")
"""Left out at every depth, and `include` does not bring them back: version control and secrets."""

LEFT_OUT: Final = (
    ".*",  # every hidden file and folder
    "__pycache__", "*.pyc", "*.pyo", "*.egg-info", "node_modules", "venv",
)  # fmt: skip
"""Left out at every depth, unless `include` names them."""

LEFT_OUT_AT_ROOT: Final = ("dist", "build")
"""Left out at the top alone: further down an agent's package may bear such a name."""

ENVIRONMENT_MARK: Final = "pyvenv.cfg"
"""A folder that holds this file is a virtual environment, whatever its name: left out whole."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Decides path by path. Paths are relative to the project, with `/`.

    A pattern is a path with `*` (anything within a segment), `?` (one character) and `**` (any
    number of segments); one without `/` is tried at every depth; one that names a folder takes
    all that is in it.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def enters(self, folder: str) -> bool:
        """Whether anything below `folder` may be wanted."""
        if _among(folder, NEVER) or _matches(folder, self.exclude):
            return False
        return not self._left_out(folder) or any(_may_hold(folder, each) for each in self.include)

    def takes(self, path: str) -> bool:
        """Whether the file at `path` is wanted, in a folder that was entered."""
        if _among(path, NEVER) or _matches(path, self.exclude):
            return False
        return not self._left_out(path) or _matches(path, self.include)

    def _left_out(self, path: str) -> bool:
        first = path.partition("/")[0]
        return _among(path, LEFT_OUT) or first in LEFT_OUT_AT_ROOT


def _among(path: str, names: tuple[str, ...]) -> bool:
    """Whether any segment of `path` is one of `names`; letter case does not count."""
    return any(
        fnmatch.fnmatchcase(part, name) for part in path.casefold().split("/") for name in names
    )


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    return any(_compiled(pattern).match(path) for pattern in patterns)


def _may_hold(folder: str, pattern: str) -> bool:
    """Whether a path below `folder` can match `pattern`; when in doubt, yes."""
    if "/" not in pattern.strip("/") or _compiled(pattern).match(folder):
        return True
    parts = pattern.strip("/").split("/")
    for own, wanted in zip(folder.split("/"), parts, strict=False):
        if wanted == "**":
            return True
        if not re.match(_segment(wanted) + r"\Z", own):
            return False
    return True


def _compiled(pattern: str) -> re.Pattern[str]:
    stripped = pattern.strip("/")
    parts = stripped.split("/")
    if len(parts) == 1 and not pattern.startswith("/"):
        parts = ["**", *parts]
    text = ""
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            text += ".*" if last else "(?:[^/]*/)*?"
        else:
            text += _segment(part) + ("" if last else "/")
    return re.compile(text + r"(?:/.*)?\Z", re.DOTALL)  # `re` keeps what it compiled


def _segment(part: str) -> str:
    return "".join({"*": "[^/]*", "?": "[^/]"}.get(char, re.escape(char)) for char in part)
