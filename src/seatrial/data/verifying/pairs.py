"""Source and output side by side: the same record of both, in their order."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from seatrial.data.domain import SnapshotAltered
from seatrial.data.rules.domain import Rules
from seatrial.data.snapshots.domain import Manifest
from seatrial.data.sources.batches import Table
from seatrial.data.sources.opening import Source, opened

Pair = tuple[dict[str, Any], dict[str, Any]]


class Pairs:
    """The tables of a snapshot beside those it was made from."""

    def __init__(self, source: Source, rules: Rules, snapshot: Path, manifest: Manifest) -> None:
        self._source = source
        self._rules = rules
        self._snapshot = snapshot
        self._manifest = manifest

    def of(self, table: str) -> Iterator[Pair]:
        """Each record of `table`, as it was and as it is.

        Raises:
            SnapshotAltered: the output has more or fewer records than the source.
        """
        entry = self._manifest.tables[table]
        before = _records(self._source.table(table, self._rules))
        if entry.kept is not None:
            before = _only(before, np.fromfile(self._snapshot / entry.kept, dtype="<u8"))
        after = _records(opened(self._snapshot / entry.file, kind=entry.format, largest=1 << 30))
        count = 0
        for was, now in itertools.zip_longest(before, after):
            if was is None or now is None:
                reason = f"{table} and its source do not have the same number of records"
                raise SnapshotAltered(path=str(self._snapshot), reason=reason)
            count += 1
            yield was, now
        if count != entry.records:
            reason = f"{table} has {count} records, not {entry.records} as its manifest says"
            raise SnapshotAltered(path=str(self._snapshot), reason=reason)


def _records(table: Table) -> Iterator[dict[str, Any]]:
    for batch in table.batches():
        yield from batch.rows(table.names)


def _only(records: Iterator[dict[str, Any]], kept: np.ndarray) -> Iterator[dict[str, Any]]:
    wanted = iter(kept.tolist())
    following = next(wanted, None)
    for number, record in enumerate(records):
        if number == following:
            yield record
            following = next(wanted, None)
