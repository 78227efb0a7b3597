"""Finds a table of the rules in its source: a folder of files, a database, or one file."""

from pathlib import Path
from typing import Final

from seatrial.data.domain import SourceMissing, SourceUnknown
from seatrial.data.rules.domain import Rules
from seatrial.data.sources.batches import Table
from seatrial.data.sources.folders import Folder
from seatrial.data.sources.lines import CsvFile, JsonLines
from seatrial.data.sources.parquet import ParquetFile
from seatrial.data.sources.store.tables import ForeignDatabase, sqlite_url

_SQLITE: Final = b"SQLite format 3\0"
_BY_ENDING: Final = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
_LARGEST: Final = 64 << 20  # bytes of a record, where no rules say


class Source:
    """What the command was pointed to: a folder, a file, or a database's URL.

    Raises:
        SourceMissing: there is nothing there.
    """

    def __init__(self, where: str) -> None:
        self.shown = where
        self._database: ForeignDatabase | None = None
        self._path = Path(where)
        if "://" in where:
            self._database = ForeignDatabase(where)
        elif _is_sqlite(self._path):
            self._database = ForeignDatabase(sqlite_url(self._path))
        elif not self._path.exists():
            raise SourceMissing(source=where)

    def table(self, name: str, rules: Rules | None = None) -> Table:
        """The table `name`, where `rules` (or its name alone) say that it is.

        Raises:
            SourceMissing, SourceUnknown, SourceBroken: it is not there, or cannot be read.
        """
        of = rules.tables[name] if rules is not None else None
        source = (of.source if of is not None else None) or name
        if self._database is not None:
            return self._database.table(source)
        path = self._path if self._path.is_file() else self._found(source)
        kind = of.format if of is not None else None
        return opened(path, kind=kind, largest=rules.largest_record if rules else _LARGEST)

    def tables(self) -> dict[str, str]:
        """What tables there seem to be, each with its `source`."""
        if self._database is not None:
            return {name: name for name in self._database.tables()}
        if self._path.is_file():
            return {self._path.stem: self._path.name}
        return {
            path.stem: path.name
            for path in sorted(self._path.iterdir())
            if path.suffix in _BY_ENDING or (path.is_dir() and not path.name.startswith("."))
        }

    def close(self) -> None:
        """Let go of what is held."""
        if self._database is not None:
            self._database.close()

    def _found(self, source: str) -> Path:
        path = self._path / source
        if path.exists():
            return path
        for ending in _BY_ENDING:
            if (named := path.with_name(path.name + ending)).exists():
                return named
        raise SourceMissing(source=str(path))


def opened(path: Path, *, kind: str | None = None, largest: int = _LARGEST) -> Table:
    """The table in the file or folder at `path`.

    Raises:
        SourceUnknown: its name tells no kind.
        SourceMissing, SourceBroken: it is not there, or cannot be read.
    """
    kind = kind or ("folder" if path.is_dir() else _BY_ENDING.get(path.suffix))
    if kind == "jsonl":
        return JsonLines(path, largest=largest)
    if kind == "csv":
        return CsvFile(path, largest=largest)
    if kind == "parquet":
        return ParquetFile(path)
    if kind == "folder":
        return Folder(path, largest=largest)
    raise SourceUnknown(source=str(path))


def _is_sqlite(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(16) == _SQLITE
