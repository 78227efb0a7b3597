"""Puts the world back to how it was, and tells whether a conversation left it as its task wants.

python judge.py --back world.db before.db           writes what is in before.db over world.db
python judge.py world.db before.db < recording      says {"succeeded": true} or {"succeeded": false}

The recording names the calls that lead to the right end. They are made on a copy of before.db, with
the functions that `seatrial.toml` names; a conversation succeeded if every document in the database
has come to be the same.
"""

import importlib
import json
import sqlite3
import sys
import tomllib
from pathlib import Path

MANIFEST = Path(__file__).parent / "seatrial.toml"
TABLES = """
    SELECT found.name FROM sqlite_master AS found, pragma_table_info(found.name) AS has
    WHERE found.type = 'table' AND has.name = 'document' ORDER BY found.name
"""


class Rows(list):
    """What a statement found, and how many rows it changed."""

    changed = 0


class Copy:
    """A copy of a database in memory, spoken to as an action speaks to the environment's."""

    def __init__(self, path):
        self.raw = sqlite3.connect(":memory:", isolation_level=None)
        with opened(path) as source:
            source.backup(self.raw)
        source.close()
        self.raw.row_factory = sqlite3.Row
        self.actions = tomllib.loads(MANIFEST.read_text(encoding="utf-8"))["actions"]

    def execute(self, statement, parameters=None, /, **more):
        """Carry out one statement."""
        done = self.raw.execute(statement, {**(parameters or {}), **more})
        rows = Rows(map(dict, done.fetchall()))
        rows.changed = max(0, done.rowcount)
        return rows

    def call(self, name, arguments):
        """Make one call in a transaction; a refusal leaves nothing behind."""
        if name not in self.actions:
            raise SystemExit(f"{MANIFEST} has no action {name!r}")
        action = self.actions[name]
        path, _, function = action["function"].partition(":")
        module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
        given = {"db": self, **arguments} if "connector" in action else arguments
        self.raw.execute("BEGIN")
        try:
            getattr(module, function)(**given)
        except ValueError:
            self.raw.execute("ROLLBACK")
        else:
            self.raw.execute("COMMIT")


def opened(path):
    """A database that is there; of a wrong name SQLite would make an empty one."""
    if not Path(path).is_file():
        raise SystemExit(f"there is no {path}")
    return sqlite3.connect(path)


def tables(raw):
    """The tables that hold documents; what Seatrial notes of its own beside them does not count."""
    return [name for (name,) in raw.execute(TABLES).fetchall()]


def stands(raw):
    """Every document, as it is."""
    return {
        (table, id): json.loads(document)
        for table in tables(raw)
        for id, document in raw.execute(f"SELECT id, document FROM {table}")
    }


def judged(path, before, recording):
    """Whether the world has come to where the recording's task wants it."""
    if recording.get("wants") is None:
        raise SystemExit("the recording does not say what its task wants")
    right = Copy(before)
    for each in recording["wants"]:
        right.call(each["name"], each["arguments"])
    with opened(path) as world:
        there = stands(world)
    world.close()
    return there == stands(right.raw)


def back(path, before):
    """Write the world anew, in one transaction."""
    opened(before).close()
    with opened(path) as world:
        world.execute("ATTACH ? AS past", (str(before),))
        with world:
            world.execute("BEGIN IMMEDIATE")
            for table in tables(world):
                world.execute(f"DELETE FROM main.{table}")
                world.execute(f"INSERT INTO main.{table} SELECT * FROM past.{table}")
    world.close()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--back", world, before]:
            back(world, before)
        case [world, before]:
            sys.stdout.write(json.dumps({"succeeded": judged(world, before, json.load(sys.stdin))}))
        case _:
            raise SystemExit(__doc__)
