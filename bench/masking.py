"""What masking costs: records of tables, texts of transcripts, memory as the source grows."""

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson

from bench.harness import Comparison, Contender
from bench.peers.masking_load import SIZE, TRANSCRIPTS, customer
from bench.work import Work
from seatrial.data.masking.dossiers import Dossier
from seatrial.data.masking.patterns import Patterns
from seatrial.data.masking.pseudonyms import Pseudonyms
from seatrial.data.masking.renderings import renderings
from seatrial.data.masking.service.keys import MaskingKey
from seatrial.data.masking.service.snapshot import Order, mask
from seatrial.data.masking.text import TextMasker
from seatrial.data.rules.domain import Class, ColumnRule, Mask
from seatrial.data.rules.toml import parse_rules

_KEY = MaskingKey(b"k" * 32)
_RECORDS = 200_000
_CUSTOMERS = 20_000
_ORDERS = """
name = "orders"
[tables.orders]
person = "user"
[tables.orders.columns]
order = { class = "direct", as = "id", domain = "order" }
user = { class = "direct", as = "id", domain = "user" }
name = { class = "direct", as = "name" }
email = { class = "direct", as = "email" }
phone = { class = "direct", as = "phone" }
placed = { class = "direct", as = "date" }
status = "keep"
total = "keep"
"""
_TALKS = """
name = "talks"
[tables.users]
person = "user"
[tables.users.columns]
user = { class = "direct", as = "id", domain = "user" }
name = { class = "direct", as = "name" }
email = { class = "direct", as = "email" }
phone = { class = "direct", as = "phone" }
street = { class = "direct", as = "street" }
order = { class = "direct", as = "id", format = "digits", domain = "order" }
[tables.talks]
person = "user"
[tables.talks.columns]
user = { class = "direct", as = "id", domain = "user" }
"turns.**" = "free_text"
"""


def _order(number: int) -> dict[str, str]:
    of = customer(number % _CUSTOMERS)
    return {
        "order": f"#W{1_000_000 + number}",
        "user": of["user"],
        "name": of["name"],
        "email": of["email"],
        "phone": of["phone"],
        "placed": f"2026-{1 + number % 12:02}-{1 + number % 28:02}",
        "status": ("pending", "delivered", "returned")[number % 3],
        "total": f"{number % 400}.50",
    }


def _orders(kind: str, folder: Path, records: int = _RECORDS) -> None:
    path = folder / "source" / f"orders.{kind}"
    path.parent.mkdir(parents=True)
    with path.open("w") as file:
        if kind == "csv":
            writer = csv.DictWriter(file, list(_order(0)))
            writer.writeheader()
            writer.writerows(map(_order, range(records)))
        else:
            file.writelines(f"{json.dumps(_order(number))}\n" for number in range(records))


def _talks(folder: Path) -> None:
    source = folder / "source"
    source.mkdir()
    users = [{k: v for k, v in of.items() if k != "first"} for of, _ in TRANSCRIPTS]
    talks = [{"user": of["user"], "turns": [{"role": "user", "content": text} for text in texts]}
             for of, texts in TRANSCRIPTS]  # fmt: skip
    for name, records in (("users", users), ("talks", talks)):
        (source / f"{name}.jsonl").write_bytes(
            b"".join(orjson.dumps(record) + b"\n" for record in records)
        )


def _masking(make: Callable[[Path], None], rules: str, operations: int) -> Iterator[Work]:
    """The whole of `seatrial data mask`, on one core: read, mask, write, digest, manifest."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory(prefix="bench-masking-") as name:
        folder = Path(name)
        make(folder)
        order = Order(
            source=str(folder / "source"),
            rules=parse_rules(rules, shown="bench"),
            path=folder / "snapshot",
            key=_KEY,
        )

        def work() -> int:
            shutil.rmtree(order.path, ignore_errors=True)
            mask(order)
            return operations

        yield work


def csv_floor() -> Iterator[Work]:
    with tempfile.TemporaryDirectory(prefix="bench-masking-") as name:
        _orders("csv", Path(name))

        def work() -> int:
            with (Path(name) / "source" / "orders.csv").open(newline="") as file:
                rows = list(csv.reader(file))
            with (Path(name) / "copy.csv").open("w", newline="") as file:
                csv.writer(file).writerows(rows)
            return _RECORDS

        yield work


def csv_table() -> Iterator[Work]:
    yield from _masking(lambda folder: _orders("csv", folder), _ORDERS, _RECORDS)


def json_table() -> Iterator[Work]:
    yield from _masking(lambda folder: _orders("jsonl", folder), _ORDERS, _RECORDS)


def transcripts() -> Iterator[Work]:
    yield from _masking(_talks, _TALKS, SIZE // 1000)


def texts() -> Iterator[Work]:
    every = Pseudonyms(b"k" * 32)
    masker = TextMasker(Patterns(every))
    kinds = {"user": Mask.ID, "name": Mask.NAME, "email": Mask.EMAIL, "phone": Mask.PHONE,
             "street": Mask.STREET, "order": Mask.ID}  # fmt: skip
    rules = {name: ColumnRule(kind=Class.DIRECT, mask=kind) for name, kind in kinds.items()}

    def work() -> int:
        for of, said in TRANSCRIPTS:
            dossier = Dossier(
                form
                for name, rule in rules.items()
                for form in renderings(every, rule, rule.domain_in("t", name), of[name], days=9)
            )
            masker.masked(said, [dossier])
        return SIZE // 1000

    yield work


def small() -> Iterator[Work]:
    yield from _masking(lambda f: _orders("csv", f, 90_000), _ORDERS, 90_000)


def large() -> Iterator[Work]:
    yield from _masking(lambda f: _orders("csv", f, 900_000), _ORDERS, 900_000)


COMPARISONS = (
    Comparison(
        name="masking-tables",
        question="What does a record of 8 columns cost, 6 of them masked, from file to snapshot, "
        "on one core? The floor reads and writes the same CSV and masks nothing.",
        operation="record",
        contenders=(
            Contender(name="csv module, no masking", target="bench.masking:csv_floor"),
            Contender(name="seatrial, CSV", target="bench.masking:csv_table"),
            Contender(name="seatrial, JSON lines", target="bench.masking:json_table"),
        ),
    ),
    Comparison(
        name="masking-texts",
        question="What does a kilobyte of support talk cost? Peers look for shapes only; we look "
        "for the person's own values too.",
        operation="kilobyte",
        contenders=(
            Contender(name="seatrial, texts", target="bench.masking:texts"),
            Contender(name="seatrial, from file to snapshot", target="bench.masking:transcripts"),
            Contender(
                name="Presidio 2.2 without a model",
                target="bench.peers.detectors:presidio",
                peer="presidio",
            ),
            Contender(
                name="scrubadub 2.0", target="bench.peers.detectors:scrubadub", peer="scrubadub"
            ),
            Contender(name="DataFog 4.9", target="bench.peers.detectors:datafog", peer="datafog"),
        ),
    ),
    Comparison(
        name="masking-memory",
        question="Does memory stay flat as a CSV grows from 10 MB to 100 MB? See the peak.",
        operation="record",
        contenders=(
            Contender(name="10 MB", target="bench.masking:small"),
            Contender(name="100 MB", target="bench.masking:large"),
        ),
    ),
)
