"""Cases: each class by itself, and all pairs of classes, over records in turn."""

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from seatrial.data.ugly.domain import Case, Defect, Label
from seatrial.data.ugly.operators import OPERATORS

_TWICE: Final = frozenset({Defect.EXACT_DUPLICATE, Defect.NEAR_DUPLICATE})


def cases(
    records: Iterable[dict[str, Any]],
    *,
    seed: int,
    each: int = 1,
    pairs: bool = True,
    defects: Sequence[Defect] = tuple(Defect),
) -> Iterator[Case]:
    """`each` cases of every class and, with `pairs`, of every pair of classes.

    Args:
        records: to be damaged, taken in turn and from the beginning again; at least one.
        seed: the same seed and records give the same cases.
        each: cases of a class, and of a pair.
        pairs: whether two defects meet in one record.
        defects: the classes.
    """
    wanted: list[tuple[Defect, ...]] = [(defect,) for defect in defects]
    if pairs:
        wanted += itertools.combinations(defects, 2)
    turns = itertools.cycle(records)
    every = itertools.chain.from_iterable(itertools.repeat(one, each) for one in wanted)
    for number, (together, record) in enumerate(zip(every, turns, strict=False), 1):
        yield _case(number, record, together, seed)


def _case(number: int, record: dict[str, Any], together: tuple[Defect, ...], seed: int) -> Case:
    draw = random.Random(f"{seed}:{number}")  # noqa: S311 - repeatable, no secret
    damaged: dict[str, Any] = record
    labels: list[Label] = []
    for defect in together:
        touched = [label.path for label in labels if label.path]
        damaged, label = OPERATORS[defect](draw, damaged, touched)
        labels.append(label)
    twice = not _TWICE.isdisjoint(together)
    # Of an exact duplicate both carry whatever else is wrong; of a near one the first is whole.
    first = damaged if Defect.EXACT_DUPLICATE in together else record
    shown = (first, damaged) if twice else (damaged,)
    return Case(number=number, records=shown, labels=tuple(labels))
