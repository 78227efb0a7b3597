"""What an agent looks up; none of it changes anything."""

import datetime as dt
import json

from desk import documents

_NEXT_DAY = "+1"  # after the time of an arrival


def get_user_details(db, user_id):
    """A customer with address, payment methods, membership and the numbers of all reservations."""
    return documents.customer(db, user_id)


def get_reservation_details(db, reservation_id):
    """A reservation with its flights, passengers, payments and bags."""
    return documents.reservation(db, reservation_id)


def list_all_airports(db):
    """The city of each airport."""
    rows = db.execute("SELECT id, document FROM airports ORDER BY place")
    return {row["id"]: json.loads(row["document"]) for row in rows}


def search_direct_flight(db, origin, destination, date):
    """The flights between two airports that can be booked on a date."""
    rows = db.execute(
        "SELECT document FROM flights"
        " WHERE origin = :origin AND destination = :destination ORDER BY id",
        origin=origin,
        destination=destination,
    )
    found = (_bookable(json.loads(row["document"]), date) for row in rows)
    return [each for each in found if each]


def search_onestop_flight(db, origin, destination, date):
    """Pairs of flights with one stop between, the first of which leaves on a date."""
    rows = db.execute(
        "SELECT one.document AS one, two.document AS two"
        " FROM flights AS one JOIN flights AS two ON one.destination = two.origin"
        " WHERE one.origin = :origin AND two.destination = :destination"
        " ORDER BY one.id, two.id",
        origin=origin,
        destination=destination,
    )
    pairs = []
    for row in rows:
        one, two = json.loads(row["one"]), json.loads(row["two"])
        arrival = one["scheduled_arrival_time_est"]
        day = _after(date) if arrival.endswith(_NEXT_DAY) else date
        if arrival.removesuffix(_NEXT_DAY) > two["scheduled_departure_time_est"]:
            continue
        # This search has always shown the second flight with seats and prices of the day on which
        # the first leaves, also where it leaves a day later itself. Whoever books pays the right
        # price, and is refused if it is another than was said.
        first, second = _bookable(one, date), _bookable(two, date)
        if first and second and _bookable(two, day):
            pairs.append([first | {"date": date}, second | {"date": day}])
    return pairs


def _bookable(flight, date):
    """A flight with seats and prices of a date; nothing where it cannot be booked then."""
    then = flight["dates"].get(date, {})
    if then.get("status") != "available":
        return None
    return {name: value for name, value in flight.items() if name != "dates"} | then


def _after(date):
    return str(dt.date.fromisoformat(date) + dt.timedelta(days=1))
