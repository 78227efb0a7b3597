"""Trains the tagger: an averaged perceptron on sentences made from templates and pools.

Whole numbers only, so that every machine comes to the same weights and the same tags.
"""

import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

import numpy as np

from seatrial.data.masking import pools
from seatrial.data.masking.tagging.features import LEXICAL, WIDTH, features, words

OTHER: Final = 0
NAME: Final = 1
STREET: Final = 2
PLACE: Final = 3
"""Cities and firms: learned so that they are not taken for names, and not masked."""

_TAGS: Final = {"n": NAME, "s": STREET, "c": PLACE, "o": PLACE}
_SLOT: Final = re.compile(r"\{([nscpomdi])\}")
_ROUNDS: Final = 4  # times that each sentence is learned from
_EACH: Final = 30  # sentences of a template
_BATCH: Final = 256  # words
_BLIND: Final = 0.3  # share of words
_SEED: Final = "tagger 1"
_PRODUCTS: Final = (
    *("Water Bottle", "Desk Lamp", "Hiking Boots", "Running Shoes", "Office Chair", "Smart Watch"),
    *(
        "laptop",
        "Bluetooth speaker",
        "Mechanical Keyboard",
        "E-Reader",
        "backpack",
        "Vacuum Cleaner",
    ),
    *("Espresso Machine", "tablet", "Action Camera", "Jigsaw Puzzle", "garden hose", "Skateboard"),
)
_FIRMS: Final = ("Ltd", "Inc", "GmbH", "Airlines", "Bank", "Stores", "Mobile", "Systems", "Group")
_MONTHS: Final = ("January", "March", "April", "May", "June", "August", "October", "December")
_SUFFIXES: Final = (
    *("Street", "Road", "Avenue", "Lane", "Drive", "Court", "Way", "Place", "Boulevard", "Terrace"),
    *("St", "Rd", "Ave", "Dr", "Blvd", "Square", "Parkway", "Close", "Hill", "Crescent"),
)
_TITLES: Final = ("Mr.", "Mrs.", "Ms.", "Dr.")


class Sentence(NamedTuple):
    """A text, and the spans that are names or addresses: start, end, tag."""

    text: str
    spans: list[tuple[int, int, int]]


@cache
def templates() -> tuple[str, ...]:
    """All templates."""
    text = files("seatrial.data.masking.tagging").joinpath("templates.txt").read_text("utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


def sentences(
    chosen: Sequence[str], names: Sequence[tuple[str, str]], *, each: int, seed: str
) -> Iterator[Sentence]:
    """`each` sentences of every template, with `names` (given, family) in them."""
    draw = random.Random(seed)  # noqa: S311 - repeatable, no secret
    for template in chosen:
        for _ in range(each):
            text, spans, end = "", list[tuple[int, int, int]](), 0
            for slot in _SLOT.finditer(template):
                text += template[end : slot.start()]
                end = slot.end()
                value = _value(draw, slot[1], names)
                if slot[1] in _TAGS:
                    spans.append((len(text), len(text) + len(value), _TAGS[slot[1]]))
                text += value
            text += template[end:]
            yield Sentence(_cased(draw, text), spans)


def trained(learned: Iterable[Sentence]) -> np.ndarray:
    """The weights of each feature for each tag."""
    parts: list[np.ndarray] = []
    tags: list[int] = []
    for sentence in learned:
        of = words(sentence.text)
        parts.append(features(of))
        tags.extend(_tag(word.start, sentence.spans) for word in of)
    seen, gold = np.concatenate(parts), np.array(tags, dtype=np.int64)
    weights = np.zeros((1 << WIDTH, 4), dtype=np.int64)
    total = np.zeros_like(weights)
    order = np.random.default_rng(7)
    for _ in range(_ROUNDS):
        for batch in np.array_split(order.permutation(len(gold)), len(gold) // _BATCH + 1):
            rows, right = seen[batch], gold[batch]
            # One word in three is learned without its neighbours' letters, so that a sentence
            # nobody thought of is still judged by its form.
            blind = np.flatnonzero(order.random(len(batch)) < _BLIND)
            rows[blind[:, None], np.array(LEXICAL)] = 0
            guessed = weights[rows].sum(axis=1).argmax(axis=1)
            wrong = guessed != right
            np.add.at(weights, (rows[wrong], right[wrong][:, None]), 1)
            np.add.at(weights, (rows[wrong], guessed[wrong][:, None]), -1)
            total += weights
    return total


@cache
def default_weights() -> np.ndarray:
    """The weights that the product uses: all templates, names from the pools; 2 to 4 s."""
    draw = random.Random(_SEED)  # noqa: S311 - repeatable, no secret
    given, family = pools.pool(pools.GIVEN), pools.pool(pools.FAMILY)
    names = [(draw.choice(given), draw.choice(family)) for _ in range(6_000)]
    return trained(sentences(templates(), names, each=_EACH, seed=_SEED))


def _tag(start: int, spans: list[tuple[int, int, int]]) -> int:
    return next((tag for first, end, tag in spans if first <= start < end), OTHER)


def _cased(draw: random.Random, text: str) -> str:
    """As people write in a chat: one in four without capitals, few with nothing else."""
    chance = draw.random()
    return text.lower() if chance < 0.22 else text.upper() if chance < 0.25 else text


def _value(draw: random.Random, slot: str, names: Sequence[tuple[str, str]]) -> str:
    if slot == "n":
        return _name(draw, *draw.choice(names))
    return _MAKERS[slot](draw)


def _name(draw: random.Random, given: str, family: str) -> str:
    return draw.choice(
        (given, given, family, f"{given} {family}", f"{given} {family}", f"{given} {family}",
         f"{given[0]}. {family}", f"{family}, {given}", f"{draw.choice(_TITLES)} {family}",
         f"{given} {draw.choice('ABCDEFGHJKLM')}. {family}", f"{given} van {family}",
         f"{given}-{family[:6]}", f"{given} {family} {family[::-1].title()}")
    )  # fmt: skip


def _street(draw: random.Random) -> str:
    name = draw.choice(pools.pool(pools.STREET))
    if draw.random() < 0.2:
        name += f" {draw.choice(pools.pool(pools.STREET))}"
    number, suffix = draw.randrange(1, 9999), draw.choice(_SUFFIXES)
    unit = draw.choice(("", "", f", Suite {draw.randrange(1, 999)}", f" Apt. {draw.randrange(99)}"))
    return f"{number} {name} {suffix}{unit}"


_MAKERS: Final[dict[str, Callable[[random.Random], str]]] = {
    "s": _street,
    "c": lambda draw: draw.choice(pools.pool(pools.CITY)),
    "p": lambda draw: draw.choice(_PRODUCTS),
    "o": lambda draw: f"{draw.choice(pools.pool(pools.CITY))} {draw.choice(_FIRMS)}",
    "m": lambda draw: draw.choice(_MONTHS),
    "d": lambda draw: str(draw.randrange(1, 10 ** draw.randrange(1, 5))),
    "i": lambda draw: draw.choice(
        (f"#W{draw.randrange(10**6, 10**7)}", str(draw.randrange(10**9)))
    ),
}
