"""Writes histories of tables for tests, revision by revision."""

from pathlib import Path
from typing import Final

from seatrial.kit.database.history import History

_HEAD: Final = """
from alembic.operations import Operations
from sqlalchemy import Column, ForeignKey, Integer, Text, UniqueConstraint

from seatrial.kit.database.dialects import Int64

revision = {name!r}
down_revision = {before!r}
compatible_from = {compatible_from!r}
contraction = {contraction!r}


def upgrade(op: Operations) -> None:
{body}
"""


class Workshop:
    """A folder in which a history grows."""

    def __init__(self, directory: Path, name: str = "shop") -> None:
        self.directory = directory
        self._name = name
        self._names: list[str] = []
        (directory / "versions").mkdir(parents=True)

    def add(self, *body: str, since: str | None = None, contraction: bool = False) -> "Workshop":
        """A further revision, named by its number; `since`: compatible from there."""
        name = f"{len(self._names) + 1:04}"
        text = _HEAD.format(
            name=name,
            before=self._names[-1] if self._names else None,
            compatible_from=since or (self._names[0] if self._names else name),
            contraction=contraction,
            body="\n".join(f"    {line}" for line in body or ("pass",)),
        )
        (self.directory / "versions" / f"{name}.py").write_text(text)
        self._names.append(name)
        return self

    def history(self) -> History:
        """As far as it has grown."""
        return History.load(self._name, self.directory)


def small_shop(directory: Path) -> Workshop:
    """Three revisions: a table, rows in it, a column more."""
    return (
        Workshop(directory)
        .add('op.create_table("item", Column("id", Int64, primary_key=True))')
        .add('op.execute("INSERT INTO item (id) VALUES (1), (2)")')
        .add('op.add_column("item", Column("price", Int64, server_default="7", nullable=False))')
    )
