"""Where an embedded Seatrial keeps what: one folder, one part of it for each process."""

import getpass
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

FOLDER: Final = ".seatrial"
ADDRESS: Final = "address.json"
"""In the folder of each process: where it listens, and the names of a cell's keys."""


@dataclass(frozen=True, kw_only=True)
class Home:
    """The folder `.seatrial` of a project.

    Attributes:
        path: absolute.
    """

    path: Path

    @property
    def lock(self) -> Path:
        """Held by the one supervisor."""
        return self.path / "up.lock"

    @property
    def state(self) -> Path:
        """Ports and environments, for the next start and for whoever waits for this one."""
        return self.path / "up.json"

    @property
    def access(self) -> Path:
        """For the commands of this machine's owner."""
        return self.path / "access.json"

    @property
    def root_key(self) -> Path:
        """Signs keyrings; made once, to be moved off when wanted."""
        return self.path / "root" / "root.pem"

    @property
    def person_key(self) -> Path:
        """Of the owner, who signs orders."""
        return self.path / "person" / "owner.pem"

    @property
    def control(self) -> Path:
        """Control's own folder."""
        return self.path / "control"

    def cell(self, environment: str) -> Path:
        """The own folder of the cell of `environment`."""
        return self.path / environment

    def settings(self, folder: Path) -> Path:
        """The settings file of the process whose folder is `folder`."""
        return folder / "settings.toml"

    def log(self, folder: Path) -> Path:
        """Where that process's log lines go."""
        return folder / "process.log"


def toml(tables: Mapping[str, Mapping[str, object]]) -> str:
    """Settings as a TOML file: strings, numbers, booleans and lists of strings."""
    lines: list[str] = []
    for name, table in tables.items():
        lines.append(f"[{name}]")
        lines.extend(f"{key} = {_value(value)}" for key, value in table.items())
        lines.append("")
    return "\n".join(lines)


def owner() -> str:
    """The name of whoever runs this, as the system knows it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no entry for the user id, as in many containers
        return "owner"


def _value(value: object) -> str:
    if isinstance(value, str | Path):
        return orjson.dumps(str(value)).decode()  # a JSON string is a TOML basic string
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Iterable):
        return f"[{', '.join(_value(each) for each in value)}]"
    return str(value)
