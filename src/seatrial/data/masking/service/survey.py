"""The first pass: whom each record speaks of, and with which values."""

from collections.abc import Callable, Iterator

from seatrial.data.masking.service.people import numbered
from seatrial.data.rules.domain import Rules
from seatrial.data.rules.leaves import leaves
from seatrial.data.rules.tree import Node, tree, values_at
from seatrial.data.sources.opening import Source
from seatrial.data.sources.store.dossiers import Dossiers, Known


def survey(
    source: Source, rules: Rules, dossiers: Dossiers, told: Callable[[str, int], None]
) -> None:
    """Note of each person every value that must not be found in a text.

    Args:
        source: where the tables are.
        rules: all of them.
        dossiers: where to note it.
        told: called with table and records so far.
    """
    numbers = {(table, path): number for number, (table, path, _) in enumerate(numbered(rules))}
    for name, table in rules.tables.items():
        if not table.person:
            continue
        hidden = {path: rule for path, rule in table.columns.items() if rule.identifies}
        node, opened, done = tree(hidden), source.table(name, rules), 0
        for batch in opened.batches():
            known: list[Known] = []
            for row in batch.rows(opened.names):
                persons = {
                    str(value).strip() for path in table.person for value in values_at(row, path)
                }
                found = list(_identifying(node, row))
                known.extend(
                    (person, numbers[name, path], value)
                    for person in persons - {"", "None"}
                    for path, value in found
                )
            dossiers.add(sorted(set(known)))
            done += batch.count
            told(name, done)


def _identifying(node: Node, row: object) -> Iterator[tuple[str, str]]:
    """Path and value of whatever a rule hides; whole numbers are marked, so that they stay so."""
    for path, rule, value in leaves(node, row):
        if rule is None:
            continue
        if isinstance(value, str) and value.strip():
            yield path, f"'{value}"
        elif isinstance(value, int) and not isinstance(value, bool):
            yield path, f"#{value}"
        elif isinstance(value, float):
            yield path, f"'{value}"
