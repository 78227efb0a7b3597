"""What an agent changes. Each function runs in one transaction: a refusal leaves nothing behind."""

from shop import documents, paying

_REASONS = ("no longer needed", "ordered by mistake")


def cancel_pending_order(db, order_id, reason):
    """Cancel a pending order and give back what was paid."""
    order = documents.order(db, order_id)
    if order["status"] != "pending":
        raise ValueError("Non-pending order cannot be cancelled")
    if reason not in _REASONS:
        raise ValueError("Invalid reason")
    customer = documents.customer(db, order["user_id"])
    refunds = []
    for paid in order["payment_history"]:
        id, amount = paid["payment_method_id"], paid["amount"]
        refunds.append(paying.entry("refund", amount, id))
        paying.book(db, customer, paying.method(customer, id), -amount)
    order["status"] = "cancelled"
    order["cancel_reason"] = reason
    order["payment_history"] += refunds
    return documents.keep_order(db, order)


def modify_pending_order_items(db, order_id, item_ids, new_item_ids, payment_method_id):
    """Take other variants of the same products, once, and settle the difference."""
    order = documents.order(db, order_id)
    if order["status"] != "pending":
        raise ValueError("Non-pending order cannot be modified")
    difference, pairs = _exchanged(db, order, item_ids, new_item_ids, other=True)
    customer = documents.customer(db, order["user_id"])
    found = paying.method(customer, payment_method_id)
    paying.refuse_poor(found, difference, "new item")
    kind = "payment" if difference > 0 else "refund"
    order["payment_history"].append(paying.entry(kind, abs(difference), payment_method_id))
    paying.book(db, customer, found, difference)
    _, last = pairs[-1]
    for item, variant in pairs:
        # The shop's records have always shown price and options of the last variant for all that
        # were taken together; its receipts are settled by the payment above.
        item.update(item_id=variant["item_id"], price=last["price"], options=last["options"])
    order["status"] = "pending (item modified)"
    return documents.keep_order(db, order)


def modify_pending_order_address(db, order_id, address1, address2, city, state, country, zip):
    """Send a pending order elsewhere."""
    order = documents.order(db, order_id)
    if "pending" not in order["status"]:
        raise ValueError("Non-pending order cannot be modified")
    order["address"] = _address(address1, address2, city, state, country, zip)
    return documents.keep_order(db, order)


def modify_pending_order_payment(db, order_id, payment_method_id):
    """Pay a pending order in another way."""
    order = documents.order(db, order_id)
    if "pending" not in order["status"]:
        raise ValueError("Non-pending order cannot be modified")
    customer = documents.customer(db, order["user_id"])
    found = paying.method(customer, payment_method_id)
    history = order["payment_history"]
    if len(history) != 1 or history[0]["transaction_type"] != "payment":
        raise ValueError("There should be exactly one payment for a pending order")
    before, amount = history[0]["payment_method_id"], history[0]["amount"]
    if before == payment_method_id:
        raise ValueError("The new payment method should be different from the current one")
    paying.refuse_poor(found, amount, "order")
    history.append(paying.entry("payment", amount, payment_method_id))
    history.append(paying.entry("refund", amount, before))
    paying.book(db, customer, found, amount)
    paying.book(db, customer, paying.method(customer, before), -amount)
    return documents.keep_order(db, order)


def modify_user_address(db, user_id, address1, address2, city, state, country, zip):
    """Change where a customer lives."""
    customer = documents.customer(db, user_id)
    customer["address"] = _address(address1, address2, city, state, country, zip)
    documents.keep_customer(db, customer)
    return customer


def exchange_delivered_order_items(db, order_id, item_ids, new_item_ids, payment_method_id):
    """Ask for other variants of what was delivered; it is settled when the parcel is back."""
    order = documents.order(db, order_id)
    if order["status"] != "delivered":
        raise ValueError("Non-delivered order cannot be exchanged")
    difference, _ = _exchanged(db, order, item_ids, new_item_ids, other=False)
    difference = round(difference, 2)
    customer = documents.customer(db, order["user_id"])
    found = paying.method(customer, payment_method_id)
    paying.refuse_poor(found, difference, "price difference")
    order["status"] = "exchange requested"
    order["exchange_items"] = sorted(item_ids)
    order["exchange_new_items"] = sorted(new_item_ids)
    order["exchange_payment_method_id"] = payment_method_id
    order["exchange_price_difference"] = difference
    return documents.keep_order(db, order)


def return_delivered_order_items(db, order_id, item_ids, payment_method_id):
    """Take back items that were delivered; the money goes where it came from, or on a gift card."""
    order = documents.order(db, order_id)
    if order["status"] != "delivered":
        raise ValueError("Non-delivered order cannot be returned")
    customer = documents.customer(db, order["user_id"])
    found = paying.method(customer, payment_method_id)
    paid_with = order["payment_history"][0]["payment_method_id"]
    if found["source"] != "gift_card" and payment_method_id != paid_with:
        raise ValueError("Payment method should be the original payment method")
    _refuse_missing(order, item_ids, "Some item not found")
    order["status"] = "return requested"
    order["return_items"] = sorted(item_ids)
    order["return_payment_method_id"] = payment_method_id
    return documents.keep_order(db, order)


def _exchanged(db, order, item_ids, new_item_ids, *, other):
    """What the new variants cost more, and each item with the variant that replaces it."""
    if not item_ids:
        raise ValueError("No item is named")
    _refuse_missing(order, item_ids, None)
    if len(item_ids) != len(new_item_ids):
        raise ValueError("The number of items to be exchanged should match")
    difference, pairs = 0, []
    for old, new in zip(item_ids, new_item_ids, strict=True):
        if other and old == new:
            raise ValueError("The new item id should be different from the old item id")
        item = next(each for each in order["items"] if each["item_id"] == old)
        variant = documents.product(db, item["product_id"])["variants"].get(new)
        if variant is None or not variant["available"]:
            raise ValueError(f"New item {new} not found or available")
        difference += variant["price"] - item["price"]
        pairs.append((item, variant))
    return difference, pairs


def _refuse_missing(order, item_ids, message):
    had = [each["item_id"] for each in order["items"]]
    for id in item_ids:
        if item_ids.count(id) > had.count(id):
            raise ValueError(message or f"Number of {id} not found.")


def _address(address1, address2, city, state, country, zip):
    return {
        "address1": address1,
        "address2": address2,
        "city": city,
        "country": country,
        "state": state,
        "zip": zip,
    }
