"""Sources for tests: made-up people, and recorded agents' databases where these are at hand."""

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from seatrial.data.masking.service.keys import MaskingKey
from seatrial.data.masking.service.snapshot import Order, mask
from seatrial.data.rules.domain import Rules
from seatrial.data.rules.toml import parse_rules
from seatrial.data.snapshots.domain import Manifest
from seatrial.data.verifying.domain import Report
from seatrial.data.verifying.service import verify
from seatrial.kit.clock import SystemClock
from seatrial.kit.crypto.signing import SigningKey

RECORDED: Final = Path(__file__).parents[3] / "shared" / "data" / "agents"
RULES: Final = Path(__file__).parent / "recorded"
KEY: Final = MaskingKey(b"k" * 32)
SIGNER: Final = SigningKey(b"s" * 32)

PEOPLE: Final = """
name = "people"
[gates]
k = 1
[tables.people]
person = "id"
unique = ["id", "email"]
[tables.people.columns]
id = { class = "direct", as = "id", domain = "person" }
name = { class = "direct", as = "name" }
email = { class = "direct", as = "email" }
born = { class = "direct", as = "date" }
plan = "keep"
[tables.notes]
person = "person"
references = { person = "people.id" }
[tables.notes.columns]
person = { class = "direct", as = "id", domain = "person" }
text = "free_text"
"""


def rules(text: str = PEOPLE) -> Rules:
    return parse_rules(text, shown="test")


def write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records))


def people(folder: Path, *, count: int = 5, notes: Iterable[str] = ()) -> Path:
    """A source of `count` made-up people; the first of them is spoken of in `notes`."""
    write_lines(folder / "people.jsonl", (person(number) for number in range(count)))
    write_lines(folder / "notes.jsonl", ({"person": "mia_li_3668", "text": t} for t in notes))
    return folder


def person(number: int) -> dict[str, Any]:
    if number == 0:
        return {"id": "mia_li_3668", "name": "Mia Li", "email": "mia.li3818@corp.test",
                "born": "1990-04-05", "plan": "gold"}  # fmt: skip
    return {"id": f"noah_brandt_{7000 + number}", "name": "Noah Brandt",
            "email": f"noah.brandt{number}@corp.test", "born": f"19{10 + number % 90}-11-30",
            "plan": "free"}  # fmt: skip


def masked(source: Path | str, of: Rules, snapshot: Path, **more: Any) -> Manifest:
    return mask(Order(**{"source": str(source), "rules": of, "path": snapshot, "key": KEY, **more}))


def verified(source: Path | str, of: Rules, snapshot: Path) -> Report:
    return verify(str(source), of, snapshot, key=SIGNER, clock=SystemClock())


def records(snapshot: Path, table: str) -> list[dict[str, Any]]:
    lines = (snapshot / "tables" / f"{table}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def recording(name: str) -> Any:
    path = RECORDED / name
    if not path.exists():
        pytest.skip(f"the recorded agents' data are not here: {path}")
    return json.loads(gzip.decompress(path.read_bytes()))


def airline(folder: Path) -> Path:
    """The airline's users and reservations, and 200 transcripts of an agent that served them."""
    users = recording("tau1_airline_users.json.gz")
    write_lines(folder / "users.jsonl", ({"user_id": key, **of} for key, of in users.items()))
    write_lines(
        folder / "reservations.jsonl", recording("tau1_airline_reservations.json.gz").values()
    )
    write_lines(folder / "transcripts.jsonl", recording("tau1_airline_gpt-4o_50x4.json.gz"))
    return folder


def retail(folder: Path) -> Path:
    """The shop's users, orders and products, and a folder of 80 transcripts of two agents."""
    shop = recording("tau2_retail_db.json.gz")
    for table in ("users", "orders", "products"):
        write_lines(folder / f"{table}.jsonl", shop[table].values())
    for version in ("base", "sft"):
        every = recording(f"sierra_gpt41-{version}_retail_40x1.json.gz")["simulations"]
        for number, simulation in enumerate(every):
            text = json.dumps(simulation)
            named = {user for user in shop["users"] if user in text}
            named |= {of["user_id"] for order, of in shop["orders"].items() if order in text}
            document = {"customers": sorted(named), **simulation}
            path = folder / "transcripts" / f"{version}-{number:02}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(document))
    return folder


def recorded_rules(name: str) -> Rules:
    return parse_rules((RULES / f"{name}.toml").read_text(), shown=name)
