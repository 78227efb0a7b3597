"""A shop whose production masks: what tests of incidents are told on."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, Final

from seatrial.data.masking.service.keys import MaskingKey
from tests.examples.recorded import RETAIL, database
from tests.line.command import Place

KEY: Final = MaskingKey(b"k" * 32)
"""Fixed: by another one, a short pseudonym may be somebody's by chance."""

_BY_RULES: Final = ("--rules", "model.toml")
RULES: Final = """
name = "shop"
[tables.customers]
person = "id"
[tables.customers.columns]
id = { class = "direct", as = "id", domain = "user" }
email = { class = "direct", as = "email" }
first_name = { class = "direct", as = "given_name" }
last_name = { class = "direct", as = "family_name" }
"document.name.first_name" = { class = "direct", as = "given_name" }
"document.name.last_name" = { class = "direct", as = "family_name" }
"document.address.address1" = { class = "direct", as = "street" }
"document.address.address2" = { class = "direct", as = "unit" }
"document.address.city" = { class = "quasi", as = "city" }
"document.address.zip" = { class = "quasi", as = "zip", keep = 0 }
"document.payment_methods.@" = { class = "direct", as = "id", domain = "paid" }
"document.orders" = { class = "direct", as = "id", format = "kept", domain = "order" }
[tables.orders]
person = "customer"
[tables.orders.columns]
id = { class = "direct", as = "id", format = "kept", domain = "order" }
customer = { class = "direct", as = "id", domain = "user" }
"document.address.address1" = { class = "direct", as = "street" }
"document.address.address2" = { class = "direct", as = "unit" }
"document.address.city" = { class = "quasi", as = "city" }
"document.address.zip" = { class = "quasi", as = "zip", keep = 0 }
"document.fulfillments.tracking_id" = { class = "direct", as = "id", format = "digits" }
[tables.runs]
person = "people"
[tables.runs.columns]
"messages.**" = "free_text"
"answers.**" = "free_text"
"arguments.**" = "free_text"
"results.**" = "free_text"
errors = "free_text"
"expected.**" = "free_text"
clock = { class = "direct", as = "date" }
"""


@contextlib.contextmanager
def model(here: Place, *speaks: str) -> Iterator[str]:
    command = [sys.executable, "-m", "seatrial.main", "provider", *(speaks or _BY_RULES),
               "--port", "0", "--json"]  # fmt: skip
    with subprocess.Popen(command, cwd=here.folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()


def pinned(here: Place, was: str, now: str) -> None:
    for name in ("seatrial.toml", "agent.py"):
        file = here.folder / name
        file.write_text(file.read_text().replace(f'"{was}"', f'"{now}"'))


def up(here: Place, url: str, shop: dict[str, Any]) -> None:
    """Staging and production, each with the shop; only production masks."""
    here.done("up", "--detach", "--port", "0")
    here.done("down")
    for name in ("staging", "production"):
        database(RETAIL, here.state / name / "shop.db", shop)
        settings = here.state / name / "settings.toml"
        bound = '[connectors.shop]\nkind = "sql"\nurl = "sqlite:///shop.db"\n'
        settings.write_text(f'{settings.read_text()}\n[models]\nopenai = "{url}"\n\n{bound}')
    here.done("up", "--detach")
    for name in ("staging", "production"):
        here.call("secrets", "set", "openai", "--env", name, data="sk-of-nobody")


def told(here: Place, name: str, **more: str) -> None:
    """New settings for production, and the system with them."""
    settings = here.state / "production" / "settings.toml"
    kept = settings.read_text().partition("\n[fixtures]")[0]
    lines = "".join(f'{key} = "{value}"\n' for key, value in more.items())
    settings.write_text(f'{kept}\n[fixtures]\nrules = "{name}"\n{lines}')
    here.done("down")
    here.done("up", "--detach")


def keyed(here: Place) -> None:
    """Lay the masking key into production's vault."""
    file = here.folder / "masking.pem"
    file.write_bytes(KEY.private_pem())
    here.done("secrets", "set", "masking", "--env", "production", "--file", str(file))


def promoted(here: Place) -> None:
    for _ in range(60):
        if here.call("promote", "--yes").code == 0:
            return
        time.sleep(1)
    raise AssertionError(here.call("promote", "--dry-run").out)
