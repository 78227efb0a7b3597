"""A folder of documents: each `.json` and `.txt` file is a record, in the order of names."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from seatrial.data.domain import RecordTooLong, SourceBroken, SourceMissing
from seatrial.data.sources.batches import BYTES, Batch

_FEW: Final = 64  # documents of a batch


class Folder:
    """Transcripts and recordings, one a file. A text file is `{"text": …}`.

    Args:
        path: of the folder.
        largest: bytes of a document.
    """

    kind: Final = "folder"
    flat: Final = False
    names: Final[tuple[str, ...]] = ()

    def __init__(self, path: Path, *, largest: int) -> None:
        if not path.is_dir():
            raise SourceMissing(source=str(path))
        self.shown = str(path)
        self._largest = largest
        self._files = sorted(p for p in path.iterdir() if p.suffix in {".json", ".txt"})
        self.size = sum(file.stat().st_size for file in self._files)

    def batches(self, *, offset: int = 0, first: int = 1) -> Iterator[Batch]:
        """See `Table`; the offset counts documents."""
        records: list[Any] = []
        size = 0
        for number, file in enumerate(self._files[offset:], offset + 1):
            content = self._content(file)
            size += len(content)
            records.append(self._record(file, content))
            if len(records) >= _FEW or size >= BYTES:
                yield Batch(first=first, count=len(records), records=records, offset=number)
                first, records, size = first + len(records), [], 0
        if records:
            yield Batch(first=first, count=len(records), records=records, offset=len(self._files))

    def _content(self, file: Path) -> bytes:
        with file.open("rb") as opened:
            content = opened.read(self._largest + 1)
        if len(content) > self._largest:
            raise RecordTooLong(source=self.shown, place=file.name, limit=self._largest)
        return content

    def _record(self, file: Path, content: bytes) -> dict[str, Any]:
        if file.suffix == ".txt":
            try:
                return {"text": content.decode()}
            except UnicodeDecodeError as error:
                place = f"{file.name}, byte {error.start + 1}"
                raise SourceBroken(
                    source=self.shown, place=place, reason="it is not UTF-8"
                ) from None
        try:
            record = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            place = f"{file.name}, line {error.lineno}, column {error.colno}"
            reason = f"it is not JSON: {error.msg}"
            raise SourceBroken(source=self.shown, place=place, reason=reason) from None
        if not isinstance(record, dict):
            raise SourceBroken(source=self.shown, place=file.name, reason="it holds no JSON object")
        return record
