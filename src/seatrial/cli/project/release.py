"""From a folder to a release: all that `deploy` sends, made and checked before it is sent."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seatrial.cli.project import bundling, entry
from seatrial.cli.project.domain import EntryFileMissing, ProjectInvalid
from seatrial.cli.project.locking import Locked, Locker
from seatrial.cli.project.manifest import FILE, Manifest, read
from seatrial.cli.project.requirements import requirements
from seatrial.cli.project.selection import Selection
from seatrial.contract.documents import JsonObject
from seatrial.contract.releases.components import (
    LARGEST_PROMPT,
    Code,
    Component,
    Limits,
    Prompt,
    Wheel,
    component,
)
from seatrial.contract.releases.release import Release, assemble
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.documents import strict_json
from seatrial.kit.errors import SeatrialError
from seatrial.kit.text import nearest

CACHE: Final = ".seatrial"
_LARGEST_SCHEMA: Final = 262_144  # bytes


@dataclass(frozen=True, kw_only=True)
class Project:
    """A folder whose manifest was read.

    Attributes:
        folder: where it is.
        manifest: what it says.
        prompts: text by name.
        schemas: JSON Schema of each action by name.
    """

    folder: Path
    manifest: Manifest
    prompts: dict[str, str]
    schemas: dict[str, JsonObject]

    @property
    def python(self) -> str:
        """The version that the agent runs on."""
        here = f"{sys.version_info.major}.{sys.version_info.minor}"
        return self.manifest.agent.python or here


@dataclass(frozen=True, kw_only=True)
class Built:
    """A release and what has to be at hand to run it.

    Attributes:
        release: the release.
        bundle: the bundle's bytes.
        wheels: each wheel's path by digest.
        files: paths in the bundle.
    """

    release: Release
    bundle: bytes
    wheels: Mapping[Digest, Path]
    files: tuple[str, ...]

    def blob(self, digest: Digest) -> bytes:
        """The bytes named `digest`."""
        return (
            self.bundle if digest == self.release.code.bundle else self.wheels[digest].read_bytes()
        )


def open_project(folder: Path) -> Project:
    """The project in `folder`, with every file that its manifest names.

    Raises:
        ProjectMissing, ProjectInvalid: see there.
    """
    manifest = read(folder)
    wrong: list[str] = []
    prompts: dict[str, str] = {}
    schemas: dict[str, JsonObject] = {}
    for name, path in manifest.prompts.items():
        try:
            prompts[name] = _prompt(folder / path)
        except _FileWrong as error:
            wrong.append(f"prompts.{name}: {path!r} {error}")
    for name, action in manifest.actions.items():
        try:
            given = action.input
            schemas[name] = _schema(folder / given) if isinstance(given, str) else given
        except _FileWrong as error:
            wrong.append(f"actions.{name}.input: {action.input!r} {error}")
    if wrong:
        raise ProjectInvalid(path=str(folder / FILE), findings="; ".join(wrong))
    return Project(folder=folder, manifest=manifest, prompts=prompts, schemas=schemas)


def build_release(
    project: Project, surroundings: Mapping[str, str], *, relock: bool = False
) -> Built:
    """The release that `project` is now, with its bundle and wheels.

    Args:
        project: what to build.
        surroundings: environment variables of whoever builds.
        relock: resolve dependencies again, though nothing of them changed.

    Raises:
        EntryFileMissing, EntryObjectMissing, EntryUnparsable: the entry is not there.
        Invalid, TooLarge, Failed, Unavailable kinds: of bundling and locking.
    """
    found = bundle_files(project)
    packed = bundling.pack(found)
    locker = Locker(
        folder=project.folder,
        cache=project.folder / CACHE,
        python=project.python,
        surroundings=surroundings,
    )
    needed = requirements(project.folder, project.manifest)
    release = assemble(
        project.manifest.agent.name,
        components(project, packed, locked := locker.locked(needed, anew=relock)),
    )
    return Built(
        release=release,
        bundle=packed,
        wheels=locked.wheels,
        files=tuple(each.path for each in found),
    )


def bundle_files(project: Project) -> tuple[bundling.Found, ...]:
    """The bundle's files, once the entry is known to be among them and to define its object."""
    chosen = project.manifest.bundle
    found = bundling.files(
        project.folder, Selection(include=chosen.include, exclude=chosen.exclude)
    )
    path, _, name = project.manifest.agent.entry.rpartition(":")
    at = next((each for each in found if each.path == path), None)
    if at is None:
        near = nearest(path, (each.path for each in found if each.path.endswith(".py")))
        raise EntryFileMissing(
            entry=project.manifest.agent.entry, hint=f"; did you mean {near!r}?" if near else ""
        )
    entry.check(path, at.place.read_bytes(), name)
    return found


def components(project: Project, bundle: bytes, locked: Locked) -> tuple[Component, ...]:
    """Every part of the agent as a component."""
    manifest = project.manifest
    code = Code(
        entry=manifest.agent.entry,
        bundle=Digest.of(bundle),
        lock=locked.lock,
        wheels=tuple(
            Wheel(file=path.name, content=digest)
            for digest, path in sorted(locked.wheels.items(), key=lambda each: each[1].name)
        ),
        python=project.python,
    )
    tools = {name: action.tool(project.schemas[name]) for name, action in manifest.actions.items()}
    limited = [component("limits", manifest.limits)] if manifest.limits != Limits() else []
    return (
        component("agent", code),
        *(component(name, Prompt(text=text)) for name, text in project.prompts.items()),
        *(component(name, pin) for name, pin in manifest.models.items()),
        *(component(name, tool) for name, tool in tools.items()),
        *limited,
    )


class _FileWrong(Exception):
    """Why a named file cannot be used; `open_project` tells all of them at once."""


def _bytes(path: Path, largest: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(largest + 1)
    except FileNotFoundError:
        raise _FileWrong("is not there") from None
    except OSError as error:
        raise _FileWrong(f"cannot be read: {error.strerror or error}") from None
    if len(content) > largest:
        raise _FileWrong(f"is larger than {largest} bytes")
    return content


def _prompt(path: Path) -> str:
    content = bundling.unified(_bytes(path, LARGEST_PROMPT * 4))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _FileWrong("is not UTF-8") from None
    if len(text) > LARGEST_PROMPT or "\0" in text:
        raise _FileWrong(f"is longer than {LARGEST_PROMPT} characters, or holds NUL")
    return text


def _schema(path: Path) -> JsonObject:
    try:
        value = strict_json(_bytes(path, _LARGEST_SCHEMA))
    except SeatrialError as error:
        raise _FileWrong(error.message.removeprefix("The document ")) from None
    if not isinstance(value, dict):
        raise _FileWrong("is no JSON object")
    return value
