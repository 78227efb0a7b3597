"""Packages from npm for tests: installed once from a lock file, whoever needs them first."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

_ROOT: Final = Path(__file__).resolve().parents[2]
_OFFLINE: Final = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH")


def installed(folder: Path, name: str) -> Path:
    """The directory whose `node_modules` holds what `folder/package-lock.json` says.

    The test is skipped where node or npm is absent, or npm cannot reach its registry.
    """
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not on this machine")
    lock = folder / "package-lock.json"
    home = _ROOT / ".cache" / name
    home.mkdir(parents=True, exist_ok=True)
    digest, made = hashlib.sha256(lock.read_bytes()).hexdigest(), home / ".made"
    with (home / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # other test processes want the same
        if not made.exists() or made.read_text() != digest:
            for file in (lock, folder / "package.json"):
                shutil.copy(file, home)
            _install(home)
            made.write_text(digest)
    return home


def _install(home: Path) -> None:
    done = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],  # noqa: S607 - as in the shell
        cwd=home,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and any(word in done.stderr for word in _OFFLINE):
        pytest.skip("npm cannot reach its registry")
    assert done.returncode == 0, done.stderr
