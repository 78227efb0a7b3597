"""The databases that power is taken from: SQLite's files, and a PostgreSQL cluster."""

import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import psycopg

from seatrial.kit.database.database import Database
from tests.cell.journal.kill_passages import prepare
from tests.servers import postgres
from tests.servers.postgres import PostgresServer

_SEGMENT: Final = 4  # MB of log in one file: more than a run writes, so that it needs one alone
_CONFIGURATION: Final = """
wal_writer_delay = 10s
checkpoint_timeout = 1d
"""
"""What commits lazily stays in memory as long as may be: more of it is lost."""
_LAZILY: Final = """
CREATE FUNCTION lazily() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM set_config('synchronous_commit', 'off', true); RETURN NULL; END $$
"""


class Machine(Protocol):
    """A place for one database at a time."""

    @property
    def command(self) -> Sequence[str]:
        """The user that the server runs as, and the server; empty where there is none."""
        ...

    def fresh(self, folder: Path) -> dict[Path, str]:
        """Put a database with its tables in place; its files whose writes count, by name."""
        ...

    def url(self, folder: Path) -> str:
        """The way in."""
        ...

    def look(self, log: str) -> None:
        """Refuse a trace in which something happened that the files do not tell."""
        ...

    def up_again(
        self, folder: Path, image: Mapping[str, bytes]
    ) -> contextlib.AbstractContextManager[str]:
        """The way into what is found after the cut, while the machine is up."""
        ...


class Sqlite:
    """A database file, with its log beside it."""

    command: Sequence[str] = ()
    _names: Final = ("x.db", "x.db-wal")

    def url(self, folder: Path) -> str:
        return f"sqlite:///{folder}/x.db"

    def fresh(self, folder: Path) -> dict[Path, str]:
        with Database.open(self.url(folder)) as database:
            prepare(database)
        return {folder / name: name for name in self._names}

    def look(self, log: str) -> None:
        del log

    @contextlib.contextmanager
    def up_again(self, folder: Path, image: Mapping[str, bytes]) -> Iterator[str]:
        for name in self._names:
            (folder / name).write_bytes(image.get(name, b""))
        yield self.url(folder)


class Postgresql:
    """A cluster that was stopped in order once its tables stood, and that each run begins from.

    Found after a cut: the cluster as it was, with the bytes of its log, and of the note that says
    that it is running, which had been synchronised. No point-in-time recovery stops at a position
    here, for that would trust the server's own word of what is flushed; what the kernel was asked
    to synchronise needs nobody's word, and ordinary crash recovery reads it, torn end and all. Its
    data files stay as they were: nothing synchronises them before a checkpoint, and none comes.
    """

    def __init__(self, server: PostgresServer, *, lazy: bool) -> None:
        self._server = server
        self._data = server.directory / "data"
        self._cold = server.directory / "cold"
        self.command = (str(server.user), *server.command)
        with server.database() as self._name, Database.open(self.url(self._data)) as database:
            prepare(database)
        with psycopg.connect(server.admin_url(), autocommit=True) as admin:
            admin.execute("SELECT pg_switch_wal()")
            admin.execute("CHECKPOINT")
            asked = admin.execute("SELECT pg_walfile_name(pg_current_wal_insert_lsn())")
            self._segment = str(asked.fetchone()[0])  # type: ignore[index]
        if lazy:
            self._commit_lazily()
        server.stop()
        self._data.rename(self._cold)

    def _commit_lazily(self) -> None:
        """Break the promise: whatever writes to a table commits with no sync."""
        server = self._server
        with psycopg.connect(server.url(self._name), autocommit=True) as ours:
            ours.execute(_LAZILY)
            tables = ours.execute(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relowner = %s::regrole",
                ("seatrial",),
            )
            for (table,) in tables.fetchall():
                ours.execute(
                    f"CREATE TRIGGER lazily AFTER INSERT OR UPDATE ON {table}"
                    " EXECUTE FUNCTION lazily()"
                )

    def url(self, folder: Path) -> str:
        del folder
        return self._server.url(self._name)

    def fresh(self, folder: Path) -> dict[Path, str]:
        del folder
        shutil.rmtree(self._data, ignore_errors=True)
        # Not `copytree`, which would give the files to root.
        subprocess.run(["/bin/cp", "-a", str(self._cold), str(self._data)], check=True)
        return {self._log: "log", self._data / "global" / "pg_control": "control"}

    @property
    def _log(self) -> Path:
        return self._data / "pg_wal" / self._segment

    def look(self, log: str) -> None:
        assert not re.search(r"sync\(\d+<[^>]*/base/", log), "data files were synchronised"
        written = set(re.findall(r"pg_wal/([0-9A-F]{24})>", log))
        assert written <= {self._segment}, f"the log went on in another file: {written}"

    @contextlib.contextmanager
    def up_again(self, folder: Path, image: Mapping[str, bytes]) -> Iterator[str]:
        for path, name in self.fresh(folder).items():
            path.write_bytes(image[name])
        self._server.resume()
        try:
            yield self.url(folder)
        finally:
            self._server.kill()


@contextlib.contextmanager
def machine(kind: str) -> Iterator[Machine]:
    """One of `kind`: sqlite, postgresql, or lazy, a PostgreSQL that is made to break its word."""
    if kind == "sqlite":
        yield Sqlite()
        return
    options = (f"--wal-segsize={_SEGMENT}",)
    with postgres.private("power", _CONFIGURATION, options, on_disk=False) as server:
        yield Postgresql(server, lazy=kind == "lazy")
