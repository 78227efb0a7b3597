"""Planted values: texts made to be masked, of which it is known what must not be left of them.

The masker masks them with the snapshot's own rules and key, and leaves the result in the snapshot;
the verifier makes the same texts again and looks what is left.
"""

import base64
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

_GUISES: Final[dict[str, Callable[[str], str]]] = {
    "exact": lambda value: value,
    "upper case": str.upper,
    "invisible": "\u200b".join,
    "url": quote,
    "html": lambda value: "".join(f"&#{ord(letter)};" for letter in value),
    "json": lambda value: "".join(f"\\u{ord(letter):04x}" for letter in value),
    "base 64": lambda value: base64.b64encode(f"note: {value}, said so".encode()).decode(),
}
_SEPARATED: Final = {"id": "-_. ", "phone": "-. ", "card": "- "}
_FRAMES: Final = (
    "Please look at {} for me.",
    "the customer ({}) wrote again",
    "Note: {}\nclosed",
    '{{"value": "{}", "ok": true}}',
)
_FIRST: Final = ("Johanna", "Amadou", "Priya", "Zoë", "Tomasz", "Leilani")
_LAST: Final = ("Okonkwo", "Fitzgerald", "Nakamura", "Lindqvist", "Hernández", "Abdullah")
_STREETS: Final = ("Whitmore Terrace", "Old Quarry Road", "Kestrel Heights", "Rue Lepic")


@dataclass(frozen=True, kw_only=True)
class Canary:
    """One planted value.

    Attributes:
        kind: the mask of its column, or of its shape.
        linked: whether the person's record holds it; if not, its shape must tell.
        guise: how the text writes it.
        value: as the record holds it.
        text: with the value in it.
    """

    kind: str
    linked: bool
    guise: str
    value: str
    text: str


def planted(seed: str, each: int) -> Iterator[Canary]:
    """`each` canaries of every kind and guise; the same seed plants the same."""
    draw = random.Random(seed)  # noqa: S311 - nothing is secret here
    for kind, make in _LINKED.items():
        for guise in _guises(kind):
            for _ in range(each):
                yield _canary(draw, kind, make(draw), guise, linked=True)
    for kind, make in _BY_SHAPE.items():
        for guise in ("exact", "base 64"):
            for _ in range(each):
                yield _canary(draw, kind, make(draw), guise, linked=False)


def _canary(draw: random.Random, kind: str, value: str, guise: str, *, linked: bool) -> Canary:
    if guise == "separators":
        marks = [c for c in _SEPARATED[kind] if c not in value]
        shown = "".join(draw.choice(marks) if not c.isalnum() and c != "+" else c for c in value)
    else:
        shown = _GUISES[guise](value)
    frame = draw.choice(_FRAMES[:3] if "\\" not in shown else _FRAMES)
    return Canary(kind=kind, linked=linked, guise=guise, value=value, text=frame.format(shown))


def _guises(kind: str) -> tuple[str, ...]:
    return (*_GUISES, *(("separators",) if kind in _SEPARATED else ()))


def _digits(draw: random.Random, count: int) -> str:
    return "".join(str(draw.randrange(10)) for _ in range(count))


def _email(draw: random.Random) -> str:
    return f"{draw.choice(_LAST[:4]).lower()}.{_digits(draw, 4)}@corp-{_digits(draw, 2)}.test"


def _phone(draw: random.Random) -> str:
    return f"+1 {draw.randrange(201, 989)} {draw.randrange(200, 999)} {_digits(draw, 4)}"


def _card(draw: random.Random) -> str:
    body = f"4{_digits(draw, 14)}"
    total = sum(
        sum(divmod(int(digit) * (1 + (place + 1) % 2), 10)) for place, digit in enumerate(body)
    )
    digits = f"{body}{-total % 10}"
    return " ".join(digits[i : i + 4] for i in range(0, 16, 4))


def _ssn(draw: random.Random) -> str:
    return f"{draw.randrange(101, 665)}-{draw.randrange(10, 99)}-{draw.randrange(1000, 9999)}"


def _name(draw: random.Random) -> str:
    return f"{draw.choice(_FIRST)} {draw.choice(_LAST)}"


_LINKED: Final[dict[str, Callable[[random.Random], str]]] = {
    "name": _name,
    "email": _email,
    "phone": _phone,
    "street": lambda draw: f"{draw.randrange(10, 9999)} {draw.choice(_STREETS)}",
    "id": lambda draw: f"{draw.choice(_LAST[:4]).lower()}_{_digits(draw, 6)}",
    "date": lambda draw: (
        f"{draw.randrange(1930, 2005)}-{draw.randrange(1, 13):02}-{draw.randrange(1, 29):02}"
    ),
}
_BY_SHAPE: Final[dict[str, Callable[[random.Random], str]]] = {
    "email": _email,
    "card": _card,
    "number": _ssn,
    "phone": _phone,
    "redacted": lambda draw: f"AKIA{''.join(draw.choice('ABCDEFGH234567') for _ in range(16))}",
}
