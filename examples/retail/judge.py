"""Puts the shop back to how it was, and tells whether a conversation left it as its task wants.

python judge.py --back shop.db before.db           writes what is in before.db over shop.db
python judge.py shop.db before.db < recording      says {"succeeded": true} or {"succeeded": false}

The recording names the calls that lead to the right end. They are made on a copy of before.db; a
conversation succeeded if the shop has come to the same customers and orders.
"""

import importlib
import json
import sqlite3
import sys

TABLES = ("customers", "orders")
ROOMS = ("looking", "changing", "helping")


class Rows(list):
    """What a statement found, and how many rows it changed."""

    changed = 0


class Copy:
    """A copy of a database in memory, spoken to as an action speaks to the shop's."""

    def __init__(self, path):
        self.raw = sqlite3.connect(":memory:", isolation_level=None)
        with sqlite3.connect(path) as source:
            source.backup(self.raw)
        source.close()
        self.raw.row_factory = sqlite3.Row

    def execute(self, statement, parameters=None, /, **more):
        """Carry out one statement."""
        done = self.raw.execute(statement, {**(parameters or {}), **more})
        rows = Rows(map(dict, done.fetchall()))
        rows.changed = max(0, done.rowcount)
        return rows

    def call(self, name, arguments):
        """Make one call in a transaction; a refusal leaves nothing behind."""
        function = found(name)
        given = {"db": self, **arguments} if "db" in function.__code__.co_varnames else arguments
        self.raw.execute("BEGIN")
        try:
            function(**given)
        except ValueError:
            self.raw.execute("ROLLBACK")
        else:
            self.raw.execute("COMMIT")


def found(name):
    """The function of an action."""
    for room in ROOMS:
        function = getattr(importlib.import_module(f"shop.{room}"), name, None)
        if function is not None:
            return function
    raise SystemExit(f"the shop has no action {name!r}")


def stands(raw):
    """Customers and orders, as they are."""
    return {
        (table, id): json.loads(document)
        for table in TABLES
        for id, document in raw.execute(f"SELECT id, document FROM {table}")
    }


def judged(path, before, recording):
    """Whether the shop has come to where the recording's task wants it."""
    if recording.get("wants") is None:
        raise SystemExit("the recording does not say what its task wants")
    right = Copy(before)
    for each in recording["wants"]:
        right.call(each["name"], each["arguments"])
    with sqlite3.connect(path) as shop:
        there = stands(shop)
    shop.close()
    return there == stands(right.raw)


def back(path, before):
    """Write the shop anew, in one transaction."""
    with sqlite3.connect(path) as shop:
        shop.execute("ATTACH ? AS past", (str(before),))
        with shop:
            shop.execute("BEGIN IMMEDIATE")
            for table in TABLES:
                shop.execute(f"DELETE FROM main.{table}")
                shop.execute(f"INSERT INTO main.{table} SELECT * FROM past.{table}")
    shop.close()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--back", shop, before]:
            back(shop, before)
        case [shop, before]:
            sys.stdout.write(json.dumps({"succeeded": judged(shop, before, json.load(sys.stdin))}))
        case _:
            raise SystemExit(__doc__)
