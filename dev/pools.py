"""Builds the frozen pools of invented names: `python -m dev.pools KIND COUNT REAL… > POOL`.

Real names, one a line, teach a chain of letters what names sound like; what it then makes is kept
only if no real name is spelled or sounds like that. So a pool holds nobody's name, and a name of it
found in a snapshot is known to be made up. The lists that ours were built from are those of
Mimesis 22.2 and Faker (both MIT), all their Latin locales together; the same lists and seed give
the same pool.
"""

import argparse
import random
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

_ORDER = 3
_SEED = 20261126
_SHORTEST, _LONGEST = 5, 10
_VOWELS = frozenset("aeiouy")


def sounded(name: str) -> str:
    """A rough likeness of how a name sounds: consonants without doubles, vowels as one."""
    letters = "".join("a" if letter in _VOWELS else letter for letter in name.lower())
    return "".join(
        letter for letter, before in zip(letters, " " + letters, strict=False) if letter != before
    )


def plain(lines: Iterable[str]) -> Iterator[str]:
    """The names that consist of ASCII letters alone, in lower case."""
    for line in lines:
        name = unicodedata.normalize("NFKD", line.strip()).encode("ascii", "ignore").decode()
        if name.isalpha():
            yield name.lower()


def invented(real: set[str], count: int, seed: int) -> list[str]:
    """`count` names in the manner of `real`, none of which is real or sounds like one."""
    draw = random.Random(seed)  # noqa: S311 - no secret: the pools are public
    following: dict[str, list[str]] = defaultdict(list)
    for name in sorted(real):
        padded = f"{'^' * _ORDER}{name}$"
        for place in range(_ORDER, len(padded)):
            following[padded[place - _ORDER : place]].append(padded[place])
    taken = {sounded(name) for name in real}
    made: dict[str, None] = {}
    while len(made) < count:
        text = "^" * _ORDER
        while not text.endswith("$"):
            text += draw.choice(following[text[-_ORDER:]])
        name = text.strip("^$")
        fits = _SHORTEST <= len(name) <= _LONGEST and any(letter in _VOWELS for letter in name)
        if fits and name not in real and sounded(name) not in taken:
            taken.add(sounded(name))
            made[name.capitalize()] = None
    return sorted(made)


def main() -> None:
    """Write one pool."""
    parser = argparse.ArgumentParser(prog="python -m dev.pools", description=__doc__)
    parser.add_argument("kind", help="salts the seed, so that pools differ")
    parser.add_argument("count", type=int)
    parser.add_argument("real", type=Path, nargs="+", help="lists of real names; the first teaches")
    options = parser.parse_args()
    lists = [set(plain(path.read_text(encoding="utf-8").splitlines())) for path in options.real]
    salt = sum(options.kind.encode()) + _SEED
    names = invented(lists[0], options.count * 2, salt)
    known = set().union(*lists)
    chosen = [name for name in names if name.lower() not in known]
    draw = random.Random(salt)  # noqa: S311 - as above
    sys.stdout.write("".join(f"{name}\n" for name in sorted(draw.sample(chosen, options.count))))


if __name__ == "__main__":
    main()
