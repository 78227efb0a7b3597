"""Dossiers on disk: which values belong to whom. They live as long as the work that needs them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from sqlalchemy import Column, Integer, Table, Text, insert, select

from seatrial.kit.database.connection import Connection, Durability
from seatrial.kit.database.database import Database
from seatrial.kit.database.dialects import metadata

_TABLES: Final = metadata()
_KNOWN: Final = Table(
    "known",
    _TABLES,
    Column("person", Text, primary_key=True),
    Column("rule", Integer, primary_key=True),
    Column("value", Text, primary_key=True),
    sqlite_with_rowid=False,
)
_TOGETHER: Final = 500  # people asked for in one statement

Known = tuple[str, int, str]
"""A person's key, the number of the rule, the value."""


class Dossiers:
    """The file of dossiers.

    Args:
        path: where it is, or is made.
        read_only: for workers beside the one that made it.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._database = Database.open(f"sqlite:///{path}", read_only=read_only)
        if not read_only:
            self._database.alter_now(_TABLES.create_all)

    def add(self, known: Sequence[Known]) -> None:
        """Note what is known; what was known already changes nothing."""
        rows = [{"person": person, "rule": rule, "value": value} for person, rule, value in known]

        def use_case(connection: Connection) -> None:
            connection.execute(insert(_KNOWN).prefix_with("OR IGNORE"), rows)

        if rows:
            self._database.write_now(use_case, durability=Durability.LAZY)

    def of(self, persons: Iterable[str]) -> list[Known]:
        """All that is known of `persons`, in a fixed order."""
        asked = sorted(persons)

        def use_case(connection: Connection) -> list[Known]:
            found: list[Known] = []
            for start in range(0, len(asked), _TOGETHER):
                part = asked[start : start + _TOGETHER]
                rows = connection.execute(
                    select(_KNOWN)
                    .where(_KNOWN.c.person.in_(part))
                    .order_by(_KNOWN.c.person, _KNOWN.c.rule, _KNOWN.c.value)
                )
                found.extend((row.person, row.rule, row.value) for row in rows)
            return found

        return self._database.read_now(use_case)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close_now()
