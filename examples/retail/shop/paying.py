"""Money: who pays with what, and what a gift card still holds."""

from shop import documents


def method(customer, id):
    """A payment method of a customer, or a refusal."""
    found = customer["payment_methods"].get(id)
    if found is None:
        raise ValueError("Payment method not found")
    return found


def refuse_poor(found, amount, what):
    """Refuse a gift card that does not hold `amount`."""
    if found["source"] == "gift_card" and found["balance"] < amount:
        raise ValueError(f"Insufficient gift card balance to pay for the {what}")


def book(db, customer, found, amount):
    """Take `amount` from a gift card, or give it back where it is negative."""
    if found["source"] == "gift_card":
        found["balance"] = round(found["balance"] - amount, 2)
        documents.keep_customer(db, customer)


def entry(kind, amount, id):
    """A line in an order's payment history."""
    return {"transaction_type": kind, "amount": amount, "payment_method_id": id}
