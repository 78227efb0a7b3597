"""Dossiers at hand: compiled once for each person, the latest thousand kept."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Final

from seatrial.data.masking.dossiers import Dossier
from seatrial.data.masking.pseudonyms import Pseudonyms
from seatrial.data.masking.renderings import Rendering, renderings
from seatrial.data.rules.domain import ColumnRule, Rules
from seatrial.data.sources.store.dossiers import Dossiers, Known

_MOST: Final = 1024  # people whose dossiers are kept compiled


class People:
    """What is known of people, from the file of dossiers, ready for a search."""

    def __init__(self, dossiers: Dossiers, rules: Rules, pseudonyms: Pseudonyms) -> None:
        self._dossiers = dossiers
        self._rules = numbered(rules)
        self._pseudonyms = pseudonyms
        self._most_days = rules.shift_days
        self._compiled: dict[str, Dossier] = {}

    def __call__(self, persons: Iterable[str]) -> Mapping[str, Dossier]:
        """The dossier of each of `persons`."""
        asked = {person for person in persons if person}
        missing = asked - self._compiled.keys()
        if len(self._compiled) + len(missing) > _MOST:
            self._compiled = {p: d for p, d in self._compiled.items() if p in asked}
        known = self._dossiers.of(missing) if missing else []
        for person, rows in groupby(known, key=itemgetter(0)):
            self._compiled[person] = Dossier(self._renderings(person, rows))
        return self._compiled

    def _renderings(self, person: str, rows: Iterable[Known]) -> Iterator[Rendering]:
        days = self._pseudonyms.shift(person, self._most_days)
        for _, number, value in rows:
            table, path, rule = self._rules[number]
            whole = value.startswith("#")
            yield from renderings(
                self._pseudonyms,
                rule,
                rule.domain_in(table, path),
                int(value[1:]) if whole else value[1:],
                days=days,
            )


def numbered(rules: Rules) -> list[tuple[str, str, ColumnRule]]:
    """Every rule that hides something, in a fixed order: table, path, rule."""
    return [
        (name, path, rule)
        for name, table in sorted(rules.tables.items())
        for path, rule in sorted(table.columns.items())
        if rule.identifies
    ]
