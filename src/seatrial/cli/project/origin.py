"""Where a project comes from: its commit, as git has it. Without git, nowhere, and that is fine."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seatrial.cli.project.children import passed, run
from seatrial.cli.project.domain import BuildToolFailed, BuildToolSlow

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_PATIENCE: Final = 20.0  # seconds: `git status` on a large tree with a cold cache
# A repository's own configuration may name programs to run; none of them is wanted here.
_GIT: Final = ("git", "--no-pager", "--no-optional-locks", "-c", "core.fsmonitor=false")


@dataclass(frozen=True, kw_only=True)
class Source:
    """What version control says of a folder.

    Attributes:
        commit: what is checked out; empty where there is no version control.
        dirty: the folder differs from it.
        author: name and address of whoever works here; empty where unknown.
    """

    commit: str = ""
    dirty: bool = False
    author: str = ""


def source(folder: Path, surroundings: Mapping[str, str]) -> Source:
    """Where the project in `folder` comes from. Never fails for want of git."""
    env = {**passed(surroundings), "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}

    def git(*arguments: str) -> str | None:
        try:
            ended = run([*_GIT, *arguments], env=env, folder=folder, seconds=_PATIENCE)
        except (BuildToolFailed, BuildToolSlow):
            return None
        return ended.output.strip() if ended.code == 0 else None

    commit = git("rev-parse", "--verify", "--quiet", "HEAD")
    if commit is None or not _COMMIT.match(commit):
        return Source()
    changes = git("status", "--porcelain", "--untracked-files=normal", "--", ".")
    name, mail = git("config", "user.name"), git("config", "user.email")
    author = f"{name} <{mail}>" if name and mail else name or mail or ""
    return Source(commit=commit, dirty=changes != "", author=author[:200])
