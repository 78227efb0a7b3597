"""Runs every `console` block of the docs: what a page shows is what happens.

A line after `$ ` is a command, those after `> ` go on with it, and the lines below are what both
streams say; `…` stands for any text within a line, and alone on a line for any lines, or none. A
page's blocks run in order, in one directory.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
    if _BLOCK.search(page.read_text())
)


@pytest.mark.parametrize("page", _PAGES)
def test_what_a_page_shows_is_what_happens(page: str) -> None:
    steps = [step for block in _BLOCK.findall((ROOT / page).read_text()) for step in _steps(block)]
    assert steps
    # A short path: pages quote it, and answers wrap.
    with tempfile.TemporaryDirectory(prefix="docs-") as folder:
        try:
            for command, shown in steps:
                happened = _run(command, Path(folder))
                assert re.fullmatch(_pattern(shown), happened), f"$ {command}\n{happened}"
        finally:
            if (Path(folder) / ".seatrial" / "up.lock").exists():
                _run("seatrial down", Path(folder))


def _steps(block: str) -> list[tuple[str, str]]:
    parts = re.split(r"^\$ (.*\n(?:>.*\n)*)", block, flags=re.MULTILINE)
    assert parts[0] == "", "a block begins with a command"
    commands = [re.sub(r"^> ?", "", part, flags=re.MULTILINE) for part in parts[1::2]]
    return list(zip(commands, parts[2::2], strict=True))


def _run(command: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/bash", "-c", command],
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), "COLUMNS": "100", "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def _pattern(shown: str) -> str:
    return "".join(map(_line, shown.splitlines(keepends=True)))


def _line(shown: str) -> str:
    if shown == "…\n":
        return r"(?:[^\n]*\n)*"
    return re.escape(shown).replace("…", r"[^\n]*")
