"""The shop of the example: what its actions do, refuse, and leave as it was."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seatrial.contract.releases.actions import Effect
from tests.examples.acting import Acting, acting, own_data
from tests.examples.recorded import RETAIL


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Acting]:
    data = own_data(RETAIL.folder / "shop.json")
    with acting(RETAIL.folder, tmp_path / "shop.db", monkeypatch, data) as made:
        yield made


def test_a_customer_is_found_by_what_he_knows(shop: Acting) -> None:
    assert shop.call("find_user_id_by_email", email="Ada.Quill@shop.example") == "ada_quill_0001"
    found = shop.call("find_user_id_by_name_zip", first_name="BEN", last_name="Marsh", zip="05001")
    assert found == "ben_marsh_0002"
    assert shop.call("find_user_id_by_email", email="x@y.example") == "Error: User not found"


def test_what_is_cancelled_is_paid_back_and_only_once(shop: Acting) -> None:
    told = shop.call("cancel_pending_order", order_id="#A1001", reason="no longer needed")
    assert told["status"] == "cancelled"
    assert told["payment_history"][-1] == {
        "transaction_type": "refund",
        "amount": 39.5,
        "payment_method_id": "card_01",
    }
    before = shop.whole()
    again = shop.call("cancel_pending_order", order_id="#A1001", reason="no longer needed")
    assert again == "Error: Non-pending order cannot be cancelled"
    assert shop.whole() == before


def test_a_gift_card_pays_what_it_holds_and_no_more(shop: Acting) -> None:
    told = shop.call("modify_pending_order_payment", order_id="#A1001", payment_method_id="gift_01")
    assert told == "Error: Insufficient gift card balance to pay for the order"
    changed = shop.call(
        "modify_pending_order_items",
        order_id="#A1001",
        item_ids=["2001"],
        new_item_ids=["2002"],
        payment_method_id="gift_01",
    )
    assert changed["status"] == "pending (item modified)"
    assert changed["items"][0]["price"] == 42.0
    card = shop.call("get_user_details", user_id="ada_quill_0001")["payment_methods"]["gift_01"]
    assert card["balance"] == 17.5


@pytest.mark.parametrize(
    ("name", "more", "why"),
    [
        ("modify_pending_order_items", {"new_item_ids": ["2003"]}, "2003 not found or available"),
        ("modify_pending_order_items", {"new_item_ids": ["2001"]}, "should be different"),
        ("modify_pending_order_items", {"new_item_ids": []}, "should match"),
        ("modify_pending_order_items", {"item_ids": []}, "No item is named"),
        ("modify_pending_order_items", {"item_ids": ["9"]}, "Number of 9 not found"),
        ("modify_pending_order_items", {"payment_method_id": "paypal_02"}, "method not found"),
        ("exchange_delivered_order_items", {}, "Non-delivered order cannot be exchanged"),
    ],
)
def test_what_is_refused_leaves_everything_as_it_was(
    shop: Acting, name: str, more: dict[str, Any], why: str
) -> None:
    before = shop.whole()
    asked = {
        "order_id": "#A1001",
        "item_ids": ["2001"],
        "new_item_ids": ["2002"],
        "payment_method_id": "card_01",
    }
    told = shop.call(name, **{**asked, **more})
    assert isinstance(told, str)
    assert why in told
    assert shop.whole() == before


def test_what_was_delivered_is_exchanged_or_returned(shop: Acting) -> None:
    told = shop.call(
        "exchange_delivered_order_items",
        order_id="#A1002",
        item_ids=["2011"],
        new_item_ids=["2012"],
        payment_method_id="card_01",
    )
    assert (told["status"], told["exchange_price_difference"]) == ("exchange requested", 7.0)
    again = shop.call(
        "return_delivered_order_items",
        order_id="#A1002",
        item_ids=["2011"],
        payment_method_id="card_01",
    )
    assert again == "Error: Non-delivered order cannot be returned"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1166.98 - 481.5", "685.48"),
        ("-(2 + 3) * 4 / 8", "-2.5"),
        *((wrong, None) for wrong in ("1/0", "a", "__import__('os')", "2 ** 9", "'a' * 9", "")),
    ],
)
def test_a_sum_is_calculated_and_nothing_else_is_run(
    shop: Acting, expression: str, value: str | None
) -> None:
    told = shop.call("calculate", expression=expression)
    assert told == (value or "Error: Invalid characters in expression")


def test_whatever_writes_is_transactional_and_whatever_reads_says_so(shop: Acting) -> None:
    effects = {name: tool.effect for name, tool in shop.tools.items()}
    assert len(effects) == 16
    for name, effect in effects.items():
        writes = name.startswith(("cancel_", "modify_", "exchange_", "return_"))
        assert (effect is Effect.TRANSACTIONAL) == writes, name
