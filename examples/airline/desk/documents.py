"""Customers, reservations and flights as JSON documents, and the numbers that are given next."""

import json

TABLES = """
    CREATE TABLE customers (id TEXT PRIMARY KEY, document TEXT NOT NULL);
    CREATE TABLE reservations (
        id TEXT PRIMARY KEY, customer TEXT NOT NULL, document TEXT NOT NULL
    );
    CREATE TABLE flights (
        id TEXT PRIMARY KEY, origin TEXT NOT NULL, destination TEXT NOT NULL,
        document TEXT NOT NULL
    );
    CREATE INDEX flights_way ON flights (origin, destination);
    CREATE TABLE airports (id TEXT PRIMARY KEY, place INTEGER NOT NULL, document TEXT NOT NULL);
    CREATE TABLE counters (id TEXT PRIMARY KEY, document TEXT NOT NULL);
"""


def customer(db, id):
    """The customer, or a refusal."""
    return _one(db, "customers", id, "user not found")


def reservation(db, id):
    """The reservation, or a refusal."""
    return _one(db, "reservations", id, "reservation not found")


def flight(db, id):
    """The flight with all its dates, or a refusal."""
    return _one(db, "flights", id, f"flight {id} not found")


def counter(db, id):
    """A value that the airline keeps: the time of its data, the number that is given next."""
    return _one(db, "counters", id, f"nobody keeps {id}")


def keep_customer(db, id, changed):
    """Write a customer back."""
    _keep(db, "customers", id, changed)


def keep_reservation(db, changed):
    """Write a reservation back."""
    _keep(db, "reservations", changed["reservation_id"], changed)
    return changed


def add_reservation(db, new):
    """Write a reservation that was not there."""
    db.execute(
        "INSERT INTO reservations VALUES (:id, :customer, :document)",
        id=new["reservation_id"],
        customer=new["user_id"],
        document=json.dumps(new),
    )
    return new


def taken(db, id, following):
    """The number that is given next; `following` tells which one is given after it."""
    number = counter(db, id)
    _keep(db, "counters", id, following(number))
    return number


def _one(db, table, id, missing):
    rows = db.execute(f"SELECT document FROM {table} WHERE id = :id", id=id)
    if not rows:
        raise ValueError(missing)
    return json.loads(rows[0]["document"])


def _keep(db, table, id, changed):
    db.execute(
        f"UPDATE {table} SET document = :document WHERE id = :id",
        id=id,
        document=json.dumps(changed),
    )
