"""The shop of the example: what its actions do, refuse, and leave as it was."""

import importlib
import json
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from seatrial.cli.project.release import build_release, open_project
from seatrial.contract.releases.actions import Effect, FunctionCall

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "retail"


class Rows(list[dict[str, Any]]):
    changed = 0


class Shop:
    """The example's functions on its own small data, each call in a transaction."""

    def __init__(self, path: Path) -> None:
        loaded = importlib.import_module("load")
        loaded.load(path, json.loads((EXAMPLE / "shop.json").read_text()))
        self._raw = sqlite3.connect(path, isolation_level=None)
        self._raw.row_factory = sqlite3.Row
        project = open_project(EXAMPLE)
        release = build_release(project, {"PATH": "/usr/bin:/bin"}).release
        self.tools = release.tools

    def execute(
        self, statement: str, parameters: Mapping[str, Any] | None = None, /, **more: Any
    ) -> Rows:
        found = self._raw.execute(statement, {**(parameters or {}), **more})
        rows = Rows(map(dict, found.fetchall()))
        rows.changed = max(0, found.rowcount)
        return rows

    def call(self, name: str, **arguments: Any) -> Any:
        tool = self.tools[name]
        assert isinstance(tool.perform, FunctionCall)
        path, _, function = tool.perform.function.partition(":")
        module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
        given = {"db": self, **arguments} if tool.connector else arguments
        self._raw.execute("BEGIN")
        try:
            found = getattr(module, function)(**given)
        except ValueError as error:
            self._raw.execute("ROLLBACK")
            return f"Error: {error}"
        self._raw.execute("COMMIT")
        return found

    def whole(self) -> list[Any]:
        tables = ("customers", "orders", "products")
        return [self.execute(f"SELECT * FROM {table} ORDER BY id") for table in tables]  # noqa: S608

    def close(self) -> None:
        self._raw.close()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.syspath_prepend(str(EXAMPLE))
    made = Shop(tmp_path / "shop.db")
    yield made
    made.close()
    for name in [name for name in sys.modules if name == "load" or name.split(".")[0] == "shop"]:
        del sys.modules[name]


def test_a_customer_is_found_by_what_he_knows(shop: Shop) -> None:
    assert shop.call("find_user_id_by_email", email="Ada.Quill@shop.example") == "ada_quill_0001"
    found = shop.call("find_user_id_by_name_zip", first_name="BEN", last_name="Marsh", zip="05001")
    assert found == "ben_marsh_0002"
    assert shop.call("find_user_id_by_email", email="x@y.example") == "Error: User not found"


def test_what_is_cancelled_is_paid_back_and_only_once(shop: Shop) -> None:
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


def test_a_gift_card_pays_what_it_holds_and_no_more(shop: Shop) -> None:
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
    shop: Shop, name: str, more: dict[str, Any], why: str
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


def test_what_was_delivered_is_exchanged_or_returned(shop: Shop) -> None:
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
    shop: Shop, expression: str, value: str | None
) -> None:
    told = shop.call("calculate", expression=expression)
    assert told == (value or "Error: Invalid characters in expression")


def test_whatever_writes_is_transactional_and_whatever_reads_says_so(shop: Shop) -> None:
    effects = {name: tool.effect for name, tool in shop.tools.items()}
    assert len(effects) == 16
    for name, effect in effects.items():
        writes = name.startswith(("cancel_", "modify_", "exchange_", "return_"))
        assert (effect is Effect.TRANSACTIONAL) == writes, name
