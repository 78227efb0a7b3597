"""What no file of the project may hold, and what a lock must."""

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
# In pieces, so that this file does not find itself.
REGISTRIES: Final = re.compile(
    r"pypi\.(?:org|python\.org)|python" + r"hosted\.org|registry\.npm" + r"js|crates\.io/api|"
    r"--(?:extra-)?index-" + r"url|anaconda\.org"
)
HOMES: Final = re.compile(
    r"(?<![\w.])(?:/home/[a-z][\w-]*/|/root/|/Users/[A-Za-z]|[A-Z]:\\\\?Users\\)"
)
HASH: Final = re.compile(r"--hash=sha256:[0-9a-f]{64}")
PINNED: Final = re.compile(r"[A-Za-z0-9][\w.-]*(?:\[[\w,-]+\])?==\S+")


@cache
def files() -> tuple[Path, ...]:
    """Every file that is, or would be, committed."""
    done = subprocess.run(
        ["/usr/bin/env", "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("no git work tree: an unpacked archive holds only what was committed")
    names = {name for name in done.stdout.decode().split("\0") if name}
    return tuple(sorted(ROOT / name for name in names))


def texts() -> dict[str, str]:
    """The text of each of them; what is no UTF-8 is no text."""
    found = {}
    for path in files():
        try:
            found[str(path.relative_to(ROOT))] = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
    return found


def hits(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}"
        for name, text in texts().items()
        if name != Path(__file__).relative_to(ROOT).as_posix()
        for match in pattern.finditer(text)
    ]


def test_no_file_names_a_package_registry() -> None:
    assert hits(REGISTRIES) == []


def test_no_file_names_somebodys_home() -> None:
    assert hits(HOMES) == []


@pytest.mark.parametrize(
    "text",
    ["https://pypi" + ".org/simple", "--index" + "-url x", "https://files.python" + "hosted.org"],
)
def test_a_registry_would_be_found(text: str) -> None:
    assert REGISTRIES.search(text)


@pytest.mark.parametrize("text", ["/home/ada/x", "open('/root/x')", "/Users/Ada", "C:\\Users\\ada"])
def test_a_home_would_be_found(text: str) -> None:
    assert HOMES.search(text)


@pytest.mark.parametrize(
    "lock", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda p: p.name
)
def test_every_line_of_a_lock_is_pinned_and_hashed(lock: Path) -> None:
    text = re.sub(r"\s*#.*", "", lock.read_text(encoding="utf-8"))
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    assert lines
    for line in lines:
        assert PINNED.match(line), line
        assert HASH.search(line), line
