"""Dependencies, resolved once into a hashed lock, and the wheels that it names.

The lock is kept by the digest of what it was made from, so a second deploy asks no index.
"""

import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uv

from seatrial.cli.project.children import Ended, passed, run
from seatrial.cli.project.domain import (
    BuildToolFailed,
    DependenciesUnresolved,
    IndexUnreachable,
    WheelUnavailable,
)
from seatrial.kit.crypto.digests import Digest

_FORMAT: Final = 1  # of the kept lock: another way of resolving must not find it
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_SHIFTED: Final = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "constraint": "UV_CONSTRAINT",
    "cert": "SSL_CERT_FILE",
}
"""Where pip's configuration has its place in uv's: most teams configured pip alone."""

_OWN: Final = (
    *("UV_DEFAULT_INDEX", "UV_INDEX", "UV_FIND_LINKS", "UV_CONSTRAINT"),
    *("UV_INDEX_URL", "UV_EXTRA_INDEX_URL"),
)
"""Any of these, and uv was configured on purpose."""

_CONFIGURED: Final = re.compile(
    r"^(?:global|install|download|:env:)\.([a-z-]+)='(.*)'$", re.MULTILINE
)
_UNREACHABLE: Final = re.compile(
    r"failed to fetch|error sending request|dns error|connection (?:refused|reset|error|broken)"
    r"|could not connect|network is unreachable|timed out|connectionerror|newconnectionerror"
    r"|max retries|tunnel|connecttimeout|readtimeout|proxyerror|certificate|network was disabled",
    re.IGNORECASE,
)
_NO_WHEEL: Final = re.compile(
    r"no usable wheels|no wheels|has no wheel|building .* (?:is )?disabled|only-binary"
    r"|no matching distribution|source distribution",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Locked:
    """Resolved dependencies.

    Attributes:
        lock: requirements with hashes, as pip reads them; empty for none.
        wheels: each wheel's path by its digest.
    """

    lock: str
    wheels: dict[Digest, Path]


@dataclass(frozen=True, kw_only=True)
class Locker:
    """Locks a project.

    Attributes:
        folder: the project.
        cache: where locks and wheels are kept.
        python: the version that they are for, such as `3.11`.
        surroundings: environment variables of whoever deploys.
    """

    folder: Path
    cache: Path
    python: str
    surroundings: Mapping[str, str]

    def locked(self, requirements: tuple[str, ...], *, anew: bool = False) -> Locked:
        """The lock of `requirements` and its wheels; what is kept is used unless `anew`.

        Raises:
            DependenciesUnresolved, WheelUnavailable, IndexUnreachable: see there.
            BuildToolFailed, BuildToolSlow: uv or pip failed otherwise.
        """
        if not requirements:
            return Locked(lock="", wheels={})
        self._make_cache()
        place = self.cache / "locks" / f"{self._key(requirements)}.txt"
        if anew or not place.is_file():
            _write(place, self._resolve(requirements))
        lock = place.read_text(encoding="utf-8")
        return Locked(lock=lock, wheels=self._wheels(lock))

    def _make_cache(self) -> None:
        """The folder may come to hold keys and tokens too: for its owner, and for no repository."""
        self.cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignored = self.cache / ".gitignore"
        if not ignored.exists():
            ignored.write_text("*\n", encoding="utf-8")

    def _key(self, requirements: tuple[str, ...]) -> str:
        parts = (str(_FORMAT), self.python, sys.platform, os.uname().machine, *requirements)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _resolve(self, requirements: tuple[str, ...]) -> str:
        command = [
            *(uv.find_uv_bin(), "pip", "compile", "-", "--generate-hashes", "--no-header"),
            *("--no-annotate", "--only-binary", ":all:", "--no-progress", "--color", "never"),
            *("--python-version", self.python, "--no-emit-index-url", "--no-emit-find-links"),
        ]
        text = "\n".join(requirements) + "\n"
        env, options = self._uv()
        ended = run([*command, *options], env=env, folder=self.folder, text=text)
        if ended.code != 0:
            raise self._why(ended, "uv")
        lock = "".join(f"{line}\n" for line in ended.output.splitlines() if line.strip())
        if len(_HASH.findall(lock)) == 0 and lock.strip():
            raise BuildToolFailed(tool="uv", reason="it wrote a lock without hashes")
        return lock

    def _wheels(self, lock: str) -> dict[Digest, Path]:
        if not lock.strip():
            return {}
        folder = self.cache / "wheels" / hashlib.sha256(lock.encode()).hexdigest()
        allowed = set(_HASH.findall(lock))
        found = _hashed(folder)
        if not found or not {digest.hex for digest in found} <= allowed:
            shutil.rmtree(folder, ignore_errors=True)
            self._download(lock, folder)
            found = _hashed(folder)
        return found

    def _download(self, lock: str, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching-") as draft:
            file = Path(draft, "lock.txt")
            file.write_text(lock, encoding="utf-8")
            wheels = Path(draft, "wheels")
            command: list[str | Path] = [
                *(sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check"),
                *("download", "--quiet", "--only-binary=:all:", "--require-hashes", "--no-deps"),
                *("--python-version", self.python, "-r", file, "-d", wheels),
            ]
            env = {**passed(self.surroundings, "PIP_"), "PYTHONWARNINGS": "ignore"}
            ended = run(command, env=env, folder=self.folder, seconds=1_800.0)
            if ended.code != 0:
                raise self._why(ended, "pip")
            wheels.rename(folder)

    def _uv(self) -> tuple[dict[str, str], list[str]]:
        """Environment and options: uv's own where it is configured, else pip's in its words."""
        env = {"UV_SYSTEM_CERTS": "1", **passed(self.surroundings, "UV_")}
        if any(name in env for name in _OWN):
            return env, []
        told = self._configured()
        for name, variable in _SHIFTED.items():
            if name in told:
                joiner = "," if name == "find-links" else " "
                env[variable] = joiner.join(told[name].split())
        if any(name in env for name in ("UV_INDEX", "UV_DEFAULT_INDEX")):
            env["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip looks: at all of them alike
        return env, ["--no-index"] if told.get("no-index") in {"1", "true", "True"} else []

    def _configured(self) -> dict[str, str]:
        """What pip is configured with; a later source goes before an earlier one."""
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
        env = passed(self.surroundings, "PIP_")
        ended = run(command, env=env, folder=self.folder, seconds=60.0)
        found = re.findall(_CONFIGURED, ended.output)
        return {name: value.replace("\\n", " ") for name, value in found}

    def _why(self, ended: Ended, tool: str) -> Exception:
        said = _without_addresses(ended.reason)
        if _NO_WHEEL.search(ended.errors) and not _UNREACHABLE.search(ended.errors):
            return WheelUnavailable(python=self.python, reason=said)
        if _UNREACHABLE.search(ended.errors):
            return IndexUnreachable(reason=said)
        if tool == "uv":
            return DependenciesUnresolved(reason=said)
        return BuildToolFailed(tool=tool, reason=said)


def _hashed(folder: Path) -> dict[Digest, Path]:
    found: dict[Digest, Path] = {}
    if not folder.is_dir():
        return found
    for path in sorted(folder.glob("*.whl")):
        with path.open("rb") as file:
            found[Digest(hex=hashlib.file_digest(file, "sha256").hexdigest())] = path
    return found


def _write(path: Path, text: str) -> None:
    """Whole or not at all: two deploys may run at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=".lock-", delete=False, encoding="utf-8"
    ) as file:
        file.write(text)
    Path(file.name).replace(path)


def _without_addresses(text: str) -> str:
    """Without the credentials that an index's address may hold."""
    return re.sub(r"(https?://)[^/\s@]+@", r"\1…@", text)
