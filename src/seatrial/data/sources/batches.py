"""Records on their way: some thousands at a time, so that memory does not grow with the source."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

ROWS: Final = 4096  # records of a batch, at most
BYTES: Final = 4 << 20  # bytes of a batch, about


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Some records in a row.

    Attributes:
        first: number of the first, from 1.
        count: how many.
        records: of a nested table: objects.
        columns: of a flat table: values, column by column.
        offset: bytes, documents or rows of the source before the next batch.
    """

    first: int
    count: int
    records: list[Any] | None = None
    columns: list[Any] | None = None
    offset: int = 0

    def rows(self, names: tuple[str, ...]) -> list[dict[str, Any]]:
        """The records as objects, whatever the table is."""
        if self.records is not None:
            return self.records
        return [dict(zip(names, row, strict=True)) for row in zip(*self.columns or (), strict=True)]

    def only(self, kept: list[int]) -> "Batch":
        """The batch with the records at `kept` alone."""
        return Batch(
            first=self.first,
            count=len(kept),
            records=[self.records[i] for i in kept] if self.records is not None else None,
            columns=None
            if self.columns is None
            else [[column[i] for i in kept] for column in self.columns],
            offset=self.offset,
        )


class Table(Protocol):
    """A table that can be read from its beginning, more than once."""

    @property
    def shown(self) -> str:
        """What errors call it."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of a flat table; empty for a nested one."""
        ...

    @property
    def flat(self) -> bool:
        """Whether each record has the same columns."""
        ...

    @property
    def kind(self) -> str:
        """`jsonl`, `csv`, `parquet`, `folder` or `database`."""
        ...

    @property
    def size(self) -> int:
        """Bytes of the source, or rows of a database's table: to see a change."""
        ...

    def batches(self, *, offset: int = 0, first: int = 1) -> Iterator[Batch]:
        """The records, from `offset` on, of which the first has the number `first`."""
        ...
