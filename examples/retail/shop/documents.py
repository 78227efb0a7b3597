"""Customers, products and orders as JSON documents in three tables."""

import json

TABLES = """
    CREATE TABLE customers (
        id TEXT PRIMARY KEY, email TEXT NOT NULL, first_name TEXT NOT NULL,
        last_name TEXT NOT NULL, zip TEXT NOT NULL, document TEXT NOT NULL
    );
    CREATE INDEX customers_email ON customers (email);
    CREATE INDEX customers_name ON customers (last_name, first_name, zip);
    CREATE TABLE products (id TEXT PRIMARY KEY, name TEXT NOT NULL, document TEXT NOT NULL);
    CREATE TABLE orders (id TEXT PRIMARY KEY, customer TEXT NOT NULL, document TEXT NOT NULL);
"""
_LATER = (
    "cancel_reason",
    "exchange_items",
    "exchange_new_items",
    "exchange_payment_method_id",
    "exchange_price_difference",
    "return_items",
    "return_payment_method_id",
)


def customer(db, id):
    """The customer, or a refusal."""
    return _one(db, "customers", id, "User not found")


def product(db, id):
    """The product with its variants, or a refusal."""
    return _one(db, "products", id, "Product not found")


def order(db, id):
    """The order, or a refusal; what has not happened to it is null."""
    return last(_one(db, "orders", id, "Order not found"))


def keep_customer(db, changed):
    """Write a customer back."""
    db.execute(
        "UPDATE customers SET zip = :zip, document = :document WHERE id = :id",
        id=changed["user_id"],
        zip=changed["address"]["zip"],
        document=json.dumps(changed),
    )


def keep_order(db, changed):
    """Write an order back, with all that an agent may see of it."""
    document = last(changed)
    db.execute(
        "UPDATE orders SET document = :document WHERE id = :id",
        id=changed["order_id"],
        document=json.dumps(document),
    )
    return document


def last(order):
    """The order with what may yet happen to it at its end, always in the same place."""
    first = {name: value for name, value in order.items() if name not in _LATER}
    return first | {name: order.get(name) for name in _LATER}


def _one(db, table, id, missing):
    rows = db.execute(f"SELECT document FROM {table} WHERE id = :id", id=id)
    if not rows:
        raise ValueError(missing)
    return json.loads(rows[0]["document"])
