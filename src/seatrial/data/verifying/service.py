"""Verifies a snapshot against its source, and signs what came of it."""

import itertools
import math
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import orjson

from seatrial.data.domain import SnapshotAltered
from seatrial.data.rules.domain import Class, ColumnRule, Mask, Rules
from seatrial.data.rules.leaves import Leaf, leaves
from seatrial.data.rules.tree import tree, values_at
from seatrial.data.snapshots.domain import CANARIES, VERDICT, VERDICT_TYPE, Manifest
from seatrial.data.snapshots.service import check_files, read_manifest
from seatrial.data.sources.opening import Source
from seatrial.data.sources.store.dossiers import Dossiers, Known
from seatrial.data.verifying import attack, canaries
from seatrial.data.verifying.comparison import Comparison
from seatrial.data.verifying.crowds import short_hash
from seatrial.data.verifying.detectors import is_made_up, shapes_in
from seatrial.data.verifying.domain import CanaryReport, LeakReport, Report, TableReport, findings
from seatrial.data.verifying.forms import Haystack, haystack, needle, plain, squeezed, texts_of
from seatrial.data.verifying.leaks import Form, found
from seatrial.data.verifying.pairs import Pairs
from seatrial.kit.clock import Clock
from seatrial.kit.crypto.digests import Digest
from seatrial.kit.crypto.signing import SigningKey
from seatrial.kit.crypto.statements import Statement, Subject, sign_statement
from seatrial.kit.files import write_private

_TOGETHER: Final = 256  # records whose people are looked up at once
_LONG: Final = 8  # letters and digits of a value that comes by no chance
_STRANGERS: Final = 2_000_000  # values of all people that are looked for; 8 bytes and more each
_LISTED: Final = 100  # values that the dictionary attack tries, each in a thousand ways
_SHOWN: Final = 8_000  # pseudonyms among which it looks
_ATTACKED: Final = frozenset({Mask.ID, Mask.EMAIL, Mask.USERNAME, Mask.PHONE})
_MASKED: Final = -1  # in a dossier: a pseudonym, not a value of the source

Told = Callable[[str, str, int], None]
"""Called with what is done (`compare` or `leaks`), the table, and records so far."""


def verify(
    source: str,
    rules: Rules,
    snapshot: Path,
    *,
    key: SigningKey,
    clock: Clock,
    told: Told = lambda _what, _table, _records: None,
) -> Report:
    """Compare the snapshot with its source, write the signed verdict into it, and tell.

    The verdict is written whether it is passed or failed; only a passed one lets it be loaded.

    Raises:
        SnapshotMissing, SnapshotAltered: there is no finished snapshot, or not as it was made.
        SourceMissing, SourceBroken, RecordTooLong: source or output cannot be read.
    """
    manifest, digest = read_manifest(snapshot)
    check_files(snapshot, manifest)
    given = str(Digest.of_json(rules.as_json()))
    if given != manifest.rules or rules.tables.keys() != manifest.tables.keys():
        raise SnapshotAltered(path=str(snapshot), reason="it was made by other rules than these")
    with ExitStack() as held:
        opened = Source(source)
        held.callback(opened.close)
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="seatrial-verify-")))
        dossiers = Dossiers(folder / "verify.sqlite")
        held.callback(dossiers.close)
        work = _Verification(rules, Pairs(opened, rules, snapshot, manifest), dossiers, told)
        tables = work.compared(manifest)
        leaks = work.leaked()
        attacked = work.attacked()
    planted = _canaries(snapshot / CANARIES, given) if manifest.canaries is not None else {}
    said = findings(tables, leaks, attacked, planted, k=rules.gates.k, least=rules.gates.canaries)
    report = Report(
        passed=not said,
        findings=said,
        name=manifest.name,
        mode=manifest.mode,
        manifest=str(digest),
        rules=given,
        verified_at=clock.now().isoformat(timespec="seconds"),
        tables=tables,
        leaks=leaks,
        attack=attacked,
        canaries=planted,
    )
    statement = Statement(
        subjects=(Subject(name=manifest.name, digest=digest),),
        predicate_type=VERDICT_TYPE,
        predicate=report.as_json(),
    )
    write_private(snapshot / VERDICT, sign_statement(statement, key))
    return report


class _Verification:
    """What both passes share."""

    def __init__(self, rules: Rules, pairs: Pairs, dossiers: Dossiers, told: Told) -> None:
        self._rules = rules
        self._pairs = pairs
        self._dossiers = dossiers
        self._told = told
        self._numbers: dict[tuple[str, str], int] = {}
        self._columns: list[tuple[str, ColumnRule]] = []
        self._strangers: dict[int, str] = {}
        self._listed: set[str] = set()
        self._shown: set[str] = set()
        self._has_text = any(table.has_text for table in rules.tables.values())
        self._tally = _Tally()
        for name, table in sorted(rules.tables.items()):
            for path, rule in sorted(table.columns.items()):
                self._numbers[name, path] = len(self._columns)
                self._columns.append((f"{name}.{path}", rule))

    def attacked(self) -> tuple[int, int]:
        """Guesses of a dictionary attack on what was seen: tried, and found."""
        return attack.hits(self._listed, self._shown, (self._rules.name, *self._rules.tables))

    def compared(self, manifest: Manifest) -> dict[str, TableReport]:
        """The first pass: every table beside its source."""
        comparisons = {name: Comparison(name, self._rules) for name in self._rules.tables}
        for table in self._rules.tables.values():
            for target in table.references.values():
                other, _, inner = target.partition(".")
                comparisons[other].track(inner)
        for name, comparison in comparisons.items():
            done = 0
            known: set[Known] = set()
            for before, after in self._pairs.of(name):
                was, now = comparison.add(before, after)
                known.update(self._known(name, before, was, now))
                if not self._rules.tables[name].has_text:
                    self._look_at_row(name, was, after)
                done += 1
                if done % 4096 == 0:
                    self._keep(known)
                    self._told("compare", name, done)
            self._keep(known)
            self._told("compare", name, done)
        return {
            name: comparison.report(comparisons, self._rules.gates.k, manifest.tables[name].dropped)
            for name, comparison in comparisons.items()
        }

    def leaked(self) -> LeakReport:
        """The second pass: free text, with all that is known of whom it speaks."""
        for name, table in self._rules.tables.items():
            if not table.has_text:
                continue
            done = 0
            node = tree(table.columns)
            pairs = self._pairs.of(name)
            while part := list(itertools.islice(pairs, _TOGETHER)):
                persons = [_persons(before, table.person) for before, _ in part]
                known = self._people(set().union(*persons))
                for (before, after), of in zip(part, persons, strict=True):
                    own = self._own(name, list(leaves(node, before)))
                    self._look_at_text(after, [known.get(p, ({}, set())) for p in of], own)
                done += len(part)
                self._told("leaks", name, done)
        return self._tally.report()

    def _known(
        self, name: str, before: dict[str, Any], was: list[Leaf], now: list[Leaf]
    ) -> Iterator[Known]:
        """Values and pseudonyms of a record's people."""
        persons = _persons(before, self._rules.tables[name].person)
        for path, rule, value in was:
            text = _text(value)
            if rule is None or not rule.identifies or not text:
                continue
            self._note(name, path, rule, text)
            if self._has_text:
                for person in persons:
                    yield person, self._numbers[name, path], text
        for _, rule, value in now:
            if rule is not None and rule.identifies and (text := _text(value)):
                if rule.mask in _ATTACKED and len(self._shown) < _SHOWN:
                    self._shown.add(text)
                if self._has_text:
                    for person in persons:
                        yield person, _MASKED, text

    def _note(self, name: str, path: str, rule: ColumnRule, text: str) -> None:
        if rule.mask not in _ATTACKED:
            return
        if len(self._listed) < _LISTED:
            self._listed.add(text)
        if self._has_text and len(self._strangers) < _STRANGERS:
            small = squeezed(text)
            if len(small) >= _LONG and not small.isalpha():
                self._strangers[short_hash(plain(text))] = f"{name}.{path}"

    def _keep(self, known: set[Known]) -> None:
        if self._has_text:
            self._dossiers.add(sorted(known))
        known.clear()

    def _people(self, persons: set[str]) -> dict[str, tuple[dict[str, int], set[str]]]:
        """Of each person: values with their column, and pseudonyms."""
        of: dict[str, tuple[dict[str, int], set[str]]] = {}
        for person, number, value in self._dossiers.of(persons):
            values, masked = of.setdefault(person, ({}, set()))
            if number == _MASKED:
                masked.add(squeezed(value))
            else:
                values.setdefault(value, number)
        return of

    def _own(self, name: str, was: list[Leaf]) -> dict[str, int]:
        return {
            text: self._numbers[name, path]
            for path, rule, value in was
            if rule is not None and rule.identifies and (text := _text(value))
        }

    def _look_at_row(self, name: str, was: list[Leaf], after: dict[str, Any]) -> None:
        """A record without free text, against its own values: a copy in a kept column is one."""
        own = self._own(name, was)
        kept = {p for p, r in self._rules.tables[name].columns.items() if not r.identifies}
        if not own or not kept:
            return
        node = tree({p: r for p, r in self._rules.tables[name].columns.items() if p in kept})
        shown = [_text(v) for _, rule, v in leaves(node, after) if rule is not None]
        self._search(own, set(), haystack("\n".join(shown)), codes=True)

    def _look_at_text(
        self,
        after: dict[str, Any],
        people: list[tuple[dict[str, int], set[str]]],
        own: dict[str, int],
    ) -> None:
        text = "\n".join(texts_of(after))
        where = haystack(text)
        values, masked = dict(own), set[str]()
        for person_values, person_masked in people:
            values |= person_values
            masked |= person_masked
        self._search(values, masked, where)
        self._tally.records += 1
        for kind, shape in shapes_in(text):
            if not is_made_up(kind, shape) and short_hash(plain(shape)) in self._strangers:
                self._tally.shapes[kind] += 1
        for word in set(text.split()):
            small = plain(word.strip("\"'.,;:!?()[]{}<>"))
            column = self._strangers.get(short_hash(small)) if len(small) >= _LONG else None
            if column is not None and small not in {plain(value) for value in values}:
                self._tally.strangers[column] += 1

    def _search(
        self, values: dict[str, int], masked: set[str], where: Haystack, *, codes: bool = False
    ) -> None:
        for value, number in values.items():
            column, rule = self._columns[number]
            sought = needle(value, str(rule.mask or ""))
            if sought is None:
                continue
            self._tally.pairs += 1
            form = found(sought, where, codes=codes)
            if form is None:
                continue
            if form is Form.AMBIGUOUS:
                self._tally.ambiguous += 1
            elif sought.common and ({*sought.words, *sought.runs} & masked):
                self._tally.coincidences += 1
            else:
                self._tally.forms[form] += 1
                of = self._tally.quasi if rule.kind is Class.QUASI else self._tally.direct
                of[column] += 1


class _Tally:
    """What has been found so far."""

    def __init__(self) -> None:
        self.records = self.pairs = self.ambiguous = self.coincidences = 0
        self.direct: Counter[str] = Counter()
        self.quasi: Counter[str] = Counter()
        self.forms: Counter[str] = Counter()
        self.strangers: Counter[str] = Counter()
        self.shapes: Counter[str] = Counter()

    def report(self) -> LeakReport:
        """As it is reported."""
        return LeakReport(
            records=self.records,
            pairs=self.pairs,
            direct=dict(self.direct),
            quasi=dict(self.quasi),
            forms=dict(self.forms),
            ambiguous=self.ambiguous,
            coincidences=self.coincidences,
            strangers=dict(self.strangers),
            shapes=dict(self.shapes),
        )


def _persons(record: dict[str, Any], paths: tuple[str, ...]) -> set[str]:
    found = {_text(value) for path in paths for value in values_at(record, path)}
    return found - {""}


def _text(value: object) -> str:
    return "" if value is None or isinstance(value, bool) else str(value).strip()


def _canaries(file: Path, seed: str) -> dict[str, CanaryReport]:
    """What is left of the values that were planted with this seed."""
    document = orjson.loads(file.read_bytes())
    planted: Counter[str] = Counter()
    masked: Counter[str] = Counter()
    left: dict[str, Counter[str]] = {}
    every = canaries.planted(seed, document["each"])
    for canary, text in zip(every, document["texts"], strict=True):
        kind = canary.kind if canary.linked else f"{canary.kind}, by shape"
        planted[kind] += 1
        sought = needle(canary.value, canary.kind)
        if sought is not None and found(sought, haystack(text)) is None:
            masked[kind] += 1
        else:
            left.setdefault(kind, Counter())[canary.guise] += 1
    return {
        kind: CanaryReport(
            planted=count,
            masked=masked[kind],
            low=_wilson(masked[kind], count),
            by_guise=dict(left.get(kind, {})),
        )
        for kind, count in planted.items()
    }


def _wilson(hits: int, of: int) -> float:
    z = 1.96
    share = hits / of
    middle = share + z * z / (2 * of)
    spread = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return round((middle - spread) / (1 + z * z / of), 4)
