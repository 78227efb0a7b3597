"""Makes the airline's database: from our own small data, or from a file of the same form.

python load.py airline.db [database.json]

The file holds `users`, `reservations` and `flights`, each an object by id, the city of each airport
by its code, and as `counters` the time of the data and the numbers that are given next.
"""

import json
import sqlite3
import sys
from pathlib import Path

from desk.documents import TABLES

HERE = Path(__file__).parent


def load(path, data):
    """Write `data` into a fresh SQLite file at `path`."""
    with sqlite3.connect(path) as database:
        database.executescript(TABLES)
        database.executemany(
            "INSERT INTO customers VALUES (?, ?)",
            [(id, json.dumps(each)) for id, each in data["users"].items()],
        )
        database.executemany(
            "INSERT INTO reservations VALUES (?, ?, ?)",
            [(id, each["user_id"], json.dumps(each)) for id, each in data["reservations"].items()],
        )
        database.executemany(
            "INSERT INTO flights VALUES (?, ?, ?, ?)",
            [
                (id, each["origin"], each["destination"], json.dumps(each))
                for id, each in data["flights"].items()
            ],
        )
        database.executemany(
            "INSERT INTO airports VALUES (?, ?, ?)",
            [
                (id, place, json.dumps(city))
                for place, (id, city) in enumerate(data["airports"].items())
            ],
        )
        database.executemany(
            "INSERT INTO counters VALUES (?, ?)",
            [(id, json.dumps(each)) for id, each in data["counters"].items()],
        )
    database.close()


if __name__ == "__main__":
    target, *source = sys.argv[1:]
    load(target, json.loads(Path(source[0] if source else HERE / "airline.json").read_text()))
