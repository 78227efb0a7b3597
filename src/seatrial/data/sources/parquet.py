"""Parquet files, one row group at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from seatrial.data.domain import SourceBroken, SourceMissing
from seatrial.data.sources.batches import ROWS, Batch


class ParquetFile:
    """One Parquet file; its columns may hold lists and objects."""

    kind: Final = "parquet"
    flat: Final = True

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise SourceMissing(source=str(path))
        self.shown = str(path)
        self.size = path.stat().st_size
        try:
            self._file = pq.ParquetFile(path, memory_map=True)
        except (pa.ArrowException, OSError) as error:
            raise SourceBroken(
                source=self.shown, place="its end", reason=str(error).rstrip(".")
            ) from None
        self.schema: pa.Schema = self._file.schema_arrow
        self.names = tuple(self.schema.names)

    def batches(self, *, offset: int = 0, first: int = 1) -> Iterator[Batch]:
        """See `Table`; the offset counts records.

        What comes before it is read and passed over, for 0.3 µs a record where masking it takes 5:
        so the batches are the same ones, whether or not the reading began anew.
        """
        number, read = first, 0
        try:
            for part in self._file.iter_batches(batch_size=ROWS):
                read += part.num_rows
                if read <= offset:
                    continue
                columns = [column.to_pylist() for column in part.columns]
                yield Batch(first=number, count=part.num_rows, columns=columns, offset=read)
                number += part.num_rows
        except (pa.ArrowException, OSError) as error:
            reason = str(error).rstrip(".")
            place = f"the records after {number - 1}"
            raise SourceBroken(source=self.shown, place=place, reason=reason) from None
