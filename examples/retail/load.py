"""Makes the shop's database: from our own small data, or from a file of the same form.

python load.py shop.db [database.json]

The file holds `users`, `products` and `orders`, each an object by id.
"""

import json
import sqlite3
import sys
from pathlib import Path

from shop.documents import TABLES, last

HERE = Path(__file__).parent


def load(path, data):
    """Write `data` into a fresh SQLite file at `path`."""
    with sqlite3.connect(path) as database:
        database.executescript(TABLES)
        database.executemany(
            "INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?)",
            [
                (
                    each["user_id"],
                    each["email"].lower(),
                    each["name"]["first_name"].lower(),
                    each["name"]["last_name"].lower(),
                    each["address"]["zip"],
                    json.dumps(each),
                )
                for each in data["users"].values()
            ],
        )
        database.executemany(
            "INSERT INTO products VALUES (?, ?, ?)",
            [
                (each["product_id"], each["name"], json.dumps(each))
                for each in data["products"].values()
            ],
        )
        database.executemany(
            "INSERT INTO orders VALUES (?, ?, ?)",
            [
                (each["order_id"], each["user_id"], json.dumps(last(each)))
                for each in data["orders"].values()
            ],
        )
    database.close()


if __name__ == "__main__":
    target, *source = sys.argv[1:]
    load(target, json.loads(Path(source[0] if source else HERE / "shop.json").read_text()))
