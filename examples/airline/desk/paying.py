"""Money: who pays with what, and what a gift card or a certificate still holds."""

from desk import documents

BAG = 50
INSURANCE = 30


def refuse_unpaid(customer, payments, total):
    """Refuse payments that the customer cannot make, or that are not the total."""
    for each in payments:
        found = customer["payment_methods"].get(each["payment_id"])
        if found is None:
            raise ValueError(f"payment method {each['payment_id']} not found")
        if found["source"] != "credit_card" and found["amount"] < each["amount"]:
            raise ValueError(f"not enough balance in payment method {each['payment_id']}")
    paid = sum(each["amount"] for each in payments)
    if round(paid - total, 2):
        raise ValueError(f"payment amount does not add up, total price is {total}, but paid {paid}")


def pay(customer, payments):
    """Take payments: a gift card keeps the rest, a certificate is used up whatever is left."""
    for each in payments:
        found = customer["payment_methods"][each["payment_id"]]
        if found["source"] == "gift_card":
            found["amount"] = round(found["amount"] - each["amount"], 2)
        elif found["source"] == "certificate":
            del customer["payment_methods"][each["payment_id"]]


def settle(db, reservation, payment_id, difference):
    """Take what a changed reservation costs more, or give back what it costs less."""
    customer = documents.customer(db, reservation["user_id"])
    found = customer["payment_methods"].get(payment_id)
    if found is None:
        raise ValueError("payment method not found")
    if found["source"] == "certificate":
        raise ValueError("certificate cannot be used to update reservation")
    if found["source"] == "gift_card":
        if found["amount"] < difference:
            raise ValueError("gift card balance is not enough")
        found["amount"] = round(found["amount"] - difference, 2)
        documents.keep_customer(db, reservation["user_id"], customer)
    if difference:
        reservation["payment_history"].append({"payment_id": payment_id, "amount": difference})
