"""What an agent changes. Each function runs in one transaction: a refusal leaves nothing behind."""

from desk import documents, paying


def book_reservation(
    db,
    user_id,
    origin,
    destination,
    flight_type,
    cabin,
    flights,
    passengers,
    payment_methods,
    total_baggages,
    nonfree_baggages,
    insurance,
):
    """Book flights for up to five people, and take the payments."""
    customer = documents.customer(db, user_id)
    legs = [_leg(db, each, cabin, len(passengers)) for each in flights]
    total = len(passengers) * sum(each["price"] for each in legs)
    total += nonfree_baggages * paying.BAG
    if insurance == "yes":
        total += len(passengers) * paying.INSURANCE
    paying.refuse_unpaid(customer, payment_methods, total)
    paying.pay(customer, payment_methods)
    number = documents.taken(db, "reservation", _following)
    customer["reservations"].append(number)
    documents.keep_customer(db, user_id, customer)
    return documents.add_reservation(
        db,
        {
            "reservation_id": number,
            "user_id": user_id,
            "origin": origin,
            "destination": destination,
            "flight_type": flight_type,
            "cabin": cabin,
            "flights": legs,
            "passengers": passengers,
            "payment_history": payment_methods,
            # The time comes from the airline's data, not from a clock: whoever makes the same
            # calls on the same data must come to the same reservation, or nothing can be judged.
            "created_at": documents.counter(db, "now"),
            "total_baggages": total_baggages,
            "nonfree_baggages": nonfree_baggages,
            "insurance": insurance,
        },
    )


def cancel_reservation(db, reservation_id):
    """Cancel a whole reservation and give back what was paid."""
    reservation = documents.reservation(db, reservation_id)
    if reservation.get("status") == "cancelled":
        raise ValueError("reservation is cancelled already")
    # All refunds are on their way for some days: a gift card's balance grows when they arrive.
    reservation["payment_history"] += [
        {"payment_id": each["payment_id"], "amount": -each["amount"]}
        for each in reservation["payment_history"]
    ]
    reservation["status"] = "cancelled"
    return documents.keep_reservation(db, reservation)


def update_reservation_flights(db, reservation_id, cabin, flights, payment_id):
    """Fly otherwise or in another cabin, and settle the difference."""
    reservation = documents.reservation(db, reservation_id)
    people = len(reservation["passengers"])
    legs = [_kept(reservation, each, cabin) or _leg(db, each, cabin, people) for each in flights]
    before = sum(each["price"] for each in reservation["flights"])
    difference = people * (sum(each["price"] for each in legs) - before)
    paying.settle(db, reservation, payment_id, difference)
    # `cabin` stays what was booked first, as the airline's records have it: later ones show in
    # the prices of the legs alone.
    reservation["flights"] = legs
    return documents.keep_reservation(db, reservation)


def update_reservation_baggages(db, reservation_id, total_baggages, nonfree_baggages, payment_id):
    """Take other bags along; more that are not free are paid, fewer are not paid back."""
    reservation = documents.reservation(db, reservation_id)
    more = max(0, nonfree_baggages - reservation["nonfree_baggages"])
    paying.settle(db, reservation, payment_id, more * paying.BAG)
    reservation["total_baggages"] = total_baggages
    reservation["nonfree_baggages"] = nonfree_baggages
    return documents.keep_reservation(db, reservation)


def update_reservation_passengers(db, reservation_id, passengers):
    """Correct who flies; how many they are cannot be changed."""
    reservation = documents.reservation(db, reservation_id)
    if len(passengers) != len(reservation["passengers"]):
        raise ValueError("number of passengers does not match")
    reservation["passengers"] = passengers
    return documents.keep_reservation(db, reservation)


def send_certificate(db, user_id, amount):
    """Give a customer a travel certificate."""
    customer = documents.customer(db, user_id)
    id = f"certificate_{documents.taken(db, 'certificate', lambda number: number + 1)}"
    customer["payment_methods"][id] = {"source": "certificate", "amount": amount, "id": id}
    documents.keep_customer(db, user_id, customer)
    return f"Certificate {id} added to user {user_id} with amount {amount}."


def _leg(db, asked, cabin, people):
    """A flight at its price of today, or a refusal.

    Seats are not taken here but when tickets are written, so two can still book the last one.
    """
    number, date = asked["flight_number"], asked["date"]
    flight = documents.flight(db, number)
    then = flight["dates"].get(date)
    if then is None:
        raise ValueError(f"flight {number} not found on date {date}")
    if then["status"] != "available":
        raise ValueError(f"flight {number} not available on date {date}")
    if then["available_seats"][cabin] < people:
        raise ValueError(f"not enough seats on flight {number}")
    return asked | {
        "price": then["prices"][cabin],
        "origin": flight["origin"],
        "destination": flight["destination"],
    }


def _kept(reservation, asked, cabin):
    """A leg that is flown as before, at the price of then; nothing if it is another."""
    for each in reservation["flights"]:
        same = (each["flight_number"], each["date"]) == (asked["flight_number"], asked["date"])
        if same and cabin == reservation["cabin"]:
            more = {name: each[name] for name in ("price", "origin", "destination")}
            return asked | more
    return None


def _following(code):
    """The reservation code after this one: `HATHAZ` comes before `HATHBA`."""
    head, last = code[:-1], code[-1]
    if last != "Z":
        return head + chr(ord(last) + 1)
    return (_following(head) if head else "A") + "A"
