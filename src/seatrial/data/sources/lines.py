"""Files of lines: read one by one, none longer than allowed, in UTF-8 and nothing else."""

import csv
import io
import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Final

import orjson

from seatrial.data.domain import RecordTooLong, SourceBroken, SourceMissing
from seatrial.data.rules.tree import Value
from seatrial.data.sources.batches import BYTES, ROWS, Batch

_MARK: Final = b"\xef\xbb\xbf"
_BLOCK: Final = 1 << 18  # bytes: with what is made of it, a block fits a core's own cache
_OTHER_MARKS: Final = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


class JsonLines:
    """One JSON object a line.

    Args:
        path: of the file.
        largest: bytes of a line.
    """

    kind: Final = "jsonl"
    flat: Final = False
    names: Final[tuple[str, ...]] = ()

    def __init__(self, path: Path, *, largest: int) -> None:
        self.shown = str(path)
        self.size = _size(path)
        self._path = path
        self._largest = largest

    def batches(self, *, offset: int = 0, first: int = 1) -> Iterator[Batch]:
        """See `Table`; raises `SourceBroken`, `RecordTooLong`."""
        with self._path.open("rb") as file:
            if not offset:
                offset = _after_mark(file, self.shown)
            file.seek(offset)
            number, lines, size = first, list[bytes](), 0
            for line in _lines(file, self.shown, self._largest, first):
                lines.append(line)
                size += len(line)
                if len(lines) >= ROWS or size >= BYTES:
                    offset += size
                    yield self._batch(lines, number, offset)
                    number, lines, size = number + len(lines), [], 0
            if lines:
                yield self._batch(lines, number, offset + size)

    def _batch(self, lines: list[bytes], first: int, offset: int) -> Batch:
        try:
            records = [orjson.loads(line) for line in lines]
        except orjson.JSONDecodeError:
            records = [self._record(line, first + index) for index, line in enumerate(lines)]
        if set(map(type, records)) != {dict}:
            wrong = next(i for i, record in enumerate(records) if type(record) is not dict)
            raise SourceBroken(
                source=self.shown, place=f"line {first + wrong}", reason="it holds no JSON object"
            )
        return Batch(first=first, count=len(records), records=records, offset=offset)

    def _record(self, line: bytes, number: int) -> Value:
        try:
            return orjson.loads(line)
        except orjson.JSONDecodeError as error:
            place = f"line {number}, column {error.colno}"
            reason = f"it is not JSON: {error.msg}" if line.strip() else "the line is empty"
            raise SourceBroken(source=self.shown, place=place, reason=reason) from None


class CsvFile:
    """Comma-separated values under a head; quotes as RFC 4180 has them.

    Args:
        path: of the file.
        largest: bytes of a record.
    """

    kind: Final = "csv"
    flat: Final = True

    def __init__(self, path: Path, *, largest: int) -> None:
        self.shown = str(path)
        self.size = _size(path)
        self._path = path
        self._largest = largest
        with path.open("rb") as file:
            _after_mark(file, self.shown)
            self.names = tuple(self._head(file))
        twice = [name for name in self.names if self.names.count(name) > 1]
        if not self.names or twice:
            reason = f"two columns are named {twice[0]!r}" if twice else "it has no head"
            raise SourceBroken(source=self.shown, place="line 1", reason=reason)

    def batches(self, *, offset: int = 0, first: int = 1) -> Iterator[Batch]:
        """See `Table`; raises `SourceBroken`, `RecordTooLong`."""
        with self._path.open("rb") as file:
            file.seek(offset or self._body)
            text = _Blocks(file, self.shown, self._largest)
            for block in text.blocks():
                plain = block.replace("\r\n", "\n")
                if len(self.names) == 1 or '"' in plain or "\r" in plain:
                    yield from self._quoted(text.before, first)
                    return
                batch = self._plain(plain, first, text.before + len(block.encode()))
                yield batch
                first += batch.count

    def _plain(self, block: str, first: int, behind: int) -> Batch:
        """The records of a block without any quote: five times as fast as by the csv module.

        Each line's end becomes a cell of its own, which must fall on every ninth cell of eight
        columns: so a record that is too short or too long shows without a look at each line.
        """
        body, width = block.removesuffix("\n"), len(self.names)
        count, stride = body.count("\n") + 1, width + 1
        cells = body.replace("\n", ",\n,").split(",")
        if len(cells) != count * stride - 1 or cells[width::stride].count("\n") != count - 1:
            rows = [line.split(",") if line else [] for line in body.split("\n")]
            self._refuse_ragged(rows, first)
        columns = [cells[index::stride] for index in range(width)]
        return Batch(first=first, count=count, columns=columns, offset=behind)

    def _quoted(self, offset: int, number: int) -> Iterator[Batch]:
        csv.field_size_limit(self._largest)
        with self._path.open("rb") as file:
            file.seek(offset)
            text = _Blocks(file, self.shown, self._largest)
            reader = csv.reader(text.lines(), strict=True)
            while True:
                begun = text.offset()
                try:
                    batch = list(itertools.islice(reader, ROWS))
                except csv.Error:
                    self._refuse(begun)
                    raise
                if not batch:
                    return
                if set(map(len, batch)) != {len(self.names)}:
                    self._refuse_ragged(batch, number)
                columns = list(zip(*batch, strict=True))
                yield Batch(first=number, count=len(batch), columns=columns, offset=text.offset())
                number += len(batch)

    def _head(self, file: IO[bytes]) -> list[str]:
        text = _Blocks(file, self.shown, self._largest)
        try:
            head = next(csv.reader(text.lines(), strict=True), [])
        except csv.Error as error:
            raise SourceBroken(source=self.shown, place="line 1", reason=str(error)) from None
        self._body = text.offset()
        return head

    def _refuse(self, offset: int) -> None:
        """Read what follows `offset` record by record, to tell which one is broken."""
        with self._path.open("rb") as file:
            line = 1 + sum(part.count(b"\n") for part in _parts(file, offset))
            text = _Blocks(file, self.shown, self._largest)
            reader = csv.reader(text.lines(), strict=True)
            begun = line
            try:
                for _ in reader:
                    begun = line + reader.line_num
            except csv.Error as error:
                if "field limit" in str(error):
                    raise RecordTooLong(
                        source=self.shown, place=f"line {begun}", limit=self._largest
                    ) from None
                place = f"line {line + reader.line_num - 1}, in the record of line {begun}"
                raise SourceBroken(source=self.shown, place=place, reason=str(error)) from None

    def _refuse_ragged(self, rows: list[list[str]], first: int) -> None:
        wrong = next(i for i, row in enumerate(rows) if len(row) != len(self.names))
        raise SourceBroken(
            source=self.shown,
            place=f"record {first + wrong}",
            reason=f"it has {len(rows[wrong])} fields under a head of {len(self.names)}",
        )


class _Blocks:
    """A text file by blocks of whole lines, which cost a tenth of what lines one by one do."""

    def __init__(self, file: IO[bytes], shown: str, largest: int) -> None:
        self._file = file
        self._shown = shown
        self._largest = largest
        self.before = file.tell()  # bytes before the present block
        self._text = ""
        self._read = io.StringIO()

    def lines(self) -> Iterator[str]:
        """Its lines, with their ends."""
        return itertools.chain.from_iterable(map(self._readable, self.blocks()))

    def offset(self) -> int:
        """Bytes of the file before the next line."""
        return self.before + len(self._text[: self._read.tell()].encode())

    def blocks(self) -> Iterator[str]:
        """Its blocks, each of whole lines.

        Raises:
            RecordTooLong, SourceBroken: a line is too long, or not in UTF-8.
        """
        rest = b""
        while part := self._file.read(_BLOCK):
            head, end, tail = part.rpartition(b"\n")
            if not end:
                rest += part
                if len(rest) > self._largest:
                    raise self._too_long()
                continue
            if len(rest) + head.find(b"\n") > self._largest:
                raise self._too_long()
            yield self._decoded(rest + head + end)
            rest = tail
        if rest:
            yield self._decoded(rest)

    def _readable(self, text: str) -> io.StringIO:
        self._read = io.StringIO(text, newline="\n")
        return self._read

    def _decoded(self, block: bytes) -> str:
        self.before += len(self._text.encode())
        try:
            self._text = block.decode()
        except UnicodeDecodeError as error:
            line = self._line() + block.count(b"\n", 0, error.start)
            column = error.start - block.rfind(b"\n", 0, error.start)
            raise SourceBroken(
                source=self._shown,
                place=f"line {line}, byte {column}",
                reason="it is not UTF-8; convert the file, for example with iconv",
            ) from None
        self._read = io.StringIO()
        return self._text

    def _line(self) -> int:
        """The number of the first line that is in no block yet."""
        return 1 + sum(part.count(b"\n") for part in _parts(self._file, self.before))

    def _too_long(self) -> RecordTooLong:
        self.before += len(self._text.encode())
        return RecordTooLong(source=self._shown, place=f"line {self._line()}", limit=self._largest)


def _parts(file: IO[bytes], end: int) -> Iterator[bytes]:
    """The file from its beginning to byte `end`, where it then stands."""
    file.seek(0)
    while end and (part := file.read(min(end, _BLOCK))):
        end -= len(part)
        yield part


def _lines(file: IO[bytes], shown: str, largest: int, first: int) -> Iterator[bytes]:
    for number, line in enumerate(iter(partial(file.readline, largest + 1), b""), first):
        if len(line) > largest:
            raise RecordTooLong(source=shown, place=f"line {number}", limit=largest)
        yield line


def _after_mark(file: IO[bytes], shown: str) -> int:
    """Skip UTF-8's mark; refuse those of other encodings."""
    start = file.read(3)
    if (other := _OTHER_MARKS.get(start[:2])) is not None:
        reason = f"it is {other}, not UTF-8; convert the file, for example with iconv"
        raise SourceBroken(source=shown, place="byte 1", reason=reason)
    file.seek(3 if start == _MARK else 0)
    return file.tell()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        raise SourceMissing(source=str(path)) from None
