"""Looks at a source and proposes rules, or holds it against the rules there are."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from seatrial.data.profiling.guessing import Guess, Seen, guess, paths_of
from seatrial.data.rules.domain import Class, Mask, Rules
from seatrial.data.rules.leaves import leaves
from seatrial.data.rules.tree import tree
from seatrial.data.sources.opening import Source

_MOST: Final = 20_000  # records of a table that are looked at


@dataclass(frozen=True, kw_only=True)
class TableProfile:
    """One table.

    Attributes:
        name: of the table.
        source: where it is, as the rules name it.
        records: looked at.
        guesses: by path.
        seen: how many values, by path.
    """

    name: str
    source: str
    records: int
    guesses: dict[str, Guess]
    seen: dict[str, Seen]


def profile(where: str, most: int = _MOST) -> list[TableProfile]:
    """What each table of the source at `where` seems to hold.

    Args:
        where: folder, file, or a database's URL.
        most: records of a table that are looked at.

    Raises:
        SourceMissing, SourceBroken, RecordTooLong: it cannot be read.
    """
    source = Source(where)
    try:
        return [_profiled(source, name, file, most) for name, file in source.tables().items()]
    finally:
        source.close()


def drift(where: str, rules: Rules, most: int = _MOST) -> Iterator[str]:
    """One sentence for each way in which the source is not what the rules expect.

    Raises:
        SourceMissing, SourceBroken, RecordTooLong: it cannot be read.
    """
    source = Source(where)
    try:
        known = {table.source or name for name, table in rules.tables.items()}
        for name, file in source.tables().items():
            if name not in rules.tables and not known & {name, file}:
                yield f"table {name!r} has no rules: it is not in the snapshot"
        for name in rules.tables:
            yield from _drifted(source, rules, name, most)
    finally:
        source.close()


def as_toml(name: str, tables: list[TableProfile]) -> str:
    """The proposal as rules, each with its reason; a person is to check it."""
    lines = [
        "# Proposed from the data by `seatrial data profile`. Check each line: a guess is no rule.",
        f'name = "{name}"',
    ]
    for table in tables:
        lines += ["", f"[tables.{_key(table.name)}]"]
        if table.source != table.name:
            lines.append(f'source = "{table.source}"')
        lines.append('# person = "user_id"  # the path that tells of whom a record speaks')
        lines.append(f"[tables.{_key(table.name)}.columns]")
        lines += [
            f"{_key(path)} = {_rule(path, g)}  # {g.why}" for path, g in table.guesses.items()
        ]
    return "\n".join(lines) + "\n"


def _profiled(source: Source, name: str, file: str, most: int) -> TableProfile:
    table = source.table(name)
    seen: dict[str, Seen] = {}
    count = 0
    rows = (row for batch in table.batches() for row in batch.rows(table.names))
    for row in itertools.islice(rows, most):
        count += 1
        for path, value in paths_of(row):
            seen.setdefault(path, Seen()).add(value)
    guesses = {path: guess(path, found) for path, found in seen.items()}
    return TableProfile(name=name, source=file, records=count, guesses=guesses, seen=seen)


def _drifted(source: Source, rules: Rules, name: str, most: int) -> Iterator[str]:
    table, of = source.table(name, rules), rules.tables[name]
    node = tree(of.columns)
    met: dict[str, Seen] = {}
    uncovered: dict[str, Seen] = {}
    rows = (row for batch in table.batches() for row in batch.rows(table.names))
    for row in itertools.islice(rows, most):
        for path, rule, value in leaves(node, row):
            (uncovered if rule is None else met).setdefault(path, Seen()).add(value)
    for path, seen in uncovered.items():
        seems = guess(path, seen)
        yield f"{name}: {path!r} has no rule and is dropped ({seen.count} values; {seems.why})"
    for path, rule in of.columns.items():
        if path not in met:
            yield f"{name}: {path!r} has a rule, and no value"
        elif rule.kind is Class.KEEP and guess("", met[path]).kind is Class.DIRECT:
            yield f"{name}: {path!r} is kept, and {guess('', met[path]).why}"


def _rule(path: str, seems: Guess) -> str:
    if seems.mask is None:
        return f'"{seems.kind}"'
    domain = f', domain = "{path.rsplit(".", 1)[-1]}"' if seems.mask is Mask.ID else ""
    return f'{{ class = "{seems.kind}", as = "{seems.mask}"{domain} }}'


def _key(name: str) -> str:
    return name if name.replace("_", "").isalnum() and name.isascii() else f'"{name}"'
