"""What an agent looks up; none of it changes anything."""

from shop import documents


def find_user_id_by_email(db, email):
    """The id of the customer with an e-mail address."""
    rows = db.execute("SELECT id FROM customers WHERE email = :email", email=email.lower())
    return _only(rows)


def find_user_id_by_name_zip(db, first_name, last_name, zip):
    """The id of the customer with a name and a zip code."""
    rows = db.execute(
        "SELECT id FROM customers WHERE first_name = :first AND last_name = :last AND zip = :zip",
        first=first_name.lower(),
        last=last_name.lower(),
        zip=zip,
    )
    return _only(rows)


def get_user_details(db, user_id):
    """A customer with address, payment methods and the numbers of all orders."""
    return documents.customer(db, user_id)


def get_order_details(db, order_id):
    """An order with its items, payments and state."""
    return documents.order(db, order_id)


def get_product_details(db, product_id):
    """A product with all its variants, their prices, and whether they are there."""
    return documents.product(db, product_id)


def list_all_product_types(db):
    """The name of each product, with its id."""
    rows = db.execute("SELECT name, id FROM products ORDER BY name")
    return {row["name"]: row["id"] for row in rows}


def _only(rows):
    if not rows:
        raise ValueError("User not found")
    return rows[0]["id"]
