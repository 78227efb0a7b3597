"""What a project depends on, as it says so itself: pyproject.toml, or a file of requirements."""

import re
import tomllib
from pathlib import Path
from typing import Any, Final

from seatrial.cli.project.domain import ProjectInvalid, RequirementRefused
from seatrial.cli.project.manifest import Manifest

PYPROJECT: Final = "pyproject.toml"
_LARGEST: Final = 1 << 20  # bytes
_MOST: Final = 500
_LONGEST: Final = 2_000  # characters
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\s*(?:[\[<>=!~;@(,]|\s|\Z)")


def requirements(folder: Path, manifest: Manifest) -> tuple[str, ...]:
    """The project's requirements, one each, in its own order.

    Raises:
        ProjectInvalid: the file is missing, unreadable, or not of its kind.
        RequirementRefused: something else than a name and versions.
    """
    chosen = manifest.dependencies.requirements
    if chosen:
        text = _text(folder / chosen)
        lines = _joined(text)
        source = chosen
    elif (folder / PYPROJECT).is_file():
        lines = list(enumerate(_declared(folder / PYPROJECT), 1))
        source = f"{PYPROJECT} (project.dependencies)"
    else:
        return ()
    if len(lines) > _MOST:
        raise ProjectInvalid(path=source, findings=f"more than {_MOST} requirements")
    for number, line in lines:
        _check(line, number, source)
    return tuple(line for _, line in lines)


def _declared(path: Path) -> list[str]:
    try:
        project: Any = tomllib.loads(_text(path)).get("project", {})
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ProjectInvalid(path=str(path), findings=f"it is not TOML: {error}") from None
    if not isinstance(project, dict) or "dependencies" in project.get("dynamic", ()):
        raise ProjectInvalid(
            path=str(path),
            findings="project.dependencies: must stand in the file, not be `dynamic`; or name a "
            "file with `requirements` under `[dependencies]` in seatrial.toml",
        )
    found = project.get("dependencies", [])
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ProjectInvalid(path=str(path), findings="project.dependencies: must be texts")
    return found


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise ProjectInvalid(path=str(path), findings=f"it is larger than {_LARGEST} bytes")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ProjectInvalid(path=str(path), findings="it is not UTF-8") from None
    except OSError as error:
        raise ProjectInvalid(path=str(path), findings=error.strerror or str(error)) from None


def _joined(text: str) -> list[tuple[int, str]]:
    """Requirements with the line on which each begins, as pip reads a file of them."""
    lines: list[tuple[int, str]] = []
    begun, number = "", 1
    for count, line in enumerate(text.splitlines(), 1):
        bare = re.sub(r"(?:^|\s)#.*", "", line).rstrip()
        number = number if begun else count
        if bare.endswith("\\"):
            begun += f"{bare[:-1]} "
            continue
        whole = " ".join((begun + bare).split())
        begun = ""
        if whole:
            lines.append((number, whole))
    return lines


def _check(line: str, number: int, source: str) -> None:
    reason = None
    if line.startswith("-"):
        reason = "options are not taken"
    elif "://" in line or re.search(r"\s@\s|^[^;\[]*@", line):
        reason = "an address is not taken"
    elif not line.isprintable() or len(line) > _LONGEST or not _NAME.match(line):
        reason = "it is no name of a package"
    if reason is not None:
        raise RequirementRefused(line=number, source=source, reason=reason)
