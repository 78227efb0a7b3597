"""The history of a room's tables: revisions in one line, each saying which older code it suits.

A revision is a file `versions/<name>.py` of the room's `migrations` package, in Alembic's format:

    revision = "0002"
    down_revision = "0001"
    compatible_from = "0001"


    def upgrade(op: Operations) -> None:
        op.add_column("run", Column("priority", Int64, nullable=False, server_default="0"))

It differs from Alembic in three things. `upgrade` is given `op` instead of importing it. There is
no way down: a rollback of the program keeps the newer tables. And `compatible_from` names the
oldest revision whose code can still work with the tables as they are afterwards; it is kept in the
database, where older code, which has never heard of this revision, finds it.
"""

import importlib.util
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from alembic.operations import Operations
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from seatrial.kit.database.errors import SchemaTooNew, SchemaUnknown


@dataclass(frozen=True, kw_only=True)
class Revision:
    """One step of a history.

    Attributes:
        name: unique in its history.
        compatible_from: name of the oldest revision whose code works with the tables after it.
        contraction: it takes away what no code since `compatible_from` uses.
        upgrade: takes the step.
    """

    name: str
    compatible_from: str
    contraction: bool
    upgrade: Callable[[Operations], None]


@dataclass(frozen=True, kw_only=True)
class Applied:
    """A step that a database has taken."""

    name: str
    compatible_from: str


@dataclass(frozen=True, kw_only=True)
class History:
    """All steps that this program knows of one room's tables, the oldest first."""

    name: str
    revisions: tuple[Revision, ...]

    @classmethod
    def of(cls, package: str) -> "History":
        """The history in `package`, as `seatrial.cell.runs.migrations`; its name is `cell.runs`."""
        found = importlib.util.find_spec(package)
        if found is None or found.origin is None:
            raise ValueError(f"there is no package {package!r}")
        name = package.removeprefix("seatrial.").removesuffix(".migrations")
        return cls.load(name, Path(found.origin).parent)

    @classmethod
    def load(cls, name: str, directory: Path) -> "History":
        """The history in `directory`, under `name`.

        Raises:
            ValueError: the files do not form one line, or one lacks something.
        """
        files = ScriptDirectory(directory, version_locations=[directory / "versions"])
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # so Alembic tells of a missing step
            try:
                scripts = list(files.walk_revisions())[::-1]
            except (CommandError, UserWarning) as error:
                raise ValueError(f"history {name!r} cannot be read: {error}") from None
        before = None
        for script in scripts:
            if script.down_revision != before:
                raise ValueError(f"history {name!r} is not one line at {script.revision!r}")
            before = script.revision
        return cls(name=name, revisions=tuple(_revision(script.module) for script in scripts))

    def pending(self, applied: Sequence[Applied]) -> tuple[Revision, ...]:
        """The steps that a database with these `applied` still has to take.

        Raises:
            SchemaTooNew: it has taken steps unknown here, and the last does not suit this code.
            SchemaUnknown: it has taken other steps.
        """
        names = [revision.name for revision in self.revisions]
        for known, step in zip(names, applied, strict=False):
            if known != step.name:
                raise SchemaUnknown(history=self.name, found=step.name, expected=known)
        if len(applied) > len(names) and applied[-1].compatible_from not in names:
            raise SchemaTooNew(
                history=self.name, found=applied[-1].name, known=names[-1] if names else ""
            )
        return self.revisions[len(applied) :]


def _revision(module: object) -> Revision:
    given = vars(module)
    name = given["revision"]
    for needed in ("compatible_from", "upgrade"):
        if needed not in given:
            raise ValueError(f"revision {name!r} says no {needed!r}")
    return Revision(
        name=name,
        compatible_from=given["compatible_from"],
        contraction=given.get("contraction", False),
        upgrade=given["upgrade"],
    )
