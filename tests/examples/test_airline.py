"""The airline of the example: what its actions do, refuse, leave as it was; how talks end."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema_rs
import pytest

from seatrial.cell.llms.scripted.domain import Asked, Heard, Role
from seatrial.cell.llms.scripted.service import Scripted, rules_of
from seatrial.contract.releases.actions import Effect
from seatrial.data.recordings.domain import Recording
from seatrial.data.recordings.service import load
from tests.examples.acting import Acting, acting, own_data
from tests.examples.recorded import AIRLINE, RETAIL

ADA = {"first_name": "Ada", "last_name": "Quill", "dob": "1980-02-03"}
BOOKING = {
    "user_id": "ada_quill_0001",
    "origin": "HAV",
    "destination": "MIL",
    "flight_type": "one_way",
    "cabin": "economy",
    "flights": [{"flight_number": "SW101", "date": "2026-05-07"}],
    "passengers": [ADA],
    "payment_methods": [{"payment_id": "card_01", "amount": 100}],
    "total_baggages": 1,
    "nonfree_baggages": 0,
    "insurance": "no",
}
OTHERWISE = {
    "reservation_id": "AQ1001",
    "cabin": "economy",
    "flights": [{"flight_number": "SW102", "date": "2026-05-07"}],
    "payment_id": "card_01",
}
TALKS = load(AIRLINE.folder / "conversations.jsonl")


@pytest.fixture
def airline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Acting]:
    data = own_data(AIRLINE.folder / "airline.json")
    with acting(AIRLINE.folder, tmp_path / "airline.db", monkeypatch, data) as made:
        yield made


def methods(airline: Acting, user_id: str = "ada_quill_0001") -> dict[str, Any]:
    found: dict[str, Any] = airline.call("get_user_details", user_id=user_id)["payment_methods"]
    return found


def test_what_is_booked_is_paid_by_card_gift_card_and_certificate_and_noted(
    airline: Acting,
) -> None:
    paid = [
        {"payment_id": "certificate_01", "amount": 80},
        {"payment_id": "gift_01", "amount": 90},
        {"payment_id": "card_01", "amount": 10},
    ]
    untouched = airline.execute("SELECT document FROM flights")
    told = airline.call(
        "book_reservation",
        **BOOKING | {"nonfree_baggages": 1, "insurance": "yes", "payment_methods": paid},
    )
    assert told["reservation_id"] == "SEAWND"
    assert told["created_at"] == "2026-05-04T09:00:00"
    assert told["flights"][0]["price"] == 100
    assert airline.call("get_reservation_details", reservation_id="SEAWND") == told
    flights = airline.execute("SELECT document FROM flights")
    assert flights == untouched  # seats are taken later, by others
    left = methods(airline)
    assert "certificate_01" not in left  # what is left of one is lost
    assert left["gift_01"]["amount"] == 30
    again = airline.call("book_reservation", **BOOKING)
    assert again["reservation_id"] == "SEAWNE"
    customer = airline.call("get_user_details", user_id="ada_quill_0001")
    assert customer["reservations"] == ["AQ1001", "SEAWND", "SEAWNE"]


def test_cents_add_up(airline: Acting) -> None:
    amounts = {"gift_01": 16.75, "certificate_01": 52.01, "card_01": 31.24}
    assert sum(amounts.values()) != 100  # as a machine adds them
    paid = [{"payment_id": id_, "amount": amount} for id_, amount in amounts.items()]
    told = airline.call("book_reservation", **BOOKING | {"payment_methods": paid})
    assert told["reservation_id"] == "SEAWND"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"user_id": "nobody"}, "user not found"),
        ({"flights": [{"flight_number": "SW9", "date": "2026-05-07"}]}, "flight SW9 not found"),
        (
            {"flights": [{"flight_number": "SW101", "date": "2026-06-07"}]},
            "flight SW101 not found on date 2026-06-07",
        ),
        (
            {"flights": [{"flight_number": "SW101", "date": "2026-05-05"}]},
            "flight SW101 not available on date 2026-05-05",
        ),
        ({"passengers": [ADA] * 4, "cabin": "business"}, "not enough seats on flight SW101"),
        (
            {"payment_methods": [{"payment_id": "card_02", "amount": 100}]},
            "payment method card_02 not found",
        ),
        (
            {"payment_methods": [{"payment_id": "gift_01", "amount": 121}]},
            "not enough balance in payment method gift_01",
        ),
        (
            {"insurance": "yes"},
            "payment amount does not add up, total price is 130, but paid 100",
        ),
    ],
)
def test_a_booking_that_is_refused_leaves_everything_as_it_was(
    airline: Acting, more: dict[str, Any], why: str
) -> None:
    before = airline.whole()
    assert airline.call("book_reservation", **BOOKING | more) == f"Error: {why}"
    assert airline.whole() == before


@pytest.mark.parametrize(
    ("name", "more", "why"),
    [
        ("update_reservation_flights", {"reservation_id": "NONE00"}, "reservation not found"),
        ("update_reservation_flights", {"payment_id": "card_02"}, "payment method not found"),
        (
            "update_reservation_flights",
            {"payment_id": "certificate_01"},
            "certificate cannot be used to update reservation",
        ),
        (
            "update_reservation_flights",
            {"cabin": "business", "payment_id": "gift_01"},
            "gift card balance is not enough",
        ),
        (
            "update_reservation_baggages",
            {"total_baggages": 4, "nonfree_baggages": 3, "payment_id": "gift_01"},
            "gift card balance is not enough",
        ),
        (
            "update_reservation_passengers",
            {"passengers": [ADA, ADA]},
            "number of passengers does not match",
        ),
    ],
)
def test_a_change_that_is_refused_leaves_everything_as_it_was(
    airline: Acting, name: str, more: dict[str, Any], why: str
) -> None:
    taken = airline.tools[name].input_schema["properties"]
    assert isinstance(taken, dict)
    asked = {key: value for key, value in {**OTHERWISE, **more}.items() if key in taken}
    before = airline.whole()
    assert airline.call(name, **asked) == f"Error: {why}"
    assert airline.whole() == before


def test_other_flights_cost_or_give_back_the_difference_and_one_that_stays_keeps_its_price(
    airline: Acting,
) -> None:
    told = airline.call("update_reservation_flights", **OTHERWISE)
    assert (told["flights"][0]["price"], told["payment_history"][-1]["amount"]) == (90, 5)
    stays = OTHERWISE | {"flights": [{"flight_number": "SW102", "date": "2026-05-07"}]}
    airline.execute(
        "UPDATE flights SET document = replace(document, '\"economy\": 90', '\"economy\": 9')"
    )
    again = airline.call("update_reservation_flights", **stays)
    assert (again["flights"][0]["price"], again["payment_history"]) == (
        90,
        told["payment_history"],
    )
    back = airline.call("update_reservation_flights", **stays | {"cabin": "basic_economy"})
    assert back["payment_history"][-1] == {"payment_id": "card_01", "amount": -25}
    assert back["cabin"] == "economy"  # as it was booked first


def test_everybody_pays_the_difference(airline: Acting) -> None:
    told = airline.call(
        "update_reservation_flights",
        reservation_id="BM2002",
        cabin="economy",
        flights=[{"flight_number": "SW301", "date": "2026-05-08"}],
        payment_id="card_02",
    )
    assert told["payment_history"][-1] == {"payment_id": "card_02", "amount": 2 * (95 - 80)}


def test_bags_are_paid_and_never_paid_back(airline: Acting) -> None:
    asked = {"reservation_id": "AQ1001", "payment_id": "gift_01"}
    more = airline.call(
        "update_reservation_baggages", **asked, total_baggages=3, nonfree_baggages=2
    )
    assert more["payment_history"][-1] == {"payment_id": "gift_01", "amount": 100}
    assert methods(airline)["gift_01"]["amount"] == 20
    less = airline.call(
        "update_reservation_baggages", **asked, total_baggages=1, nonfree_baggages=0
    )
    assert (less["total_baggages"], less["payment_history"]) == (1, more["payment_history"])


def test_what_is_cancelled_is_paid_back_to_all_that_paid_and_only_once(airline: Acting) -> None:
    told = airline.call("cancel_reservation", reservation_id="CF3001")
    assert told["status"] == "cancelled"
    assert [(each["payment_id"], each["amount"]) for each in told["payment_history"]] == [
        ("gift_03", 200),
        ("card_03", 380),
        ("gift_03", -200),
        ("card_03", -380),
    ]
    before = airline.whole()
    again = airline.call("cancel_reservation", reservation_id="CF3001")
    assert again == "Error: reservation is cancelled already"
    assert airline.whole() == before


def test_certificates_have_numbers_of_their_own(airline: Acting) -> None:
    for number, user in ((7001, "ada_quill_0001"), (7002, "ben_marsh_0002")):
        told = airline.call("send_certificate", user_id=user, amount=50)
        assert told == f"Certificate certificate_{number} added to user {user} with amount 50."
        assert methods(airline, user)[f"certificate_{number}"]["amount"] == 50


@pytest.mark.usefixtures("airline")
def test_codes_follow_each_other_without_end() -> None:
    following = importlib.import_module("desk.changing")._following
    assert [following(code) for code in ("SEAWND", "SEAWNZ", "SEAZZZ", "ZZ")] == [
        "SEAWNE",
        "SEAWOA",
        "SEBAAA",
        "AAA",
    ]


def ways(found: list[Any]) -> list[tuple[str, ...]]:
    return [tuple(f"{leg['flight_number']} {leg['date'][-2:]}" for leg in pair) for pair in found]


def test_flights_are_found_that_can_be_booked_and_reached(airline: Acting) -> None:
    def direct(date: str) -> list[str]:
        asked = {"origin": "HAV", "destination": "MIL", "date": date}
        return [each["flight_number"] for each in airline.call("search_direct_flight", **asked)]

    assert direct("2026-05-07") == ["SW101", "SW102"]
    assert direct("2026-05-05") == direct("2026-05-04") == direct("2027-01-01") == []
    [found] = airline.call(
        "search_direct_flight", origin="SOL", destination="MIL", date="2026-05-07"
    )
    assert (found["prices"]["economy"], "dates" in found) == (95, False)

    def stop(date: str) -> list[tuple[str, ...]]:
        asked = {"origin": "HAV", "destination": "SOL", "date": date}
        return ways(airline.call("search_onestop_flight", **asked))

    same_day = [("SW101 07", "SW301 07"), ("SW101 07", "SW302 07"), ("SW102 07", "SW302 07")]
    assert stop("2026-05-07") == [*same_day, ("SW501 07", "SW601 08")]
    asked = {"origin": "HAV", "destination": "SOL", "date": "2026-05-07"}
    *_, (_, second) = airline.call("search_onestop_flight", **asked)
    assert (second["date"], second["prices"]["economy"]) == ("2026-05-08", 75)  # of the 7th
    assert ("SW501 08", "SW601 09") not in stop("2026-05-08")  # nothing is known of the 9th
    assert list(airline.call("list_all_airports").items())[:2] == [
        ("HAV", "Havenmouth"),
        ("SOL", "Solvik"),
    ]


def test_whatever_writes_is_transactional_and_whatever_reads_says_so(airline: Acting) -> None:
    effects = {name: tool.effect for name, tool in airline.tools.items()}
    assert len(effects) == 14
    for name, effect in effects.items():
        writes = name.startswith(("book_", "cancel_", "update_", "send_"))
        assert (effect is Effect.TRANSACTIONAL) == writes, name


class Cell:
    """What the agent sees of a cell: a model by rules, and actions without a door."""

    def __init__(self, airline: Acting) -> None:
        self._airline = airline
        self._model = Scripted(rules_of(AIRLINE.folder / "model.toml"))
        self.called: list[str] = []

    def get(self, _path: str) -> dict[str, Any]:
        return {
            "actions": [
                {"name": name, "description": tool.description, "input_schema": tool.input_schema}
                for name, tool in self._airline.tools.items()
            ]
        }

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if path != "/v1/chat/completions":
            name = path.removeprefix("/v1/actions/")
            jsonschema_rs.validate(self._airline.tools[name].input_schema, body)
            self.called.append(name)
            value = self._airline.call(name, **body)
            if isinstance(value, str) and value.startswith("Error: "):
                return {"ok": False, "error": value.removeprefix("Error: ")}
            return {"ok": True, "value": value}
        answer = self._model.reply(_asked(body)).answer
        assert answer is not None
        calls = [
            {"id": each.id, "function": {"name": each.name, "arguments": each.text}}
            for each in answer.calls
        ]
        return {
            "choices": [
                {"message": {"role": "assistant", "content": answer.content, "tool_calls": calls}}
            ]
        }


def _asked(body: dict[str, Any]) -> Asked:
    named = {
        call["id"]: call["function"]["name"]
        for message in body["messages"]
        for call in message.get("tool_calls") or ()
    }
    heard = [
        Heard(
            role=Role(message["role"]),
            text=message["content"] or "",
            tool=named.get(message.get("tool_call_id"), ""),
        )
        for message in body["messages"]
    ]
    return Asked(model=body["model"], heard=tuple(heard), stream=False)


@pytest.mark.parametrize("talk", TALKS, ids=[each.name for each in TALKS])
def test_a_talk_of_our_own_ends_as_its_task_wants(
    airline: Acting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, talk: Recording
) -> None:
    agent, judge = importlib.import_module("agent"), importlib.import_module("judge")
    before, path = tmp_path / "before.db", tmp_path / "airline.db"
    importlib.import_module("load").load(before, own_data(AIRLINE.folder / "airline.json"))
    cell = Cell(airline)
    monkeypatch.setattr(agent, "get", cell.get)
    monkeypatch.setattr(agent, "post", cell.post)
    history: list[dict[str, str]] = []
    for turn in talk.turns:
        output = agent.run(turn.said, SimpleNamespace(history=history))
        history.append({"input": turn.said, "output": output})
    told = talk.model_dump(mode="json")
    assert judge.judged(path, before, told) is True, (history, cell.called)
    missed = {each["name"] for each in told["wants"]} - set(cell.called)
    assert not missed, history
    airline.call("send_certificate", user_id="dov_lark_0004", amount=1)
    assert judge.judged(path, before, told) is False
    judge.back(path, before)
    assert judge.judged(path, before, told | {"wants": []}) is True


@pytest.mark.usefixtures("airline")
def test_a_judge_is_given_databases_that_are_there(tmp_path: Path) -> None:
    judge = importlib.import_module("judge")
    there, wrong = tmp_path / "airline.db", tmp_path / "nowhere.db"
    for world, before in ((there, wrong), (wrong, there)):
        with pytest.raises(SystemExit, match=re.escape(f"there is no {wrong}")):
            judge.judged(world, before, {"wants": []})
        with pytest.raises(SystemExit, match=re.escape(f"there is no {wrong}")):
            judge.back(world, before)
    assert not wrong.exists()
    with pytest.raises(SystemExit, match="does not say what its task wants"):
        judge.judged(there, there, {})
    with pytest.raises(SystemExit, match="no action 'fly'"):
        judge.judged(there, there, {"wants": [{"name": "fly", "arguments": {}}]})


def test_what_seatrial_notes_in_the_database_is_no_matter_of_the_judge(
    airline: Acting, tmp_path: Path
) -> None:
    judge = importlib.import_module("judge")
    there, before = tmp_path / "airline.db", tmp_path / "before.db"
    importlib.import_module("load").load(before, own_data(AIRLINE.folder / "airline.json"))
    airline.execute("CREATE TABLE seatrial_effect (key TEXT, run TEXT)")
    airline.execute("INSERT INTO seatrial_effect VALUES ('key', 'run')")
    assert judge.judged(there, before, {"wants": []}) is True
    judge.back(there, before)
    assert airline.execute("SELECT key FROM seatrial_effect") == [{"key": "key"}]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("judge.py", "judge.py"), ("desk/helping.py", "shop/helping.py"), ("agent.py", "agent.py")],
)
def test_files_that_both_examples_hold_are_the_same_but_for_the_model(
    ours: str, theirs: str
) -> None:
    # An example is a folder that people copy, so it imports nothing of another.
    here, there = (
        (each.folder / name).read_text() for each, name in ((AIRLINE, ours), (RETAIL, theirs))
    )
    assert here == there.replace('MODEL = "gpt-4.1"', 'MODEL = "gpt-4o"')
